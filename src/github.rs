//! The only place that talks to GitHub: every call has a deadline, retries inside it, and fails with what to check.
//!
//! [`Client`] speaks for one [`Target`](crate::domain::target::Target) with one [`ApiCredential`]. Nothing that it
//! returns, shows or reports holds a secret except the fields of type [`Secret`](crate::config::Secret).

mod auth;
mod client;
mod endpoint;
mod error;
mod exchange;
mod key;
mod models;
mod post;
mod proxy;
mod retry;
mod transport;
mod trust;

pub use auth::{ApiCredential, App};
pub use client::{Client, ClientConfig, WallClock};
pub use endpoint::{Code, Endpoint, Observe};
pub use error::{ApiError, ErrorKind, NetworkKind};
pub use key::{AppKey, KeyFault};
pub use models::{
    Deletion, JitConfig, JobList, Label, LabelKind, NewRunner, RegistrationToken, Runner, WorkflowJob,
};
pub use post::{Post, PostConfig, PostFault, Posted};
pub use proxy::{Proxies, ProxyFault};
pub use retry::{AttemptOutcome, RateLimit, RetryAfter, RetryDecision, RetryPolicy, decide};
pub use transport::{Roots, SetupError};
