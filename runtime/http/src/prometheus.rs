//! Metrics as data, and how they are written: Prometheus' text format, or StarRocks' JSON (`/metrics?type=json`).

use std::fmt::{Display, Write};

use runtime_actor::view::{TIMING_BOUNDS_US, TimingView};
use serde_json::{Value, json};

/// What kind of numbers a family has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only rises, and begins at 0 again with the process.
    Counter,
    /// A distribution over buckets.
    Histogram,
    /// A distribution by quantiles.
    Summary,
}

impl Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
        })
    }
}

/// Metrics of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    name: String,
    kind: Kind,
    help: String,
    samples: Vec<Sample>,
}

#[derive(Debug, Clone, PartialEq)]
struct Sample {
    suffix: &'static str,
    labels: Vec<(String, String)>,
    value: f64,
}

/// Labels of one sample.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

impl Family {
    /// A family without samples yet. The name is made of letters, digits and underscores.
    pub fn new(kind: Kind, name: impl Into<String>, help: impl Into<String>) -> Family {
        Family { name: name.into(), kind, help: help.into(), samples: Vec::new() }
    }

    /// A gauge.
    pub fn gauge(name: impl Into<String>, help: impl Into<String>) -> Family {
        Family::new(Kind::Gauge, name, help)
    }

    /// A counter.
    pub fn counter(name: impl Into<String>, help: impl Into<String>) -> Family {
        Family::new(Kind::Counter, name, help)
    }

    /// With one sample more.
    #[must_use]
    pub fn with(mut self, labels: Labels<'_>, value: f64) -> Family {
        self.add(labels, value);
        self
    }

    /// With its only sample.
    #[must_use]
    pub fn of(self, value: f64) -> Family {
        self.with(&[], value)
    }

    /// One sample more.
    pub fn add(&mut self, labels: Labels<'_>, value: f64) {
        self.push("", labels, None, value);
    }

    /// One distribution more, for a histogram: cumulative counts up to each bound, the last without bound.
    pub fn add_histogram(&mut self, labels: Labels<'_>, bounds: &[f64], at_most: &[u64], sum: f64) {
        let count = at_most.last().copied().unwrap_or_default();
        let bounds = bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        for (at, bound) in bounds.enumerate() {
            let below = at_most.get(at).copied().unwrap_or(count);
            self.push("_bucket", labels, Some(("le", bound)), below as f64);
        }
        self.push("_sum", labels, None, sum);
        self.push("_count", labels, None, count as f64);
    }

    /// The distribution of times that the kit keeps, in seconds.
    pub fn add_timing(&mut self, labels: Labels<'_>, timing: &TimingView) {
        let bounds = TIMING_BOUNDS_US.map(|us| us as f64 / 1e6);
        self.add_histogram(labels, &bounds, &timing.at_most, timing.sum_us as f64 / 1e6);
    }

    /// One distribution more, for a summary: a value for each quantile.
    pub fn add_summary(&mut self, labels: Labels<'_>, quantiles: &[(f64, f64)], sum: f64, count: u64) {
        for (quantile, value) in quantiles {
            self.push("", labels, Some(("quantile", quantile.to_string())), *value);
        }
        self.push("_sum", labels, None, sum);
        self.push("_count", labels, None, count as f64);
    }

    fn push(&mut self, suffix: &'static str, labels: Labels<'_>, more: Option<(&str, String)>, value: f64) {
        let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let mut all: Vec<_> = labels.iter().copied().map(own).collect();
        all.extend(more.map(|(key, value)| (key.to_owned(), value)));
        self.samples.push(Sample { suffix, labels: all, value });
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The text format, version 0.0.4.
pub fn text_of(families: &[Family]) -> String {
    let mut text = String::new();
    for Family { name, kind, help, samples } in families {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for Sample { suffix, labels, value } in samples {
            let _ = write!(text, "{name}{suffix}");
            for (at, (key, value)) in labels.iter().enumerate() {
                let _ = write!(text, "{}{key}=\"{}\"", if at == 0 { '{' } else { ',' }, escaped(value));
            }
            let _ = writeln!(text, "{} {value}", if labels.is_empty() { "" } else { "}" });
        }
    }
    text
}

/// A list of `{"tags":{"metric":…},"unit":…,"value":…}`.
pub fn json_of(families: &[Family]) -> Value {
    let all = families.iter().flat_map(|family| {
        family.samples.iter().map(|Sample { suffix, labels, value }| {
            let mut tags: serde_json::Map<String, Value> =
                labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
            tags.insert("metric".to_owned(), json!(format!("{}{suffix}", family.name)));
            json!({ "tags": tags, "unit": "nounit", "value": value })
        })
    });
    Value::Array(all.collect())
}
