//! One line of a segment: an object of JSON whose keys always come in the same order.

use std::time::SystemTime;

use crate::audit::digest::Digest;
use crate::audit::digest::hex;
use crate::audit::mask;
use crate::audit::record;
use crate::audit::record::Arguments;
use crate::audit::record::Fact;
use crate::audit::record::Record;
use crate::audit::record::Rule;
use crate::audit::record::Subject;
use crate::audit::record::What;
use crate::audit::record::Who;
use crate::config::audit;
use crate::config::secrets::Secrets;
use crate::wire::Raw;
use crate::wire::quote;

/// The version of the format of lines.
pub(super) const VERSION: u64 = 1;
/// How much of a name or an address is written, in characters.
const NAME: usize = 256;
/// How many groups of a principal are written.
const GROUPS: usize = 64;

/// What is done with what must not be shown.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    pub(super) secrets: Secrets,
    pub(super) arguments: audit::Arguments,
    /// How much of the arguments of one call is written, in bytes.
    pub(super) limit: usize,
}

/// An object that is written member by member.
#[derive(Clone, Debug)]
pub(super) struct Line(String);

impl Line {
    /// Begins a line of a stream.
    pub(super) fn new(seq: u64, prev: Digest, at: SystemTime, kind: &str) -> Self {
        let mut line = Self(String::with_capacity(512));
        line.0.push('{');
        line.number("v", VERSION).number("seq", seq).digest("prev", prev).time("time", at);
        line.text("kind", kind);
        line
    }

    /// Begins an object of its own.
    pub(super) fn object() -> Self {
        Self("{".to_owned())
    }

    fn key(&mut self, key: &str) -> &mut String {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(key);
        self.0.push_str("\":");
        &mut self.0
    }

    /// Adds a text.
    pub(super) fn text(&mut self, key: &str, text: &str) -> &mut Self {
        let text = quote::quoted(text);
        self.raw(key, &text)
    }

    /// Adds what is JSON already.
    pub(super) fn raw(&mut self, key: &str, json: &str) -> &mut Self {
        self.key(key).push_str(json);
        self
    }

    /// Adds a number.
    pub(super) fn number(&mut self, key: &str, number: u64) -> &mut Self {
        let number = number.to_string();
        self.raw(key, &number)
    }

    /// Adds a digest.
    pub(super) fn digest(&mut self, key: &str, digest: Digest) -> &mut Self {
        let digest = hex(&digest.0);
        self.text(key, &digest)
    }

    /// Adds a time.
    pub(super) fn time(&mut self, key: &str, at: SystemTime) -> &mut Self {
        let at = humantime::format_rfc3339_micros(at).to_string();
        self.text(key, &at)
    }

    /// Ends it.
    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

impl Manner {
    /// Writes a record as the line `seq` of a stream, after the line with the digest `prev`.
    pub(super) fn line(&self, seq: u64, prev: Digest, record: &Record) -> String {
        let kind = match record.fact {
            Fact::Decided { .. } => "decision",
            Fact::Ended { .. } => "request",
        };
        let mut line = Line::new(seq, prev, record.at, kind);
        if let Some(event) = record.event {
            line.text("event", &event.to_string());
        }
        self.who(&mut line, &record.who);
        self.what(&mut line, &record.what);
        self.fact(&mut line, &record.fact);
        if record.what.generation.0 > 0 {
            line.number("generation", record.what.generation.0);
        }
        if let Some(trace) = &record.what.trace {
            line.text("trace", &self.name(trace));
        }
        line.end()
    }

    fn who(&self, line: &mut Line, who: &Who) {
        if let Some(principal) = &who.principal {
            line.text("principal", &self.name(principal.name()));
            if let Some(actor) = principal.actor() {
                line.text("actor", &self.name(actor));
            }
            let groups = principal.groups().iter().take(GROUPS);
            let groups: Vec<_> = groups.map(|group| quote::quoted(&self.name(group))).collect();
            if !groups.is_empty() {
                line.raw("groups", &format!("[{}]", groups.join(",")));
            }
        }
        if let Some(info) = who.capabilities.as_ref().and_then(|it| it.client_info()) {
            line.raw("client", &self.client(info));
        }
        if let Some(session) = who.session {
            line.number("session", session.0);
        }
        if let Some(peer) = &who.peer {
            line.text("peer", peer);
        }
    }

    /// What a client calls itself, and its version.
    fn client(&self, info: &Raw) -> String {
        let mut client = Line::object();
        for key in ["name", "version"] {
            if let Some(text) = info.member(key).and_then(|text| text.string()) {
                client.text(key, &self.name(&text));
            }
        }
        client.end()
    }

    fn what(&self, line: &mut Line, what: &What) {
        if !what.method.is_empty() {
            line.text("method", &self.name(&what.method));
        }
        if let Some(upstream) = &what.upstream {
            line.text("upstream", upstream.as_str());
        }
        match &what.subject {
            Some(subject @ (Subject::Tool(name) | Subject::Prompt(name))) => {
                line.text(subject.key(), &self.name(&name.public));
                if let Some(local) = &name.local {
                    line.text("local", &self.name(local));
                }
            }
            // What follows the path of an address is as good as an argument.
            Some(subject @ Subject::Uri(uri)) => {
                let path = uri.split(['?', '#']).next().unwrap_or_default();
                line.text(subject.key(), &self.name(path));
            }
            Some(subject @ Subject::Task(id)) => {
                line.text(subject.key(), &self.name(id));
            }
            None => {}
        }
        if let Some(arguments) = &what.arguments {
            line.raw("arguments", &self.arguments(arguments));
        }
    }

    /// A name as it may be shown, and no longer than people can read.
    fn name(&self, name: &str) -> String {
        // A part of a secret that is cut off would not be known any more.
        let mut masked = self.secrets.mask_all(name);
        if name.len() + char::MAX_LEN_UTF8 > record::NAME {
            // Here that was done before.
            masked = self.secrets.mask_beginning(&masked).into_owned();
        }
        masked.chars().take(NAME).collect()
    }

    fn arguments(&self, arguments: &Arguments) -> String {
        let mut shown = Line::object();
        match (self.arguments, arguments) {
            (audit::Arguments::None, Arguments::Whole(raw)) => {
                shown.number("bytes", raw.get().len() as u64);
            }
            (audit::Arguments::None, Arguments::Cut(cut)) => {
                shown.number("bytes", cut.bytes as u64);
            }
            (audit::Arguments::Digest, Arguments::Whole(raw)) => {
                let (sha256, form) = canonical(raw);
                let bytes = raw.get().len() as u64;
                shown.number("bytes", bytes).digest("sha256", sha256).text("form", form);
            }
            (audit::Arguments::Digest, Arguments::Cut(cut)) => {
                let bytes = cut.bytes as u64;
                shown.number("bytes", bytes).digest("sha256", cut.sha256).text("form", AS_IT_CAME);
            }
            (audit::Arguments::Masked, Arguments::Whole(raw)) => {
                return mask::arguments(&self.secrets, raw.get(), self.limit);
            }
            (audit::Arguments::Masked, Arguments::Cut(cut)) => {
                return mask::beginning(&self.secrets, &cut.beginning, cut.bytes, cut.sha256);
            }
        }
        shown.end()
    }

    fn fact(&self, line: &mut Line, fact: &Fact) {
        match fact {
            Fact::Decided { decision, rule } => {
                line.text("decision", decision.as_str());
                if let Some(Rule { name, place }) = rule {
                    line.text("rule", &self.name(name));
                    if let Some(place) = place {
                        line.text("place", &self.name(place));
                    }
                }
            }
            Fact::Ended { outcome, reason, took, bytes_in, bytes_out, is_cached } => {
                line.text("outcome", &outcome.to_string());
                if let Some(reason) = reason {
                    line.text("reason", &self.name(reason));
                }
                if *is_cached {
                    line.raw("cached", "true");
                }
                let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                line.number("duration_us", took);
                line.number("bytes_in", *bytes_in as u64).number("bytes_out", *bytes_out as u64);
            }
        }
    }
}

/// The word for a digest of the text that came.
const AS_IT_CAME: &str = "text";

/// Returns the digest of arguments in their canonical form, and of which form it is: what nests
/// too deep has none.
fn canonical(raw: &Raw) -> (Digest, &'static str) {
    let value: Result<serde_json::Value, _> = raw.read();
    let canonical = value.and_then(|value| serde_json_canonicalizer::to_vec(&value));
    match canonical {
        Ok(bytes) => (Digest::of(&bytes), "jcs"),
        Err(_) => (Digest::of(raw.get().as_bytes()), AS_IT_CAME),
    }
}
