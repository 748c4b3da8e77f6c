//! Rows of finished jobs on their way elsewhere: a task beside the loop reads them from the job log and sends them; it is told of each
//! row, tells what became of it, and is waited for at the end only, for a bounded time.

mod courier;

use super::clock::Clock;
use super::fault::StartError;
use crate::config::{Config, JobEventsOptions as Settings, Secret};
use crate::domain::delivery::{Announcement, Delivery, DeliveryNews, Encoder};
use crate::domain::identity::Identity;
use crate::domain::notice::Notice;
use crate::domain::record::{JobRecord, RowStatus};
use crate::github::{Post, PostConfig, Proxies, Roots};
use crate::sys::spool::Spool;
use crate::telemetry::catalog::JOB_ENDED;
use crate::telemetry::emit::begin_job_events;
use courier::Courier;
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::sync::mpsc;

/// How often a collector hears that we live.
const ANNOUNCE: Duration = Duration::from_secs(300);
/// From the connection to the last byte of the answer.
const ATTEMPT: Duration = Duration::from_secs(15);
/// Of a stop's grace, at most.
const LAST: Duration = Duration::from_secs(2);

/// What the loop tells the task.
enum Order {
    /// A finished row was written to the log.
    Written,
    /// There is no log: the row itself.
    Row(Box<JobRecord>),
    /// The last rows are written.
    Leave,
}

/// The loop's end.
#[derive(Default)]
pub(super) struct JobEvents {
    /// `None`: nothing is sent.
    task: Option<(mpsc::UnboundedSender<Order>, mpsc::UnboundedReceiver<DeliveryNews>)>,
    /// How long to wait for it when we leave by ourselves.
    wait: Duration,
    /// Rows are in the log.
    has_log: bool,
}

impl JobEvents {
    /// Begins with what a predecessor has not sent.
    pub(super) fn start(
        config: &Config,
        identity: &Identity,
        environment: &[(OsString, OsString)],
        address: Option<SocketAddr>,
        clock: Clock,
    ) -> Result<JobEvents, StartError> {
        let Some(settings) = &config.job_events else { return Ok(JobEvents::default()) };
        let get = |name: &str| {
            let found = environment.iter().rev().find(|(key, _)| key == name);
            found.and_then(|(_, value)| value.to_str().map(str::to_owned))
        };
        let proxies = Proxies::from_lookup(get).map_err(StartError::Proxy)?;
        let sender = Post::new(&posting(settings, proxies)).map_err(StartError::JobEvents)?;
        let about =
            announcement(settings, identity, config.metrics.bind, address.map(|address| address.port()));
        let format = settings.format;
        let courier = Courier {
            delivery: Delivery::new(format.announces().then_some(ANNOUNCE)),
            encoder: Encoder { format, about, series: JOB_ENDED },
            post: sender,
            token: settings.token.clone(),
            clock,
            rows: Vec::new(),
        };
        begin_job_events();
        let (words, inbox) = mpsc::unbounded_channel();
        let (tell, news) = mpsc::unbounded_channel();
        // What is there already is looked at first.
        let _ = words.send(Order::Written);
        tokio::spawn(courier.work(Spool::open(&config.job_log.path), inbox, tell));
        Ok(JobEvents { task: Some((words, news)), wait: settings.wait, has_log: false })
    }

    /// What is told of the job log: that it could be opened, and each row that is written, or counted where there is no log.
    pub(super) fn heed(&mut self, notice: &Notice) {
        match notice {
            Notice::JournalOpened { .. } => {
                self.has_log = true;
                self.tell(Order::Written);
            }
            Notice::RowWritten { row, .. } if row.status != RowStatus::Running => {
                self.tell(if self.has_log { Order::Written } else { Order::Row(row.clone()) });
            }
            _ => {}
        }
    }

    /// The last rows are written: how long to wait for what is unsent of them; `None`: nothing is sent.
    pub(super) fn begin_last(&mut self, was_asked: bool) -> Option<Duration> {
        self.task.as_ref()?;
        self.tell(Order::Leave);
        Some(if was_asked { LAST } else { self.wait })
    }

    fn tell(&self, word: Order) {
        if let Some((words, _)) = &self.task {
            // The task lives as long as there is anything to send.
            let _ = words.send(word);
        }
    }

    /// What became of rows; `None` if the task is over. Cancel-safe.
    pub(super) async fn last(&mut self) -> Option<Notice> {
        let (_, news) = self.task.as_mut()?;
        news.recv().await.map(Notice::JobEvents)
    }

    /// What became of rows. Cancel-safe; never, if nothing is sent.
    pub(super) async fn next(&mut self) -> Notice {
        match self.last().await {
            Some(notice) => notice,
            None => std::future::pending().await,
        }
    }
}

/// The time for the last rows was over.
pub(super) fn out_of_time() -> Notice {
    Notice::JobEvents(DeliveryNews::CutShort)
}

fn posting(settings: &Settings, proxies: Proxies) -> PostConfig {
    let bearer = settings.token.as_ref().map(|token| Secret::new(format!("Bearer {}", token.expose())));
    PostConfig {
        url: settings.url.clone(),
        roots: Roots::Native,
        proxies,
        headers: bearer.into_iter().map(|bearer| ("authorization".to_owned(), bearer)).collect(),
        content_type: settings.format.content_type(),
        gzip: false,
        attempt: ATTEMPT,
    }
}

/// An address that only this machine, or nobody, could use is not said.
fn announcement(settings: &Settings, identity: &Identity, bind: IpAddr, port: Option<u16>) -> Announcement {
    let of_all = || Some(bind).filter(|bind| !bind.is_unspecified() && !bind.is_loopback());
    let bound = port.and_then(|port| of_all().map(|bind| SocketAddr::new(bind, port).to_string()));
    Announcement {
        runner_name: identity.runner_name.clone(),
        runner_type: identity.runner_type.clone(),
        init_version: identity.init_version,
        ephemeral: identity.ephemeral,
        metrics_port: port,
        metrics_address: settings.advertise.clone().or(bound),
    }
}
