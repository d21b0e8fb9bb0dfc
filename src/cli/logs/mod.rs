//! Logs on stderr, without secrets: for people, with no time and colours only on a terminal, or for
//! machines, one JSON object a line.

pub(in crate::cli) mod json;

use std::io;
use std::io::IsTerminal as _;
use std::io::Write;
use std::sync::Arc;
use std::sync::OnceLock;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::cli::exit;
use crate::cli::logs::json::Json;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::config::secrets::Secrets;

/// How it is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// The log that was started; cloning shares it.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Log {
    /// Set once the configuration is loaded; before, nothing is known that could be said.
    secrets: Arc<OnceLock<Secrets>>,
}

impl Log {
    /// Masks `secrets` in every line from now on, whatever the line is about.
    pub(in crate::cli) fn hide(&self, secrets: &Secrets) {
        self.secrets.get_or_init(|| secrets.clone());
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Masked<'a, io::Stderr>;

    fn make_writer(&'a self) -> Self::Writer {
        Masked { secrets: self.secrets.get(), output: io::stderr() }
    }
}

/// Writes to `output` what shows no secret; each event comes in one piece.
#[derive(Debug)]
pub(in crate::cli) struct Masked<'a, W> {
    secrets: Option<&'a Secrets>,
    output: W,
}

impl<W: Write> Write for Masked<'_, W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self.secrets {
            Some(secrets) => {
                let text = String::from_utf8_lossy(buf);
                self.output.write_all(secrets.mask(&text).as_bytes())?;
            }
            None => self.output.write_all(buf)?,
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Starts logging what `wanted` lets through, or else what `default` does.
///
/// With `colours` only, if it is read at a terminal.
pub(in crate::cli) fn start(
    wanted: Option<&str>,
    default: &str,
    colours: bool,
    format: Format,
) -> Result<Log, Failure> {
    let filter = wanted.unwrap_or(default);
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        let notice = Notice::error(format!("cannot understand the log filter `{filter}`"));
        let hint = "write a level (`error`, `warn`, `info`, `debug`, `trace`) or \
                    `target=level`, with commas between several";
        Failure::new(exit::USAGE, notice.cause(error).hint(hint))
    })?;
    let log = Log::default();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(log.clone());
    match format {
        Format::Text => {
            let colours = colours && io::stderr().is_terminal();
            builder.compact().without_time().with_ansi(colours).init();
        }
        Format::Json => {
            builder.event_format(Json::new(Arc::clone(&log.secrets))).init();
        }
    }
    Ok(log)
}

/// Returns how it is logged: as the flag says, or else the environment.
pub(in crate::cli) fn format(
    flag: Option<Format>,
    variable: Option<&str>,
) -> Result<Format, Failure> {
    let Some(variable) = variable.filter(|_| flag.is_none()) else {
        return Ok(flag.unwrap_or_default());
    };
    Format::from_str(variable, true).map_err(|_| {
        let message = format!("`CONFLUX_LOG_FORMAT` cannot be `{variable}`");
        Failure::new(exit::USAGE, Notice::error(message).hint("set it to `text` or `json`"))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::Masked;
    use crate::config::secrets::Secrets;

    #[test]
    fn no_line_of_the_log_shows_a_secret() {
        let secrets = Secrets::new(["abcdef123456".to_owned()]);
        let mut masked = Masked { secrets: Some(&secrets), output: Vec::new() };
        masked.write_all(b"WARN a list was refused error=\"bad key abcdef123456\"\n").unwrap();
        assert_eq!(masked.output, b"WARN a list was refused error=\"bad key ***\"\n");
    }
}
