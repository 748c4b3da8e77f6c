//! Where the rows of finished jobs are sent, and how.

use super::parsers::{Parsed, one_of};
use super::resolve::Resolved;
use super::secret::Secret;
use super::shown::Shown;
use super::var::Variable;
use super::vars;
use crate::domain::delivery::Format;
use std::time::Duration;

/// How long a runner that leaves by itself waits, if nothing else is said.
const WAIT: Duration = Duration::from_secs(10);
/// Where a collector takes rows.
const ROWS: &str = "/api/v1/rows";

/// An address to post to. What stands behind its `?` may be a password, and is never shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsUrl(String);

impl EventsUrl {
    /// `http` or `https`, a host, no user and no fragment.
    pub(super) fn parse(text: &str) -> Parsed<EventsUrl> {
        let url = text.trim();
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&byte));
        if authority.is_empty() || authority.starts_with(':') || authority.contains('@') || !is_plain {
            return Err(
                "expected a URL such as https://collector.example.com/api/v1/rows, without user and #".into(),
            );
        }
        Ok(EventsUrl(url.to_owned()))
    }

    /// Without its query.
    fn place(&self) -> &str {
        self.0.split('?').next().unwrap_or_default()
    }

    /// A collector's address needs no path.
    fn for_format(&self, format: Format) -> String {
        let is_bare =
            self.0.matches('/').count() == 2 || (self.0.matches('/').count() == 3 && self.0.ends_with('/'));
        let is_collector = format == Format::Json && is_bare && self.place() == self.0;
        if is_collector { format!("{}{ROWS}", self.0.trim_end_matches('/')) } else { self.0.clone() }
    }
}

impl Shown for EventsUrl {
    fn shown(&self) -> String {
        let hidden = if self.place() == self.0 { "" } else { "?(redacted)" };
        format!("{}{hidden}", self.place())
    }
}

impl Shown for Format {
    const WORDS: &'static [&'static str] = &["json", "ndjson", "array", "victoriametrics", "loki"];

    fn shown(&self) -> String {
        let known = Format::ALL.iter().find(|(_, format)| format == self);
        known.map(|(word, _)| (*word).to_owned()).unwrap_or_default()
    }
}

/// One of the formats.
pub(super) fn format(text: &str) -> Parsed<Format> {
    one_of(&Format::ALL, text)
}

/// `HOST:PORT`, as a scraper takes it.
pub(super) fn host_and_port(text: &str) -> Parsed<String> {
    let text = text.trim();
    let (host, port) = text.rsplit_once(':').unwrap_or_default();
    let is_host = !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
        && (!host.contains(':') || (host.starts_with('[') && host.ends_with(']')));
    if is_host && port.parse::<u16>().is_ok_and(|port| port > 0) {
        return Ok(text.to_owned());
    }
    Err("expected HOST:PORT, such as runner-7.example.com:9091 or [2001:db8::7]:9091".into())
}

/// Where the rows of finished jobs are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobEventsOptions {
    /// The address.
    pub url: String,
    /// What is sent.
    pub format: Format,
    /// Sent as a bearer.
    pub token: Option<Secret>,
    /// How long a runner that leaves by itself waits for the last rows to be taken.
    pub wait: Duration,
    /// Where to scrape this runner, if the collector cannot see it.
    pub advertise: Option<String>,
}

impl JobEventsOptions {
    /// Takes its fields out of what was read; `None` if nothing is sent.
    pub(super) fn of(resolved: &Resolved) -> Option<JobEventsOptions> {
        let format = resolved.get(&vars::JOB_EVENTS_FORMAT).unwrap_or(Format::Json);
        let url: EventsUrl = resolved.get(&vars::JOB_EVENTS_URL)?;
        Some(JobEventsOptions {
            url: url.for_format(format),
            format,
            token: resolved.get(&vars::JOB_EVENTS_TOKEN),
            wait: resolved.get(&vars::JOB_EVENTS_WAIT).unwrap_or(WAIT),
            advertise: resolved.get(&vars::METRICS_ADVERTISE),
        })
    }
}

/// What means nothing without the address, and what can be read on its way.
pub(super) fn check(resolved: &mut Resolved) {
    let dependent: [&Variable; 4] =
        [&vars::JOB_EVENTS_FORMAT, &vars::JOB_EVENTS_TOKEN, &vars::JOB_EVENTS_WAIT, &vars::METRICS_ADVERTISE];
    if !resolved.is_given(&vars::JOB_EVENTS_URL) {
        for var in dependent {
            resolved.ignore(var, "JOB_EVENTS_URL is not set");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_what_may_be_secret_in_it_is_not_shown() {
        for (text, shown) in [
            ("http://collector:9095", "http://collector:9095"),
            (" https://x.example/insert?_time_field=timestamp ", "https://x.example/insert?(redacted)"),
        ] {
            assert_eq!(EventsUrl::parse(text).unwrap().shown(), shown);
        }
        for text in [
            "",
            "collector:9095",
            "ftp://x",
            "http://",
            "http://u:p@x/",
            "http://x/#y",
            "http://x/a b",
            "http://:80",
        ] {
            assert!(EventsUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_collector_needs_no_path_and_nobody_else_is_given_one() {
        for (text, format, url) in [
            ("http://c:9095", Format::Json, "http://c:9095/api/v1/rows"),
            ("http://c:9095/", Format::Json, "http://c:9095/api/v1/rows"),
            ("http://c/x/", Format::Json, "http://c/x/"),
            ("http://c?x=1", Format::Json, "http://c?x=1"),
            ("http://c:8123/", Format::Ndjson, "http://c:8123/"),
        ] {
            assert_eq!(EventsUrl::parse(text).unwrap().for_format(format), url);
        }
    }

    #[test]
    fn an_address_to_scrape_has_a_host_and_a_port() {
        for text in ["runner-7:9091", "10.0.0.7:1", "[2001:db8::7]:9091"] {
            assert_eq!(host_and_port(text).unwrap(), text);
        }
        for text in ["", "runner", ":9091", "runner:0", "runner:x", "2001:db8::7:9091", "http://x:9", "a b:9"]
        {
            assert!(host_and_port(text).is_err(), "{text}");
        }
    }
}
