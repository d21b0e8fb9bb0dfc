//! What a server says with which nothing is wrong; tests answer with it over HTTP as well.

use serde_json::Value;
use serde_json::json;

/// Which revisions a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// 2025-11-25.
    Legacy,
    /// 2026-07-28.
    Modern,
}

impl Era {
    /// Returns its word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }
}

/// Answers a request. Each call of a tool tells `facts`.
pub(crate) fn answer(era: Era, tools: &[&str], facts: &Value, request: &Value) -> Value {
    let method = request["method"].as_str().unwrap_or_default();
    let tool = |name: &&str| json!({"name": name, "inputSchema": {"type": "object"}});
    let result = match (method, era) {
        ("initialize", Era::Legacy) => json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "faulty", "version": "1"},
        }),
        ("server/discover", Era::Modern) => json!({
            "supportedVersions": ["2026-07-28"],
            "capabilities": {"tools": {}},
            "ttlMs": 0,
            "cacheScope": "private",
        }),
        ("tools/list", Era::Legacy) => json!({"tools": tools.iter().map(tool).collect::<Value>()}),
        ("tools/list", Era::Modern) => {
            let tools: Value = tools.iter().map(tool).collect();
            json!({"tools": tools, "ttlMs": 0, "cacheScope": "private"})
        }
        ("tools/call", _) => json!({"content": [], "structuredContent": facts}),
        ("ping", Era::Legacy) => json!({}),
        _ => {
            let error = json!({"code": -32601, "message": "no such method"});
            return json!({"jsonrpc": "2.0", "id": request["id"], "error": error});
        }
    };
    response(era, &request["id"], result)
}

/// Makes a result the answer to the request `id`.
pub(crate) fn response(era: Era, id: &Value, mut result: Value) -> Value {
    if era == Era::Modern {
        result["resultType"] = json!("complete");
    }
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}
