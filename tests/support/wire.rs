//! HTTP/1 spoken by hand, byte for byte, so that a test can be the client no library would be.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Far beyond anything that is right.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer, its body put together again and unpacked.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub version: String,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body; unpacked if it is packed.
    pub fn text(&self) -> String {
        let bytes = if self.header("content-encoding") == Some("gzip") {
            unzip(&self.body)
        } else {
            self.body.clone()
        };
        String::from_utf8(bytes).expect("UTF-8")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// One connection.
pub struct Wire {
    stream: BufReader<Box<dyn Stream>>,
}

/// A TCP or a unix connection.
pub trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

impl Wire {
    /// To `IP:PORT`.
    pub fn to(address: &str) -> io::Result<Wire> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Wire::over(stream))
    }

    pub fn over(stream: impl Stream + 'static) -> Wire {
        Wire { stream: BufReader::new(Box::new(stream)) }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// The next answer; `UnexpectedEof` if the other side has closed before its first byte.
    pub fn answer(&mut self, to_head: bool) -> io::Result<Reply> {
        let line = self.line()?;
        let mut words = line.splitn(3, ' ');
        let version = words.next().unwrap_or_default().to_owned();
        let status = words.next().and_then(|s| s.parse().ok()).ok_or_else(|| broken(&line))?;
        let mut reply = Reply { status, version, headers: Vec::new(), body: Vec::new() };
        loop {
            let line = self.line().map_err(|_| broken("the head is cut off"))?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").ok_or_else(|| broken(&line))?;
            reply.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        if !to_head {
            reply.body =
                self.body(&reply).map_err(|error| broken(&format!("the body is cut off: {error}")))?;
        }
        Ok(reply)
    }

    /// `GET path`, its answer; the connection stays.
    pub fn get(&mut self, path: &str, headers: &str) -> io::Result<Reply> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n"))?;
        self.answer(false)
    }

    /// Everything up to the end of the connection.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest)?;
        Ok(rest)
    }

    fn body(&mut self, reply: &Reply) -> io::Result<Vec<u8>> {
        if reply.header("transfer-encoding") == Some("chunked") {
            return self.chunks();
        }
        let length =
            reply.header("content-length").and_then(|l| l.parse().ok()).ok_or_else(|| broken("no length"))?;
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = usize::from_str_radix(&line, 16).map_err(|_| broken(&line))?;
            let mut chunk = vec![0; size + 2];
            self.stream.read_exact(&mut chunk)?;
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.strip_suffix(b"\r\n").ok_or_else(|| broken("a line is cut off"))?;
        Ok(String::from_utf8_lossy(line).into_owned())
    }
}

/// `GET path` on a connection of its own.
pub fn get(address: &str, path: &str, headers: &str) -> io::Result<Reply> {
    Wire::to(address)?.get(path, &format!("Connection: close\r\n{headers}"))
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP: {what:?}"))
}

fn unzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = Command::new("gzip")
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip starts");
    let mut stdin = gzip.stdin.take().expect("piped");
    let packed = bytes.to_vec();
    let feeder = std::thread::spawn(move || stdin.write_all(&packed));
    let output = gzip.wait_with_output().expect("gzip ends");
    feeder.join().expect("no panic").expect("gzip reads");
    assert!(output.status.success(), "not gzip");
    output.stdout
}
