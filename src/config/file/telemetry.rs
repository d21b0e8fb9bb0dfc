//! How it is written where traces go.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

/// Where traces go.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// The collector of `OpenTelemetry` that gets traces.
    pub otlp: Otlp,
}

/// The collector of `OpenTelemetry` that gets traces, over HTTP in the format of protobuf. The
/// standard variables `OTEL_…` say the same where this says nothing.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Otlp {
    /// Its address, such as `http://127.0.0.1:4318`; traces are sent to `v1/traces` below it.
    /// Without it, and without `OTEL_EXPORTER_OTLP_ENDPOINT`, there are no traces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,

    /// Headers of every request to it, as in `Authorization: "Bearer ${TOKEN}"`.
    pub headers: BTreeMap<String, String>,

    /// Which part of the traces that begin here is recorded. Traces that clients began are recorded
    /// if their clients say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "number", "minimum" = 0, "maximum" = 1, "default" = 1))]
    pub sample: Option<f64>,
}
