//! The only place that talks to GitHub: every call has a deadline, retries inside it, and fails with what to check.
//!
//! [`Client`] speaks for one [`Target`](crate::domain::target::Target) with one [`Credential`]. Nothing that it
//! returns, shows or reports holds a secret except the fields of type [`Secret`](crate::config::Secret).

mod auth;
mod calls;
mod client;
mod endpoint;
mod error;
mod exchange;
mod key;
mod proxy;
mod retry;
mod transport;
mod trust;
mod wire;

pub use auth::{App, Credential};
pub use calls::{Jobs, NewRunner, Removal};
pub use client::{Client, Clock, Setup};
pub use endpoint::{Code, Endpoint, Observe};
pub use error::{ApiError, ErrorKind, NetworkKind};
pub use key::{AppKey, KeyFault};
pub use proxy::{Proxies, ProxyFault};
pub use retry::{Decision, Facts, Pace, RetryAfter, Seen, decide};
pub use transport::{Roots, SetupError};
pub use wire::{JitConfig, Job, Label, LabelKind, RegistrationToken, Runner};
