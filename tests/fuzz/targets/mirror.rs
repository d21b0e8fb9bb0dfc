//! Mirrored arguments: what a client sends by the rules agrees, and nothing else does.
//!
//! The input is a schema, arguments and a header's value, with a byte 0x1E between each two.

use std::collections::HashSet;

use conflux::wire::Raw;
use conflux::wire::header;
use conflux::wire::mirror;

pub(crate) fn run(bytes: &[u8]) {
    let mut fields = bytes.split(|byte| *byte == 0x1E);
    let mut field = || std::str::from_utf8(fields.next().unwrap_or_default()).ok();
    let (Some(schema), Some(arguments), Some(sent)) = (field(), field(), field()) else { return };
    let Ok(schema) = Raw::parse(schema.to_owned()) else { return };
    let Ok(mirrors) = mirror::mirrors(&schema) else { return };
    let arguments = Raw::parse(arguments.to_owned()).ok();
    let mut names = HashSet::new();
    for mirror in mirrors {
        let name = mirror.header().strip_prefix(header::PARAM_PREFIX).expect("each has it");
        let is_token =
            |byte: u8| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&byte);
        assert!(!name.is_empty() && name.bytes().all(is_token), "{name:?} is no token");
        assert!(names.insert(name.to_ascii_lowercase()), "{name:?} comes twice");

        let said = mirror.value(arguments.as_ref());
        assert!(mirror.agrees(said.as_deref(), arguments.as_ref()), "{said:?}");
        assert_eq!(mirror.agrees(None, arguments.as_ref()), said.is_none());
        assert!(!mirror.agrees(Some(sent), None), "there is nothing to agree with");
        let Some(said) = said else {
            assert!(!mirror.agrees(Some(sent), arguments.as_ref()));
            continue;
        };
        let value = header::encode(&said);
        assert_eq!(header::decode(value.as_bytes()).as_deref(), Some(said.as_str()));
        if mirror.agrees(Some(sent), arguments.as_ref()) && sent != said {
            let (sent, said): (f64, f64) = (sent.parse().unwrap(), said.parse().unwrap());
            assert!((sent - said).abs() == 0.0, "only numbers may be written differently");
        }
    }
}
