//! What is counted of a call is bounded: which of these endpoints, and one of these codes.

use crate::domain::words::words;

/// Which question was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `POST …/actions/runners/registration-token`
    RegistrationToken,
    /// `POST …/actions/runners/generate-jitconfig`
    JitConfig,
    /// `GET …/actions/runners`
    Runners,
    /// `GET …/actions/runners/ID`
    Runner,
    /// `DELETE …/actions/runners/ID`
    DeleteRunner,
    /// `GET`, `PUT` or `DELETE …/actions/runners/ID/labels`
    Labels,
    /// `GET …/actions/runner-groups`
    RunnerGroups,
    /// `GET /repos/O/R/actions/runs/RUN/attempts/N/jobs`
    Jobs,
    /// `GET …/installation`
    Installation,
    /// `POST /app/installations/ID/access_tokens`
    AccessToken,
}

words! {
    /// The label value.
    Endpoint {
        RegistrationToken = "registration_token",
        JitConfig = "jitconfig",
        Runners = "runners",
        Runner = "runner",
        DeleteRunner = "delete_runner",
        Labels = "labels",
        RunnerGroups = "runner_groups",
        Jobs = "jobs",
        Installation = "installation",
        AccessToken = "access_token",
    }
}

/// How one attempt ended, as a label value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(&'static str);

const STATUSES: [(u16, &str); 14] = [
    (200, "200"),
    (201, "201"),
    (204, "204"),
    (304, "304"),
    (401, "401"),
    (403, "403"),
    (404, "404"),
    (409, "409"),
    (422, "422"),
    (429, "429"),
    (500, "500"),
    (502, "502"),
    (503, "503"),
    (504, "504"),
];

impl Code {
    /// No answer came.
    pub const NETWORK: Code = Code("network");
    /// A status that is not in the list.
    pub const OTHER: Code = Code("other");

    /// The status itself if it is one GitHub is known to give, else [`Code::OTHER`].
    pub fn of(status: u16) -> Code {
        STATUSES.iter().find(|(known, _)| *known == status).map_or(Code::OTHER, |(_, word)| Code(word))
    }

    /// Every value there is.
    pub fn all() -> impl Iterator<Item = Code> {
        STATUSES.iter().map(|(_, word)| Code(word)).chain([Code::OTHER, Code::NETWORK])
    }

    /// The label value.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

/// Who is told of every finished attempt.
pub trait Observe: Send + Sync {
    /// One attempt has ended. `rate_limit_remaining` is what GitHub said of the budget of this credential, if it did.
    fn call(&self, endpoint: Endpoint, code: Code, rate_limit_remaining: Option<u64>);
}

/// Nobody listens.
impl Observe for () {
    fn call(&self, _: Endpoint, _: Code, _: Option<u64>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_status_has_one_of_the_words() {
        let words: HashSet<&str> = Code::all().map(Code::as_str).collect();
        assert_eq!(words.len(), STATUSES.len() + 2);
        for status in 0..=999 {
            let word = Code::of(status).as_str();
            assert!(words.contains(word));
            assert!(word == "other" || word == status.to_string(), "{status}");
        }
    }

    #[test]
    fn every_endpoint_has_a_word_of_its_own() {
        let words: HashSet<&str> = Endpoint::ALL.iter().map(|e| e.as_str()).collect();
        assert_eq!(words.len(), Endpoint::ALL.len());
    }
}
