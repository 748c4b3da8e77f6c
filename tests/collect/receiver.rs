//! Somebody to whom rows are posted: it takes them, or does not, as it is told to, and remembers what it has heard.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What it does with a post.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mood {
    /// 204.
    Takes,
    /// This status.
    Answers(u16),
    /// It has it, and the answer is lost.
    Forgets,
    /// It lets the sender wait.
    Hangs,
    /// Bodies longer than this are too large.
    TakesUpTo(usize),
}

/// One post.
#[derive(Clone, Debug)]
pub struct Post {
    pub head: String,
    pub body: Vec<u8>,
    pub taken: bool,
}

impl Post {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

#[derive(Clone)]
pub struct Receiver {
    pub address: String,
    mood: Arc<Mutex<Mood>>,
    posts: Arc<Mutex<Vec<Post>>>,
}

impl Receiver {
    pub fn start(mood: Mood) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let receiver = Receiver { address, mood: Arc::new(Mutex::new(mood)), posts: Arc::default() };
        let own = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let own = own.clone();
                std::thread::spawn(move || own.serve(stream));
            }
        });
        receiver
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn set(&self, mood: Mood) {
        *self.mood.lock().expect("no panic") = mood;
    }

    pub fn posts(&self) -> Vec<Post> {
        self.posts.lock().expect("no panic").clone()
    }

    /// The rows of the posts that were taken, or had to be, in their order.
    pub fn rows(&self) -> Vec<Value> {
        let taken = self.posts().into_iter().filter(|post| post.taken);
        taken.flat_map(|post| post.json()["rows"].as_array().cloned().unwrap_or_default()).collect()
    }

    /// One word of each row that was taken.
    pub fn words(&self, name: &str) -> Vec<String> {
        self.rows().iter().map(|row| row[name].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().expect("a descriptor"));
        let mut writer = stream;
        while let Some(mut post) = read(&mut reader) {
            let mood = *self.mood.lock().expect("no panic");
            let status = match mood {
                Mood::Takes | Mood::Forgets => 204,
                Mood::Answers(status) => status,
                Mood::TakesUpTo(most) if post.body.len() <= most => 204,
                Mood::TakesUpTo(_) => 413,
                Mood::Hangs => 0,
            };
            post.taken = (200..300).contains(&status);
            self.posts.lock().expect("no panic").push(post);
            match mood {
                Mood::Forgets => return,
                Mood::Hangs => std::thread::sleep(Duration::from_secs(120)),
                Mood::Takes | Mood::Answers(_) | Mood::TakesUpTo(_) => {}
            }
            let says = if status == 204 { "" } else { "no s3cr3t-token today" };
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{says}", says.len());
            if writer.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Post> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length =
        |line: &str| line.to_ascii_lowercase().strip_prefix("content-length: ").and_then(|n| n.parse().ok());
    let mut body = vec![0; head.lines().find_map(length).unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Post { head, body, taken: false })
}
