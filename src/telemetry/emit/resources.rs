//! What jobs use, and what they leave behind.

use crate::domain::sweep::Swept;
use crate::telemetry::catalog as c;
use metrics::counter;
use tracing::{info, warn};

pub(super) fn swept(swept: Swept) {
    let Swept { processes, left, files } = swept;
    counter!(c::SWEPT_PROCESSES.name).increment(processes);
    counter!(c::SWEPT_FILES.name).increment(files);
    if left > 0 {
        warn!(event = "swept", processes, left, files);
    } else {
        info!(event = "swept", processes, files);
    }
}
