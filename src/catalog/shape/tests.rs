//! What callers are shown and what their calls become follow each other.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::catalog;
use crate::catalog::Catalog;
use crate::catalog::Listing;
use crate::catalog::Rules;
use crate::catalog::Shape;
use crate::catalog::Source;
use crate::config::sample;
use crate::wire::Raw;

/// The catalog of one upstream without a prefix that lists the tool `t`, as `tools` configure it.
fn catalog(schema: &Value, tools: &Value) -> Catalog {
    let config = Arc::new(sample::upstream(&json!({"command": "x", "tools": tools}).to_string()));
    let tool = Raw::of(&json!({"name": "t", "inputSchema": schema}));
    let source = Source {
        upstream: config.id.clone(),
        prefix: String::new(),
        over_http: false,
        listing: Arc::new(Listing { tools: vec![tool], ..Listing::default() }),
    };
    let upstream = |_: &_| Some(Arc::clone(&config));
    catalog::merge(&[source], &Rules { upstream: &upstream, ..Rules::default() })
}

/// How the tool is shaped with these `arguments` configured.
fn shape(schema: &Value, arguments: &Value) -> Arc<Shape> {
    let catalog = catalog(schema, &json!({"override": {"t": {"arguments": arguments}}}));
    assert_eq!(catalog.defects(), [], "{schema}");
    catalog.tool("t").unwrap().shape.clone().unwrap()
}

fn raw(text: &str) -> Raw {
    Raw::parse(text.to_owned()).unwrap()
}

/// What the server is sent for `came`; or why it is refused.
fn sent(schema: &Value, arguments: &Value, came: &str) -> Result<String, String> {
    let (shape, came) = (shape(schema, arguments), raw(came));
    let sent = shape.arguments(Some(&came)).map_err(|refused| refused.to_string())?;
    Ok(sent.unwrap_or(came).get().to_owned())
}

fn four() -> Value {
    json!({"type": "object", "properties": {"a": {}, "b": {}, "c": {}, "B": {}}})
}

#[track_caller]
fn check(arguments: &Value, came: &str, expected: &str) {
    assert_eq!(sent(&four(), arguments, came).as_deref(), Ok(expected), "{arguments}");
}

#[track_caller]
fn check_refused(arguments: &Value, came: &str, expected: &str) {
    let refused = sent(&four(), arguments, came).unwrap_err();
    assert!(refused.contains(expected), "{refused}");
}

#[test]
fn values_are_put_in_and_every_other_byte_stays() {
    let value = json!({"a": {"value": [1, null]}});
    check(&value, "{}", r#"{"a":[1,null]}"#);
    check(&value, "null", r#"{"a":[1,null]}"#);
    check(&value, r#"{ "a" : 9 , "z":1.0 }"#, r#"{ "a" : [1,null] , "z":1.0 }"#);
    check(&value, r#"{"\u0061":9}"#, r#"{"\u0061":[1,null]}"#);
    let shown = json!({"a": {"value": 1, "hide": false}});
    check(&shown, r#"{"a":2}"#, r#"{"a":1}"#);
    let default = json!({"a": {"default": 1}});
    check(&default, r#"{"b":"\u0061"}"#, r#"{"b":"\u0061","a":1}"#);
    check(&default, r#"{"a": null}"#, r#"{"a": null}"#);
    let hidden = json!({"a": {"default": 1, "hide": true}});
    check(&hidden, "{}", r#"{"a":1}"#);
}

#[test]
fn names_are_given_back() {
    let one = json!({"a": {"name": "x"}});
    check(&one, r#"{"x":1e0,"b":2}"#, r#"{"b":2,"a":1e0}"#);
    check(&one, r#"{"\u0078":1}"#, r#"{"a":1}"#);
    check(&one, "{}", "{}");
    let swapped = json!({"a": {"name": "b"}, "b": {"name": "a"}});
    check(&swapped, r#"{"a":1,"b":2}"#, r#"{"a":2,"b":1}"#);
    check(&swapped, r#"{"a":1}"#, r#"{"b":1}"#);
    let around = json!({"a": {"name": "b"}, "b": {"name": "c"}, "c": {"name": "a"}});
    check(&around, r#"{"a":1,"b":2,"c":3}"#, r#"{"a":2,"b":3,"c":1}"#);
    let instead = json!({"a": {"value": 1}, "b": {"name": "a"}});
    check(&instead, r#"{"a":2}"#, r#"{"a":1,"b":2}"#);
    let instead = json!({"a": {"hide": true}, "b": {"name": "a"}});
    check(&instead, r#"{"a":2}"#, r#"{"b":2}"#);
    let with_default = json!({"a": {"name": "x", "default": 7}});
    check(&with_default, r#"{"x":1}"#, r#"{"a":1}"#);
    check(&with_default, "{}", r#"{"a":7}"#);
}

#[test]
fn what_is_not_shown_cannot_be_sent() {
    let hidden = json!({"a": {"hide": true}});
    for key in ["a", "A", "\\u0061", "\\u0041"] {
        check_refused(&hidden, &format!(r#"{{"{key}":1}}"#), "is not an argument of this tool");
    }
    let renamed = json!({"c": {"name": "x"}});
    check_refused(&renamed, r#"{"c":1}"#, "`params.arguments.c` is not an argument of this tool;");
    check_refused(&renamed, r#"{"C":1}"#, "it is called `x`");
    let fixed = json!({"a": {"value": 1}});
    check_refused(&fixed, r#"{"A":1}"#, "`params.arguments.A` is not");
    let kelvin = json!({"type": "object", "properties": {"key": {}, "s": {}}});
    for came in [r#"{"\u212aey":1}"#, r#"{"\u017f":1}"#] {
        let arguments = json!({"key": {"value": 1}, "s": {"hide": true}});
        assert!(sent(&kelvin, &arguments, came).is_err(), "{came}");
    }
    // What is shown can be, however much it is like what is not.
    check(&json!({"b": {"value": 1}}), r#"{"B":2}"#, r#"{"B":2,"b":1}"#);
    for came in [r#"{"a":1,"a":2}"#, r#"{"\ud800":1,"b":1,"b":2}"#, r#"{"\ud800":1}"#, "[]", "1"] {
        check_refused(&fixed, came, "`params.arguments`: ");
    }
}

/// An oracle for the keywords that are made up below.
fn fits(value: &Value, schema: &Value) -> bool {
    let Value::Object(schema) = schema else { return schema == &json!(true) };
    let is_typed = match schema.get("type").and_then(Value::as_str) {
        Some("object") => value.is_object(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        _ => true,
    };
    let is_const = schema.get("const").is_none_or(|it| it == value);
    let is_listed = schema.get("enum").is_none_or(|all| all.as_array().unwrap().contains(value));
    is_typed && is_const && is_listed && value.as_object().is_none_or(|it| object_fits(it, schema))
}

fn object_fits(value: &Map<String, Value>, schema: &Map<String, Value>) -> bool {
    let names = |names: &Value| -> Vec<String> { serde_json::from_value(names.clone()).unwrap() };
    let has_all = |all: &Value| names(all).iter().all(|name| value.contains_key(name));
    let properties = schema.get("properties").and_then(Value::as_object);
    let member = |(name, value): (&String, &Value)| match properties
        .and_then(|properties| properties.get(name))
    {
        Some(property) => fits(value, property),
        None => schema.get("additionalProperties") != Some(&json!(false)),
    };
    let dependent = ["dependentRequired", "dependencies"].into_iter();
    let dependent = dependent.filter_map(|key| schema.get(key)?.as_object()).flatten();
    let is_met = |(name, all): (&String, &Value)| !value.contains_key(name) || has_all(all);
    schema.get("required").is_none_or(has_all)
        && value.iter().all(member)
        && dependent.into_iter().all(is_met)
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn some_names() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(NAMES.to_vec(), 0..=4)
}

fn schema() -> impl Strategy<Value = Value> {
    let property = prop::sample::select(vec![
        json!({"type": "integer"}),
        json!({"type": "string"}),
        json!({"enum": [1, "x"]}),
        json!(true),
    ]);
    let depends = prop::collection::vec((prop::sample::select(&NAMES[..]), some_names()), 0..3);
    let properties = prop::collection::vec(property, 4);
    (properties, some_names(), depends, any::<bool>(), any::<bool>()).prop_map(
        |(properties, required, depends, is_open, is_old)| {
            let properties: Map<_, _> =
                NAMES.iter().map(|name| (*name).to_owned()).zip(properties).collect();
            let depends: Map<_, _> =
                depends.into_iter().map(|(name, all)| (name.to_owned(), json!(all))).collect();
            let mut schema = json!({"type": "object", "properties": properties});
            schema["required"] = json!(required);
            schema["additionalProperties"] = json!(is_open);
            schema[if is_old { "dependencies" } else { "dependentRequired" }] = json!(depends);
            schema
        },
    )
}

fn argument() -> impl Strategy<Value = Value> {
    let value = || prop::sample::select(vec![json!(1), json!("x")]);
    let name = || prop::sample::select(vec!["a", "b", "c", "d", "e", "f"]);
    prop_oneof![
        name().prop_map(|name| json!({"name": name})),
        value().prop_map(|value| json!({"value": value})),
        value().prop_map(|value| json!({"value": value, "hide": false})),
        value().prop_map(|value| json!({"default": value})),
        (name(), value()).prop_map(|(name, value)| json!({"name": name, "default": value})),
        value().prop_map(|value| json!({"default": value, "hide": true})),
        Just(json!({"hide": true})),
        Just(json!({"description": "d"})),
    ]
}

fn arguments() -> impl Strategy<Value = BTreeMap<&'static str, Value>> {
    prop::collection::btree_map(prop::sample::select(&NAMES[..]), argument(), 0..4)
}

fn came() -> impl Strategy<Value = Map<String, Value>> {
    let value = prop::sample::select(vec![json!(1), json!(2), json!("x"), json!("y")]);
    let name = prop::sample::select(vec!["a", "b", "c", "d", "e", "f", "A"]);
    let members = prop::collection::vec((name, value), 0..6);
    members.prop_map(|all| all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_fits_what_is_shown_becomes_what_fits_the_original(
        schema in schema(),
        arguments in arguments(),
        came in prop::collection::vec(came(), 12),
    ) {
        let mut names: Vec<_> = arguments.values().filter_map(|it| it.get("name")).collect();
        names.sort_by_key(ToString::to_string);
        prop_assume!(names.windows(2).all(|pair| pair[0] != pair[1]));
        // The values that are configured are right.
        let is_right = |(name, argument): (&&str, &Value)| {
            let given = argument.get("value").or(argument.get("default"));
            given.is_none_or(|given| fits(given, &schema["properties"][*name]))
        };
        prop_assume!(arguments.iter().all(is_right));

        let catalog = catalog(&schema, &json!({"override": {"t": {"arguments": arguments}}}));
        let tool = catalog.tool("t").unwrap();
        let shown: Value = tool.definition.member("inputSchema").unwrap().read().unwrap();
        for came in came {
            let raw = Raw::of(&came);
            let Some(shape) = &tool.shape else { continue };
            let sent = match shape.arguments(Some(&raw)) {
                Ok(sent) => sent.unwrap_or(raw),
                Err(refused) => {
                    // Nobody is refused what is among the properties that are shown.
                    let properties = shown["properties"].as_object().unwrap();
                    let is_shown = came.keys().all(|key| properties.contains_key(key));
                    prop_assert!(!is_shown, "{} for {:?} in {}", refused, came, shown);
                    continue;
                }
            };
            let sent: Value = sent.read().unwrap();
            for (name, argument) in &arguments {
                let quoted = format!("`{name}`");
                let is_made =
                    !catalog.defects().iter().any(|it| it.to_string().contains(&quoted));
                if let Some(value) = argument.get("value").filter(|_| is_made) {
                    prop_assert_eq!(&sent[*name], value, "{:?}", came);
                }
            }
            if fits(&json!(came), &shown) {
                prop_assert!(fits(&sent, &schema), "{:?} became {} for {}", came, sent, shown);
            }
        }
    }
}
