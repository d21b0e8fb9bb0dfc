//! Where traces go, and the checks of that: by the file, or by the standard variables of
//! `OpenTelemetry`, which other programs read as well.

use std::fmt;

use indexmap::IndexMap;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::config::command;
use crate::config::file;
use crate::config::host;
use crate::config::problem::KeyPath;
use crate::config::problem::Place;
use crate::config::problem::Problem;
use crate::config::validate::Check;

/// Where traces are sent below an address that is for everything.
const TRACES: &str = "v1/traces";
/// What this is called among others, unless the environment says otherwise.
const SERVICE: &str = "conflux";

/// The collector that gets traces. Its `Debug` shows neither the values of headers nor the query of
/// the address nor the proxy: they may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Otlp {
    /// Where traces are posted.
    pub endpoint: Url,
    /// The headers of every request; names in lower case.
    pub headers: IndexMap<String, String>,
    /// The proxy on the way.
    pub proxy: Option<Url>,
    /// Which of the traces that begin here are recorded.
    pub sample: Sample,
    /// What describes this process among others, by the keys of the conventions.
    pub resource: Vec<(String, String)>,
}

/// Which part of all traces is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// How many of [`Sample::WHOLE`].
    share: u64,
}

impl Sample {
    /// Of so many, which are as many as the last seven bytes of an id can tell apart.
    const WHOLE: u64 = 1 << 56;

    /// Takes a part from 0 to 1.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a part of 2^56 that is between nothing and all of it"
    )]
    pub fn of(part: f64) -> Self {
        Self { share: (part.clamp(0.0, 1.0) * Self::WHOLE as f64) as u64 }
    }

    /// Returns whether a trace with this id is recorded: everybody who decides by the last seven
    /// bytes comes to the same end (W3C Trace Context, level 2, "Random Trace ID Flag").
    pub fn takes(self, trace: u128) -> bool {
        let low = trace % u128::from(Self::WHOLE);
        low < u128::from(self.share)
    }
}

impl Otlp {
    /// Returns the address as it may be shown: without its query, which may hold a secret.
    pub fn shown(&self) -> String {
        let mut shown = self.endpoint.clone();
        shown.set_query(None);
        shown.into()
    }
}

impl fmt::Debug for Otlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Otlp")
            .field("endpoint", &self.shown())
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("sample", &self.sample)
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

impl Check<'_> {
    /// Checks where traces go; nothing if they go nowhere.
    pub(super) fn telemetry(&mut self, written: &file::Telemetry) -> Option<Otlp> {
        let written = &written.otlp;
        let path = KeyPath::of(&["telemetry", "otlp"]);
        let headers = self.headers(&written.headers, &path.key("headers"), false);
        let of_file = written.endpoint.as_deref();
        let of_file = of_file.map(|text| self.endpoint(text, &path.key("endpoint")));
        if self.says("OTEL_SDK_DISABLED").is_some_and(|said| said.eq_ignore_ascii_case("true")) {
            return None;
        }
        let (endpoint, headers) = match of_file {
            Some(endpoint) => (endpoint?, headers),
            // Those of the environment are for where it leads, and for nowhere else.
            None => (self.usual_endpoint()?, self.usual_headers(headers)),
        };
        // The collector may repeat its address, wherever that comes from.
        let query = endpoint.query_pairs().filter(|(name, value)| {
            command::is_secret_name(name) && value.len() >= command::MIN_WRITTEN_SECRET
        });
        self.secrets.extend(query.map(|(_, value)| value.into_owned()));
        self.exposure_of_headers(&endpoint, &headers);
        let sample = written.sample.or_else(|| self.usual_sample()).unwrap_or(1.0);
        let proxy = self.usual_proxy(&endpoint);
        let resource = self.described();
        Some(Otlp { endpoint, headers, proxy, sample: Sample::of(sample), resource })
    }

    /// Warns of secrets that leave this machine unencrypted.
    fn exposure_of_headers(&mut self, endpoint: &Url, headers: &IndexMap<String, String>) {
        let is_plain = !host::is_safe(endpoint);
        let secret = headers.keys().find(|name| command::is_secret_name(name));
        if let Some(name) = secret.filter(|_| is_plain) {
            let message =
                format!("the header `{name}` goes to the collector of traces in the clear");
            self.doubt(message, "write `https://`, or reach the collector by way of this machine");
        }
    }

    fn endpoint(&mut self, text: &str, path: &KeyPath) -> Option<Url> {
        let place = self.context.places.value(path);
        let text = self.expand(text, path, &place, false);
        let endpoint = address(&text);
        if endpoint.is_none() {
            let message = "`telemetry.otlp.endpoint` is not the address of a collector".to_owned();
            let hint = "write one like `http://127.0.0.1:4318`; headers say who asks";
            self.problems.push(Problem::at(&place, path, message).hint(hint));
        }
        Some(below(endpoint?))
    }

    /// Returns where the environment says that traces go. What cannot be used there is no reason
    /// not to start: the variables are meant for every program on the machine.
    fn usual_endpoint(&mut self) -> Option<Url> {
        let exporter = self.says("OTEL_TRACES_EXPORTER").unwrap_or("otlp").to_owned();
        let protocol = self.says("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL");
        let protocol = protocol.or_else(|| self.says("OTEL_EXPORTER_OTLP_PROTOCOL"));
        let protocol = protocol.unwrap_or("http/protobuf").to_owned();
        let name = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        let (name, is_whole) = match self.says(name) {
            Some(_) => (name, true),
            None => ("OTEL_EXPORTER_OTLP_ENDPOINT", false),
        };
        let text = self.says(name)?.to_owned();
        if !exporter.split(',').any(|it| it.trim() == "otlp") {
            return None;
        }
        if protocol != "http/protobuf" {
            let message = format!("there are no traces: `{name}` is for the protocol `{protocol}`");
            self.doubt(message, "traces are sent as `http/protobuf`; `telemetry.otlp` says where");
            return None;
        }
        let Some(endpoint) = address(&text) else {
            let message =
                format!("there are no traces: `{name}` is not the address of a collector");
            self.doubt(message, "set it to one like `http://127.0.0.1:4318`");
            return None;
        };
        Some(if is_whole { endpoint } else { below(endpoint) })
    }

    fn usual_headers(&mut self, written: IndexMap<String, String>) -> IndexMap<String, String> {
        let name = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";
        let said = self.says(name).or_else(|| self.says("OTEL_EXPORTER_OTLP_HEADERS"));
        let mut headers: IndexMap<_, _> = pairs(said.unwrap_or_default())
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        for value in headers.values() {
            self.secrets.push(value.clone());
            self.secrets.extend(value.split_once(' ').map(|(_, token)| token.trim().to_owned()));
        }
        headers.extend(written);
        headers
    }

    /// Returns which part is recorded. Whoever began a trace decides, so those samplers that ask
    /// the parent first are meant by the others, too.
    fn usual_sample(&self) -> Option<f64> {
        let part = || self.says("OTEL_TRACES_SAMPLER_ARG")?.parse().ok();
        match self.says("OTEL_TRACES_SAMPLER")?.trim_start_matches("parentbased_") {
            "always_off" => Some(0.0),
            "traceidratio" => part(),
            _ => None,
        }
    }

    /// Describes this process (semantic conventions, "Service").
    fn described(&self) -> Vec<(String, String)> {
        let mut all: IndexMap<String, String> = IndexMap::new();
        all.insert("service.name".to_owned(), SERVICE.to_owned());
        all.insert("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        all.extend(pairs(self.says("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default()));
        if let Some(name) = self.says("OTEL_SERVICE_NAME") {
            all.insert("service.name".to_owned(), name.to_owned());
        }
        all.into_iter().collect()
    }

    fn says(&self, variable: &str) -> Option<&str> {
        self.context.around.variable(variable)
    }

    fn doubt(&mut self, message: String, hint: &str) {
        let path = KeyPath::of(&["telemetry", "otlp"]);
        self.warnings.push(Problem::at(&Place::Nowhere, &path, message).hint(hint));
    }
}

/// Reads the address of a collector.
fn address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let has_user = !url.username().is_empty() || url.password().is_some();
    let is_one = matches!(url.scheme(), "http" | "https") && url.has_host() && !has_user;
    is_one.then_some(url)
}

/// Returns where traces go below an address that is for everything.
fn below(mut url: Url) -> Url {
    let path = format!("{}/{TRACES}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

/// Reads `key=value` pairs with commas between them, as the variables have them (W3C Baggage).
fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split(',').filter_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        let key = key.trim();
        (!key.is_empty()).then(|| (key.to_owned(), value.into_owned()))
    })
}
