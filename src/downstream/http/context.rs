//! The trace of a request whose client names it in headers alone, as HTTP clients do by themselves.

use hyper::HeaderMap;
use hyper::header::HeaderName;

use crate::downstream::http::headers;
use crate::telemetry::trace::Context;
use crate::wire::frame::Request;
use crate::wire::meta;
use crate::wire::quote;

const TRACEPARENT: HeaderName = HeaderName::from_static(meta::TRACEPARENT);
/// What goes along with it.
const OTHERS: [&str; 2] = [meta::TRACESTATE, meta::BAGGAGE];

/// Puts the trace that the headers name where messages name it (SEP-414), unless this one does: a
/// message knows better than what brought it. That a trace is not recorded counts as well: whoever
/// began it decides.
pub(super) fn adopt(headers: &HeaderMap, request: &mut Request) {
    let Some(parent) = headers::text(headers, TRACEPARENT) else { return };
    let own = request.params.as_ref().and_then(|params| params.member("_meta"));
    let is_named = own.is_some_and(|own| own.member(meta::TRACEPARENT).is_some());
    if is_named || Context::parse(parent).is_none() {
        return;
    }
    let said = |name: &'static str| {
        let value = headers::text(headers, HeaderName::from_static(name))?;
        Some((name, quote::quoted(value)))
    };
    let others = OTHERS.into_iter().filter_map(said);
    let all: Vec<_> =
        [(meta::TRACEPARENT, quote::quoted(parent))].into_iter().chain(others).collect();
    let set: Vec<_> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
    request.params = meta::edit(request.params.as_ref(), &set, &[]);
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;

    use super::adopt;
    use crate::wire::Id;
    use crate::wire::Raw;
    use crate::wire::frame::Request;

    const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    fn adopted(headers: &[(&'static str, &str)], params: &str) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let params = Some(Raw::of(&serde_json::from_str::<serde_json::Value>(params).unwrap()));
        let mut request = Request { id: Id::number(1), method: "tools/call".into(), params };
        adopt(&map, &mut request);
        request.params.unwrap().get().to_owned()
    }

    #[test]
    fn what_a_message_says_itself_counts_more() {
        let all = [("traceparent", SAMPLED), ("tracestate", "a=b"), ("baggage", "c=d")];
        let named = format!(r#""traceparent":"{SAMPLED}","tracestate":"a=b","baggage":"c=d""#);
        let expected = format!(r#"{{"name":"x","_meta":{{{named}}}}}"#);
        assert_eq!(adopted(&all, r#"{"name":"x"}"#), expected);
        let own = r#"{"_meta":{"traceparent":"00-1-2-01"}}"#;
        assert_eq!(adopted(&all, own), own);
        let plain = r#"{"name":"x"}"#;
        let unrecorded = adopted(&[("traceparent", UNSAMPLED)], plain);
        assert_eq!(
            unrecorded,
            format!(r#"{{"name":"x","_meta":{{"traceparent":"{UNSAMPLED}"}}}}"#)
        );
        for headers in [&[("traceparent", "x")], &all[1..]] {
            assert_eq!(adopted(headers, plain), plain, "{headers:?}");
        }
    }
}
