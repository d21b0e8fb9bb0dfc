//! `conflux status`: how the gateways are that run on this machine for this user.

mod watch;

use std::time::Duration;
use std::time::SystemTime;

use clap::Args;
use serde_json::Value;

use crate::cli::context::Context;
use crate::cli::instances;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::printable;
use crate::cli::runtime;
use crate::cli::table;
use crate::downstream::local::place::Question;

/// Tell how running gateways are
#[derive(Debug, Args)]
pub(in crate::cli) struct Status {
    /// Ask the gateway with this process id alone
    #[arg(long)]
    pid: Option<u32>,
    /// Print what each gateway says, a JSON object a line
    #[arg(long)]
    json: bool,
    /// Show it again and again, until Ctrl-C, which ends this with 0
    ///
    /// On a terminal in place, elsewhere one below the other. A gateway that is started again is
    /// found again.
    #[arg(long)]
    watch: bool,
    /// With `--watch`: how long it is from one look to the next
    #[arg(
        long,
        value_name = "TIME",
        default_value = "2s",
        requires = "watch",
        value_parser = watch::interval
    )]
    interval: Duration,
}

impl Status {
    /// Asks the gateways of this user, and prints what they say.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        if self.watch {
            return runtime::wait(watch::run(self.pid, self.json, self.interval, context));
        }
        runtime::wait(self.asked(context))
    }

    async fn asked(&self, context: &Context<'_>) -> Result<(), Failure> {
        let directories = context.around.runtime();
        let (documents, notices) =
            instances::asked(Question::Status, &directories, self.pid).await?;
        output::data(&shown(&documents, self.json, context.width()))?;
        output::tell(&notices);
        Ok(())
    }
}

/// Writes what was found: data, one gateway at length, or several as a list.
fn shown(documents: &[Value], json: bool, width: Option<usize>) -> String {
    if json {
        return documents.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    }
    match documents {
        [only] => at_length(only, width),
        several => list(several, width),
    }
}

fn list(documents: &[Value], width: Option<usize>) -> String {
    let row = |document: &Value| {
        let (ready, all) = counted(document);
        [
            text(&document["pid"]),
            since(&document["started"]),
            if document["ready"] == true { "yes" } else { "no" }.to_owned(),
            format!("{ready} of {all}"),
            text(&document["listening"]),
            files(document),
        ]
    };
    let rows: Vec<_> = documents.iter().map(row).collect();
    let header = ["PID", "UP", "READY", "UPSTREAMS", "LISTENING", "CONFIGURATION"];
    let table = table::render(header, &rows, width);
    format!("{table}\n\n`--pid PID` tells more of one")
}

fn at_length(document: &Value, width: Option<usize>) -> String {
    let ready = if document["ready"] == true { "ready" } else { "not ready" };
    let mut lines = vec![
        format!(
            "conflux {}, process {}, up {}, {ready}",
            text(&document["version"]),
            text(&document["pid"]),
            since(&document["started"]),
        ),
        format!("configuration: {}", files(document)),
        format!("listening: {}", text(&document["listening"])),
        format!("generation: {}", text(&document["generation"])),
    ];
    lines.extend(audit(&document["audit"]));
    let warnings = document["warnings"].as_array().map_or(&[][..], Vec::as_slice);
    lines.extend(warnings.iter().map(|warning| format!("warning: {}", text(warning))));
    for key in ["conflicts", "defects"] {
        let count = document[key].as_array().map_or(0, Vec::len);
        if count > 0 {
            lines.push(format!("{key}: {count}; `--json` shows them"));
        }
    }
    let header =
        ["UPSTREAM", "STATE", "FOR", "REVISION", "PID", "TOOLS", "PROMPTS", "RESOURCES", "REMARK"];
    let rows: Vec<_> = upstreams(document).iter().map(row).collect();
    lines.extend([String::new(), table::render(header, &rows, width)]);
    lines.join("\n")
}

/// Tells whether what happens is recorded; nothing if nobody wants that.
fn audit(audit: &Value) -> Option<String> {
    let mode = audit["mode"].as_str()?;
    let mut said = vec![format!("audit: {mode}, {} records written", text(&audit["written"]))];
    if audit["lost"].as_u64().is_some_and(|lost| lost > 0) {
        said.push(format!("{} lost", audit["lost"]));
    }
    match audit.pointer("/checkpoint/at") {
        Some(at) => said.push(format!("signed {} ago", since(at))),
        None => said.push("not signed yet".to_owned()),
    }
    for (key, what) in [("problem", "written"), ("unsigned", "signed")] {
        if let Some(why) = audit[key].as_str() {
            said.push(format!("records cannot be {what}: {}", printable(why)));
        }
    }
    Some(said.join(", "))
}

fn row(upstream: &Value) -> [String; 9] {
    let cell = |key: &str| text(&upstream[key]);
    [
        cell("name"),
        cell("state"),
        since(&upstream["since"]),
        cell("revision"),
        cell("pid"),
        cell("tools"),
        cell("prompts"),
        cell("resources"),
        remark(upstream),
    ]
}

fn remark(upstream: &Value) -> String {
    let mut remarks = Vec::new();
    if upstream["required"] == true {
        remarks.push("required".to_owned());
    }
    if let Some(error) = upstream["error"].as_str().or(upstream["listingError"].as_str()) {
        remarks.push(error.to_owned());
    } else if upstream["listed"] == false {
        remarks.push("not listed yet".to_owned());
    }
    if let Some(pause) = upstream["retryAfterMs"].as_u64() {
        let pause = Duration::from_secs(pause.div_ceil(1000));
        remarks.push(format!("tried again in {}", humantime::format_duration(pause)));
    }
    if let Some(hint) = upstream["hint"].as_str() {
        remarks.push(format!("hint: {hint}"));
    }
    printable(&remarks.join("; ")).replace('\n', " ")
}

fn upstreams(document: &Value) -> &[Value] {
    document["upstreams"].as_array().map_or(&[], Vec::as_slice)
}

/// Returns how many upstreams are ready, and how many there are.
fn counted(document: &Value) -> (usize, usize) {
    let all = upstreams(document);
    (all.iter().filter(|upstream| upstream["state"] == "ready").count(), all.len())
}

fn files(document: &Value) -> String {
    let files = document["files"].as_array().map_or(&[][..], Vec::as_slice);
    files.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// Returns how long ago a time was, to the second.
fn since(time: &Value) -> String {
    let time = time.as_str().and_then(|text| humantime::parse_rfc3339(text).ok());
    let passed = time.and_then(|time| SystemTime::now().duration_since(time).ok());
    let passed = passed.map(|passed| Duration::from_secs(passed.as_secs()));
    passed.map_or_else(String::new, |passed| humantime::format_duration(passed).to_string())
}

/// Returns what stands in a cell.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => printable(text),
        other => other.to_string(),
    }
}
