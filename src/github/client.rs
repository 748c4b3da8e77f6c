//! A client speaks for one target with one credential; each call is a method: what is asked for, and what the answer means.
//!
//! Paths and answers are those of GitHub's REST API, version 2022-11-28, the same for all three kinds of target.

use super::auth::{ApiCredential, Authenticator};
use super::endpoint::{Endpoint, Observe};
use super::error::{ApiError, ErrorKind};
use super::exchange::{Exchange, Request, Response};
use super::models::{
    Deletion, GroupPage, JitConfig, JobList, JobPage, Label, LabelList, NewRunner, RegistrationToken, Runner,
    RunnerPage,
};
use super::proxy::Proxies;
use super::retry::RetryPolicy;
use super::transport::{Roots, SetupError};
use crate::domain::target::{Scope, Target};
use chrono::{DateTime, Utc};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::sync::Arc;
use tokio::time::Instant;

const PAGE: usize = 100;
/// An organisation may have 10,000 runners.
const LAST_PAGE: usize = 100;

/// Where the time of day comes from.
pub type WallClock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// All a client needs.
pub struct ClientConfig {
    /// The API's URL, without a slash at its end.
    pub base: String,
    /// What runners are registered for.
    pub target: Target,
    /// As whom.
    pub credential: ApiCredential,
    /// Whom to trust.
    pub roots: Roots,
    /// How to get out.
    pub proxies: Proxies,
    /// How long things may take.
    pub policy: RetryPolicy,
    /// Who is told of every attempt.
    pub observe: Arc<dyn Observe>,
    /// The time of day.
    pub clock: WallClock,
}

/// Speaks to GitHub. Every call may be dropped at any point.
pub struct Client {
    target: Target,
    authenticator: Authenticator,
    exchange: Exchange,
}

impl Client {
    /// Reads the certificate authorities from disk, some milliseconds of work; nothing is sent yet.
    ///
    /// # Errors
    /// If the base is no URL, no authority can be found for an `https` base, or the proxy cannot be used.
    pub fn new(setup: ClientConfig) -> Result<Client, SetupError> {
        let exchange = Exchange::new(&setup)?;
        let authenticator = Authenticator::new(setup.credential, &setup.target);
        Ok(Client { target: setup.target, authenticator, exchange })
    }

    /// Calls left of the credential's rate limit; `None` if GitHub has not said, or a new period has begun since.
    pub fn calls_left(&self) -> Option<u64> {
        self.exchange.calls_left()
    }

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
        self.fetch(&request, deadline).await
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
            request.turn(page, PAGE);
            let response = self.call(&request, deadline).await?;
            if response.unchanged {
                return Ok(JobList::Unchanged);
            }
            request.etag = None;
            let JobPage { jobs } = self.exchange.parse(&request, &response)?;
            let full = jobs.len() >= PAGE;
            all.extend(jobs);
            if !full {
                return Ok(JobList::Listed { jobs: all, etag: response.etag.filter(|_| page == 1) });
            }
        }
        Ok(JobList::Listed { jobs: all, etag: None })
    }

    async fn call(&self, request: &Request, deadline: Instant) -> Result<Response, ApiError> {
        self.authenticator.ask(&self.exchange, request, deadline).await
    }

    async fn fetch<T: DeserializeOwned>(&self, request: &Request, deadline: Instant) -> Result<T, ApiError> {
        let response = self.call(request, deadline).await?;
        self.exchange.parse(request, &response)
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
        self.fetch(&Request::new(endpoint, method, self.runners(rest), wanted), deadline).await
    }

    async fn page<T: DeserializeOwned>(
        &self,
        request: &mut Request,
        page: usize,
        deadline: Instant,
    ) -> Result<T, ApiError> {
        request.turn(page, PAGE);
        self.fetch(request, deadline).await
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
        Ok(self.fetch::<LabelList>(&request, deadline).await?.labels)
    }

    /// A 404 means "gone" only where the same credential can list the target's runners; else it stays an error.
    async fn proven_gone(&self, error: ApiError, deadline: Instant) -> Result<(), ApiError> {
        if error.kind != ErrorKind::NotFound {
            return Err(error);
        }
        let mut request = Request::new(Endpoint::Runners, Method::GET, self.runners(""), String::new());
        request.query.push(("per_page", "1".into()));
        self.fetch::<RunnerPage>(&request, deadline).await.map(drop).map_err(|_| error)
    }
}
