//! Which of its forms the metrics page is sent in: what the request asks for, and the plain one unless another one helps.

use crate::telemetry::exporter::PageReader;
use axum::http::{HeaderMap, HeaderName, header};

/// Prometheus, whatever has its scraper inside, and vmagent say how long they wait.
pub fn reader(headers: &HeaderMap) -> PageReader {
    let is_scraper = headers.contains_key("x-prometheus-scrape-timeout-seconds");
    if is_scraper { PageReader::Scraper } else { PageReader::Anybody }
}

/// `gzip` is named without a weight: it is wanted as much as anything.
pub(super) fn asks_for_gzip(headers: &HeaderMap) -> bool {
    values(headers, header::ACCEPT_ENCODING).any(|coding| coding.eq_ignore_ascii_case("gzip"))
}

/// Whether `OpenMetrics` is what it asks for. Every Prometheus names it, but stores the times of creation as series of their own
/// unless its created-timestamp feature is on: that one names protobuf as well, and who wants nothing else names no plain text.
pub(super) fn asks_for_open_metrics(headers: &HeaderMap) -> bool {
    let asked: Vec<&str> = values(headers, header::ACCEPT).filter(|range| is_wanted(range)).collect();
    let names = |kind: &str| asked.iter().any(|range| media_type(range).eq_ignore_ascii_case(kind));
    let is_ours = |range: &&str| {
        let version = parameter(range, "version");
        media_type(range).eq_ignore_ascii_case("application/openmetrics-text")
            && version.is_none_or(|version| version.trim_matches('"') == "1.0.0")
    };
    asked.iter().any(is_ours) && (names("application/vnd.google.protobuf") || !names("text/plain"))
}

/// The elements of a header that is a list.
fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

fn media_type(range: &str) -> &str {
    range.split(';').next().unwrap_or_default().trim()
}

fn parameter<'a>(range: &'a str, name: &str) -> Option<&'a str> {
    let pairs = range.split(';').skip(1).filter_map(|pair| pair.split_once('='));
    let mut fits = pairs.filter(|(found, _)| found.trim().eq_ignore_ascii_case(name));
    fits.next().map(|(_, value)| value.trim())
}

/// A weight of 0 means: not this one.
fn is_wanted(range: &str) -> bool {
    parameter(range, "q").is_none_or(|weight| weight.parse::<f64>().is_ok_and(|weight| weight > 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scraper_says_how_long_it_waits() {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, "Prometheus/2.42.0".parse().unwrap());
        assert_eq!(reader(&headers), PageReader::Anybody);
        headers.insert("X-Prometheus-Scrape-Timeout-Seconds", "10".parse().unwrap());
        assert_eq!(reader(&headers), PageReader::Scraper);
    }

    #[test]
    fn open_metrics_is_for_who_asks_for_it() {
        let cases = [
            ("", false),
            ("*/*", false),
            ("text/plain", false),
            ("application/openmetrics-text", true),
            ("Application/OpenMetrics-Text; version=1.0.0; charset=utf-8", true),
            ("application/openmetrics-text;version=\"1.0.0\"", true),
            ("application/openmetrics-text;version=0.0.1", false),
            ("application/openmetrics-text;q=0", false),
            ("application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1", true),
            // Prometheus 2.42.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                false,
            ),
            // Prometheus 3.5.
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                false,
            ),
            // The same with created timestamps.
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                true,
            ),
        ];
        for (accept, wanted) in cases {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(asks_for_open_metrics(&headers), wanted, "{accept}");
        }
    }
}
