//! Operators' signals, caught before anything is spawned; what they mean is decided elsewhere.

use crate::domain::event::StopRequest;
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorSignal {
    /// To go.
    Stop(StopRequest),
    /// Nothing we know; its name.
    Other(&'static str),
}

/// The caught signals. Deliveries coalesce.
pub struct Signals {
    term: Signal,
    int: Signal,
    quit: Signal,
    usr1: Signal,
    usr2: Signal,
    hup: Signal,
    stop_heard: bool,
}

impl Signals {
    /// Catches them from now on.
    ///
    /// # Errors
    /// If the operating system refuses a handler.
    pub fn catch() -> io::Result<Signals> {
        // A job of our user may set a limit for our files. Caught, it is a write that fails; it would end us, and ignored it
        // would be ignored by every child.
        drop(signal(SignalKind::from_raw(nix::sys::signal::Signal::SIGXFSZ as i32))?);
        Ok(Signals {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            usr1: signal(SignalKind::user_defined1())?,
            usr2: signal(SignalKind::user_defined2())?,
            hup: signal(SignalKind::hangup())?,
            stop_heard: false,
        })
    }

    /// The next one. Cancel-safe.
    pub async fn next(&mut self) -> OperatorSignal {
        let heard = tokio::select! {
            _ = self.quit.recv() => OperatorSignal::Stop(StopRequest::Immediate),
            _ = self.term.recv() => OperatorSignal::Stop(StopRequest::Graceful),
            _ = self.int.recv() => OperatorSignal::Stop(StopRequest::Graceful),
            _ = self.usr1.recv() => OperatorSignal::Stop(StopRequest::DrainUnlimited),
            _ = self.usr2.recv() => OperatorSignal::Other("SIGUSR2"),
            _ = self.hup.recv() => OperatorSignal::Other("SIGHUP"),
        };
        self.stop_heard |= matches!(heard, OperatorSignal::Stop(_));
        heard
    }

    /// Whether [`next`](Self::next) has ever told to stop: whoever heard it may not be who has to know.
    pub fn is_stop_heard(&self) -> bool {
        self.stop_heard
    }
}
