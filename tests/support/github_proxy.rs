//! A proxy that leads everywhere to one address and writes down what it was asked for.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// A running proxy. It ends when dropped.
pub struct Proxy {
    pub addr: SocketAddr,
    lines: Arc<Mutex<Vec<String>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Leads to `to`. With `authorization`, only who sends that as `Proxy-Authorization` is let through; others get 407.
    pub fn start(to: SocketAddr, authorization: Option<&str>) -> Proxy {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = oneshot::channel();
        let (noted, authorization) = (Arc::clone(&lines), authorization.map(str::to_owned));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                let serving = async {
                    loop {
                        let (stream, _) = listener.accept().await.unwrap();
                        let (noted, authorization) = (Arc::clone(&noted), authorization.clone());
                        tokio::spawn(async move { lead(stream, to, &noted, authorization.as_deref()).await });
                    }
                };
                tokio::select! { () = serving => {}, _ = stopped => {} }
            });
            runtime.shutdown_background();
        });
        Proxy { addr, lines, stop: Some(stop), thread: Some(thread) }
    }

    /// `CONNECT HOST:PORT` or `METHOD http://…` of every request so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.take().map(|stop| stop.send(()));
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the proxy panicked");
        }
    }
}

async fn lead(
    mut client: TcpStream,
    to: SocketAddr,
    noted: &Mutex<Vec<String>>,
    authorization: Option<&str>,
) -> io::Result<()> {
    let mut head = vec![client.read_u8().await?];
    if head == [5] {
        return socks(client, to, noted).await;
    }
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let (line, headers) = head.split_once("\r\n").unwrap_or_default();
    noted.lock().unwrap().push(line.trim_end_matches(" HTTP/1.1").to_owned());
    let expected = authorization.map(|value| format!("proxy-authorization: {}", value.to_lowercase()));
    let is_let_in =
        expected.is_none_or(|expected| headers.to_lowercase().lines().any(|line| line == expected));
    if !is_let_in {
        let refusal =
            b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        return client.write_all(refusal).await;
    }
    let mut server = TcpStream::connect(to).await?;
    if line.starts_with("CONNECT ") {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    } else {
        // One request per connection, so that every one is written down.
        server.write_all(format!("{line}\r\nconnection: close\r\n{headers}").as_bytes()).await?;
    }
    copy_bidirectional(&mut client, &mut server).await.map(|_| ())
}

/// SOCKS5 (RFC 1928) without authentication, for an address or a name.
async fn socks(mut client: TcpStream, to: SocketAddr, noted: &Mutex<Vec<String>>) -> io::Result<()> {
    let methods = client.read_u8().await?;
    client.read_exact(&mut vec![0; usize::from(methods)]).await?;
    client.write_all(&[5, 0]).await?;
    let mut head = [0; 4];
    client.read_exact(&mut head).await?;
    let length = match head[3] {
        1 => 4,
        3 => usize::from(client.read_u8().await?),
        _ => 16,
    };
    let mut place = vec![0; length + 2];
    client.read_exact(&mut place).await?;
    let name =
        if head[3] == 3 { String::from_utf8_lossy(&place[..length]).into_owned() } else { "address".into() };
    noted.lock().unwrap().push(format!("SOCKS {name}"));
    let mut server = TcpStream::connect(to).await?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    copy_bidirectional(&mut client, &mut server).await.map(|_| ())
}
