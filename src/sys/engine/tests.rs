//! A sweep against engines of every kind: whole, slow, wrong, huge, gone.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]

use super::*;
use crate::domain::engine::{label, spellings};
use crate::sys::door::Odd;
use ring::digest::{SHA256, digest};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::sync::mpsc::error::TryRecvError;

const RUNNER: &str = "\u{feff}{\r\n  \"agentId\": 7\r\n}";
const ID: &str = "a949e174440eda347a5098160333c2ce59389ac373b890c95cfe2c66d99317c7";

fn utc_now() -> DateTime<Utc> {
    Utc::now()
}

type AnswerTo = fn(&str) -> Option<String>;

/// An engine that answers each request by this; what it was asked, in order.
struct Fake {
    dir: TempDir,
    asked: Arc<Mutex<Vec<String>>>,
}

fn fake(answer: impl Fn(&str) -> Option<String> + Send + 'static) -> Fake {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(".runner"), RUNNER).unwrap();
    let listener = UnixListener::bind(dir.path().join("docker.sock")).unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut line = String::new();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
            let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
            heard.lock().unwrap().push(line.clone());
            match answer(&line) {
                Some(text) => drop(stream.write_all(text.as_bytes())),
                // Never answered, never closed.
                None => held.push(stream),
            }
        }
    });
    Fake { dir, asked }
}

impl Fake {
    fn plan(&self) -> EnginePlan {
        let environment =
            [("DOCKER_HOST".into(), format!("unix://{}/docker.sock", self.dir.path().display()).into())];
        EnginePlan::new(&environment, Dir::open(self.dir.path()).unwrap(), None, self.memory(), utc_now)
    }

    fn memory(&self) -> PathBuf {
        self.dir.path().join("jobs.log.engine")
    }

    /// One job, from its beginning to the last word about it.
    fn job(&self) -> Vec<Word> {
        let (words, mut said) = unbounded_channel();
        let sweep = EngineThread::start(self.plan(), words).unwrap();
        sweep.began(utc_now());
        sweep.ended(false);
        all(&mut said)
    }

    fn deleted(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter_map(|line| line.strip_prefix("DELETE ")).map(str::to_owned).collect()
    }
}

fn all(said: &mut UnboundedReceiver<Word>) -> Vec<Word> {
    let mut words = Vec::new();
    loop {
        match said.blocking_recv().expect("the thread lives") {
            Word::Done => return words,
            news @ Word::News(_) => words.push(news),
        }
    }
}

fn swept(kind: Kind, name: String) -> Word {
    Word::News(EngineNews::Swept { kind, name })
}

fn unusable(says: &str) -> Word {
    Word::News(EngineNews::Unusable { says: says.to_owned() })
}

#[expect(clippy::unnecessary_wraps, reason = "an answer may be none")]
fn http(status: u16, body: &str) -> Option<String> {
    Some(format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()))
}

fn our_label() -> String {
    let [lower, _] = spellings(RUNNER.as_bytes());
    label(digest(&SHA256, lower.as_bytes()).as_ref().try_into().unwrap())
}

fn container(id: &str, label: &str, age: i64) -> String {
    let created = utc_now().timestamp() - age;
    format!(r#"{{"Id":"{id}","Names":["/job"],"Created":{created},"Labels":{{"{label}":""}}}}"#)
}

fn network(label: &str) -> String {
    let created = utc_now().to_rfc3339();
    format!(r#"{{"Id":"{ID}","Name":"github_network_1","Created":"{created}","Labels":{{"{label}":""}}}}"#)
}

/// Answers lists as an engine with these does; `None` for anything else.
fn lists(line: &str, containers: &[String], networks: &[String]) -> Option<String> {
    let of = |all: &[String]| http(200, &format!("[{}]", all.join(",")));
    if line.starts_with("GET /containers/json?all=1&filters=") {
        of(containers)
    } else if line.starts_with("GET /networks?filters=") {
        of(networks)
    } else {
        None
    }
}

#[test]
fn what_is_ours_goes_containers_first_and_nothing_else() {
    let engine = fake(|line| {
        let (ours, other) = (our_label(), "dc0b49");
        let containers = [container("0a", &ours, 0), container("0e", other, 0), container("0f", &ours, 99)];
        lists(line, &containers, &[network(&ours)]).or_else(|| http(204, ""))
    });
    let both = [swept(Kind::Container, "job".into()), swept(Kind::Network, "github_network_1".into())];
    assert_eq!(engine.job(), both);
    assert_eq!(engine.deleted(), ["/containers/0a?force=1&v=1".to_owned(), format!("/networks/{ID}")]);
    assert!(!engine.memory().exists(), "nothing is left to do");
}

#[test]
fn the_label_asked_for_is_the_workers() {
    let engine = fake(|line| lists(line, &[], &[]));
    assert_eq!(engine.job(), []);
    let filter =
        format!("GET /containers/json?all=1&filters=%7B%22label%22%3A%5B%22{}%22%5D%7D", our_label());
    assert!(engine.asked.lock().unwrap().contains(&filter), "{:?}", engine.asked);
    assert_eq!(engine.deleted(), [""; 0]);
}

#[test]
fn a_removal_in_progress_is_waited_for_and_one_by_others_is_not_ours() {
    let tries = Mutex::new(0);
    let engine = fake(move |line| {
        lists(line, &[container("0a", &our_label(), 0)], &[]).or_else(|| {
            let mut tries = tries.lock().unwrap();
            *tries += 1;
            match *tries {
                1 => http(500, r#"{"message":"driver failed to remove root filesystem"}"#),
                2 => http(409, r#"{"message":"removal of container 0a is already in progress"}"#),
                _ => http(404, r#"{"message":"No such container: 0a"}"#),
            }
        })
    });
    assert_eq!(engine.job(), [swept(Kind::Container, "job".into())]);
    assert_eq!(engine.deleted().len(), 3);
    let engine = fake(|line| {
        lists(line, &[container("0a", &our_label(), 0)], &[])
            .or_else(|| http(404, r#"{"message":"No such container"}"#))
    });
    assert_eq!(engine.job(), []);
    assert!(!engine.memory().exists());
}

#[test]
fn what_stays_is_named_and_remembered() {
    let refuses = |line: &str| {
        lists(line, &[], &[network(&our_label())])
            .or_else(|| http(403, r#"{"message":"network github_network_1 has active endpoints"}"#))
    };
    let engine = fake(refuses);
    let says = "it answers 403 network github_network_1 has active endpoints".to_owned();
    assert_eq!(
        engine.job(),
        [Word::News(EngineNews::Left { kind: Kind::Network, name: "github_network_1".into(), says })]
    );
    assert!(engine.memory().exists(), "the next sweep tries again");
}

#[test]
fn an_engine_that_is_wrong_is_named_and_harms_nothing() {
    let huge = || http(200, &format!("[{}]", " ".repeat(3 << 20)));
    let rows: [(AnswerTo, &str); 7] = [
        (|_| None, "no answer within 2 s"),
        (|_| http(500, r#"{"message":"boom"}"#), "it answers 500 boom"),
        (|_| http(200, "<html>"), "its list of containers cannot be understood"),
        (|_| http(200, "[{\"Id\":1}]"), "its list of containers cannot be understood"),
        (|_| Some("\x16\x03\x01\n".into()), "no answer from"),
        (
            |_| Some("HTTP/1.1 200 OK\r\ncontent-length: 99\r\nconnection: close\r\n\r\n[".into()),
            "too long or broken",
        ),
        (|_| Some(String::new()), "no answer from"),
    ];
    for (answer, says) in rows {
        let engine = fake(answer);
        let words = engine.job();
        assert!(
            matches!(&words[..], [Word::News(EngineNews::Unusable { says: text })] if text.contains(says)),
            "{words:?} is not {says}"
        );
        assert!(engine.memory().exists(), "the next sweep tries again");
    }
    let engine = fake(move |_| huge());
    assert_eq!(engine.job(), [unusable("its answer is too long or broken")]);
}

#[test]
fn without_an_engine_nothing_is_said_or_written() {
    let engine = fake(|_| None);
    std::fs::remove_file(engine.dir.path().join("docker.sock")).unwrap();
    assert!(!engine.plan().has_engine());
    assert_eq!(engine.job(), []);
    assert!(!engine.memory().exists());
}

#[test]
fn nobody_who_listens_and_tls_are_named() {
    let engine = fake(|_| None);
    let path = engine.dir.path().join("closed.sock");
    drop(UnixListener::bind(&path).unwrap());
    let plan = |environment: &[(&str, String)]| {
        let environment: Vec<_> =
            environment.iter().map(|(name, value)| ((*name).into(), value.into())).collect();
        EnginePlan::new(&environment, Dir::open(engine.dir.path()).unwrap(), None, engine.memory(), utc_now)
    };
    for (plan, says) in [
        (plan(&[("DOCKER_HOST", format!("unix://{}", path.display()))]), "closed.sock: Connection refused"),
        (
            plan(&[("DOCKER_HOST", "tcp://engine:2376".into()), ("DOCKER_TLS_VERIFY", "1".into())]),
            "the engine is behind TLS, which is not spoken here",
        ),
        (plan(&[("DOCKER_HOST", "ssh://me@there".into())]), "names neither a unix socket nor a TCP address"),
    ] {
        assert!(plan.has_engine());
        let (words, mut said) = unbounded_channel();
        let sweep = EngineThread::start(plan, words).unwrap();
        sweep.began(utc_now());
        sweep.ended(false);
        let words = all(&mut said);
        assert!(
            matches!(&words[..], [Word::News(EngineNews::Unusable { says: text })] if text.contains(says)),
            "{words:?} is not {says}"
        );
    }
}

#[test]
fn docker_is_where_its_client_would_look() {
    let socket = |path: &str| Ok(EngineAddress::Socket(path.into()));
    assert_eq!(EngineAddress::of(None), socket("/var/run/docker.sock"));
    assert_eq!(EngineAddress::of(Some("")), socket("/var/run/docker.sock"));
    assert_eq!(
        EngineAddress::of(Some("unix:///run/user/1001/docker.sock")),
        socket("/run/user/1001/docker.sock")
    );
    assert_eq!(EngineAddress::of(Some("tcp://docker:2376")), Ok(EngineAddress::Tcp("docker:2376".into())));
    assert!(EngineAddress::of(Some("ssh://me@there")).is_err() && EngineAddress::of(Some("there")).is_err());
}

#[test]
fn a_successor_goes_on_where_its_predecessor_was_killed_whatever_its_registration() {
    let engine = fake(|line| lists(line, &[container("0a", &our_label(), 0)], &[]).or_else(|| http(204, "")));
    let (words, _said) = unbounded_channel();
    let killed = EngineThread::start(engine.plan(), words).unwrap();
    killed.began(utc_now());
    while !engine.plan().is_remembered() {
        std::thread::yield_now();
    }
    drop(killed);
    assert_eq!(mode(&engine.memory()), 0o600);
    std::fs::write(engine.dir.path().join(".runner"), "{}").unwrap();
    let (words, mut said) = unbounded_channel();
    let next = EngineThread::start(engine.plan(), words).unwrap();
    next.ended(false);
    assert_eq!(all(&mut said), [swept(Kind::Container, "job".into())]);
    assert!(!engine.plan().is_remembered());
}

#[test]
fn a_memory_that_is_not_ours_or_no_memory_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("memory");
    let good = r#"[{"labels":["6ac3cf"],"began":"2026-11-30T10:05:41Z"}]"#;
    std::fs::write(&path, good).unwrap();
    assert_eq!(Memory::open(path.clone(), &Odd::default()).marks.len(), 1);
    for bad in ["", "{}", "[1]", r#"[{"labels":["a/../b"],"began":"2026-11-30T10:05:41Z"}]"#] {
        std::fs::write(&path, bad).unwrap();
        assert_eq!(Memory::open(path.clone(), &Odd::default()).marks, [], "{bad}");
    }
    std::fs::write(dir.path().join("other"), good).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(dir.path().join("other"), &path).unwrap();
    assert_eq!(Memory::open(path.clone(), &Odd::default()).marks, [], "a link");
    if nix::unistd::geteuid().is_root() {
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, good).unwrap();
        std::os::unix::fs::chown(&path, Some(4321), None).unwrap();
        assert_eq!(Memory::open(path, &Odd::default()).marks, [], "somebody else's word");
    }
}

#[test]
fn while_its_worker_lives_a_job_keeps_everything() {
    let engine = fake(|line| lists(line, &[container("0a", &our_label(), 0)], &[]).or_else(|| http(204, "")));
    let program = engine.dir.path().join("bin/Runner.Worker");
    std::fs::create_dir(program.parent().unwrap()).unwrap();
    std::fs::copy("/bin/sleep", &program).unwrap();
    let mut worker = std::process::Command::new(&program).arg("600").spawn().unwrap();
    let (words, mut said) = unbounded_channel();
    let sweep = EngineThread::start(engine.plan(), words).unwrap();
    sweep.began(utc_now());
    sweep.ended(false);
    // Four requests a sweep or two: seen twice, the list was made anew.
    while engine.asked.lock().unwrap().len() < 9 {
        std::thread::yield_now();
    }
    assert_eq!((engine.deleted(), said.try_recv()), (vec![], Err(TryRecvError::Empty)));
    // The next job has begun: what is its worker's is not looked at any more.
    sweep.began(utc_now());
    assert_eq!(all(&mut said), []);
    sweep.ended(false);
    worker.kill().and_then(|()| worker.wait()).unwrap();
    assert_eq!(all(&mut said), [swept(Kind::Container, "job".into())]);
}

#[test]
fn at_the_end_the_worker_is_not_waited_for() {
    let engine = fake(|line| lists(line, &[container("0a", &our_label(), 0)], &[]).or_else(|| http(204, "")));
    let program = engine.dir.path().join("bin/Runner.Worker");
    std::fs::create_dir(program.parent().unwrap()).unwrap();
    std::fs::copy("/bin/sleep", &program).unwrap();
    let mut worker = std::process::Command::new(&program).arg("600").spawn().unwrap();
    let (words, mut said) = unbounded_channel();
    let sweep = EngineThread::start(engine.plan(), words).unwrap();
    sweep.began(utc_now());
    sweep.ended(true);
    assert_eq!(all(&mut said), [swept(Kind::Container, "job".into())]);
    worker.kill().and_then(|()| worker.wait()).unwrap();
}

#[test]
fn another_user_s_socket_is_refused_though_we_may() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("\n*** SKIPPED, NOTHING WAS CHECKED: not root ***\n");
        return;
    }
    let engine = fake(|line| lists(line, &[], &[]));
    let socket = engine.dir.path().join("docker.sock");
    let chmod = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    chmod(engine.dir.path(), 0o755);
    chmod(&socket, 0o660);
    std::os::unix::fs::chown(&socket, Some(0), Some(4321)).unwrap();
    let job = |groups: &[u32]| {
        let user = Some(Ids { uid: 1001, gid: 1001, groups: groups.to_vec() });
        let (words, mut said) = unbounded_channel();
        let sweep = EngineThread::start(EnginePlan { user, ..engine.plan() }, words).unwrap();
        sweep.began(utc_now());
        sweep.ended(false);
        all(&mut said)
    };
    let words = job(&[1001]);
    assert!(
        matches!(&words[..], [Word::News(EngineNews::Unusable { says })] if says.contains("Permission denied")),
        "{words:?}"
    );
    assert_eq!(engine.asked.lock().unwrap().len(), 0);
    assert_eq!(job(&[1001, 4321]), [], "a member of its group may");
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
