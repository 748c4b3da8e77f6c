//! One HTTP/1.1 server for every fake: with TLS or without, until it is told to stop; what it answers is the fake's.
//!
//! Include it with `#[path = "serve_until.rs"] mod serve_until;` in the fake.

use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

/// Serves on this thread; connections still open when it is told to stop are dropped. An error of `answer` breaks the connection.
pub fn serve_until<F, A>(
    listener: std::net::TcpListener,
    tls: Option<&Arc<rustls::ServerConfig>>,
    stopped: oneshot::Receiver<()>,
    answer: F,
) where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Result<Response<Body>, io::Error>> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let acceptor = tls.map(|config| tokio_rustls::TlsAcceptor::from(Arc::clone(config)));
        let serving = async {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, acceptor) = (answer.clone(), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, answer).await,
                        // A client that does not trust us leaves: that is its right.
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, answer).await;
                            }
                        }
                    }
                });
            }
        };
        tokio::select! { () = serving => {}, _ = stopped => {} }
    });
    runtime.shutdown_background();
}

async fn serve<S, F, A>(stream: S, answer: F)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Incoming>) -> A + Send + 'static,
    A: Future<Output = Result<Response<Body>, io::Error>> + Send + 'static,
{
    // An error is a client that left, or a connection that a script breaks.
    let http = hyper::server::conn::http1::Builder::new();
    let _ = http.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
}
