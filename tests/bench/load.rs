//! A scraper that keeps many connections busy from one thread, and counts what it is not given.

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A scrape that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a scraper behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As Prometheus: the connection stays.
    Keep,
    /// As Prometheus by default: it stays, and the answer may come compressed.
    KeepGzip,
    /// One connection per scrape.
    Fresh,
}

impl Manner {
    fn request(self) -> &'static [u8] {
        match self {
            Manner::Keep => b"GET /metrics HTTP/1.1\r\nHost: bench\r\n\r\n",
            Manner::KeepGzip => b"GET /metrics HTTP/1.1\r\nHost: bench\r\nAccept-Encoding: gzip\r\n\r\n",
            Manner::Fresh => b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n",
        }
    }
}

/// When to stop.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    Elapsed(Duration),
    Answered(usize),
}

/// What came of it.
pub(crate) struct Outcome {
    /// Microseconds of every good answer, sorted.
    latencies: Vec<u32>,
    pub(crate) failures: usize,
    pub(crate) elapsed: Duration,
}

impl Outcome {
    pub(crate) fn good(&self) -> usize {
        self.latencies.len()
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.good() as f64 / self.elapsed.as_secs_f64()
    }

    /// Milliseconds below which the share `q` of the good answers stayed.
    pub(crate) fn quantile(&self, q: f64) -> f64 {
        let at = ((self.good() as f64 * q) as usize).min(self.good().saturating_sub(1));
        self.latencies.get(at).map_or(f64::NAN, |us| f64::from(*us) / 1e3)
    }
}

/// One connection and where its scrape stands.
struct Client {
    stream: Option<TcpStream>,
    began: Instant,
    answer: Vec<u8>,
}

/// Scrapes over `connections` at once, each next scrape as soon as the last was answered.
pub(crate) fn run(address: SocketAddr, connections: usize, manner: Manner, until: Until) -> Outcome {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("epoll");
    let began = Instant::now();
    let mut outcome = Outcome { latencies: Vec::new(), failures: 0, elapsed: Duration::ZERO };
    let mut clients: Vec<Client> = Vec::new();
    for _ in 0..connections {
        clients.push(Client { stream: None, began, answer: Vec::with_capacity(1 << 17) });
    }
    let mut events = vec![EpollEvent::empty(); connections];
    let done = |outcome: &Outcome| match until {
        Until::Elapsed(time) => began.elapsed() >= time,
        Until::Answered(count) => outcome.good() + outcome.failures >= count,
    };
    while !done(&outcome) {
        for (id, client) in clients.iter_mut().enumerate().filter(|(_, client)| client.stream.is_none()) {
            if client.open(address, manner, &epoll, id).is_err() {
                outcome.failures += 1;
            }
        }
        let ready = epoll.wait(&mut events, EpollTimeout::from(10_u8)).unwrap_or(0);
        for event in &events[..ready] {
            clients[event.data() as usize].proceed(manner, &mut outcome);
        }
        if ready == 0 {
            let late = |client: &&mut Client| client.stream.is_some() && client.began.elapsed() > PATIENCE;
            clients.iter_mut().filter(late).for_each(|client| client.fail(&mut outcome));
        }
    }
    outcome.elapsed = began.elapsed();
    outcome.latencies.sort_unstable();
    outcome
}

impl Client {
    fn open(&mut self, address: SocketAddr, manner: Manner, epoll: &Epoll, id: usize) -> io::Result<()> {
        self.began = Instant::now();
        self.answer.clear();
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.write_all(manner.request())?;
        stream.set_nonblocking(true)?;
        epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, id as u64))?;
        self.stream = Some(stream);
        Ok(())
    }

    /// Reads what has come; after a whole answer, asks again.
    fn proceed(&mut self, manner: Manner, outcome: &mut Outcome) {
        let Some(stream) = &mut self.stream else { return };
        let mut chunk = vec![0; 65536];
        let ended = match stream.read(&mut chunk) {
            Ok(0) => true,
            Ok(count) => {
                self.answer.extend_from_slice(&chunk[..count]);
                false
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) => return self.fail(outcome),
        };
        match state(&self.answer) {
            State::Whole => {
                let micros = self.began.elapsed().as_micros();
                outcome.latencies.push(u32::try_from(micros).unwrap_or(u32::MAX));
                // A server may say that a connection was good for so many requests; whoever keeps one opens the next.
                let closes = says_close(&self.answer);
                self.answer.clear();
                self.began = Instant::now();
                if ended || closes || manner == Manner::Fresh || stream.write_all(manner.request()).is_err() {
                    self.stream = None;
                }
            }
            State::Partial if !ended => {}
            State::Partial | State::Bad => self.fail(outcome),
        }
    }

    fn fail(&mut self, outcome: &mut Outcome) {
        outcome.failures += 1;
        self.stream = None;
    }
}

enum State {
    Partial,
    Whole,
    Bad,
}

fn state(answer: &[u8]) -> State {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return State::Partial };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    if head.split(' ').nth(1) != Some("200") {
        return State::Bad;
    }
    let body = answer.len() - end - 4;
    let field = |name: &str| head.split("\r\n").find_map(|line| line.strip_prefix(name)).map(str::trim);
    let whole = match field("content-length:").and_then(|length| length.parse::<usize>().ok()) {
        Some(length) => body >= length && length > 0,
        None => answer.ends_with(b"\r\n0\r\n\r\n"),
    };
    if whole { State::Whole } else { State::Partial }
}

fn says_close(answer: &[u8]) -> bool {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(answer, |end| &answer[..end]);
    String::from_utf8_lossy(head).to_ascii_lowercase().contains("\r\nconnection: close")
}

/// One answer, if there is a good one.
fn fetch(address: SocketAddr) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(Manner::Fresh.request()).ok()?;
    let mut answer = Vec::new();
    let mut chunk = vec![0; 65536];
    while matches!(state(&answer), State::Partial) {
        match stream.read(&mut chunk) {
            Ok(count @ 1..) => answer.extend_from_slice(&chunk[..count]),
            Ok(_) | Err(_) => return None,
        }
    }
    matches!(state(&answer), State::Whole).then_some(answer)
}

/// One scrape: was it answered with a page?
pub(crate) fn once(address: SocketAddr) -> bool {
    fetch(address).is_some()
}

/// The page; empty if there is none.
pub(crate) fn page(address: SocketAddr) -> String {
    String::from_utf8_lossy(&fetch(address).unwrap_or_default()).into_owned()
}
