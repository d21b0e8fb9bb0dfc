//! Header values: any text is carried by a legal one, and what is read can be written.

use conflux::wire::header;

/// Printable ASCII, spaces and tabs inside, and nothing around it that a reader would cut off.
fn is_legal(value: &str) -> bool {
    let is_inside = |byte| matches!(byte, b' '..=b'~' | b'\t');
    value.bytes().all(is_inside) && value.trim_matches([' ', '\t']) == value
}

fn check(text: &str) {
    let value = header::encode(text);
    assert!(is_legal(&value), "{value:?}");
    assert_eq!(header::decode(value.as_bytes()).as_deref(), Some(text));
    assert!(value == text || value.starts_with("=?base64?"));
}

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        check(text);
        if is_legal(text) && !text.starts_with("=?base64?") {
            assert_eq!(header::encode(text), text, "what is plain stays");
        }
    }
    match header::decode(bytes) {
        Some(text) => check(&text),
        None => assert!(
            bytes.starts_with(b"=?base64?")
                || !bytes.iter().all(|byte| { matches!(byte, b' '..=b'~' | b'\t') })
        ),
    }
}
