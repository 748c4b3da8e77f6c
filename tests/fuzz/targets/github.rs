//! Whatever stands where GitHub should answers, a call ends in time, and what it says of it is one line without a secret.
//!
//! The first byte says which call; the rest is the answer, on a connection that is closed behind it.

use runner_init::config::Secret;
use runner_init::domain::target::Target;
use runner_init::github::{
    ApiCredential, ApiError, Client, ClientConfig, Code, Endpoint, NewRunner, Observe, Proxies, RetryPolicy,
    Roots,
};
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::time::Instant;

const TOKEN: &str = "5ecret5ecret5ecret";
/// A pause is longer, so there is one attempt.
const WITHIN: Duration = Duration::from_millis(900);

struct Unheard;

impl Observe for Unheard {
    fn call(&self, _endpoint: Endpoint, _code: Code, _left: Option<u64>) {}
}

struct Scene {
    runtime: Runtime,
    listener: TcpListener,
    client: Client,
}

thread_local! {
    static SCENE: RefCell<Scene> = RefCell::new(Scene::new());
}

impl Scene {
    fn new() -> Scene {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let second = Duration::from_secs(1);
        let client = Client::new(ClientConfig {
            base: format!("http://{address}"),
            target: Target::repository("o/r").expect("it is one"),
            credential: ApiCredential::Pat(Secret::new(TOKEN.to_owned())),
            roots: Roots::Native,
            proxies: Proxies::default(),
            policy: RetryPolicy {
                connect: second,
                attempt: second,
                first: 4 * second,
                longest: 4 * second,
                limited: 4 * second,
            },
            observe: Arc::new(Unheard),
            clock: Arc::new(super::utc),
        });
        Scene { runtime, listener, client: client.expect("nothing to set up") }
    }
}

pub(super) fn run(bytes: &[u8]) {
    let (which, answer) = super::number(bytes);
    SCENE.with_borrow_mut(|scene| {
        let Scene { runtime, listener, client } = scene;
        let failed = runtime.block_on(async {
            tokio::select! {
                failed = call(client, which) => failed,
                () = serve(listener, answer) => None,
            }
        });
        if let Some(error) = failed {
            let says = error.to_string();
            super::assert_printable(&says);
            assert!(!says.contains(TOKEN), "a secret in {says:?}");
            assert!(says.len() < 2000, "{says}");
        }
    });
}

async fn serve(listener: &TcpListener, answer: &[u8]) {
    // One call may ask several times: for a further page, or to prove that a runner is gone.
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { return };
        let mut head = [0; 4096];
        // Whoever does not ask, or does not listen, is the fault of nobody here.
        if stream.read(&mut head).await.is_ok() {
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
            while stream.read(&mut head).await.is_ok_and(|read| read > 0) {}
        }
    }
}

async fn call(client: &Client, which: usize) -> Option<ApiError> {
    let until = Instant::now() + WITHIN;
    let new = NewRunner { name: "r".to_owned(), labels: Vec::new(), group: 1, work_dir: "_work".to_owned() };
    let failed = match which % 9 {
        0 => client.registration_token(until).await.err(),
        1 => client.jit_config(&new, until).await.err(),
        2 => client.find_runner("r", until).await.err(),
        3 => client.runner(7, until).await.err(),
        4 => client.delete_runner(7, until).await.err(),
        5 => client.labels(7, until).await.err(),
        6 => client.jobs("o/r", 7, 1, Some("\"tag\""), until).await.err(),
        7 => client.remove_custom_labels(7, until).await.err(),
        _ => client.runner_group("g", until).await.err(),
    };
    // Never panics, whatever was said of the limit.
    let _ = client.calls_left();
    failed
}
