//! What the runner's own wrapper does before the first launch: waits for docker, updates the certificates. Neither can fail the start.
//!
//! As `run.sh` and `run-helper.sh` of `actions/runner` mean it: docker is asked once a second, and after the time
//! given the runner is launched without it; a certificate store that cannot be updated is a warning. Other than there
//! docker's own client is not needed, and both happen once, not before every launch.

use super::child::Launch;
use super::engine::EngineAddress;
use super::http_request::{self, HttpRequest};
use super::stdio::OutputWriter;
use super::{config_script, runner_user};
use crate::domain::event::Exit;
use crate::domain::notice::Notice;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc::UnboundedSender;

/// Between two questions, and for one of them.
const PAUSE: Duration = Duration::from_secs(1);
const ONE_ANSWER: Duration = Duration::from_secs(2);
/// Reading a few hundred certificates takes a second or two.
const CERTIFICATES: Duration = Duration::from_secs(60);
/// The programs that update the store, of Debian and of Red Hat.
const UPDATERS: [&str; 2] = ["update-ca-certificates", "update-ca-trust"];

/// What is to be done before the first launch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrelaunchSteps {
    /// `RUNNER_WAIT_FOR_DOCKER_IN_SECONDS`; zero: not at all.
    pub wait_for_docker: Duration,
    /// `RUNNER_UPDATE_CA_CERTS` is set.
    pub update_certificates: bool,
}

impl PrelaunchSteps {
    /// Whether there is anything to do.
    pub fn any(&self) -> bool {
        self.update_certificates || !self.wait_for_docker.is_zero()
    }
}

/// Takes them, telling each as it happens; over when `tell` is dropped. `environment` is that of the children.
pub async fn run(
    steps: PrelaunchSteps,
    environment: Vec<(OsString, OsString)>,
    outlets: [OutputWriter; 2],
    tell: UnboundedSender<Notice>,
) {
    // Nobody who listens is gone before us, but for the end of everything.
    let tell = |notice| drop(tell.send(notice));
    if steps.update_certificates {
        tell(Notice::CertificatesUpdated {
            says: update_certificates(environment.clone(), &outlets).await.err(),
        });
    }
    if !steps.wait_for_docker.is_zero() {
        let at_most = steps.wait_for_docker;
        tell(Notice::DockerAwaited { at_most });
        let says = match EngineAddress::of(value(&environment, "DOCKER_HOST").and_then(OsStr::to_str)) {
            Ok(place) => wait_for(&place, at_most).await.err(),
            Err(says) => Some(says),
        };
        tell(Notice::DockerWaitEnded { says });
    }
}

fn value<'a>(environment: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_os_str())
}

async fn wait_for(place: &EngineAddress, at_most: Duration) -> Result<(), String> {
    let mut says = String::new();
    let attempts = async {
        loop {
            match tokio::time::timeout(ONE_ANSWER, ask(place)).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => says = error.to_string(),
                Err(_) => says = format!("no answer within {} s", ONE_ANSWER.as_secs()),
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    match tokio::time::timeout(at_most, attempts).await {
        Ok(()) => Ok(()),
        Err(_) => Err(format!("docker did not answer within {} s: {says}", at_most.as_secs())),
    }
}

async fn ask(place: &EngineAddress) -> io::Result<()> {
    match place {
        EngineAddress::Socket(path) => ping(UnixStream::connect(path).await?).await,
        // Whether it speaks TLS is not known, so a connection is answer enough.
        EngineAddress::Tcp(address) => TcpStream::connect(address).await.map(drop),
    }
}

/// `GET /_ping`, which every version of the engine's API answers without a version in its path.
async fn ping(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> io::Result<()> {
    let question = HttpRequest { method: "GET", path: "/_ping", host: "docker", token: None, most: 1024 };
    match http_request::send(stream, question).await.map_err(io::Error::other)?.status {
        200 => Ok(()),
        other => Err(io::Error::other(format!("it answers {other}"))),
    }
}

/// Runs the system's own program; `Err` says why the store was not updated.
async fn update_certificates(
    env: Vec<(OsString, OsString)>,
    outlets: &[OutputWriter; 2],
) -> Result<(), String> {
    let path = value(&env, "PATH").unwrap_or_default().to_owned();
    let root = runner_user::is_root().then_some(0);
    let (program, args) = command(&path, root)?;
    let launch = Launch { program, args, dir: "/".into(), env, user: None };
    match tokio::time::timeout(CERTIFICATES, config_script::run(&launch, outlets)).await {
        Ok(Ok(outcome)) if outcome.exit == Exit::Code(0) => Ok(()),
        Ok(Ok(outcome)) => Err(format!("the program ended with code {}", outcome.exit.shell_code())),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("the program did not end within {} s", CERTIFICATES.as_secs())),
    }
}

/// The updater; by `sudo`, which must not ask, unless we are root. Root, whose number is given, takes it only from where
/// nobody else may write: a `PATH` may have a directory of the jobs.
fn command(path: &OsStr, root: Option<u32>) -> Result<(PathBuf, Vec<OsString>), String> {
    let updater = UPDATERS.iter().find_map(|name| in_path(path, name, root));
    let updater = updater.ok_or_else(|| format!("found neither {} nor {}", UPDATERS[0], UPDATERS[1]))?;
    if root.is_some() {
        return Ok((updater, Vec::new()));
    }
    let sudo = in_path(path, "sudo", None).ok_or("sudo is required but not found")?;
    Ok((sudo, vec!["-n".into(), updater.into()]))
}

fn in_path(path: &OsStr, name: &str, owner: Option<u32>) -> Option<PathBuf> {
    let is_executable = |file: &Path| nix::unistd::access(file, nix::unistd::AccessFlags::X_OK).is_ok();
    let is_safe = |file: &Path| owner.is_none_or(|owner| is_of(file, owner));
    let mut files = std::env::split_paths(path).map(|dir| dir.join(name));
    files.find(|file| file.is_file() && is_executable(file) && is_safe(file))
}

/// Whether only `owner`, or root, could have put this program there: it, and all that is above it when links are followed.
fn is_of(file: &Path, owner: u32) -> bool {
    const OTHERS_WRITE: u32 = 0o022;
    const STICKY: u32 = 0o1000;
    let Ok(file) = file.canonicalize() else { return false };
    file.ancestors().all(|path| {
        let Ok(found) = path.metadata() else { return false };
        let is_closed = found.mode() & OTHERS_WRITE == 0 || (found.is_dir() && found.mode() & STICKY != 0);
        is_closed && [owner, 0].contains(&found.uid())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixListener;

    #[test]
    fn certificates_are_updated_by_the_first_program_there_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().as_os_str();
        let root = Some(runner_user::uid());
        assert_eq!(
            command(path, root).unwrap_err(),
            "found neither update-ca-certificates nor update-ca-trust"
        );
        let make = |name: &str| {
            let file = dir.path().join(name);
            std::fs::write(&file, "#!/bin/sh\n").unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
            file
        };
        let trust = make("update-ca-trust");
        assert_eq!(command(path, root).unwrap(), (trust, vec![]));
        let certificates = make("update-ca-certificates");
        assert_eq!(command(path, root).unwrap(), (certificates.clone(), vec![]));
        assert_eq!(command(path, None).unwrap_err(), "sudo is required but not found");
        let sudo = make("sudo");
        assert_eq!(command(path, None).unwrap(), (sudo, vec!["-n".into(), certificates.into()]));
    }

    #[test]
    fn root_takes_no_program_from_where_others_write() {
        let (own, open) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let open_bin = open.path().join("bin");
        std::fs::create_dir(&open_bin).unwrap();
        for dir in [own.path(), &open_bin] {
            let file = dir.join("update-ca-certificates");
            std::fs::write(&file, "#!/bin/sh\n").unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = std::env::join_paths([&open_bin, own.path()]).unwrap();
        let found = || command(&path, Some(runner_user::uid())).unwrap().0;
        assert!(found().starts_with(&open_bin));
        // The directory, then one above it, then the program itself.
        let planted = open_bin.join("update-ca-certificates");
        for (loose, mode) in [(open_bin.as_path(), 0o777), (open.path(), 0o770), (&planted, 0o775)] {
            std::fs::set_permissions(loose, std::fs::Permissions::from_mode(mode)).unwrap();
            assert!(found().starts_with(own.path()), "{}", loose.display());
            std::fs::set_permissions(loose, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        // A link of theirs into it leads to what is ours, or is passed over.
        if runner_user::is_root() {
            std::os::unix::fs::chown(&open_bin, Some(4711), Some(4711)).unwrap();
            assert!(found().starts_with(own.path()), "another's directory");
        }
    }

    /// Answers every connection with the next of these, then closes it.
    async fn engine(listener: UnixListener, answers: &[&str]) {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /_ping HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK";
    const STARTING: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

    fn block_on(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    #[test]
    fn docker_is_waited_for_until_it_answers_with_200() {
        block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("docker.sock");
            let listener = UnixListener::bind(&path).unwrap();
            let place = EngineAddress::Socket(path);
            let waiting = wait_for(&place, Duration::from_secs(30));
            let (answer, ()) = tokio::join!(waiting, engine(listener, &[STARTING, OK]));
            assert_eq!(answer, Ok(()));
        });
    }

    #[test]
    fn what_was_wrong_at_last_is_told() {
        block_on(async {
            let place = EngineAddress::Socket("/nonexistent/docker.sock".into());
            let says = wait_for(&place, Duration::from_millis(50)).await.unwrap_err();
            assert_eq!(says, "docker did not answer within 0 s: No such file or directory (os error 2)");
        });
    }
}
