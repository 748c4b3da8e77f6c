//! The `github` context of a job and the webhook body that goes with its event.

use super::ContextChange;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io;
use std::time::Duration;

/// Where a job comes from, in the fields of GitHub's `github` context.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Context {
    /// `owner/name`.
    pub repository: String,
    /// Workflow name.
    pub workflow: String,
    /// File of the workflow, below `.github/workflows/`.
    pub workflow_file: String,
    /// The job's key in the workflow.
    pub job: String,
    /// Run id of the first job; every further job gets the next one, unless it says its own.
    pub run_id: u64,
    /// Run number.
    pub run_number: u64,
    /// Attempt, from 1.
    pub run_attempt: u64,
    /// `push`, `pull_request`, `workflow_dispatch`, `schedule`, `workflow_run`, or any other.
    pub event_name: String,
    /// The body of `event.json`; absent: one that fits `event_name`.
    pub event: Option<Value>,
    /// Time of the commit or of the triggering object, RFC 3339.
    pub event_time: String,
    /// If given, `event_time` is so long before the job starts; not divided by the speed.
    pub event_age_ms: Option<u64>,
    /// Full ref.
    #[serde(rename = "ref")]
    pub git_ref: String,
    /// Commit.
    pub sha: String,
    /// Source branch of a pull request; absent: one is made up, and the other two refs with it.
    pub head_ref: String,
    /// Target branch of a pull request.
    pub base_ref: String,
    /// Who caused the run.
    pub actor: String,
    /// Check run id, which only the Worker's log knows; counted as `run_id` is.
    pub check_run_id: u64,
}

impl Default for Context {
    fn default() -> Self {
        Context {
            repository: "octo-org/widgets".into(),
            workflow: "CI".into(),
            workflow_file: "ci.yml".into(),
            job: "build".into(),
            run_id: 17_203_344_551,
            run_number: 812,
            run_attempt: 1,
            event_name: "push".into(),
            event: None,
            event_time: "2026-08-17T12:58:03Z".into(),
            event_age_ms: None,
            git_ref: "refs/heads/main".into(),
            sha: "258d6c857f3b2a1c9e8d7f6a5b4c3d2e1f0a9b8c".into(),
            head_ref: String::new(),
            base_ref: String::new(),
            actor: "octocat".into(),
            check_run_id: 48_800_112_233,
        }
    }
}

impl Context {
    /// This context with some fields replaced.
    ///
    /// # Errors
    /// `InvalidData` if a field does not exist or has another type.
    pub fn with(&self, change: &ContextChange) -> io::Result<Context> {
        let mut fields = serde_json::to_value(self)?;
        if let Value::Object(map) = &mut fields {
            map.extend(change.clone());
        }
        Ok(serde_json::from_value(fields)?)
    }

    /// What the `number`th job (from 1) gets: ids counted on, the event's age made a time before `now`.
    ///
    /// # Errors
    /// As [`Context::with`].
    pub(crate) fn for_job(
        &self,
        number: u64,
        change: &ContextChange,
        now: DateTime<Utc>,
    ) -> io::Result<Context> {
        let mut base = self.clone();
        base.run_id += number - 1;
        base.check_run_id += number - 1;
        let mut context = base.with(change)?;
        if let Some(age) = context.event_age_ms.take() {
            let at = now - Duration::from_millis(age);
            context.event_time = at.to_rfc3339_opts(SecondsFormat::Secs, true);
        }
        if context.event_name == "pull_request" && context.head_ref.is_empty() {
            context.head_ref = "feature/faster-loop".into();
            context.base_ref = "main".into();
            context.git_ref = "refs/pull/42/merge".into();
        }
        Ok(context)
    }

    /// The part of the repository after the slash.
    pub fn repository_name(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or_default()
    }

    /// The owner of the repository.
    pub fn owner(&self) -> &str {
        self.repository.split('/').next().unwrap_or_default()
    }

    /// The ref without `refs/heads/` or `refs/tags/`.
    pub fn ref_name(&self) -> &str {
        ["refs/heads/", "refs/tags/", "refs/"]
            .iter()
            .find_map(|prefix| self.git_ref.strip_prefix(prefix))
            .unwrap_or(&self.git_ref)
    }

    /// `owner/name/.github/workflows/file@ref`.
    pub fn workflow_ref(&self) -> String {
        format!("{}/.github/workflows/{}@{}", self.repository, self.workflow_file, self.git_ref)
    }

    /// What `event.json` holds: the given body, or one with the fields real events have (runner-facts §5).
    pub fn event_body(&self) -> Value {
        self.event.clone().unwrap_or_else(|| self.default_body())
    }

    fn default_body(&self) -> Value {
        let mut body = json!({
            "repository": {
                "id": 1_296_269,
                "full_name": self.repository,
                "created_at": "2019-02-11T09:00:00Z",
                "updated_at": self.event_time,
                "pushed_at": self.event_time,
                "default_branch": "main",
            },
            "sender": { "login": self.actor },
        });
        let extra = match self.event_name.as_str() {
            "push" => self.push(&mut body),
            "pull_request" => {
                json!({ "action": "synchronize", "number": 42, "pull_request": self.pull_request() })
            }
            "workflow_dispatch" => {
                json!({ "inputs": {}, "ref": self.git_ref, "workflow": self.workflow_path() })
            }
            "schedule" => json!({ "schedule": "17 4 * * *", "workflow": self.workflow_path() }),
            "workflow_run" => json!({
                "action": "completed",
                "workflow": { "name": "Build", "path": ".github/workflows/build.yml" },
                "workflow_run": self.workflow_run(),
            }),
            _ => json!({}),
        };
        if let (Value::Object(body), Value::Object(extra)) = (&mut body, extra) {
            body.extend(extra);
        }
        body
    }

    fn workflow_path(&self) -> String {
        format!(".github/workflows/{}", self.workflow_file)
    }

    /// Another commit than `sha`, the same one for the same `places`.
    fn other_sha(&self, places: usize) -> String {
        self.sha.chars().cycle().skip(places).take(self.sha.len()).collect()
    }

    /// A commit as most events describe it; its time is its committer's.
    fn commit(&self) -> Value {
        let person = json!({ "name": "Mona", "email": "mona@example.com", "username": self.actor });
        json!({
            "id": self.sha,
            "tree_id": self.other_sha(3),
            "message": "Tighten the loop",
            "timestamp": self.event_time,
            "author": person,
            "committer": person,
        })
    }

    /// A push; its repository has unix times where other events have text.
    fn push(&self, body: &mut Value) -> Value {
        let unix = self.event_time.parse::<DateTime<Utc>>().map_or(0, |t| t.timestamp());
        body["repository"]["pushed_at"] = json!(unix);
        body["repository"]["created_at"] = json!(1_549_875_600);
        let commit = self.commit();
        json!({
            "ref": self.git_ref,
            "before": self.other_sha(1),
            "after": self.sha,
            "base_ref": null,
            "created": false,
            "deleted": false,
            "forced": false,
            "head_commit": commit,
            "commits": [commit],
            "pusher": { "name": self.actor },
        })
    }

    /// Its head is not `sha`, which is the trial merge; no commit's time is told.
    fn pull_request(&self) -> Value {
        let side = |name: &str, sha: String| json!({ "ref": name, "sha": sha, "repo": { "pushed_at": self.event_time } });
        json!({
            "number": 42,
            "state": "open",
            "draft": false,
            "created_at": self.event_time,
            "updated_at": self.event_time,
            "closed_at": null,
            "merged_at": null,
            "head": side(&self.head_ref, self.other_sha(1)),
            "base": side(&self.base_ref, self.other_sha(2)),
        })
    }

    fn workflow_run(&self) -> Value {
        json!({
            "id": self.run_id - 1,
            "name": "Build",
            "event": "push",
            "status": "completed",
            "conclusion": "success",
            "head_branch": self.ref_name(),
            "head_sha": self.sha,
            "head_commit": self.commit(),
            "run_attempt": 1,
            "created_at": self.event_time,
            "updated_at": self.event_time,
            "run_started_at": self.event_time,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_counted_and_ages_become_times() {
        let now = "2026-08-17T13:00:00Z".parse().unwrap();
        let base = Context { event_age_ms: Some(60_000), ..Context::default() };
        let third = base.for_job(3, &ContextChange::new(), now).unwrap();
        assert_eq!(third.run_id, base.run_id + 2);
        assert_eq!((third.event_time.as_str(), third.event_age_ms), ("2026-08-17T12:59:00Z", None));
        let own = json!({ "run_id": 5, "ref": "refs/tags/v1" });
        let own = base.for_job(3, own.as_object().unwrap(), now).unwrap();
        assert_eq!((own.run_id, own.ref_name()), (5, "v1"));
        let pull = json!({ "event_name": "pull_request" });
        let pull = base.for_job(1, pull.as_object().unwrap(), now).unwrap();
        assert_eq!((pull.ref_name(), pull.base_ref.as_str()), ("pull/42/merge", "main"));
        let body = pull.event_body();
        assert_ne!(body["pull_request"]["head"]["sha"], json!(pull.sha));
    }

    #[test]
    fn a_given_body_is_kept_and_a_push_has_unix_times() {
        let body = json!({ "x": 1 });
        assert_eq!(Context { event: Some(body.clone()), ..Context::default() }.event_body(), body);
        let push = Context::default().event_body();
        assert_eq!(push["repository"]["pushed_at"], json!(1_786_971_483));
        assert_eq!(push["head_commit"]["timestamp"], push["repository"]["updated_at"]);
    }
}
