//! The task that sends rows: reads, sends and notes what was taken, as the table of [`Delivery`] says; every wait of it is its own.

use super::Order;
use crate::config::Secret;
use crate::domain::delivery::{Delivery, DeliveryNews, Encoder, Input, Step};
use crate::domain::record::JobRecord;
use crate::github::{Post, Posted};
use crate::supervisor::clock::Clock;
use crate::sys::journal_writer::chain;
use crate::sys::spool::Spool;
use tokio::sync::mpsc;

/// The task's end.
pub(super) struct Courier {
    pub(super) delivery: Delivery,
    pub(super) encoder: Encoder,
    pub(super) post: Post,
    pub(super) token: Option<Secret>,
    pub(super) clock: Clock,
    pub(super) rows: Vec<JobRecord>,
}

impl Courier {
    pub(super) async fn work(
        mut self,
        mut spool: Spool,
        mut inbox: mpsc::UnboundedReceiver<Order>,
        tell: mpsc::UnboundedSender<DeliveryNews>,
    ) {
        let mut step = Step::Wait;
        loop {
            let input = match step {
                Step::End => return,
                Step::Wait => {
                    let deadline = self.delivery.deadline();
                    tokio::select! {
                        word = inbox.recv() => match word {
                            Some(Order::Written) => Input::Row,
                            Some(Order::Row(row)) => {
                                spool.tell(*row);
                                Input::Row
                            }
                            Some(Order::Leave) => Input::Leave,
                            // Nobody would hear of it.
                            None => return,
                        },
                        () = self.clock.until(deadline) => Input::Deadline,
                    }
                }
                Step::Read(most) => {
                    let (back, input) = self.read(spool, most, &tell).await;
                    spool = back;
                    input
                }
                Step::Send => {
                    let (back, input) = self.send(spool, &tell).await;
                    spool = back;
                    input
                }
            };
            step = self.delivery.handle(input, self.clock.now().up, fastrand::f64());
        }
    }

    async fn read(
        &mut self,
        mut spool: Spool,
        most: usize,
        tell: &mpsc::UnboundedSender<DeliveryNews>,
    ) -> (Spool, Input) {
        let (spool, read) = blocking(move || {
            let read = spool.read(most);
            (spool, read)
        })
        .await;
        match read {
            Ok(rows) => {
                let _ = tell.send(DeliveryNews::Unsent(rows.first().map(|row| row.timestamp)));
                self.rows = rows;
                for row in &mut self.rows {
                    row.origin.runner_name = Some(self.encoder.about.runner_name.clone());
                    row.origin.runner_type = Some(self.encoder.about.runner_type.clone());
                }
                (spool, Input::Read(self.rows.len()))
            }
            Err(error) => {
                self.failed(format!("the job log cannot be read: {}", chain(&error)), tell);
                (spool, Input::Unreadable)
            }
        }
    }

    async fn send(&mut self, mut spool: Spool, tell: &mpsc::UnboundedSender<DeliveryNews>) -> (Spool, Input) {
        if let Some(body) = self.encoder.encode(&self.rows, self.delivery.leaves()) {
            let answer = self.post.send(body).await.map_err(|fault| Some(fault.to_string()));
            if let Err(refused) = answer.and_then(|answer| self.judge(&answer)) {
                let Some(says) = refused else { return (spool, Input::TooLarge) };
                self.failed(says, tell);
                return (spool, Input::Refused);
            }
        }
        let (spool, noted) = blocking(move || {
            let noted = spool.taken();
            (spool, noted)
        })
        .await;
        if let Err(error) = noted {
            self.failed(
                format!("what was taken cannot be noted beside the job log: {}", chain(&error)),
                tell,
            );
            return (spool, Input::Unreadable);
        }
        let rows = self.rows.len() as u64;
        if rows > 0 || self.delivery.failures() > 0 {
            let _ = tell.send(DeliveryNews::Sent { rows, failures: self.delivery.failures() });
        }
        (spool, Input::Taken)
    }

    /// Whether it was taken; if not, why, or nothing where fewer rows might be.
    fn judge(&self, answer: &Posted) -> Result<(), Option<String>> {
        let status = answer.status;
        if (200..300).contains(&status) {
            return Ok(());
        }
        if status == 413 && self.rows.len() > 1 {
            return Err(None);
        }
        let said = answer.body.as_ref().map(|body| self.post.printable(&String::from_utf8_lossy(body)));
        // Without its scheme it is as secret.
        let hide = |said: String| {
            self.token.as_ref().map_or(said.clone(), |token| said.replace(token.expose(), "***"))
        };
        let said = said
            .filter(|said| !said.is_empty())
            .map(hide)
            .map(|said| format!(": {said}"))
            .unwrap_or_default();
        Err(Some(format!("{} answered {status}{said}", self.post.place())))
    }

    fn failed(&self, says: String, tell: &mpsc::UnboundedSender<DeliveryNews>) {
        let failures = self.delivery.failures().saturating_add(1);
        let _ = tell.send(DeliveryNews::Failed { says, failures });
    }
}

/// On a thread that may wait for the disk.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("it does not panic")
}
