//! Posting to other places than GitHub: trust, proxies, headers and answers, and what an error must not say.
#![allow(clippy::disallowed_methods, reason = "tests drive real sockets and clocks")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere, its helpers too")]

#[path = "support/github.rs"]
mod github;
#[path = "support/receiver.rs"]
mod receiver;

use chrono::{TimeDelta, Utc};
use github::proxy::Proxy;
use github::serve::Authority;
use receiver::{Receiver, Says};
use runner_init::config::Secret;
use runner_init::github::{NetworkKind, Post, PostConfig, Proxies, RetryAfter, Roots};
use std::path::Path;
use std::time::Duration;

const NAME: &str = "otlp.example.com";

fn setup(url: &str) -> PostConfig {
    PostConfig {
        url: url.to_owned(),
        roots: Roots::File("/dev/null".into()),
        proxies: Proxies::default(),
        headers: vec![("x-api-key".into(), Secret::new("hunter2".into()))],
        content_type: "application/x-protobuf",
        gzip: false,
        attempt: Duration::from_secs(20),
    }
}

fn trusting(url: &str, pem: &Path, proxy: Option<&Proxy>) -> PostConfig {
    let proxy = proxy.map(|proxy| format!("http://{}", proxy.addr));
    let proxies = Proxies::from_lookup(|name| proxy.clone().filter(|_| name == "HTTPS_PROXY")).unwrap();
    PostConfig { roots: Roots::File(pem.into()), proxies, ..setup(url) }
}

#[tokio::test]
async fn a_body_arrives_as_it_was_through_a_proxy_and_a_private_authority() {
    let authority = Authority::new(&[NAME]);
    let receiver = Receiver::start_tls(authority.server.clone());
    let proxy = Proxy::start(receiver.addr, None);
    let pem = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(pem.path(), &authority.pem).unwrap();
    let body: Vec<u8> = (0..=255).cycle().take(5000).collect();
    for gzip in [false, true] {
        let url = format!("https://{NAME}/a/v1/metrics?x=1");
        let post = Post::new(&PostConfig { gzip, ..trusting(&url, pem.path(), Some(&proxy)) }).unwrap();
        assert_eq!(post.send(body.clone()).await.unwrap().status, 200);
        let got = receiver.got().pop().unwrap();
        assert_eq!((got.method.as_str(), got.path.as_str()), ("POST", "/a/v1/metrics?x=1"));
        assert_eq!((got.host.as_str(), got.header("x-api-key")), (NAME, Some("hunter2")));
        assert_eq!(got.header("content-type"), Some("application/x-protobuf"));
        assert_eq!(got.header("content-encoding"), gzip.then_some("gzip"));
        assert_eq!((got.content(), got.body.len() < body.len()), (body.clone(), gzip));
        assert!(got.header("x-github-api-version").is_none(), "what GitHub wants is GitHub's");
    }
    assert_eq!(proxy.lines(), vec![format!("CONNECT {NAME}:443"); 2]);
}

#[tokio::test]
async fn answers_are_handed_on_as_they_are() {
    let receiver = Receiver::start();
    let later = Utc::now() + TimeDelta::seconds(90);
    let date = later.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let retry_after = |text: &str| vec![("retry-after", text.to_owned())];
    receiver.script([
        Says::Status(429, retry_after("7"), b"slowly".to_vec()),
        Says::Status(503, retry_after(&date), Vec::new()),
        Says::Status(200, Vec::new(), vec![b' '; (1 << 20) + 1]),
    ]);
    let post = Post::new(&setup(&receiver.url())).unwrap();
    let answer = post.send(b"x".to_vec()).await.unwrap();
    assert_eq!((answer.status, answer.retry_after), (429, Some(RetryAfter::Seconds(7))));
    assert_eq!(answer.body.unwrap().as_slice(), b"slowly");
    let answer = post.send(b"x".to_vec()).await.unwrap();
    let wait = answer.retry_after.unwrap().wait(later - TimeDelta::seconds(30));
    assert!((29..=30).contains(&wait.as_secs()), "{wait:?}");
    assert!(post.send(b"x".to_vec()).await.unwrap().body.is_none(), "too long to be read");
}

#[tokio::test]
async fn no_answer_is_told_by_where_the_way_ended_and_without_the_secret() {
    let (ours, theirs) = (Authority::new(&["127.0.0.1"]), Authority::new(&["127.0.0.1"]));
    let pem = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(pem.path(), &ours.pem).unwrap();
    let (stranger, hung, reset) =
        (Receiver::start_tls(theirs.server.clone()), Receiver::start(), Receiver::start());
    hung.script([Says::Hang]);
    reset.script([Says::Reset, Says::Reset]);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let short = Duration::from_millis(200);
    for (url, attempt, kind, says) in [
        (format!("https://{}", stranger.addr), Duration::from_secs(20), NetworkKind::Tls, "no trusted TLS"),
        (hung.url(), short, NetworkKind::Timeout, "no answer from"),
        (reset.url(), Duration::from_secs(20), NetworkKind::Connect, "no connection to"),
        (format!("http://{closed}"), Duration::from_secs(20), NetworkKind::Connect, "no connection to"),
    ] {
        let post = Post::new(&PostConfig { attempt, ..trusting(&url, pem.path(), None) }).unwrap();
        let fault = post.send(b"x".to_vec()).await.unwrap_err();
        let text = fault.to_string();
        assert_eq!(fault.kind, kind, "{text}");
        assert!(text.contains(says) && text.contains(&post.place()), "{text}");
        assert!(!text.contains("hunter2") && !text.contains('\n'), "{text}");
        assert_eq!(post.printable("you sent\nhunter2"), "you sent ***");
    }
    assert!(stranger.got().is_empty());
}
