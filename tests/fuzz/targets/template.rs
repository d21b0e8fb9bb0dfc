//! URI templates read backwards: what one matches it matches also with something around both.
//!
//! The input is a template and a URI, with a byte 0x1E between them.

use std::sync::Arc;

use conflux::catalog;
use conflux::catalog::Listing;
use conflux::catalog::Rules;
use conflux::catalog::Source;
use conflux::ids::UpstreamId;
use conflux::wire::Raw;
use conflux::wire::object;

/// The catalog of one upstream that lists one template.
fn matches(template: &str, uri: &str) -> bool {
    let text = Raw::of(template);
    let item = object::build([("name", "\"t\""), ("uriTemplate", text.get())]);
    let listing = Listing { templates: vec![item], ..Listing::default() };
    let (upstream, prefix) = (UpstreamId::new("u"), "u".to_owned());
    let source = Source { upstream, prefix, over_http: false, listing: Arc::new(listing) };
    let rules = Rules { max_length: 64, ..Rules::default() };
    catalog::merge(&[source], &rules).resolve(uri).is_some()
}

pub(crate) fn run(bytes: &[u8]) {
    let mut fields = bytes.split(|byte| *byte == 0x1E);
    let mut field = || std::str::from_utf8(fields.next().unwrap_or_default()).ok();
    let (Some(template), Some(uri)) = (field(), field()) else { return };
    // Aliases are understood without any template.
    let is_alias = |text: &str| text.to_ascii_lowercase().starts_with("conflux+");
    if is_alias(template) || is_alias(uri) || template.len() > 1000 || uri.len() > 4000 {
        return;
    }
    if !template.is_empty() && !template.contains(['{', '}']) {
        assert!(matches(template, template), "text stands for itself");
        assert!(uri == template || !matches(template, uri) || uri.contains('%'));
    }
    if matches(template, uri) {
        let (literal, _) = template.split_once('{').unwrap_or((template, ""));
        let is_plain = literal.bytes().all(|byte| byte.is_ascii_alphanumeric());
        assert!(!is_plain || uri.starts_with(literal), "the start is fixed");
        assert!(matches(&format!("x:{template}"), &format!("x:{uri}")), "something in front");
        assert!(matches(&format!("{template}{{+rest}}"), uri), "nothing behind");
        assert!(matches(&format!("{template}{{+rest}}"), &format!("{uri}#rest")), "all behind");
        assert!(matches(&format!("{template}#x"), &format!("{uri}#x")), "something behind");
    }
}
