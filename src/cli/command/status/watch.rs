//! `conflux status --watch`: the same again and again, in place on a terminal, one below the other
//! elsewhere.

use std::io;
use std::io::IsTerminal as _;
use std::time::Duration;
use std::time::SystemTime;

use serde_json::Value;
use tokio::time;

use crate::cli::command::status;
use crate::cli::context::Context;
use crate::cli::instances;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::cli::table::shortened;
use crate::cli::terminal;
use crate::downstream::local::place::Question;

/// How many rows a terminal has that does not say so.
const ROWS: usize = 24;
/// The shortest time between two looks.
const SHORTEST: Duration = Duration::from_millis(100);

/// What is seen at one look.
type Seen = Result<(Vec<Value>, Vec<Notice>), Failure>;

/// Reads how long it is between two looks.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text)
        .map_err(|_| "write a time with its unit, such as `2s` or `500ms`".to_owned())?;
    if interval < SHORTEST {
        return Err(format!("it must be `{}` at least", humantime::format_duration(SHORTEST)));
    }
    Ok(interval)
}

/// Looks every `interval`, until Ctrl-C. That nobody can be asked is shown like anything else: the
/// next gateway is found when it is there.
pub(super) async fn run(
    pid: Option<u32>,
    json: bool,
    interval: Duration,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let directories = context.around.runtime();
    let in_place = io::stdout().is_terminal() && context.around.moves_cursor() && !json;
    let mut ticks = time::interval(interval);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    let (mut is_first, mut was_found) = (true, true);
    loop {
        let look = async {
            ticks.tick().await;
            instances::asked(Question::Status, &directories, pid).await
        };
        let seen = tokio::select! {
            seen = look => seen,
            // Nobody can be told if it cannot be listened for; the signal ends it then.
            _ = &mut interrupted => return Ok(()),
        };
        if json {
            if let (Err(failure), true) = (&seen, was_found) {
                output::tell(&failure.notices);
            }
            was_found = seen.is_ok();
            if let Ok((documents, _)) = seen {
                output::data(&status::shown(&documents, true, None))?;
            }
        } else if in_place {
            let text = format!("{}\n\n{}", title(interval), text(&seen, context.width()));
            output::bytes(frame(&text, context.width(), is_first).as_bytes())?;
        } else {
            output::data(&format!("--- {}\n{}\n", now(), text(&seen, context.width())))?;
        }
        is_first = false;
    }
}

fn title(interval: Duration) -> String {
    let every = humantime::format_duration(interval);
    format!("{}, every {every}; Ctrl-C ends this", now())
}

fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// What is seen, as people read it.
fn text(seen: &Seen, width: Option<usize>) -> String {
    let told = |notices: &[Notice]| {
        notices.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
    };
    match seen {
        Ok((documents, notices)) if notices.is_empty() => status::shown(documents, false, width),
        Ok((documents, notices)) => {
            format!("{}\n\n{}", status::shown(documents, false, width), told(notices))
        }
        Err(failure) => told(&failure.notices),
    }
}

/// What redraws the screen: every line is cut to the terminal, so that none takes two rows, and
/// what was below the last one is taken away.
fn frame(text: &str, width: Option<usize>, is_first: bool) -> String {
    let rows = terminal::size().map_or(ROWS, |(_, rows)| rows).saturating_sub(1).max(2);
    let mut lines: Vec<_> = text.lines().map(|line| shortened(line, width)).collect();
    if lines.len() > rows {
        let left = lines.len() - rows + 1;
        lines.truncate(rows - 1);
        lines.push(shortened(&format!("… {left} more lines"), width));
    }
    terminal::screen(&lines, is_first)
}
