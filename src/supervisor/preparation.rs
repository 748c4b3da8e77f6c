//! The preparation of the first launch goes on beside the loop, which hears of it as of everything else.

use super::effect::Effect;
use super::fault::StartError;
use super::files::RunnerFiles;
use super::registrar_setup;
use crate::config::Config;
use crate::domain::lifecycle::Input;
use crate::domain::notice::Notice;
use crate::registration::Registrar;
use crate::sys::child::{Launch, Output};
use crate::sys::prelaunch::{self, PrelaunchSteps};
use crate::sys::stdio::OutputWriter;
use crate::telemetry::emit::ApiMeter;
use tokio::sync::mpsc;

/// Makes the registrar anew: the one that is there trusts the authorities of the store as it was.
type Renew = Box<dyn FnOnce() -> Option<Registrar>>;

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
        files: &RunnerFiles,
        outlets: &[OutputWriter; 2],
        meter: &ApiMeter,
    ) -> Result<(Preparation, Option<Registrar>), StartError> {
        let steps = PrelaunchSteps {
            wait_for_docker: config.runner.wait_for_docker,
            update_certificates: config.runner.update_ca_certs,
        };
        let registrar = registrar_setup::registrar(config, launch, files, outlets, meter.clone())?;
        let renew = steps.update_certificates.then(|| {
            let (config, launch, files) = (config.clone(), launch.clone(), files.clone());
            let (outlets, meter) = (outlets.clone(), meter.clone());
            let renew: Renew = Box::new(move || {
                // It was possible a moment ago.
                registrar_setup::registrar(&config, &launch, &files, &outlets, meter).ok().flatten()
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
        told.recv().await.map(Box::new)
    }

    /// When it is over, the registrar of the new store as well, if there is one.
    pub(super) fn handle(&mut self, notice: Option<Box<Notice>>) -> (Option<Registrar>, Effect) {
        if let Some(notice) = notice {
            return (None, Effect::Notice(*notice));
        }
        self.told = None;
        (self.renew.take().and_then(|renew| renew()), Input::Prepared.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn what_it_says_is_told_and_its_end_is_an_input() {
        let (tell, told) = mpsc::unbounded_channel();
        let steps = PrelaunchSteps { wait_for_docker: Duration::ZERO, update_certificates: false };
        let mut preparation = Preparation { steps, told: Some(told), renew: None };
        let awaited = || Notice::DockerAwaited { at_most: Duration::from_secs(1) };
        tell.send(awaited()).expect("it is heard");
        drop(tell);
        let notice = preparation.next().await;
        assert!(matches!(preparation.handle(notice), (None, Effect::Notice(notice)) if notice == awaited()));
        let end = preparation.next().await;
        assert!(matches!(preparation.handle(end), (None, Effect::Input(Input::Prepared))));
    }
}
