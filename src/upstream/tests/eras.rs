//! The era of a server is found out by asking.

use serde_json::Value;
use serde_json::json;

use crate::upstream::negotiate::Verdict;
use crate::upstream::negotiate::negotiate;
use crate::upstream::tests::LIMIT;
use crate::upstream::tests::world;
use crate::wire::Raw;

#[tokio::test(start_paused = true)]
async fn eras_are_found() {
    let discovered =
        json!({ "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {} } });
    let initialized = json!({ "protocolVersion": "2025-03-26", "capabilities": {} });
    let unknown = json!({ "code": -32601, "message": "no such method" });
    let odd = json!({ "code": -32000, "message": "?" });
    let locked =
        json!({ "code": -32022, "message": "no", "data": { "supported": ["2026-07-28"] } });
    let older = json!({ "code": -32022, "message": "no", "data": { "supported": ["2025-11-25"] } });
    let alien = json!({ "protocolVersion": "1999-01-01", "capabilities": {} });
    let ok = |value: &Value| Some(("result", value.clone()));
    let no = |value: &Value| Some(("error", value.clone()));
    let cases = [
        ("modern", ok(&discovered), None, "2026-07-28"),
        ("modern, when asked once more", no(&locked), ok(&discovered), "2026-07-28"),
        ("an empty answer means legacy", ok(&json!({})), None, "again Legacy"),
        ("legacy", no(&unknown), ok(&initialized), "2025-03-26"),
        ("any error means legacy", no(&odd), ok(&initialized), "2025-03-26"),
        ("modern error that offers legacy", no(&older), ok(&initialized), "2025-03-26"),
        ("silent on discover", None, ok(&initialized), "2025-03-26"),
        ("silent, then says it is modern", None, no(&locked), "again Modern"),
        ("unknown revision", no(&unknown), ok(&alien), "failed"),
        ("refuses everything", no(&unknown), no(&odd), "failed"),
    ];
    for (what, first, second, expected) in cases {
        let mut world = world();
        let connection = world.connection.clone();
        let offer = Raw::of(&json!({}));
        let verdict =
            world.tasks.spawn(async move { negotiate(&connection, &offer, None, LIMIT).await });
        let one_decides = first.is_some() && second.is_none();
        for answer in [first, second] {
            match answer {
                Some(answer) => drop(world.server.answer(answer).await),
                None => drop(world.server.read().await),
            }
            if one_decides {
                break;
            }
        }
        let found = match verdict.await.unwrap() {
            Verdict::Agreed(agreed) => agreed.revision.to_string(),
            Verdict::StartAgain(era) => format!("again {era:?}"),
            Verdict::Failed(_) => "failed".to_owned(),
            Verdict::Closed => "closed".to_owned(),
            Verdict::OlderTransport(error) | Verdict::Refused(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{what}");
    }
}
