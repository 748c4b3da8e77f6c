//! The preparation of the first launch goes on beside the loop, which hears of it as of everything else.

use super::Supervisor;
use super::enlist;
use super::fault::StartError;
use super::files::Files;
use crate::config::Config;
use crate::domain::lifecycle::Input;
use crate::domain::notice::Notice;
use crate::registration::Registrar;
use crate::sys::child::{Launch, Output};
use crate::sys::prelaunch::{self, PrelaunchSteps};
use crate::sys::stdio::OutputWriter;
use crate::telemetry::emit::ApiMeter;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Makes the registrar anew: the one that is there trusts the authorities of the store as it was.
type Renew = Box<dyn FnOnce(&Launch, &Files, &Output) -> Option<Registrar>>;

/// What is to be done, and the news of it.
pub(super) struct Preparation {
    steps: PrelaunchSteps,
    told: Option<mpsc::UnboundedReceiver<Notice>>,
    renew: Option<Renew>,
}

impl Preparation {
    /// The preparation, and the registrar as it can be before it, if there is anything to register.
    pub(super) fn new(
        config: &Config,
        launch: &Launch,
        files: &Files,
        outlets: &[OutputWriter; 2],
        meter: &ApiMeter,
    ) -> Result<(Preparation, Option<Registrar>), StartError> {
        let steps = PrelaunchSteps {
            wait_for_docker: config.runner.wait_for_docker,
            update_certificates: config.runner.update_ca_certs,
        };
        let registrar = enlist::registrar(config, launch, files, outlets, meter.clone())?;
        let renew = steps.update_certificates.then(|| {
            let (config, meter) = (config.clone(), meter.clone());
            let renew: Renew = Box::new(move |launch, files, output| {
                // It was possible a moment ago.
                enlist::registrar(&config, launch, files, &output.outlets, meter).ok().flatten()
            });
            renew
        });
        Ok((Preparation { steps, told: None, renew }, registrar))
    }

    /// Whether there is anything to do.
    pub(super) fn is_needed(&self) -> bool {
        self.steps.any()
    }

    pub(super) fn begin(&mut self, launch: &Launch, output: &Output) {
        let (tell, told) = mpsc::unbounded_channel();
        let (steps, environment) = (self.steps.clone(), launch.env.clone());
        tokio::spawn(prelaunch::run(steps, environment, output.outlets.clone(), tell));
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

impl Supervisor {
    pub(super) fn prepared(&mut self) {
        let renew = self.preparation.renew.take();
        let renewed = renew.and_then(|renew| renew(&self.launch, &self.files, &self.output));
        if let Some(registrar) = renewed {
            self.registrar = Some(Arc::new(registrar));
        }
        self.feed(Input::Prepared);
    }
}
