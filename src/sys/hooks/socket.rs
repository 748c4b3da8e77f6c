//! The way back: a datagram socket that only the runner's user may write, and whose senders the kernel names.

use crate::domain::context::{DATAGRAM_LIMIT, Report, ReportFault};
use chrono::{DateTime, Utc};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg, setsockopt, sockopt::PassCred,
};
use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use tokio::io::Interest;
use tokio::net::UnixDatagram;

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
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
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
    /// Inside, what is wrong with the datagram; outside, if the socket itself is.
    pub async fn recv(&self) -> io::Result<Result<Report, ReportFault>> {
        self.inner.async_io(Interest::READABLE, || self.take()).await
    }

    fn take(&self) -> io::Result<Result<Report, ReportFault>> {
        let mut datagram = [0; DATAGRAM_LIMIT];
        // Room for the credentials alone: descriptors that somebody sends along are not taken.
        let mut control = nix::cmsg_space!(UnixCredentials);
        let (bytes, flags, sender) = {
            let mut parts = [IoSliceMut::new(&mut datagram)];
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
            let message = recvmsg::<()>(self.inner.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
            let sender = message.cmsgs().map(|mut messages| messages.find_map(|message| uid(&message)));
            (message.bytes, message.flags, sender)
        };
        let is_known = |uid: &u32| self.senders.contains(uid);
        Ok(match sender {
            // More than the credentials came along.
            Err(_) => Err(ReportFault::Malformed),
            Ok(sender) if !sender.as_ref().is_some_and(is_known) => Err(ReportFault::Foreign),
            Ok(_) if flags.contains(MsgFlags::MSG_TRUNC) => Err(ReportFault::Oversized),
            Ok(_) => Report::parse(&datagram[..bytes], (self.clock)()),
        })
    }
}

fn uid(message: &ControlMessageOwned) -> Option<u32> {
    if let ControlMessageOwned::ScmCredentials(sender) = message { Some(sender.uid()) } else { None }
}
