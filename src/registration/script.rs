//! `config.sh`, which is told its token by the environment: argument lists are for everybody to read.

use crate::config::Secret;
use crate::domain::configure::TOKEN;
use crate::sys::child::Launch;
use crate::sys::config_script::{self, ScriptOutcome};
use crate::sys::stdio::OutputWriter;
use std::ffi::OsString;
use std::io;

/// How it is run.
pub(crate) struct ConfigScript {
    /// It, without arguments and token.
    pub launch: Launch,
    /// Where its output goes.
    pub outlets: [OutputWriter; 2],
}

impl ConfigScript {
    /// Runs it to its end.
    pub(super) async fn run(&self, args: Vec<String>, token: &Secret) -> io::Result<ScriptOutcome> {
        let mut launch = self.launch.clone();
        launch.args = args.into_iter().map(OsString::from).collect();
        launch.env.push((TOKEN.into(), token.expose().into()));
        config_script::run(&launch, &self.outlets).await
    }
}
