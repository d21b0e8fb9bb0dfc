//! What is repaired means what it meant, and what needs no repair is left alone.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::sample::subsequence;
use serde_json::Value;
use serde_json::json;

use crate::catalog::hygiene::Fitted;
use crate::catalog::hygiene::fitted;
use crate::catalog::hygiene::schema;
use crate::clients::Client;
use crate::clients::schema::Quirk;
use crate::wire::Raw;

fn raw(text: &str) -> Raw {
    Raw::parse(text.to_owned()).unwrap()
}

fn tool(input: &Value) -> Raw {
    raw(&json!({ "name": "a", "inputSchema": input }).to_string())
}

fn input(tool: &Raw) -> Value {
    serde_json::from_str(tool.member("inputSchema").unwrap().get()).unwrap()
}

/// A schema that may refer to `#/$defs/a` and `#/$defs/b`.
fn any_schema() -> impl Strategy<Value = Value> {
    let leaf = select(vec![
        json!({}),
        json!(true),
        json!(false),
        json!({ "type": "string" }),
        json!({ "type": ["string", "null"] }),
        json!({ "type": "integer", "minimum": 1 }),
        json!({ "enum": ["a", 1] }),
        json!({ "const": "ab" }),
        json!({ "type": "array" }),
        json!({ "type": ["array", "string"], "minItems": 1 }),
        json!({ "$ref": "#/$defs/a" }),
        json!({ "$ref": "#/$defs/b", "description": "d" }),
        json!({ "$ref": "#/$defs/a", "maxLength": 1 }),
        json!({ "$ref": "#/$defs/b", "allOf": [{ "minLength": 2 }] }),
    ]);
    leaf.prop_recursive(3, 24, 3, |inner| {
        let list = || prop::collection::vec(inner.clone(), 1..3);
        prop_oneof![
            inner.clone().prop_map(|it| json!({ "type": "array", "items": it })),
            list().prop_map(|it| json!({ "type": "array", "prefixItems": it })),
            inner.clone().prop_map(|it| json!({ "not": it })),
            (select(vec!["anyOf", "oneOf", "allOf"]), list()).prop_map(|(word, it)| {
                Value::Object([(word.to_owned(), Value::from(it))].into_iter().collect())
            }),
            object(inner.clone()),
        ]
    })
}

fn object(inner: impl Strategy<Value = Value> + Clone) -> impl Strategy<Value = Value> {
    let properties = (inner.clone(), inner.clone(), select(vec!["a", "b", "c"]));
    let extra = prop_oneof![Just(None), inner.prop_map(Some)];
    (properties, extra).prop_map(|((a, b, required), extra)| {
        let mut it = json!({
            "type": "object", "properties": { "a": a, "b": b }, "required": [required],
        });
        if let Some(extra) = extra {
            it["additionalProperties"] = extra;
        }
        it
    })
}

/// The schema of a tool's arguments, with definitions and perhaps with combinations on top.
fn any_input() -> impl Strategy<Value = Value> {
    let definitions = select(vec![
        json!({ "a": { "type": "string" }, "b": { "$ref": "#/$defs/a" } }),
        json!({ "a": true, "b": { "type": "object", "properties": { "a": false } } }),
        json!({ "a": { "type": "array" }, "b": { "anyOf": [{ "$ref": "#/$defs/a" }, false] } }),
    ]);
    let on_top = subsequence(vec!["anyOf", "oneOf", "allOf", "if", "then", "else"], 0..4);
    let parts = prop::collection::vec(any_schema(), 6);
    (object(any_schema().boxed()), definitions, on_top, parts).prop_map(
        |(mut it, definitions, on_top, parts)| {
            it["$defs"] = definitions;
            for (word, part) in on_top.into_iter().zip(parts) {
                it[word] =
                    if word.ends_with("Of") { json!([part, { "maxProperties": 1 }]) } else { part };
            }
            it
        },
    )
}

/// What a model may send.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = select(vec![
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!("a"),
        json!("ab"),
        json!([]),
    ]);
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(select(vec!["a", "b", "c"]), inner, 0..3)
                .prop_map(|map| map.into_iter().map(|(key, it)| (key.to_owned(), it)).collect()),
        ]
    })
}

fn any_arguments() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(select(vec!["a", "b", "c"]), any_value(), 0..4)
        .prop_map(|map| map.into_iter().map(|(key, it)| (key.to_owned(), it)).collect())
}

/// Both allow the same.
#[track_caller]
fn check_same(before: &Value, after: &Value, arguments: &[Value]) {
    let (was, is) = (jsonschema::validator_for(before), jsonschema::validator_for(after));
    let (was, is) = (was.expect("generated schemas are valid"), is.expect("a repair is valid"));
    for value in arguments {
        assert_eq!(was.is_valid(value), is.is_valid(value), "{before}\n{after}\n{value}");
    }
}

/// Returns what a definition becomes, and that it becomes nothing else the second time.
fn settled(tool: &Raw, quirks: &[Quirk]) -> Option<Raw> {
    match fitted(tool, quirks) {
        Fitted::Repaired(repaired, remarks) => {
            assert!(!remarks.is_empty());
            assert_eq!(fitted(&repaired, quirks), Fitted::AsIs, "{}", repaired.get());
            Some(repaired)
        }
        Fitted::AsIs => Some(tool.clone()),
        Fitted::Withheld(remark) => {
            assert!(remark.is_withheld());
            None
        }
    }
}

proptest! {
    // Each case compiles a schema for every client.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_repaired_schema_allows_what_it_allowed(
        input in any_input(),
        arguments in prop::collection::vec(any_arguments(), 12),
    ) {
        let tool = tool(&input);
        let clients = Client::ALL.iter().map(|client| client.quirks());
        for quirks in clients.chain([Quirk::ALL.as_slice()]) {
            let Some(after) = settled(&tool, quirks) else {
                prop_assert!(quirks.contains(&Quirk::OldDraft) || quirks == Quirk::ALL);
                continue;
            };
            check_same(&input, &self::input(&after), &arguments);
        }
    }

    #[test]
    fn older_drafts_mean_in_newer_words_what_they_meant(
        (a, b) in (any_value(), any_value()),
        rest in select(vec![json!(false), json!({ "type": "null" })]),
        limits in (any::<bool>(), any::<bool>(), 0..3, 0..3),
        arguments in prop::collection::vec(any_arguments(), 12),
    ) {
        let input = json!({
            "$schema": "http://json-schema.org/draft-04/schema#",
            "type": "object",
            "properties": {
                "a": { "minimum": limits.2, "exclusiveMinimum": limits.0 },
                "b": { "maximum": limits.3, "exclusiveMaximum": limits.1 },
                "c": { "type": "array", "items": [{ "enum": [a] }, { "enum": [b] }],
                       "additionalItems": rest },
            },
        });
        let after = settled(&tool(&input), &[Quirk::OldDraft]).unwrap();
        let after = self::input(&after);
        prop_assert!(after.get("$schema").is_none());
        check_same(&input, &after, &arguments);
    }

    #[test]
    fn whoever_has_no_quirk_gets_every_byte(input in any_input()) {
        prop_assert_eq!(fitted(&tool(&input), &[]), Fitted::AsIs);
    }
}

/// One definition, one quirk, and what the definition becomes.
#[track_caller]
fn check(quirk: Quirk, before: &str, after: Result<&str, &str>) {
    let found = match fitted(&raw(before), &[quirk]) {
        Fitted::AsIs => Ok(before.to_owned()),
        Fitted::Repaired(repaired, _) => Ok(repaired.get().to_owned()),
        Fitted::Withheld(remark) => Err(remark.to_string()),
    };
    assert_eq!(found, after.map(str::to_owned).map_err(str::to_owned), "{before}");
}

#[test]
fn what_is_not_repaired_keeps_its_bytes() {
    let with = |first: &str, last: &str| {
        let number = r#""n":{"minimum":1.0,"maximum":123456789012345678901234567890}"#;
        let properties = format!(r#"{{ "x" :{first},{number} , "y": {last}}}"#);
        let schema = format!(r#"{{"type":"object", "properties" : {properties}}}"#);
        format!(r#"{{ "name":"a", "inputSchema":{schema} ,"new":1}}"#)
    };
    let after = with("{}", r#"{"not":{}}"#);
    check(Quirk::BooleanProperty, &with("true", "false"), Ok(&after));
}

#[test]
fn what_cannot_be_said_otherwise_is_withheld() {
    let with = |schema: &str| format!(r#"{{"name":"a","inputSchema":{schema}}}"#);
    check(
        Quirk::Reference,
        &with(r##"{"type":"object","properties":{"a":{"$ref":"#"}}}"##),
        Err("`#` leads back to itself, and cannot be written out"),
    );
    check(
        Quirk::Reference,
        &with(r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/a"}}}"##),
        Err("`#/$defs/a` leads nowhere"),
    );
    check(
        Quirk::Reference,
        &with(r#"{"type":"object","properties":{"a":{"$ref":"https://example.com/a"}}}"#),
        Err("`https://example.com/a` leads out of the schema"),
    );
    check(
        Quirk::ConstructorProperty,
        &with(r#"{"type":"object","properties":{"constructor":{}}}"#),
        Err("the property `constructor` would need another name"),
    );
    check(
        Quirk::ArgumentName,
        &with(r#"{"type":"object","properties":{"filter[id]":{}}}"#),
        Err("the property `filter[id]` would need another name"),
    );
    check(
        Quirk::OldDraft,
        &with(r#"{"type":"object","properties":{"a":{"type":"any"}}}"#),
        Err("`type` has a value that JSON Schema does not allow"),
    );
    check(
        Quirk::CombinationOnTop,
        &with(r##"{"type":"object","anyOf":[{"$ref":"#/anyOf/1"},{}]}"##),
        Err("`#/anyOf/1` refers to what would have to move"),
    );
    check(
        Quirk::ArrayWithoutItems,
        &with(r#"{"type":"object","properties":{"a":{"type":"array","unevaluatedItems":false}}}"#),
        Err("`unevaluatedItems` depends on arrays having no `items`"),
    );
    let levels = schema::DEEPEST + 1;
    let deep = format!("{}{{}}{}", r#"{"not":"#.repeat(levels), "}".repeat(levels));
    check(Quirk::BooleanProperty, &with(&deep), Err("the schema is more than 64 levels deep"));
}

#[test]
fn references_that_multiply_end_somewhere() {
    let doubled = |level: usize| {
        let next = json!({ "$ref": format!("#/$defs/{}", level + 1) });
        (level.to_string(), json!({ "anyOf": [next, next] }))
    };
    let mut definitions: serde_json::Map<_, _> = (0..40).map(doubled).collect();
    definitions.insert("40".to_owned(), json!({ "type": "string" }));
    let input = json!({
        "type": "object", "properties": { "a": { "$ref": "#/$defs/0" } }, "$defs": definitions,
    });
    let Fitted::Withheld(remark) = fitted(&tool(&input), &[Quirk::Reference]) else {
        panic!("a terabyte was listed")
    };
    assert_eq!(remark.to_string(), "written out, its references have more than 131072 bytes");
}

#[test]
fn members_that_say_nothing_are_left_out() {
    let check = |before, after| check(Quirk::OddMember, before, Ok(after));
    check(
        r#"{"name":"a","title":null,"description":null,"icons":null,"_meta":null}"#,
        r#"{"name":"a"}"#,
    );
    check(
        r#"{"inputSchema":{"type":"object","properties":[],"required":null},"outputSchema":null}"#,
        r#"{"inputSchema":{"type":"object"}}"#,
    );
    check(
        r#"{"annotations":{"title":null,"readOnlyHint":true,"x":null,"openWorldHint":"no"}}"#,
        r#"{"annotations":{"readOnlyHint":true,"x":null}}"#,
    );
    check(r#"{"name":"a","execution":{"taskSupport":"maybe"}}"#, r#"{"name":"a"}"#);
}

#[test]
fn schemas_for_results_go_where_they_would_cost_a_tool() {
    let with = |output: &str| format!(r#"{{"name":"a","outputSchema":{output}}}"#);
    let bare = Ok(r#"{"name":"a"}"#);
    check(Quirk::OutputWithoutObject, &with(r#"{"$id":"x"}"#), bare);
    check(
        Quirk::OutputReference,
        &with(r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/a"}}}"##),
        bare,
    );
    let old = "http://json-schema.org/draft-07/schema#";
    check(
        Quirk::OutputDraft,
        &with(&format!(r#"{{"$schema":"{old}","type":"object"}}"#)),
        Ok(r#"{"name":"a","outputSchema":{"type":"object"}}"#),
    );
    check(
        Quirk::OutputDraft,
        &with(&format!(r#"{{"$schema":"{old}","properties":{{"a":{{"items":[{{}}]}}}}}}"#)),
        bare,
    );
}
