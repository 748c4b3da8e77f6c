//! Self-update: the listener leaves, and a script waits until its pid is really gone before it raises the flag.

use super::install;
use super::job::Running;
use super::listener::{Flow, Listener};
use super::scenario::{Update, UpdateOutcome};
use super::script::reap_later;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::process::Stdio;

/// Stands in for `update.sh.template`. Arguments: pid, old version, new version, poll and pause in seconds, flag or not.
const SCRIPT: &str = r#"#!/bin/bash
pid=$1 old=$2 new=$3 poll=$4 pause=$5 flag=$6
log=_diag/SelfUpdate-$(date -u +%Y%m%d-%H%M%S).log
echo "waiting for $pid" >>"$log"
# A zombie keeps its entry: a supervisor that does not reap waits here for ever.
while [ -d "/proc/$pid" ]; do sleep "$poll"; done
sleep "$pause"
if [ "$flag" != flag ]; then mv "$log" "$log.failed"; exit 1; fi
for dir in bin externals; do
  if [ -h "$dir" ]; then rm "$dir"; else mv "$dir" "$dir.$old"; fi
  ln -s "$dir.$new" "$dir"
done
touch update.finished
mv "$log" "$log.succeed"
"#;

impl Listener {
    /// An update while idle: it may end in leaving.
    pub(crate) fn update_idle(&mut self, update: &Update) -> Flow {
        self.announce(update);
        self.idle(Some(update.download_ms))?;
        self.downloaded(update);
        self.finish_update()
    }

    /// An update while a job runs: the rest waits for the job.
    pub(crate) fn begin_update_in_job(&mut self, update: &Update, running: &mut Running) {
        self.announce(update);
        running.after_download(update.clone(), self.pace);
    }

    fn announce(&self, update: &Update) {
        self.terminal.line("Runner update in progress, do not shutdown runner.");
        self.terminal.line(&format!("Downloading {} runner", update.version));
    }

    /// The package has come, or has not.
    pub(crate) fn downloaded(&mut self, update: &Update) {
        if let UpdateOutcome::Failed(message) = &update.outcome {
            self.terminal.error(&format!("Runner update failed: {message}"));
            return;
        }
        if update.outcome != UpdateOutcome::LinesOnly
            && let Err(error) = self.lay_out(update)
        {
            self.terminal.error(&format!("Runner update failed: {error}"));
            return;
        }
        self.terminal.line("Waiting for current job finish running.");
        self.update = Some(update.clone());
    }

    /// Lays the new version out beside the old one, and puts its scripts in the place of the old ones, which are deleted first.
    fn lay_out(&self, update: &Update) -> io::Result<()> {
        install::programs(&self.root, &format!(".{}", update.version), &std::env::current_exe()?)?;
        for entry in fs::read_dir(&self.root)? {
            let path = entry?.path();
            if path.is_file() && path.extension().is_some_and(|ending| ending == "sh") {
                let (text, mode) = (fs::read(&path)?, path.metadata()?.permissions());
                let refused = |e: io::Error| io::Error::other(format!("{}: {e}", path.display()));
                fs::remove_file(&path).map_err(refused)?;
                fs::write(&path, text)?;
                fs::set_permissions(&path, mode)?;
            }
        }
        Ok(())
    }

    /// No job runs any more: the update that waited, if there is one, is carried out.
    pub(crate) fn finish_update(&mut self) -> Flow {
        let Some(update) = self.update.take() else { return ControlFlow::Continue(()) };
        self.terminal.line("Generate and execute update script.");
        let real = update.outcome != UpdateOutcome::LinesOnly;
        if real && let Err(error) = self.start_script(&update) {
            self.terminal.error(&format!("Runner update failed: {error}"));
            return ControlFlow::Continue(());
        }
        let soon = "Runner will exit shortly for update, should be back online within 10 seconds.";
        self.terminal.line(soon);
        self.terminal.line("Runner update process finished.");
        if !real {
            return ControlFlow::Continue(());
        }
        self.leave(Some(if self.once { 4 } else { 3 }))
    }

    /// Starts the script, which inherits stdout, stderr and cwd.
    fn start_script(&mut self, update: &Update) -> io::Result<()> {
        match fs::remove_file("update.finished") {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let script = self.root.join("_work/_update.sh");
        fs::create_dir_all(self.root.join("_work"))?;
        fs::write(&script, SCRIPT)?;
        let old = self.state.version.clone().unwrap_or_else(|| self.scenario.version.clone());
        let seconds = |ms| format!("{:.3}", self.pace.ms(ms).as_secs_f64());
        let flag = if update.outcome == UpdateOutcome::Ok { "flag" } else { "none" };
        let mut bash = self.env.command("bash");
        bash.arg(script).args([&std::process::id().to_string(), &old, &update.version]);
        bash.args([&seconds(2000), &seconds(1000), flag]).stdin(Stdio::null());
        reap_later(bash.spawn()?);
        if update.outcome == UpdateOutcome::Ok {
            self.state.version = Some(update.version.clone());
            self.state.save(&self.root)?;
        }
        Ok(())
    }
}
