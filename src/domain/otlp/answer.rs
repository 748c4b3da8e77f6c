//! What an answer means: taken, taken in part, to be asked again, or refused.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;
use std::time::Duration;

/// How one request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportOutcome {
    /// The other side has it; it may have said something.
    Taken {
        /// Untrusted.
        says: Option<String>,
    },
    /// It has what it did not reject, and does not want the rest.
    TakenInPart {
        /// How many points it rejected.
        rejected: u64,
        /// Why; untrusted.
        says: String,
    },
    /// It may take it later, and has perhaps said when.
    Later {
        /// What happened.
        says: String,
        /// Not before that.
        after: Option<Duration>,
    },
    /// It does not want this.
    Refused {
        /// What happened; untrusted.
        says: String,
    },
}

impl ExportOutcome {
    /// The same, what was said being put into these words.
    #[must_use]
    pub fn in_words(self, words: impl Fn(String) -> String) -> ExportOutcome {
        match self {
            ExportOutcome::Taken { says } => ExportOutcome::Taken { says: says.map(words) },
            ExportOutcome::TakenInPart { rejected, says } => {
                ExportOutcome::TakenInPart { rejected, says: words(says) }
            }
            ExportOutcome::Later { says, after } => ExportOutcome::Later { says: words(says), after },
            ExportOutcome::Refused { says } => ExportOutcome::Refused { says: words(says) },
        }
    }
}

/// `google.rpc.Status`, which an answer that is no success holds.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// By OTLP's rules: 429, 502, 503 and 504 may be asked again, no other.
pub fn judge(status: u16, after: Option<Duration>, body: &[u8]) -> ExportOutcome {
    match status {
        200..=299 => taken(body),
        429 | 502 | 503 | 504 => ExportOutcome::Later { says: answered(status, body), after },
        _ => ExportOutcome::Refused { says: answered(status, body) },
    }
}

/// Some answer with nothing, some with JSON: what is no message of the protocol says nothing.
fn taken(body: &[u8]) -> ExportOutcome {
    let partial = ExportMetricsServiceResponse::decode(body).ok().and_then(|answer| answer.partial_success);
    let (rejected, says) =
        partial.map(|part| (part.rejected_data_points, part.error_message)).unwrap_or_default();
    match u64::try_from(rejected) {
        Ok(rejected @ 1..) => ExportOutcome::TakenInPart { rejected, says },
        Ok(0) | Err(_) => ExportOutcome::Taken { says: Some(says).filter(|says| !says.is_empty()) },
    }
}

fn answered(status: u16, body: &[u8]) -> String {
    let message = RpcStatus::decode(body).ok().map(|status| status.message).filter(|says| !says.is_empty());
    let text = || String::from_utf8(body.to_vec()).unwrap_or_default();
    let says = message.unwrap_or_else(text);
    if says.trim().is_empty() { format!("status {status}") } else { format!("status {status}: {says}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsPartialSuccess;

    fn partial(rejected_data_points: i64, error_message: &str) -> Vec<u8> {
        let error_message = error_message.to_owned();
        let partial_success = Some(ExportMetricsPartialSuccess { rejected_data_points, error_message });
        ExportMetricsServiceResponse { partial_success }.encode_to_vec()
    }

    #[test]
    fn the_table() {
        let after = Some(Duration::from_secs(9));
        let rpc = RpcStatus { code: 3, message: "bad point".into() }.encode_to_vec();
        let taken = |says: Option<&str>| ExportOutcome::Taken { says: says.map(str::to_owned) };
        let refused = |says: &str| ExportOutcome::Refused { says: says.into() };
        let later = |says: &str, after| ExportOutcome::Later { says: says.into(), after };
        for (status, after, body, want) in [
            (200, None, vec![], taken(None)),
            (200, None, b"{\"partialSuccess\":{}}".to_vec(), taken(None)),
            (200, None, partial(0, ""), taken(None)),
            (200, None, partial(0, "old names"), taken(Some("old names"))),
            (
                200,
                None,
                partial(3, "too old"),
                ExportOutcome::TakenInPart { rejected: 3, says: "too old".into() },
            ),
            (204, None, vec![], taken(None)),
            (429, after, vec![], later("status 429", after)),
            (502, None, b"<html>".to_vec(), later("status 502: <html>", None)),
            (503, after, rpc.clone(), later("status 503: bad point", after)),
            (504, None, vec![0xff], later("status 504", None)),
            (400, after, rpc, refused("status 400: bad point")),
            (401, None, b"no such key".to_vec(), refused("status 401: no such key")),
            (404, None, vec![], refused("status 404")),
            (500, after, vec![], refused("status 500")),
            (302, None, vec![], refused("status 302")),
        ] {
            assert_eq!(judge(status, after, &body), want, "{status}");
        }
    }
}
