//! The counter of API calls. Every call of GitHub's API is counted where it is made, which may be any task.

use crate::telemetry::catalog as c;
use crate::telemetry::exporter::Exporter;
use metrics::{counter, gauge};
use tracing::debug;

/// Counts calls of GitHub's API; may be asked from anywhere.
#[derive(Clone)]
pub struct ApiMeter {
    exporter: Exporter,
}

impl ApiMeter {
    /// Counts into this registry.
    pub fn new(exporter: Exporter) -> ApiMeter {
        ApiMeter { exporter }
    }

    /// One attempt has ended. Both labels are words of bounded lists.
    pub fn call(&self, endpoint: &'static str, code: &'static str, rate_limit_remaining: Option<u64>) {
        counter!(c::API_REQUESTS.name, "endpoint" => endpoint, "code" => code).increment(1);
        if let Some(remaining) = rate_limit_remaining {
            // GitHub's limits are far below 2^52.
            #[expect(clippy::cast_precision_loss, reason = "below 2^52")]
            gauge!(c::API_REMAINING.name).set(remaining as f64);
        }
        debug!(event = "github_api_call", endpoint, code, rate_limit_remaining);
        self.exporter.touch();
    }
}
