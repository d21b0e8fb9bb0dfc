//! What holds for all names, addresses and results, not only for those somebody thought of.

mod names;
mod results;
mod search;
mod skills;
mod templates;

use std::sync::Arc;

use crate::catalog;
use crate::catalog::Catalog;
use crate::catalog::Listing;
use crate::catalog::Rules;
use crate::catalog::Source;
use crate::ids::UpstreamId;
use crate::wire::Raw;

/// An upstream that lists tools and resources by these names.
fn source(key: &str, prefix: &str, tools: &[String], resources: &[&str]) -> Source {
    let tool = |name: &String| {
        Raw::parse(format!(
            r#"{{"name":{},"inputSchema":{{"type":"object"}}}}"#,
            Raw::of(name).get()
        ))
    };
    let resource =
        |uri: &&str| Raw::parse(format!(r#"{{"uri":{},"name":"n"}}"#, Raw::of(uri).get()));
    let listing = Listing {
        tools: tools.iter().map(|name| tool(name).unwrap()).collect(),
        resources: resources.iter().map(|uri| resource(uri).unwrap()).collect(),
        ..Listing::default()
    };
    let upstream = UpstreamId::new(key);
    let listing = Arc::new(listing);
    Source { upstream, prefix: prefix.to_owned(), over_http: false, listing }
}

fn merge(sources: &[Source], max_length: usize) -> Catalog {
    catalog::merge(sources, &Rules { max_length, ..Rules::default() })
}

#[track_caller]
fn json(text: &str) -> Raw {
    Raw::parse(text.to_owned()).expect("tests write JSON")
}
