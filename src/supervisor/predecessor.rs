//! The wait for a predecessor: a supervisor that still has our job log is given the time that a stop may take, and then
//! it is no predecessor but another runner on the same volume.

use super::fault::StartError;
use crate::config::{Config, vars};
use crate::domain::start_notice::StartNotice;
use crate::sys::journal::{Journal, JournalReplay, JournalSettings, OpenError};
use crate::sys::journal_writer::{self, Opened};
use crate::sys::signals::{OperatorSignal, Signals};
use crate::telemetry::emit::tell_start;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks whether it has left.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The job log if it can be used, and what it held, or why not.
pub(super) type OpenLog = (Option<Box<Journal>>, Result<Box<JournalReplay>, String>);

/// The job log, once nobody else has it; `None` if somebody asked us to go meanwhile.
pub(super) async fn open_job_log(
    config: &Config,
    settings: &JournalSettings,
    signals: &mut Signals,
) -> Result<Option<OpenLog>, StartError> {
    let at_most = config.lifecycle.grace;
    let until = Instant::now() + at_most;
    let mut is_told = false;
    loop {
        match journal_writer::open(settings) {
            Ok(Opened::Log(journal, replay)) => return Ok(Some((Some(journal), Ok(replay)))),
            Ok(Opened::Unusable(detail)) => return Ok(Some((None, Err(detail)))),
            Err(OpenError::Locked { .. }) if Instant::now() < until => {}
            Err(error) => return Err(StartError::JobLog(error)),
        }
        if !std::mem::replace(&mut is_told, true) {
            let (path, at_most) = (settings.path.clone(), at_most.as_secs());
            let variable = vars::RUNNER_STOP_GRACE.name;
            tell_start(&StartNotice::JobLogInUse { path, at_most, variable });
        }
        tokio::select! {
            signal = signals.next() => if let OperatorSignal::Stop(_) = signal {
                return Ok(None);
            },
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}
