//! The job message as the Worker's log shows it: indented camelCase JSON, dictionaries as lists of keys and values.

use super::wire::Assignment;
use crate::clock;
use serde_json::{Value, json};

/// The whole message (`AgentJobRequestMessage`), with the fields that are of use to a reader of the log.
pub(crate) fn job_message(task: &Assignment, timeline: &str) -> Value {
    let context = &task.context;
    let steps: Vec<Value> = task.job.steps.iter().map(step).collect();
    let variable = |value: &str| json!({ "value": value, "isSecret": false });
    json!({
        "fileTable": [format!(".github/workflows/{}", context.workflow_file)],
        "mask": [],
        "steps": steps,
        "variables": {
            "system.github.job": variable(&context.job),
            "system.pipelineStartTime": variable(&clock::utc().format("%Y-%m-%d %H:%M:%S+00:00").to_string()),
            "system.runnerGroupName": variable("Default"),
            "process.clean": variable(if task.job.worker.keep_orphans { "false" } else { "true" }),
        },
        "messageType": "PipelineAgentJobRequest",
        "plan": { "scopeIdentifier": clock::guid(), "planType": "actions", "version": 0, "planId": task.plan_id },
        "timeline": { "id": timeline, "changeId": 1, "location": null },
        "jobId": task.job_id,
        "jobDisplayName": task.job.name,
        "jobName": context.job,
        "requestId": task.request_id,
        "lockedUntil": "0001-01-01T00:00:00",
        "resources": { "endpoints": [{ "name": "SystemVssConnection", "authorization": { "parameters": { "AccessToken": "***" } } }] },
        "contextData": {
            "github": encode(&github(task)),
            "job": encode(&json!({ "check_run_id": float(context.check_run_id), "workflow_ref": context.workflow_ref() })),
            "needs": encode(&json!({})),
            "matrix": null,
        },
    })
}

fn step(step: &crate::scenario::JobStep) -> Value {
    let kind = if step.run.is_some() { "script" } else { "repository" };
    json!({ "type": "action", "reference": { "type": kind, "name": step.uses }, "displayNameToken": step.name, "id": clock::guid() })
}

/// The `github` context: text throughout, but for the event.
fn github(task: &Assignment) -> Value {
    let context = &task.context;
    json!({
        "repository": context.repository,
        "repository_owner": context.owner(),
        "workflow": context.workflow,
        "workflow_ref": context.workflow_ref(),
        "job": context.job,
        "run_id": context.run_id.to_string(),
        "run_number": context.run_number.to_string(),
        "run_attempt": context.run_attempt.to_string(),
        "event_name": context.event_name,
        "ref": context.git_ref,
        "sha": context.sha,
        "actor": context.actor,
        "event": context.event_body(),
    })
}

/// `PipelineContextData`: a dictionary is `{"t":2,"d":[{"k":…,"v":…}]}`, an array `{"t":1,"a":[…]}`.
fn encode(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let pairs: Vec<Value> =
                map.iter().map(|(key, value)| json!({ "k": key, "v": encode(value) })).collect();
            json!({ "t": 2, "d": pairs })
        }
        Value::Array(items) => json!({ "t": 1, "a": items.iter().map(encode).collect::<Vec<_>>() }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Numbers of a context are doubles, and are printed so.
#[expect(
    clippy::cast_precision_loss,
    reason = "a GitHub id is far below 2^53, and the runner itself keeps it in a double"
)]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dictionaries_become_lists_of_pairs() {
        let encoded = encode(&json!({ "a": { "b": [1, "x"] } }));
        let inner = json!({ "t": 2, "d": [{ "k": "b", "v": { "t": 1, "a": [1, "x"] } }] });
        assert_eq!(encoded, json!({ "t": 2, "d": [{ "k": "a", "v": inner }] }));
    }
}
