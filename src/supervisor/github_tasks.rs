//! GitHub tasks: begun when the lifecycle or a job asks for one; their ends come back as replies, and nothing waits for them.

use super::effect::Effect;
use crate::domain::job::jobs::{JobNumber, QueueAnswer};
use crate::domain::lifecycle::Input;
use crate::domain::notice::Notice;
use crate::domain::queue::Question;
use crate::domain::registration::{Removal, RunnerStatus};
use crate::registration::{Enrolled, Registrar};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How a task has ended.
pub(super) enum Reply {
    Enrolled(Enrolled),
    Unlabelled(Result<(), String>),
    Removed(Removal),
    Status(Option<RunnerStatus>),
    QueueTime(QueueAnswer),
    Conclusion(JobNumber, Option<&'static str>),
}

/// The registrar, if there is one, and what it is at.
#[derive(Default)]
pub(super) struct GithubTasks {
    registrar: Option<Arc<Registrar>>,
    tasks: JoinSet<Reply>,
    /// GitHub was asked how a job ended, and has not answered.
    conclusions: usize,
}

impl GithubTasks {
    pub(super) fn new(registrar: Option<Registrar>) -> GithubTasks {
        GithubTasks { registrar: registrar.map(Arc::new), ..GithubTasks::default() }
    }

    /// Another registrar from now on, if there is one; what the old one is at goes on.
    pub(super) fn renew(&mut self, registrar: Option<Registrar>) {
        self.registrar = registrar.map(Arc::new).or_else(|| self.registrar.take());
    }

    pub(super) fn register(&mut self, anew: bool) {
        self.spawn(move |registrar| async move { Reply::Enrolled(registrar.register(anew).await) });
    }

    pub(super) fn ask_status(&mut self) {
        self.spawn(|registrar| async move { Reply::Status(registrar.runner_status().await) });
    }

    pub(super) fn unlabel(&mut self) {
        self.spawn(|registrar| async move { Reply::Unlabelled(registrar.unlabel().await) });
    }

    pub(super) fn remove(&mut self, limit: Duration) {
        self.spawn(move |registrar| async move { Reply::Removed(registrar.remove(limit).await) });
    }

    pub(super) fn ask_queue_time(&mut self, job: JobNumber, question: Question, again: bool) {
        if self.can_ask() {
            self.spawn(move |registrar| async move {
                let queued = registrar.queue_time(&question).await;
                Reply::QueueTime(QueueAnswer { job, again, queued })
            });
        }
    }

    /// Never in a stop's time.
    pub(super) fn ask_conclusion(&mut self, job: JobNumber, question: Question, was_asked: bool) {
        if self.can_ask() && !was_asked {
            self.conclusions += 1;
            self.spawn(move |registrar| async move {
                Reply::Conclusion(job, registrar.conclusion(&question).await)
            });
        }
    }

    /// Ends them all, at once.
    pub(super) fn abort(&mut self) {
        self.tasks.abort_all();
    }

    /// From now on a job may have changed whatever it can.
    pub(super) fn job_began(&self) {
        self.registrar.iter().for_each(|registrar| registrar.ground.job_began());
    }

    /// GitHub still has to say how a job has ended.
    pub(super) fn is_asked_for_conclusions(&self) -> bool {
        self.conclusions > 0
    }

    /// The next reply; a task that was called off has none. Cancel-safe; never, if there is no task.
    pub(super) async fn next(&mut self) -> Reply {
        while let Some(ended) = self.tasks.join_next().await {
            if let Ok(reply) = ended {
                return reply;
            }
        }
        std::future::pending().await
    }

    pub(super) fn handle(&mut self, reply: Reply) -> Vec<Effect> {
        match reply {
            Reply::Enrolled(Enrolled { result: Ok(registered), jit }) => {
                let jit = jit.map(Effect::Jit);
                jit.into_iter().chain([Input::Registered(registered).into()]).collect()
            }
            Reply::Enrolled(Enrolled { result: Err(fault), .. }) => vec![Input::NotRegistered(fault).into()],
            Reply::Removed(removal) => vec![Input::Deregistered(removal).into()],
            Reply::Status(status) => status.map(|status| Input::Status(status).into()).into_iter().collect(),
            Reply::QueueTime(answer) => vec![Effect::QueueTime(answer)],
            Reply::Conclusion(job, conclusion) => {
                self.conclusions = self.conclusions.saturating_sub(1);
                conclusion.map(|word| Effect::Concluded(job, word)).into_iter().collect()
            }
            Reply::Unlabelled(result) => vec![Notice::Unlabelled(result).into()],
        }
    }

    fn can_ask(&self) -> bool {
        self.registrar.as_ref().is_some_and(|registrar| registrar.can_ask())
    }

    fn spawn<F>(&mut self, task: impl FnOnce(Arc<Registrar>) -> F)
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        if let Some(registrar) = &self.registrar {
            // In a box all of them are one kind of task for the runtime, which is made anew for each kind.
            let task: Pin<Box<dyn Future<Output = Reply> + Send>> = Box::pin(task(Arc::clone(registrar)));
            self.tasks.spawn(task);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use crate::domain::registration::{Registered, RegistrationFault};

    #[test]
    fn the_listener_is_given_its_configuration_before_anybody_hears_that_it_is_registered() {
        let mut tasks = GithubTasks::default();
        let enrolled = |result, jit| Reply::Enrolled(Enrolled { result, jit });
        let jit = Some(Secret::new("jit".to_owned()));
        let effects = tasks.handle(enrolled(Ok(Registered::New), jit));
        assert!(
            matches!(effects[..], [Effect::Jit(_), Effect::Input(Input::Registered(Registered::New))]),
            "{effects:?}"
        );
        let fault = RegistrationFault { retry: true, says: String::new() };
        let effects = tasks.handle(enrolled(Err(fault), None));
        assert!(matches!(effects[..], [Effect::Input(Input::NotRegistered(_))]), "{effects:?}");
    }

    #[test]
    fn an_answer_that_says_nothing_changes_nothing_but_is_waited_for_no_longer() {
        let mut tasks = GithubTasks { conclusions: 1, ..GithubTasks::default() };
        assert!(tasks.handle(Reply::Status(None)).is_empty());
        assert!(tasks.is_asked_for_conclusions());
        assert!(tasks.handle(Reply::Conclusion(JobNumber::default(), None)).is_empty());
        assert!(!tasks.is_asked_for_conclusions());
        let effects = tasks.handle(Reply::Conclusion(JobNumber::default(), Some("success")));
        assert!(matches!(effects[..], [Effect::Concluded(_, "success")]), "{effects:?}");
    }

    #[tokio::test]
    async fn without_a_registrar_nothing_is_begun() {
        let mut tasks = GithubTasks::default();
        tasks.register(false);
        tasks.remove(Duration::ZERO);
        tasks.ask_status();
        assert!(tasks.tasks.is_empty());
    }
}
