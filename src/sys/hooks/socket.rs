//! The way back: a datagram socket that only the runner's user may write, and whose senders the kernel names.
//!
//! Who sends waits a moment for an answer, so that it can still be looked at: see [`crate::hook`].

use crate::domain::context::{ACCEPTED, DATAGRAM_LIMIT, Report, ReportFault};
use crate::sys::remove::remove;
use chrono::{DateTime, Utc};
use nix::libc;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrLike as _, UnixAddr, UnixCredentials, recvmsg, sendto, setsockopt,
    sockopt::PassCred,
};
use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use tokio::io::Interest;
use tokio::net::UnixDatagram;

/// An address that is no more than its family.
const NO_NAME: usize = size_of::<libc::sa_family_t>();

/// A datagram, and what the kernel says of its sender.
#[derive(Debug)]
pub struct Received {
    /// What it says.
    pub report: Result<Report, ReportFault>,
    /// The process that has sent it, in our namespace; it may be gone.
    pub pid: Option<i32>,
    /// Where it waits for an answer.
    back: Option<UnixAddr>,
}

/// Where reports arrive. Must be made within a runtime.
#[derive(Debug)]
pub struct Socket {
    inner: UnixDatagram,
    path: PathBuf,
    senders: [u32; 2],
    clock: fn() -> DateTime<Utc>,
}

impl Socket {
    /// Binds `dir/report.sock`, replacing what a predecessor left, for `runner` (uid, gid), or for ourselves.
    ///
    /// `clock` bounds the times in reports.
    ///
    /// # Errors
    /// If it cannot be bound (a path has at most 107 bytes) or given to the runner's user, which takes `CAP_CHOWN`.
    pub fn bind(dir: &Path, runner: Option<(u32, u32)>, clock: fn() -> DateTime<Utc>) -> io::Result<Socket> {
        let path = dir.join("report.sock");
        remove(&path)?;
        let inner = UnixDatagram::bind(&path)?;
        // Before anybody else may write to it.
        setsockopt(&inner, PassCred, &true)?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600))?;
        let ours = nix::unistd::geteuid().as_raw();
        if let Some((uid, gid)) = runner {
            chown(&path, Some(uid), Some(gid))?;
        }
        let senders = [ours, runner.map_or(ours, |(uid, _)| uid)];
        Ok(Socket { inner, path, senders, clock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the next datagram. Cancel-safe: what is not returned has not been taken.
    ///
    /// # Errors
    /// If the socket is of no use any more.
    pub async fn recv(&self) -> io::Result<Received> {
        self.inner.async_io(Interest::READABLE, || self.take()).await
    }

    /// Tells whoever sent this what became of it, if it waits for that; and more, where there is more to tell.
    pub fn answer(&self, to: &Received, outcome: Result<Option<String>, ReportFault>) {
        let word = match outcome {
            Ok(None) => ACCEPTED.to_owned(),
            Ok(Some(more)) => format!("{ACCEPTED}\n{more}"),
            Err(fault) => fault.as_str().to_owned(),
        };
        if let Some(back) = &to.back {
            // It may have gone meanwhile.
            let _ = sendto(self.inner.as_raw_fd(), word.as_bytes(), back, MsgFlags::MSG_DONTWAIT);
        }
    }

    fn take(&self) -> io::Result<Received> {
        let mut datagram = [0; DATAGRAM_LIMIT];
        // Room for the credentials alone: descriptors that somebody sends along are not taken.
        let mut control = nix::cmsg_space!(UnixCredentials);
        let (bytes, flags, sender, back) = {
            let mut parts = [IoSliceMut::new(&mut datagram)];
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
            let message = recvmsg::<UnixAddr>(self.inner.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
            let sender = message.cmsgs().map(|mut messages| messages.find_map(|message| sender(&message)));
            // The kernel's own choice of a name: one in the file system would be looked up with our rights.
            // A socket without a name has an address of no length, of which nothing else may be asked.
            let is_named = |address: &UnixAddr| usize::try_from(address.len()).is_ok_and(|len| len > NO_NAME);
            let back = message.address.filter(|address| is_named(address) && address.as_abstract().is_some());
            (message.bytes, message.flags, sender, back)
        };
        let pid = sender.as_ref().ok().and_then(|sender| Some(sender.as_ref()?.pid()));
        let is_known = |sender: &UnixCredentials| self.senders.contains(&sender.uid());
        let report = match sender {
            // More than the credentials came along.
            Err(_) => Err(ReportFault::Malformed),
            Ok(sender) if !sender.as_ref().is_some_and(is_known) => Err(ReportFault::Foreign),
            Ok(_) if flags.contains(MsgFlags::MSG_TRUNC) => Err(ReportFault::Oversized),
            Ok(_) => Report::parse(&datagram[..bytes], (self.clock)()),
        };
        Ok(Received { report, pid, back })
    }
}

fn sender(message: &ControlMessageOwned) -> Option<UnixCredentials> {
    if let ControlMessageOwned::ScmCredentials(sender) = message { Some(*sender) } else { None }
}
