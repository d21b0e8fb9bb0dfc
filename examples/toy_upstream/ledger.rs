//! The tool that writes down what it carries out, so that it can be compared with the answers.

use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use serde_json::json;

use crate::calls::Call;
use crate::calls::structured;
use crate::serve::Outcome;
use crate::wire::Refusal;

/// What the tool is called.
pub(crate) const NAME: &str = "ledger";

/// Adds a line with the name of this server and the nonce of the call; answers with both, after so
/// many milliseconds.
pub(crate) async fn write(call: &Call<'_>) -> Outcome {
    let (Some(file), nonce) = (&call.toy.flags.ledger, call.string("nonce")) else {
        return Outcome::Refused(Refusal::new(-32602, "`--ledger` was not given"));
    };
    let name = &call.toy.flags.ledger_name;
    // One write, so that lines of several servers do not mix.
    let line = format!("{name} {nonce}\n");
    let opened = File::options().append(true).create(true).open(file);
    if let Err(error) = opened.and_then(|mut file| file.write_all(line.as_bytes())) {
        return Outcome::Refused(Refusal::new(-32603, error.to_string()));
    }
    tokio::time::sleep(Duration::from_millis(call.number("ms", 0))).await;
    structured(&json!({"name": name, "nonce": nonce}).to_string())
}
