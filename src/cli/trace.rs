//! `trace`: the trace of a job of the log, for people who have nothing that shows traces, or to be given to something that does.

use super::print;
use crate::config::{Config, Environment};
use crate::domain::otlp::resource_of;
use crate::domain::trace::{JobFacts, Trace, TraceSetup, TraceSource, to_json, tree};
use crate::exit_code::ExitCode;
use crate::run::{complain, refused};
use crate::sys::journal;

/// Prints it as a tree, or as a request of OTLP's; 1 if there is no such job that is over.
pub(super) fn trace(job_id: &str, otlp_json: bool) -> i32 {
    let Ok(loaded) = Config::from_lookup(&Environment) else {
        complain("runner-init: the configuration has faults: runner-init check shows them\n");
        return ExitCode::Usage.code();
    };
    let config = loaded.config;
    let path = &config.job_log.path;
    let rows = match journal::of_id(path, job_id) {
        Ok(rows) => rows,
        Err(error) => return refused(&format!("cannot read {}", path.display()), &error),
    };
    let runner = config.runner.name;
    let setup = TraceSetup { runner: runner.clone(), server: config.host.url(), ids: config.traces.ids };
    let traces: Vec<Trace> = rows
        .iter()
        .filter_map(|(row, steps)| setup.trace(JobFacts { row, steps: steps.as_deref(), caches: &[] }))
        .collect();
    if traces.is_empty() {
        complain(&format!("runner-init: no finished job {job_id:?} in {}\n", path.display()));
        return 1;
    }
    if otlp_json {
        let version = env!("CARGO_PKG_VERSION");
        let resource = resource_of(config.traces.resource, &runner, version);
        return print(&format!("{}\n", to_json(&TraceSource { resource, version }, &traces)));
    }
    print(&traces.iter().map(tree).collect::<Vec<_>>().join("\n"))
}
