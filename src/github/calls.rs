//! The calls, each one a method: what is asked for, and what the answer means.
//!
//! Paths and answers are those of GitHub's REST API, version 2022-11-28, the same for all three kinds of target.

use super::client::Client;
use super::endpoint::Endpoint;
use super::error::{ApiError, ErrorKind};
use super::exchange::{Request, parse};
use super::models::{
    GroupPage, JitConfig, JobPage, Label, LabelList, RegistrationToken, Runner, RunnerPage, WorkflowJob,
};
use crate::domain::target::Scope;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::Instant;

/// A runner to be made together with its just-in-time configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRunner {
    /// Its name.
    pub name: String,
    /// All its labels: none is added by default.
    pub labels: Vec<String>,
    /// Its runner group; 1 is the default group, and a repository's only one.
    pub group: u64,
    /// Its work directory, absolute or below the runner's own.
    pub work_dir: String,
}

/// How a runner came to be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It was deleted now.
    Deleted,
    /// It was not there: an ephemeral runner that had its job, one deleted by hand, or by an attempt whose answer was lost.
    WasGone,
}

/// The jobs of one attempt of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobList {
    /// Nothing has changed since the tag was given.
    Unchanged,
    /// All of them.
    Listed {
        /// In GitHub's order.
        jobs: Vec<WorkflowJob>,
        /// To ask again with, which then costs nothing of the rate limit; `None` for more than one page.
        etag: Option<String>,
    },
}

const PAGE: usize = 100;
/// An organisation may have 10,000 runners.
const LAST_PAGE: usize = 100;

impl Client {
    /// A token for `config.sh` to register with, valid for an hour.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn registration_token(&self, deadline: Instant) -> Result<RegistrationToken, ApiError> {
        let wanted = format!("get a registration token for {}", self.target);
        self.ask(Endpoint::RegistrationToken, Method::POST, "/registration-token", wanted, deadline).await
    }

    /// Makes a runner and its just-in-time configuration.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if the name is taken, which it also is after an attempt whose answer was lost; else see
    /// [`ErrorKind`].
    pub async fn jit_config(&self, runner: &NewRunner, deadline: Instant) -> Result<JitConfig, ApiError> {
        let wanted = format!("get a just-in-time configuration for {}", self.target);
        let mut request =
            Request::new(Endpoint::JitConfig, Method::POST, self.runners("/generate-jitconfig"), wanted);
        request.body = Some(json!({
            "name": runner.name,
            "runner_group_id": runner.group,
            "labels": runner.labels,
            "work_folder": runner.work_dir,
        }));
        let response = self.call(&request, deadline).await?;
        parse(self, &request, &response)
    }

    /// The id of the runner group of this name; `None` if there is none. A repository has no groups.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn runner_group(&self, name: &str, deadline: Instant) -> Result<Option<u64>, ApiError> {
        if self.target.scope() == Scope::Repository {
            return Ok(None);
        }
        let path = format!("/{}/actions/runner-groups", self.target.api_path());
        let wanted = format!("list the runner groups of {}", self.target);
        let mut request = Request::new(Endpoint::RunnerGroups, Method::GET, path, wanted);
        for page in 1..=LAST_PAGE {
            let GroupPage { runner_groups } = self.page(&mut request, page, deadline).await?;
            if let Some(group) = runner_groups.iter().find(|group| group.name == name) {
                return Ok(Some(group.id));
            }
            if runner_groups.len() < PAGE {
                break;
            }
        }
        Ok(None)
    }

    /// The runner of exactly this name, if there is one.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn find_runner(&self, name: &str, deadline: Instant) -> Result<Option<Runner>, ApiError> {
        let wanted = format!("look for the runner among those of {}", self.target);
        let mut request = Request::new(Endpoint::Runners, Method::GET, self.runners(""), wanted);
        // Servers that do not know the filter ignore it: then all pages are read.
        request.query.push(("name", name.to_owned()));
        for page in 1..=LAST_PAGE {
            let RunnerPage { runners } = self.page(&mut request, page, deadline).await?;
            let full = runners.len() >= PAGE;
            if let Some(runner) = runners.into_iter().find(|runner| runner.name == name) {
                return Ok(Some(runner));
            }
            if !full {
                break;
            }
        }
        Ok(None)
    }

    /// The runner of this id; `None` if it is proven gone: a 404 alone would also be the answer to an expired token.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn runner(&self, id: u64, deadline: Instant) -> Result<Option<Runner>, ApiError> {
        let wanted = format!("get runner {id} of {}", self.target);
        match self.ask(Endpoint::Runner, Method::GET, &format!("/{id}"), wanted, deadline).await {
            Ok(runner) => Ok(Some(runner)),
            Err(error) => self.proven_gone(error, deadline).await.map(|()| None),
        }
    }

    /// Deletes the runner of this id.
    ///
    /// # Errors
    /// [`ErrorKind::Unprocessable`] if it runs a job; else see [`ErrorKind`].
    pub async fn delete_runner(&self, id: u64, deadline: Instant) -> Result<Deletion, ApiError> {
        let wanted = format!("delete runner {id} of {}", self.target);
        let request =
            Request::new(Endpoint::DeleteRunner, Method::DELETE, self.runners(&format!("/{id}")), wanted);
        match self.call(&request, deadline).await {
            Ok(_) => Ok(Deletion::Deleted),
            Err(error) => self.proven_gone(error, deadline).await.map(|()| Deletion::WasGone),
        }
    }

    /// All labels of a runner.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn labels(&self, id: u64, deadline: Instant) -> Result<Vec<Label>, ApiError> {
        self.labels_by(Method::GET, "list", id, None, deadline).await
    }

    /// Replaces all custom labels of a runner; gives all labels it has then.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn set_custom_labels(
        &self,
        id: u64,
        labels: &[String],
        deadline: Instant,
    ) -> Result<Vec<Label>, ApiError> {
        self.labels_by(Method::PUT, "set", id, Some(json!({ "labels": labels })), deadline).await
    }

    /// Takes all custom labels of a runner away; gives all labels it still has.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn remove_custom_labels(&self, id: u64, deadline: Instant) -> Result<Vec<Label>, ApiError> {
        self.labels_by(Method::DELETE, "remove", id, None, deadline).await
    }

    /// The jobs of one attempt of a run in any repository (`owner/name`), unless they are still those of `etag`.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn jobs(
        &self,
        repository: &str,
        run: u64,
        attempt: u32,
        etag: Option<&str>,
        deadline: Instant,
    ) -> Result<JobList, ApiError> {
        let path = format!("/repos/{repository}/actions/runs/{run}/attempts/{attempt}/jobs");
        let wanted = format!("list the jobs of run {run}, attempt {attempt}, of repository {repository}");
        let mut request = Request::new(Endpoint::Jobs, Method::GET, path, wanted);
        request.etag = etag.map(str::to_owned);
        let mut all = Vec::new();
        for page in 1..=LAST_PAGE {
            turn(&mut request, page);
            let response = self.call(&request, deadline).await?;
            if response.unchanged {
                return Ok(JobList::Unchanged);
            }
            request.etag = None;
            let JobPage { jobs } = parse(self, &request, &response)?;
            let full = jobs.len() >= PAGE;
            all.extend(jobs);
            if !full {
                return Ok(JobList::Listed { jobs: all, etag: response.etag.filter(|_| page == 1) });
            }
        }
        Ok(JobList::Listed { jobs: all, etag: None })
    }

    fn runners(&self, rest: &str) -> String {
        format!("/{}/actions/runners{rest}", self.target.api_path())
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        endpoint: Endpoint,
        method: Method,
        rest: &str,
        wanted: String,
        deadline: Instant,
    ) -> Result<T, ApiError> {
        let request = Request::new(endpoint, method, self.runners(rest), wanted);
        let response = self.call(&request, deadline).await?;
        parse(self, &request, &response)
    }

    async fn page<T: DeserializeOwned>(
        &self,
        request: &mut Request,
        page: usize,
        deadline: Instant,
    ) -> Result<T, ApiError> {
        turn(request, page);
        let response = self.call(request, deadline).await?;
        parse(self, request, &response)
    }

    async fn labels_by(
        &self,
        method: Method,
        verb: &str,
        id: u64,
        body: Option<serde_json::Value>,
        deadline: Instant,
    ) -> Result<Vec<Label>, ApiError> {
        let wanted = format!("{verb} the labels of runner {id} of {}", self.target);
        let mut request =
            Request::new(Endpoint::Labels, method, self.runners(&format!("/{id}/labels")), wanted);
        request.body = body;
        let response = self.call(&request, deadline).await?;
        Ok(parse::<LabelList>(self, &request, &response)?.labels)
    }

    /// A 404 means "gone" only where the same credential can list the target's runners; else it stays an error.
    async fn proven_gone(&self, error: ApiError, deadline: Instant) -> Result<(), ApiError> {
        if error.kind != ErrorKind::NotFound {
            return Err(error);
        }
        let mut request = Request::new(Endpoint::Runners, Method::GET, self.runners(""), String::new());
        request.query.push(("per_page", "1".into()));
        let listed = match self.call(&request, deadline).await {
            Ok(response) => parse::<RunnerPage>(self, &request, &response).is_ok(),
            Err(_) => false,
        };
        if listed { Ok(()) } else { Err(error) }
    }
}

/// Turns to page `page`, from 1.
fn turn(request: &mut Request, page: usize) {
    request.query.retain(|(name, _)| *name == "name");
    request.query.push(("per_page", PAGE.to_string()));
    request.query.push(("page", page.to_string()));
}
