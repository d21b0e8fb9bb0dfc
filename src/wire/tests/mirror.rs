//! Which arguments a schema wants mirrored, what their headers say, and what is refused.

use proptest::prelude::*;
use serde_json::Value;
use serde_json::json as value;

use super::json;
use crate::wire::Raw;
use crate::wire::header;
use crate::wire::mirror::Defect;
use crate::wire::mirror::Mirror;
use crate::wire::mirror::mirrors;

/// What the schema of one property wants.
fn property(schema: &Value) -> Result<Vec<Mirror>, Defect> {
    mirrors(&Raw::of(&value!({ "type": "object", "properties": { "a": schema } })))
}

/// A mirror of the argument `a`.
fn mirror(kind: &str) -> Mirror {
    property(&value!({ "type": kind, "x-mcp-header": "A" })).unwrap().remove(0)
}

#[test]
fn the_example_of_the_specification() {
    let schema = json(
        r#"{"type":"object","properties":{"region":{"type":"string","description":"The region",
        "x-mcp-header":"Region"},"query":{"type":"string"}},"required":["region","query"]}"#,
    );
    let found = mirrors(&schema).unwrap();
    assert_eq!(found.iter().map(Mirror::header).collect::<Vec<_>>(), ["Mcp-Param-Region"]);
    let arguments = json(r#"{"region":"us-west1","query":"SELECT * FROM users"}"#);
    assert_eq!(found[0].value(Some(&arguments)).as_deref(), Some("us-west1"));
}

#[test]
fn arguments_are_found_through_properties() {
    let schema = json(
        r#"{"properties":{"a":{"properties":{"b c":{"properties":{"x-mcp-header":
        {"type":"integer","x-mcp-header":"Deep"}}}}},"x-mcp-header":{"type":"boolean",
        "\u0078-mcp-header":"Flat"}}}"#,
    );
    let found = mirrors(&schema).unwrap();
    let arguments = json(r#"{"a":{"b c":{"x-mcp-header":7}},"x-mcp-header":true}"#);
    let said = |mirror: &Mirror| (mirror.header().to_owned(), mirror.value(Some(&arguments)));
    let deep = ("Mcp-Param-Deep".to_owned(), Some("7".to_owned()));
    let flat = ("Mcp-Param-Flat".to_owned(), Some("true".to_owned()));
    assert_eq!(found.iter().map(said).collect::<Vec<_>>(), [deep, flat]);
    // Escapes hide nothing where there is no other annotation either.
    let schema = json(r#"{"properties":{"a":{"type":"string","\u0078-mcp-header":"A"}}}"#);
    assert_eq!(mirrors(&schema).unwrap().len(), 1);
    for nothing in
        ["{}", "true", "[]", "1e999", r#"{"properties":[]}"#, r#"{"properties":{"a":true}}"#]
    {
        assert_eq!(mirrors(&json(nothing)), Ok(Vec::new()), "{nothing}");
    }
}

#[test]
fn data_and_names_are_no_annotations() {
    let annotation = value!({ "x-mcp-header": "" });
    for schema in [
        value!({ "default": annotation, "enum": [annotation], "examples": [annotation] }),
        value!({ "items": { "const": annotation, "dependentRequired": { "x-mcp-header": [] } } }),
        value!({ "items": { "properties": { "x-mcp-header": { "type": "string" } } } }),
        value!({ "$defs": { "x-mcp-header": { "patternProperties": { "x-mcp-header": true } } } }),
        value!({ "description": "x-mcp-header", "required": ["x-mcp-header"] }),
    ] {
        assert_eq!(property(&schema), Ok(Vec::new()), "{schema}");
        assert_eq!(mirrors(&Raw::of(&schema)), Ok(Vec::new()), "{schema}");
    }
}

#[test]
fn what_cannot_be_followed_is_refused() {
    for name in [
        value!(""),
        value!("a b"),
        value!("a:"),
        value!("é"),
        value!("a\r\nb"),
        value!(1),
        value!(null),
    ] {
        let schema = value!({ "type": "string", "x-mcp-header": name });
        assert!(matches!(property(&schema), Err(Defect::NotAName(_))), "{schema}");
    }
    for kind in [
        value!("number"),
        value!("object"),
        value!("array"),
        value!("null"),
        value!(["string"]),
        value!(1),
    ] {
        let schema = value!({ "type": kind, "x-mcp-header": "A" });
        assert_eq!(property(&schema), Err(Defect::NotPrimitive("A".to_owned())), "{schema}");
    }
    assert_eq!(
        property(&value!({ "x-mcp-header": "A" })),
        Err(Defect::NotPrimitive("A".to_owned()))
    );
    let good = value!({ "type": "string", "x-mcp-header": "A" });
    for schema in [
        value!({ "items": good }),
        value!({ "items": { "properties": { "b": good } } }),
        value!({ "prefixItems": [true, good] }),
        value!({ "anyOf": [{ "properties": { "b": good } }] }),
        value!({ "not": good }),
        value!({ "if": { "properties": { "b": good } } }),
        value!({ "patternProperties": { "x": good } }),
        value!({ "additionalProperties": good }),
        value!({ "$defs": { "x-mcp-header": good } }),
        value!({ "properties": { "b": { "$defs": { "c": good } } } }),
    ] {
        assert_eq!(property(&schema), Err(Defect::OutOfReach("A".to_owned())), "{schema}");
        assert_eq!(mirrors(&Raw::of(&schema)), Err(Defect::OutOfReach("A".to_owned())), "{schema}");
    }
    assert_eq!(mirrors(&Raw::of(&good)), Err(Defect::OutOfReach("A".to_owned())));
    let twice = value!({ "properties": {
        "a": good, "b": { "properties": { "c": { "type": "integer", "x-mcp-header": "a" } } },
    }});
    assert_eq!(mirrors(&Raw::of(&twice)), Err(Defect::Twice("a".to_owned())));
    // Not told is not none: a number too large for some, and more depth than can be followed.
    let large = format!("{{\"maximum\":1e999,\"properties\":{{\"a\":{good}}}}}");
    let deep = format!("{}{good}{}", "{\"not\":".repeat(200), "}".repeat(200));
    for schema in [large, deep] {
        assert!(matches!(mirrors(&json(&schema)), Err(Defect::Unreadable(_))), "{schema}");
    }
}

/// What the header says for these arguments.
#[track_caller]
fn says(arguments: &str, expected: Option<&str>) {
    let said = mirror("string").value(Some(&json(arguments)));
    assert_eq!(said.as_deref(), expected, "{arguments}");
}

#[test]
fn values_are_said_as_the_specification_says() {
    says(r#"{"a":"x"}"#, Some("x"));
    says(r#"{"a":""}"#, Some(""));
    says(r#"{"a":"\u00e9\n"}"#, Some("é\n"));
    says(r#"{"a":"42.0"}"#, Some("42.0"));
    says(r#"{"a":true}"#, Some("true"));
    says(r#"{"a":false}"#, Some("false"));
    says(r#"{"a":42}"#, Some("42"));
    says(r#"{"a":-7}"#, Some("-7"));
    for zero in ["0", "-0", "0.0", "-0.0", "0e5", "-0E-5"] {
        says(&format!("{{\"a\":{zero}}}"), Some("0"));
    }
    says(r#"{"a":42.0}"#, Some("42"));
    says(r#"{"a":4.2e1}"#, Some("42"));
    says(r#"{"a":9007199254740991.0}"#, Some("9007199254740991"));
    says(r#"{"a":-9007199254740991}"#, Some("-9007199254740991"));
    // Digits stay as they are, but what readers take for different numbers says nothing.
    says(r#"{"a":123456789012345678901234567890}"#, Some("123456789012345678901234567890"));
    says(r#"{"a":9007199254740992.0}"#, None);
    says(r#"{"a":1e400}"#, None);
    for nothing in [
        r#"{"a":null}"#,
        "{}",
        r#"{"A":1}"#,
        r#"{"a":1.5}"#,
        r#"{"a":[1]}"#,
        r#"{"a":{}}"#,
        "[]",
        "1",
    ] {
        says(nothing, None);
    }
    assert_eq!(mirror("string").value(None), None);
}

#[test]
fn numbers_agree_as_numbers_and_all_else_as_text() {
    let agrees = |value: Option<&str>, arguments: &str| {
        let arguments = json(arguments);
        mirror("integer").agrees(value, Some(&arguments))
    };
    for (header, argument) in [
        ("42", "42"),
        ("42.0", "42"),
        ("42", "42.0"),
        ("4.2e1", "42"),
        ("0042", "42"),
        ("-0", "0"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("true", "true"),
        ("", "\"\""),
        ("42", "\"42\""),
        (" a", "\" a\""),
    ] {
        assert!(agrees(Some(header), &format!("{{\"a\":{argument}}}")), "{header} {argument}");
    }
    for (header, argument) in [
        ("43", "42"),
        ("-42", "42"),
        ("42.5", "42"),
        ("", "42"),
        ("inf", "42"),
        ("0x2A", "42"),
        ("9007199254740993", "9007199254740992"),
        ("True", "true"),
        ("1", "true"),
        ("", "null"),
        ("null", "null"),
        ("a ", "\"a\""),
        ("A", "\"a\""),
        // Text that looks like a number is still text.
        ("42.0", "\"42\""),
        ("042", "\"42\""),
        ("42", "\"42.0\""),
        ("1e3", "\"1000\""),
    ] {
        assert!(!agrees(Some(header), &format!("{{\"a\":{argument}}}")), "{header} {argument}");
    }
    for argument in ["null", "[]", "1.5"] {
        assert!(agrees(None, &format!("{{\"a\":{argument}}}")), "{argument}");
    }
    assert!(agrees(None, "{}"));
    assert!(!agrees(None, r#"{"a":1}"#));
    assert!(!agrees(Some("1"), "{}"));
    assert!(mirror("integer").agrees(None, None));
    assert!(!mirror("integer").agrees(Some("1"), None));
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(Value::Null),
    ]
}

proptest! {
    #[test]
    fn what_a_client_sends_by_the_rules_agrees(
        path in prop::collection::vec("[a-z.\" é]{0,4}", 1..4),
        leaf in leaf(),
        name in "[!#-'*+.^_`|~A-Za-z0-9-]{1,9}",
    ) {
        let kind = if leaf.is_string() { "string" } else { "integer" };
        let annotated = value!({ "type": kind, "x-mcp-header": name });
        let nest = |inner: Value, key: &String| value!({ key.as_str(): inner });
        let properties =
            |inner: Value, key: &String| value!({ "properties": { key.as_str(): inner } });
        let schema = Raw::of(&path.iter().rev().fold(annotated, properties));
        let arguments = Raw::of(&path.iter().rev().fold(leaf.clone(), nest));
        let found = mirrors(&schema).unwrap();
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(found[0].header(), format!("{}{name}", header::PARAM_PREFIX));
        let said = found[0].value(Some(&arguments));
        let expected = match &leaf {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        };
        prop_assert_eq!(&said, &expected);
        let sent = said.as_deref().map(|said| header::encode(said).into_owned());
        let read = sent.as_ref().map(|sent| header::decode(sent.as_bytes()).unwrap());
        prop_assert!(found[0].agrees(read.as_deref(), Some(&arguments)));
        let other = format!("{}x", said.unwrap_or_default());
        prop_assert!(!found[0].agrees(Some(&other), Some(&arguments)));
    }
}
