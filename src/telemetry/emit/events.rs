//! Rows that are sent elsewhere: how many were taken, what failed and since when something waits. The first failure of a streak is
//! told and what ends the streak; the rest is for who looks closer.

use super::seconds;
use crate::domain::delivery::DeliveryNews;
use crate::telemetry::catalog as c;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use tracing::{debug, info, warn};

/// Rows will be sent: their counters are there from now on.
pub fn begin() {
    describe_counter!(c::EVENTS_SENT.name, c::EVENTS_SENT.help);
    describe_counter!(c::EVENTS_FAILED.name, c::EVENTS_FAILED.help);
    describe_gauge!(c::EVENTS_UNSENT.name, c::EVENTS_UNSENT.help);
    counter!(c::EVENTS_SENT.name).absolute(0);
    counter!(c::EVENTS_FAILED.name).absolute(0);
}

pub(super) fn delivery(news: &DeliveryNews) {
    match news {
        // NaN inside is absent outside.
        DeliveryNews::Unsent(oldest) => gauge!(c::EVENTS_UNSENT.name).set(oldest.map_or(f64::NAN, seconds)),
        DeliveryNews::Sent { rows, failures } => {
            counter!(c::EVENTS_SENT.name).increment(*rows);
            if *failures > 0 {
                info!(event = "job_events_sent", rows, after_failures = failures);
            } else {
                debug!(event = "job_events_sent", rows);
            }
        }
        DeliveryNews::Failed { says, failures } => {
            counter!(c::EVENTS_FAILED.name).increment(1);
            if *failures == 1 {
                warn!(event = "job_events_not_sent", says);
            } else {
                debug!(event = "job_events_not_sent", says, failures);
            }
        }
        DeliveryNews::CutShort => {
            let says = "the time for it was over: what was not taken waits in the job log for the next start";
            warn!(event = "job_events_not_sent", says);
        }
    }
}
