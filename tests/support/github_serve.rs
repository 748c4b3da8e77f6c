//! The fake's wire: HTTP/1.1, with TLS or without, and every way for it to go wrong.

#[path = "serve_until.rs"]
#[allow(clippy::duplicate_mod, reason = "a test may have two fakes")]
mod serve_until;

use super::api::{Reply, State, random};
use super::{Play, Request};
use axum::body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::{Response, StatusCode};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use serve_until::serve_until;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Interval;

type Shared = Arc<Mutex<State>>;

/// Serves until told to stop; connections still open are dropped then.
pub fn run(
    listener: std::net::TcpListener,
    state: &Shared,
    tls: Option<&Arc<rustls::ServerConfig>>,
    stopped: oneshot::Receiver<()>,
) {
    let state = Arc::clone(state);
    serve_until(listener, tls, stopped, move |request| answer(request, Arc::clone(&state)));
}

async fn answer(request: hyper::Request<Incoming>, state: Shared) -> Result<Response<Body>, io::Error> {
    let (parts, body) = request.into_parts();
    let bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: Vec<_> = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let authority = parts.uri.authority().map(ToString::to_string);
    let request = Request {
        method: parts.method.to_string(),
        host: parts.headers.get("host").map(text).or(authority).unwrap_or_default(),
        path: parts.uri.path().into(),
        query: parts.uri.query().unwrap_or_default().into(),
        headers,
        body: serde_json::from_slice(&bytes).ok(),
        status: 0,
    };
    let outcome = decide(&mut state.lock().unwrap(), request);
    match outcome {
        Ok(response) => Ok(response),
        Err(broken) => broken.play().await,
    }
}

fn decide(state: &mut State, mut request: Request) -> Result<Response<Body>, Broken> {
    if request.path.starts_with("/sim/") {
        let reply = side_door(state, &request);
        return Ok(respond(state, reply));
    }
    let play = prepare(state, &mut request);
    state.log.push(request);
    play.map(|reply| respond(state, reply))
}

/// Decides what happens and notes the status; what takes time is left to [`Broken::play`].
fn prepare(state: &mut State, request: &mut Request) -> Result<Reply, Broken> {
    if let Err(reply) = state.inspect(request) {
        request.status = reply.0;
        return Ok(reply);
    }
    let endpoint = state.endpoint(&request.method, &request.path).expect("inspected");
    let play = state.scripts.get_mut(&endpoint).and_then(std::collections::VecDeque::pop_front);
    let reply = match play {
        None | Some(Play::Ok) => state.answer(endpoint, request),
        Some(Play::Status(status, message, headers)) => {
            (status, headers, Some(json!({ "message": message })))
        }
        Some(Play::Raw(status, kind, text)) => {
            request.status = status;
            return Err(Broken::Raw(status, kind, text));
        }
        Some(Play::Echo) => {
            let sent = request.header("authorization").unwrap_or_default();
            (403, Vec::new(), Some(json!({"message": format!("no\u{1b}[31m {sent}\r\nX: y")})))
        }
        Some(Play::Hang) => return Err(Broken::Hang),
        Some(Play::Reset) => return Err(Broken::Reset),
        Some(Play::Drip) => return Err(Broken::Drip),
        Some(Play::Cut) => return Err(Broken::Cut),
        Some(Play::Flood) => return Err(Broken::Flood),
    };
    request.status = reply.0;
    Ok(reply)
}

fn respond(state: &State, (status, headers, body): Reply) -> Response<Body> {
    let mut response = Response::builder().status(status).header("x-ratelimit-limit", "5000");
    let date = state.now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    response = response.header("date", date);
    if !headers.iter().any(|(name, _)| *name == "x-ratelimit-remaining") {
        response = response.header("x-ratelimit-remaining", "4999");
    }
    for (name, value) in headers {
        response = response.header(name, value);
    }
    match body {
        Some(body) => {
            response.header("content-type", "application/json; charset=utf-8").body(body.to_string().into())
        }
        None => response.body(Body::empty()),
    }
    .unwrap()
}

/// What `config.sh` doubles call: `{token, name, labels, ephemeral, replace}` and `{token, name}`.
fn side_door(state: &mut State, request: &Request) -> Reply {
    let body = request.body.clone().unwrap_or_default();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let labels = serde_json::from_value(body["labels"].clone()).unwrap_or_default();
    let flag = |name: &str| body[name] == Value::Bool(true);
    let outcome = match request.path.as_str() {
        "/sim/register" => state
            .register(&text("name"), labels, &text("token"), flag("ephemeral"), flag("replace"))
            .map(|id| {
                state.listens(id, false);
                json!({ "id": id })
            }),
        "/sim/listens" => {
            state.listens(body["id"].as_u64().unwrap_or_default(), true);
            Ok(json!({}))
        }
        "/sim/remove" => state.remove(&text("token"), &text("name")).map(|()| json!({})),
        _ => Err(400),
    };
    outcome.map_or_else(|status| (status, Vec::new(), Some(json!({}))), |body| (200, Vec::new(), Some(body)))
}

enum Broken {
    Hang,
    Reset,
    Drip,
    Cut,
    Flood,
    Raw(u16, &'static str, &'static str),
}

impl Broken {
    async fn play(self) -> Result<Response<Body>, io::Error> {
        let response = |status, body| Ok(Response::builder().status(status).body(body).unwrap());
        match self {
            Broken::Hang => std::future::pending().await,
            Broken::Reset => Err(io::Error::other("as told")),
            Broken::Drip => {
                let ticks = Some(tokio::time::interval(Duration::from_millis(20)));
                response(StatusCode::OK, Body::new(Slow { ticks, sent: 0 }))
            }
            Broken::Cut => response(StatusCode::OK, Body::new(Slow { ticks: None, sent: 0 })),
            Broken::Flood => response(StatusCode::OK, Body::new(Full::new(Bytes::from(vec![b' '; 2 << 20])))),
            Broken::Raw(status, kind, text) => Ok(Response::builder()
                .status(status)
                .header("content-type", kind)
                .header("x-ratelimit-remaining", "4999")
                .body(text.into())
                .unwrap()),
        }
    }
}

/// A body that comes byte by byte for ever, or breaks after a few.
struct Slow {
    ticks: Option<Interval>,
    sent: u32,
}

impl hyper::body::Body for Slow {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.sent += 1;
        if let Some(ticks) = &mut self.ticks {
            std::task::ready!(ticks.poll_tick(context));
        } else if self.sent > 5 {
            return Poll::Ready(Some(Err(io::Error::other("as told"))));
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b" ")))))
    }
}

/// A private authority, and a server that it vouches for.
pub struct Authority {
    /// Its certificate, for `SSL_CERT_FILE`.
    pub pem: String,
    pub server: Arc<rustls::ServerConfig>,
}

impl Authority {
    /// For these names and addresses.
    pub fn new(names: &[&str]) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, random("private authority "));
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let certificate = params_for(names).signed_by(&key, &issuer).unwrap();
        Authority { pem, server: serving(certificate.der().clone(), key.serialize_der()) }
    }

    /// A server whose certificate is its own authority's, as `openssl req -x509` makes it: with `CA:TRUE`, or not. Valid from
    /// so many days from now on, for so many days.
    pub fn self_signed(names: &[&str], is_ca: bool, from: i64, days: i64) -> Authority {
        let mut params = params_for(names);
        params.distinguished_name.push(rcgen::DnType::CommonName, random("self-signed "));
        params.is_ca = if is_ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
        let begin = std::time::SystemTime::now();
        let day = |days: i64| {
            let length = std::time::Duration::from_secs(days.unsigned_abs() * 86_400);
            if days < 0 { begin - length } else { begin + length }
        };
        params.not_before = day(from).into();
        params.not_after = day(from + days).into();
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Authority { pem: certificate.pem(), server: serving(certificate.der().clone(), key.serialize_der()) }
    }

    /// A server with a certificate of X.509 version 1, for 127.0.0.1 until 2126.
    pub fn of_version_1() -> Authority {
        use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject};
        let (pem, key) =
            (include_str!("keys/version-1.pem"), include_bytes!("keys/version-1.key.pem").as_slice());
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let key = PrivatePkcs8KeyDer::from_pem_slice(key).unwrap();
        Authority { pem: pem.into(), server: serving(certificate, key.secret_pkcs8_der().to_vec()) }
    }
}

fn params_for(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
}

/// It shows whatever it has: what is wrong with it is the client's to find.
fn serving(
    certificate: rustls::pki_types::CertificateDer<'static>,
    key: Vec<u8>,
) -> Arc<rustls::ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key =
        provider.key_provider.load_private_key(rustls::pki_types::PrivateKeyDer::Pkcs8(key.into())).unwrap();
    let shown = rustls::sign::CertifiedKey::new(vec![certificate], key);
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(shown)));
    Arc::new(server)
}
