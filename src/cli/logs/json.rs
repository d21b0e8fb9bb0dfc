//! What is logged as one JSON object a line: time, level, target, message, and the fields beside
//! them.

use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::SystemTime;

use serde_json::Map;
use serde_json::Value;
use tracing::Event;
use tracing::Subscriber;
use tracing::field::Field;
use tracing::field::Visit;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::FormatEvent;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::registry::LookupSpan;

use crate::config::secrets::Secrets;

/// Where what was said by a person's command comes from, for whoever sorts by that.
const TARGET: &str = "conflux::cli";

/// Writes events.
pub(in crate::cli) struct Json {
    /// Masked before anything is escaped: after that a secret may look different.
    secrets: Arc<OnceLock<Secrets>>,
}

impl Json {
    pub(in crate::cli) fn new(secrets: Arc<OnceLock<Secrets>>) -> Self {
        Self { secrets }
    }
}

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut line = Line {
            members: start(metadata.level().as_str(), metadata.target()),
            secrets: self.secrets.get(),
        };
        event.record(&mut line);
        writeln!(writer, "{}", Value::Object(line.members))
    }
}

/// Returns the line of something that a command says, which is no event.
pub(in crate::cli) fn line(level: &str, message: &str) -> String {
    let mut members = start(level, TARGET);
    members.insert("message".to_owned(), message.into());
    Value::Object(members).to_string()
}

fn start(level: &str, target: &str) -> Map<String, Value> {
    let time = humantime::format_rfc3339_micros(SystemTime::now()).to_string();
    let members = [("time", time.as_str()), ("level", level), ("target", target)];
    members.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
}

/// A line on its way.
struct Line<'a> {
    members: Map<String, Value>,
    secrets: Option<&'a Secrets>,
}

impl Line<'_> {
    fn put(&mut self, field: &Field, value: Value) {
        let name = match field.name() {
            // What every line has keeps its meaning.
            name @ ("time" | "level" | "target") => format!("field.{name}"),
            // What came by way of the crate `log` says here where it is from.
            "log.target" => "target".to_owned(),
            "log.file" | "log.line" | "log.module_path" => return,
            name => name.to_owned(),
        };
        self.members.insert(name, value);
    }

    fn text(&mut self, field: &Field, text: &str) {
        let text = self.secrets.map_or(text.into(), |secrets| secrets.mask(text));
        self.put(field, text.into_owned().into());
    }
}

impl Visit for Line<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::Mutex;
    use std::sync::OnceLock;

    use serde_json::Value;
    use serde_json::json;
    use tracing_subscriber::fmt::MakeWriter;

    use super::Json;
    use crate::config::secrets::Secrets;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Kept {
        fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
            self.0.lock().map_err(|_| std::io::ErrorKind::Other)?.extend_from_slice(buf);
            Ok(buf.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Kept {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn every_event_is_one_object_on_one_line_without_secrets() {
        let secrets = Arc::new(OnceLock::from(Secrets::new(["quo\"ted secret".to_owned()])));
        let kept = Kept::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(kept.clone())
            .event_format(Json::new(secrets))
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(count = 7, target = "x", why = "a\nb", "bad key: quo\"ted secret");
            tracing::warn!(error = %"quo\"ted secret", is_left = true, "second");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let mut lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for line in &mut lines {
            let time = line.as_object_mut().unwrap().remove("time").unwrap();
            assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
        }
        let target = "conflux::cli::logs::json::tests";
        assert_eq!(
            lines,
            [
                json!({
                    "level": "INFO", "target": target, "message": "bad key: ***",
                    "count": 7, "field.target": "x", "why": "a\nb",
                }),
                json!({
                    "level": "WARN", "target": target, "message": "second",
                    "error": "***", "is_left": true,
                }),
            ]
        );
    }
}
