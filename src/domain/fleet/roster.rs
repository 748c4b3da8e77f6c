//! Who has reported: every runner that was heard lately, and where it can be scraped.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Runners remembered; beyond it those that were heard longest ago are forgotten.
const MOST: usize = 10_000;
/// A runner says that it lives every five minutes; after three times that it is not scraped any more.
pub const SILENT: TimeDelta = TimeDelta::minutes(15);
/// Until so long after the start not everybody that lives has said so.
pub const LEARNING: TimeDelta = TimeDelta::seconds(330);

/// What a runner says of itself.
#[derive(Clone, Debug, Deserialize)]
pub struct Hello {
    /// `RUNNER_NAME`.
    pub runner_name: String,
    /// `RUNNER_TYPE`.
    #[serde(default)]
    pub runner_type: String,
    /// Version of its runner-init.
    #[serde(default)]
    pub init_version: String,
    /// Whether it takes one job only.
    #[serde(default)]
    pub ephemeral: bool,
    /// The port of its `/metrics`.
    #[serde(default)]
    pub metrics_port: Option<u16>,
    /// Where to scrape it, if not where it came from.
    #[serde(default)]
    pub metrics_address: Option<String>,
    /// It leaves.
    #[serde(default)]
    pub leaving: bool,
}

/// What is known of a runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reporter {
    /// `RUNNER_TYPE`.
    pub runner_type: String,
    /// Version of its runner-init.
    pub init_version: String,
    /// Whether it takes one job only.
    pub ephemeral: bool,
    /// Where it can be scraped; `None` if nowhere, or if it has left.
    pub address: Option<String>,
    /// It said that it leaves.
    pub left: bool,
    /// When it was heard last.
    pub heard: DateTime<Utc>,
    /// Jobs of its that were counted since the collector started.
    pub jobs: u64,
}

/// All of them, by name.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    runners: BTreeMap<String, Reporter>,
}

impl Roster {
    /// A runner has said something, from this address, with so many new jobs.
    pub fn heard(&mut self, hello: &Hello, from: Option<&str>, jobs: u64, now: DateTime<Utc>) {
        let seen = hello.metrics_port.zip(from).map(|(port, host)| {
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
        });
        let address = hello.metrics_address.clone().filter(|address| is_address(address)).or(seen);
        let known = self.runners.get(&hello.runner_name).map_or(0, |known| known.jobs);
        let reporter = Reporter {
            runner_type: cut(&hello.runner_type),
            init_version: cut(&hello.init_version),
            ephemeral: hello.ephemeral,
            address: address.filter(|_| !hello.leaving),
            left: hello.leaving,
            heard: now,
            jobs: known + jobs,
        };
        self.runners.insert(cut(&hello.runner_name), reporter);
        if self.runners.len() > MOST {
            self.forget();
        }
    }

    /// Every runner, by name.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Reporter)> {
        self.runners.iter().map(|(name, reporter)| (name.as_str(), reporter))
    }

    /// Those that live, as far as can be told.
    pub fn living(&self, now: DateTime<Utc>) -> impl Iterator<Item = (&str, &Reporter)> {
        self.all().filter(move |(_, reporter)| !reporter.left && now - reporter.heard < SILENT)
    }

    /// A tenth goes at once: it is not to be looked for with every row.
    fn forget(&mut self) {
        let mut heard: Vec<DateTime<Utc>> = self.runners.values().map(|reporter| reporter.heard).collect();
        let (_, limit, _) = heard.select_nth_unstable(MOST / 10);
        let limit = *limit;
        self.runners.retain(|_, reporter| reporter.heard > limit);
    }
}

/// Nobody makes a page of ours large.
fn cut(text: &str) -> String {
    text.chars().take(200).collect()
}

/// What Prometheus takes for a target, and nothing that would lead it elsewhere than to a host and a port.
fn is_address(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let port = text.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
    text.len() <= 260 && text.contains(':') && text.bytes().all(is_plain) && port.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(name: &str) -> Hello {
        Hello {
            runner_name: name.into(),
            runner_type: "standard".into(),
            init_version: "2.4.0".into(),
            ephemeral: false,
            metrics_port: Some(9091),
            metrics_address: None,
            leaving: false,
        }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn who_was_heard_lately_and_has_not_left_lives() {
        let mut roster = Roster::default();
        roster.heard(&hello("a"), Some("10.0.0.7"), 1, at(0));
        roster.heard(&hello("b"), Some("2001:db8::7"), 0, at(600));
        roster.heard(
            &Hello { metrics_address: Some("c.example:9".into()), ..hello("c") },
            Some("10.0.0.9"),
            0,
            at(600),
        );
        roster.heard(&Hello { leaving: true, ..hello("d") }, Some("10.0.0.8"), 0, at(600));
        let living =
            |now| roster.living(at(now)).map(|(_, r)| r.address.clone().unwrap()).collect::<Vec<_>>();
        assert_eq!(living(600), ["10.0.0.7:9091", "[2001:db8::7]:9091", "c.example:9"]);
        assert_eq!(living(900), ["[2001:db8::7]:9091", "c.example:9"]);
        roster.heard(&hello("a"), Some("10.0.0.7"), 2, at(1000));
        assert_eq!(roster.all().next().unwrap().1.jobs, 3);
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let mut roster = Roster::default();
        for odd in ["http://x:9/", "x", "x:y", "a b:9", "x:9/../"] {
            let hello = Hello { metrics_address: Some(odd.into()), metrics_port: None, ..hello("a") };
            roster.heard(&hello, Some("10.0.0.7"), 0, at(0));
            assert_eq!(roster.all().next().unwrap().1.address, None, "{odd}");
        }
    }

    #[test]
    fn a_crowd_is_forgotten_from_its_oldest_end() {
        let mut roster = Roster::default();
        for n in 0..=MOST {
            roster.heard(&hello(&format!("r{n:06}")), None, 0, at(i64::try_from(n).unwrap()));
        }
        assert_eq!(roster.all().count(), MOST - MOST / 10);
        assert!(roster.all().all(|(name, _)| name > "r001000"));
    }
}
