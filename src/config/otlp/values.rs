//! The values of OpenTelemetry's variables, each as the specification spells it; what would be guessed is refused.

use crate::config::parsers::{Parsed, line, one_of};
use crate::config::secret::Secret;
use crate::config::shown::Shown;
use crate::domain::otlp::Temporality;
use crate::domain::trace::{IdRule, SamplerKind};
use std::fmt::Write as _;
use std::time::Duration;
use url::Url;

/// What resource attributes and headers are at most.
const PAIR_LIMIT: usize = 64;

/// Milliseconds, as OpenTelemetry has its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Millis(pub u64);

impl Millis {
    /// At most an hour.
    pub(in crate::config) fn parse(text: &str) -> Parsed<Millis> {
        let found = text.trim().parse().ok().filter(|millis| (100..=3_600_000).contains(millis));
        found.map(Millis).ok_or_else(|| "expected milliseconds from 100 to 3600000".into())
    }

    pub(super) fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl Shown for Millis {
    fn shown(&self) -> String {
        self.0.to_string()
    }
}

/// A URL to post to. What is behind `?` is not shown: some services have a key there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpUrl(pub(super) String);

impl OtlpUrl {
    pub(in crate::config) fn parse(text: &str) -> Parsed<OtlpUrl> {
        let is_one = |url: &Url| {
            let named = url.host_str().is_some_and(|host| !host.is_empty());
            let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
            ["http", "https"].contains(&url.scheme()) && named && plain
        };
        let word = text.trim();
        let found = Url::parse(word).ok().filter(is_one).map(|_| OtlpUrl(word.to_owned()));
        found.ok_or_else(|| "expected a URL such as http://collector:4318, without user and #".into())
    }

    /// The signal's path behind the base's, as the specification has it.
    pub(super) fn with_path(&self, path: &str) -> String {
        let (base, query) =
            self.0.split_once('?').map_or((self.0.as_str(), None), |(base, query)| (base, Some(query)));
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{path}{query}", base.trim_end_matches('/'))
    }
}

impl Shown for OtlpUrl {
    fn shown(&self) -> String {
        self.0.split('?').next().unwrap_or_default().to_owned()
    }
}

/// `key=value,…`, values percent-encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairs(pub(super) Vec<(String, String)>);

impl Pairs {
    /// Attributes of the resource.
    pub(in crate::config) fn parse(text: &str) -> Parsed<Pairs> {
        let plain = |(key, value): &(String, String)| [key, value].iter().all(|part| line(part, 256).is_ok());
        let found = pairs(text).filter(|pairs| pairs.iter().all(plain)).map(Pairs);
        found.ok_or_else(|| {
            format!("expected at most {PAIR_LIMIT} KEY=VALUE separated by commas, values percent-encoded")
        })
    }
}

impl Shown for Pairs {
    fn shown(&self) -> String {
        let encoded = |text: &str| {
            let mut out = String::new();
            for byte in text.bytes() {
                if byte.is_ascii_graphic() && !b"%,=\"'".contains(&byte) {
                    out.push(byte.into());
                } else {
                    // A string takes any text.
                    let _ = write!(out, "%{byte:02X}");
                }
            }
            out
        };
        self.0.iter().map(|(key, value)| format!("{key}={}", encoded(value))).collect::<Vec<_>>().join(",")
    }
}

/// Headers, as they were written: they hold keys.
pub(in crate::config) fn headers(text: &str) -> Parsed<Secret> {
    let is_name = |name: &str| {
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    let is_value = |value: &str| value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    let found =
        pairs(text).filter(|pairs| pairs.iter().all(|(name, value)| is_name(name) && is_value(value)));
    found.map(|_| Secret::new(text.to_owned())).ok_or_else(|| {
        format!("expected at most {PAIR_LIMIT} NAME=VALUE separated by commas, values percent-encoded")
    })
}

pub(super) fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pair = |part: &str| {
        let (key, value) = part.split_once('=')?;
        let key = decoded(key.trim())?;
        (!key.is_empty()).then_some((key, decoded(value.trim())?))
    };
    let parts = text.split(',').filter(|part| !part.trim().is_empty());
    parts.map(pair).collect::<Option<Vec<_>>>().filter(|pairs| (1..=PAIR_LIMIT).contains(&pairs.len()))
}

fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte == b'%' {
            let (digits, behind) = rest.split_at_checked(2)?;
            out.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = behind;
        } else {
            out.push(*byte);
        }
    }
    String::from_utf8(out).ok()
}

impl Shown for Temporality {
    const WORDS: &'static [&'static str] = &["cumulative", "delta", "lowmemory"];

    fn shown(&self) -> String {
        match self {
            Temporality::Cumulative => "cumulative",
            Temporality::Delta => "delta",
            Temporality::LowMemory => "lowmemory",
        }
        .to_owned()
    }
}

pub(in crate::config) fn temporality(text: &str) -> Parsed<Temporality> {
    let words = [
        ("cumulative", Temporality::Cumulative),
        ("delta", Temporality::Delta),
        ("lowmemory", Temporality::LowMemory),
    ];
    one_of(&words, text)
}

/// A share, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio(pub(super) f64);

impl Ratio {
    pub(in crate::config) fn parse(text: &str) -> Parsed<Ratio> {
        let found = text.trim().parse().ok().filter(|share| (0.0..=1.0).contains(share));
        found.map(Ratio).ok_or_else(|| "expected a number from 0 to 1".into())
    }
}

impl Shown for Ratio {
    fn shown(&self) -> String {
        self.0.to_string()
    }
}

const SAMPLERS: [(&str, SamplerKind); 6] = [
    ("always_on", SamplerKind::AlwaysOn),
    ("always_off", SamplerKind::AlwaysOff),
    ("traceidratio", SamplerKind::TraceIdRatio),
    ("parentbased_always_on", SamplerKind::ParentBasedAlwaysOn),
    ("parentbased_always_off", SamplerKind::ParentBasedAlwaysOff),
    ("parentbased_traceidratio", SamplerKind::ParentBasedTraceIdRatio),
];

impl Shown for SamplerKind {
    const WORDS: &'static [&'static str] = &[
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
    ];

    fn shown(&self) -> String {
        let word = SAMPLERS.iter().find(|(_, kind)| kind == self).map(|(word, _)| *word);
        word.unwrap_or_default().to_owned()
    }
}

pub(in crate::config) fn sampler(text: &str) -> Parsed<SamplerKind> {
    one_of(&SAMPLERS, text)
}

impl Shown for IdRule {
    const WORDS: &'static [&'static str] = &["check_run", "run_attempt"];

    fn shown(&self) -> String {
        match self {
            IdRule::CheckRun => "check_run",
            IdRule::RunAttempt => "run_attempt",
        }
        .to_owned()
    }
}

pub(in crate::config) fn ids(text: &str) -> Parsed<IdRule> {
    one_of(&[("check_run", IdRule::CheckRun), ("run_attempt", IdRule::RunAttempt)], text)
}
