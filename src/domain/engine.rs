//! Leftovers of jobs on the Docker Engine. What a worker made on the Docker Engine is a job's leftover by its label and
//! its age; nothing else there is ours.
//!
//! The worker of `actions/runner` labels its containers and networks with the first six hex digits of a SHA-256 of `.runner`'s
//! text (`DockerCommandManager.cs`), and names each network `github_network_…`. Another registration has another label; what
//! has ours and is older than our job is a predecessor's that we know nothing of.

use crate::domain::text::spelt;
use crate::domain::words::words;
use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the name of a job's network begins with.
const NETWORK: &str = "github_network_";
/// Clocks this close are one clock: the engine's answers name whole seconds.
const SAME_CLOCK: TimeDelta = TimeDelta::seconds(2);

/// A kind of thing on the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A job's, a service's or an action's.
    Container,
    /// The one the job's containers share.
    Network,
}

words! {
    /// Its word in logs and labels.
    Kind {
        Container = "container",
        Network = "network",
    }
}

/// A job whose leftovers would be on the engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The labels its worker may use: one for each spelling.
    pub labels: Vec<String>,
    /// When it began.
    pub began: DateTime<Utc>,
}

/// Something the engine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// The engine's number of it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The keys of its labels.
    pub labels: Vec<String>,
    /// When it was made, by the engine's clock.
    pub created: DateTime<Utc>,
}

/// What a sweep tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineNews {
    /// Something that a job had left was removed.
    Swept {
        /// What it was.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// Something that a job had left could not be removed.
    Left {
        /// What it is.
        kind: Kind,
        /// Its name.
        name: String,
        /// Why.
        says: String,
    },
    /// What jobs leave stays there.
    Unusable {
        /// Why.
        says: String,
    },
}

/// Whose a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The job's: it goes.
    Ours,
    /// It has not the job's label.
    OtherLabel,
    /// It has, and was there before the job.
    Older,
    /// It has, but no worker would make or name it so.
    NotAWorkers,
}

/// What is hashed of `.runner`: its text without the byte order mark, as the runner spells it before it hashes, and as it stands.
pub fn spellings(runner_file: &[u8]) -> [String; 2] {
    let text = String::from_utf8_lossy(runner_file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(runner_file));
    // As .NET's `ToLowerInvariant` does: one character for one character.
    let lower = |c: char| {
        let mut lower = c.to_lowercase();
        lower.next().filter(|_| lower.next().is_none()).unwrap_or(c)
    };
    [text.chars().map(lower).collect(), text.into_owned()]
}

/// The label made of a digest: its first six digits.
pub fn label(digest: [u8; 32]) -> String {
    let [a, b, c, ..] = digest;
    format!("{a:02x}{b:02x}{c:02x}")
}

/// How far the engine's clock, read now, is ahead of ours; zero where they agree as far as can be seen.
pub fn ahead(engine: DateTime<Utc>, ours: DateTime<Utc>) -> TimeDelta {
    let ahead = engine - ours;
    if ahead.abs() < SAME_CLOCK { TimeDelta::zero() } else { ahead }
}

/// Whose this is; `ahead` as [`ahead`] says.
pub fn verdict(found: &Found, job: &Mark, ahead: TimeDelta) -> Verdict {
    // The engine tells a container's age in whole seconds.
    let began = (job.began + ahead).with_nanosecond(0).unwrap_or(job.began);
    if !found.labels.iter().any(|label| job.labels.contains(label)) {
        return Verdict::OtherLabel;
    }
    let is_named = match found.kind {
        // `options: --name` of a workflow names a container as it likes.
        Kind::Container => true,
        Kind::Network => found.name.starts_with(NETWORK),
    };
    // It becomes part of a path.
    let has_id = !found.id.is_empty() && found.id.bytes().all(|byte| byte.is_ascii_hexdigit());
    match (is_named && has_id, found.created >= began) {
        (false, _) => Verdict::NotAWorkers,
        (true, false) => Verdict::Older,
        (true, true) => Verdict::Ours,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    id: String,
    names: Option<Vec<String>>,
    labels: Option<BTreeMap<String, String>>,
    created: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Network {
    id: String,
    name: String,
    labels: Option<BTreeMap<String, String>>,
    created: DateTime<Utc>,
}

/// Reads the engine's listing of one kind.
///
/// # Errors
/// What is wrong with it.
pub fn listing(kind: Kind, text: &[u8]) -> Result<Vec<Found>, String> {
    let wrong =
        |error: serde_json::Error| format!("its list of {}s cannot be understood: {error}", kind.as_str());
    let keys = |labels: Option<BTreeMap<String, String>>| labels.unwrap_or_default().into_keys().collect();
    match kind {
        Kind::Container => {
            let all: Vec<Container> = serde_json::from_slice(text).map_err(wrong)?;
            let found = |container: Container| {
                let name = container.names.and_then(|names| names.into_iter().next()).unwrap_or_default();
                Some(Found {
                    kind,
                    id: container.id,
                    name: name.trim_start_matches('/').to_owned(),
                    labels: keys(container.labels),
                    created: DateTime::from_timestamp(container.created, 0)?,
                })
            };
            Ok(all.into_iter().filter_map(found).collect())
        }
        Kind::Network => {
            let all: Vec<Network> = serde_json::from_slice(text).map_err(wrong)?;
            let found = |Network { id, name, labels, created }| Found {
                kind,
                id,
                name,
                labels: keys(labels),
                created,
            };
            Ok(all.into_iter().map(found).collect())
        }
    }
}

/// What an engine says in a refusal, fit for a line.
pub fn refusal(status: u16, text: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    let message = serde_json::from_slice(text).map(|Refusal { message }| message).unwrap_or_default();
    let message: String = spelt(&message, |_, out| out.push(' ')).chars().take(200).collect();
    format!("it answers {status} {message}").trim_end().to_owned()
}

#[cfg(test)]
mod tests;
