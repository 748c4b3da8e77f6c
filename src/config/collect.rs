//! What a collector is told: the variables of the endpoint, the files and the log, as a runner has them, and its own.

use super::fault::{Faults, Warning};
use super::lookup::Lookup;
use super::resolve::Resolved;
use super::secret::Secret;
use super::validate::derive_jobs_log;
use super::{LogOptions, typo, vars};
use crate::domain::dora::StreamRule;
use crate::domain::fleet::LabelName;
use std::net::IpAddr;
use std::path::PathBuf;

/// Combinations of the labels with series of their own, if nothing else is said.
const MOST: usize = 100;

/// Everything a collector can be told.
#[derive(Clone, Debug, PartialEq)]
pub struct CollectConfig {
    /// Address to listen on.
    pub bind: IpAddr,
    /// Port to listen on; 0 is any free one.
    pub port: u16,
    /// Guards what is read.
    pub auth_token: Option<Secret>,
    /// Guards what is sent.
    pub token: Option<Secret>,
    /// The job log.
    pub log: PathBuf,
    /// Rows after which it is compacted.
    pub max_records: usize,
    /// Upper bounds of the job duration histogram.
    pub buckets: Vec<f64>,
    /// Which deployments follow one another.
    pub streams: StreamRule,
    /// By which labels jobs are told apart.
    pub labels: Vec<LabelName>,
    /// Combinations of them that have series of their own.
    pub most: usize,
    /// Our own log.
    pub log_options: LogOptions,
    /// Where the health check's socket is.
    pub run_dir: Option<PathBuf>,
}

impl CollectConfig {
    /// Reads what a collector heeds; what makes a runner is of no interest here.
    ///
    /// # Errors
    /// Every fault at once, in the table's order.
    pub fn from_lookup(lookup: &dyn Lookup) -> Result<(CollectConfig, Vec<Warning>), Faults> {
        let mut resolved = Resolved::of(lookup);
        derive_jobs_log(&mut resolved);
        let faults = resolved.faults();
        let warnings = typo::warnings(lookup);
        match build(&resolved) {
            Some(config) if faults.is_empty() => Ok((config, warnings)),
            Some(_) | None => Err(Faults { faults, warnings }),
        }
    }
}

fn build(resolved: &Resolved) -> Option<CollectConfig> {
    let labels: Option<ChosenLabels> = resolved.get(&vars::COLLECT_LABELS);
    Some(CollectConfig {
        bind: resolved.get(&vars::METRICS_BIND)?,
        port: resolved.get(&vars::METRICS_PORT)?,
        auth_token: resolved.get(&vars::METRICS_AUTH_TOKEN),
        token: resolved.get(&vars::COLLECT_TOKEN),
        log: resolved.get(&vars::JOBS_LOG)?,
        max_records: resolved.get(&vars::JOBS_LOG_MAX_RECORDS)?,
        buckets: resolved.get(&vars::JOB_DURATION_BUCKETS)?,
        streams: resolved.get(&vars::DORA_STREAM).unwrap_or_default(),
        labels: labels.map_or_else(|| vec![LabelName::RunnerType], |labels| labels.0),
        most: resolved.get(&vars::COLLECT_MAX_LABEL_SETS).unwrap_or(MOST),
        log_options: LogOptions {
            format: resolved.get(&vars::LOG_FORMAT)?,
            level: resolved.get(&vars::LOG_LEVEL)?,
        },
        run_dir: resolved.get(&vars::RUNNER_RUN_DIR),
    })
}

/// A choice of labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenLabels(Vec<LabelName>);

impl ChosenLabels {
    /// Their names, separated by commas, or `none`.
    pub(super) fn parse(text: &str) -> super::parsers::Parsed<ChosenLabels> {
        let mut chosen = Vec::new();
        let words = text.trim();
        for word in words.split(',').map(str::trim).filter(|_| !words.eq_ignore_ascii_case("none")) {
            let found = LabelName::ALL.into_iter().find(|name| name.as_str().eq_ignore_ascii_case(word));
            let Some(name) = found.filter(|name| !chosen.contains(name)) else {
                return Err(
                    "expected none, or some of runner_type, repository and workflow, separated by commas"
                        .into(),
                );
            };
            chosen.push(name);
        }
        chosen.sort_by_key(|name| *name as usize);
        Ok(ChosenLabels(chosen))
    }
}

impl super::shown::Shown for ChosenLabels {
    fn shown(&self) -> String {
        let words: Vec<&str> = self.0.iter().map(|name| name.as_str()).collect();
        if words.is_empty() { "none".into() } else { words.join(",") }
    }
}

#[cfg(test)]
mod tests {
    use super::super::MapLookup;
    use super::super::shown::Shown as _;
    use super::*;

    #[test]
    fn a_collector_needs_nothing_that_a_runner_needs() {
        let (config, warnings) = CollectConfig::from_lookup(&MapLookup::default()).unwrap();
        assert_eq!((config.port, config.labels, config.most), (9091, vec![LabelName::RunnerType], MOST));
        assert_eq!((config.log.to_str().unwrap(), warnings.len()), ("/var/lib/runner-init/jobs.log", 0));
        let lookup = MapLookup::new([("METRICS_PORT", "x"), ("COLLECT_LABELS", "job_name")]);
        let faults = CollectConfig::from_lookup(&lookup).unwrap_err().faults;
        assert_eq!(
            faults.iter().map(|fault| fault.var.as_str()).collect::<Vec<_>>(),
            ["METRICS_PORT", "COLLECT_LABELS"]
        );
    }

    #[test]
    fn labels_are_chosen_by_their_names() {
        for (text, shown) in [
            ("none", "none"),
            (" Workflow , runner_type", "runner_type,workflow"),
            ("repository", "repository"),
        ] {
            assert_eq!(ChosenLabels::parse(text).unwrap().shown(), shown);
        }
        for text in ["", "job", "workflow,workflow", "none,workflow"] {
            assert!(ChosenLabels::parse(text).is_err(), "{text}");
        }
    }
}
