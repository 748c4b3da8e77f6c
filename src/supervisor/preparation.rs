//! The preparation of the first launch goes on beside the loop, which hears of it as of everything else.

use crate::config::Config;
use crate::domain::notice::Notice;
use crate::sys::child::{Launch, Output};
use crate::sys::prepare::{self, Wishes};
use tokio::sync::mpsc;

/// What is to be done, and the news of it.
pub(super) struct Preparation {
    wishes: Wishes,
    told: Option<mpsc::UnboundedReceiver<Notice>>,
}

impl Preparation {
    pub(super) fn new(config: &Config) -> Preparation {
        let wishes = Wishes {
            wait_for_docker: config.runner.wait_for_docker,
            update_certificates: config.runner.update_ca_certs,
        };
        Preparation { wishes, told: None }
    }

    /// Whether there is anything to do.
    pub(super) fn is_needed(&self) -> bool {
        self.wishes.any()
    }

    pub(super) fn begin(&mut self, launch: &Launch, output: &Output) {
        let (tell, told) = mpsc::unbounded_channel();
        let (wishes, environment) = (self.wishes.clone(), launch.env.clone());
        tokio::spawn(prepare::run(wishes, environment, output.outlets.clone(), tell));
        self.told = Some(told);
    }

    /// The next happening; `None`, once, when it is over. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Box<Notice>> {
        let Some(told) = &mut self.told else { return std::future::pending().await };
        let notice = told.recv().await;
        if notice.is_none() {
            self.told = None;
        }
        notice.map(Box::new)
    }
}
