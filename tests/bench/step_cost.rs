//! What a job's steps cost besides following its log for caches: 200 of them, beside the same pages without.

use super::Plan;
use super::cache::{Stage, USUAL, page};
use super::report::{Report, Target, median, number, table};
use runner_init::sys::door::Dir;
use runner_init::sys::job_log_tail::{Follower, PageWatch};
use runner_init::sys::worker_steps;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

const STEPS: usize = 200;
const PAGE: usize = 8 * 1024 * 1024;
const TIMELINE: &str = "aaaaaaaa-d9cb-469f-a165-70867728950e";
const LOG: &str = "_diag/Worker_20261130-101902-utc.log";
/// The records of the real log: the job, its set-up, a step that prints, its end.
const JOB: &str = "5756456f-03a6-506d-b994-2a445b44e887";
const SET_UP: &str = "e827f3d1-5777-422a-9a67-7a32d896e077";
const PRINTS: &str = "edf7788e-6c40-579d-9ab7-0be2cc9bfb35";
const COMPLETE: &str = "88de4d1d-bb0e-45c9-8047-bd3a9b4ee975";

/// The program `steps DIR COUNT`: follows as `follow` does, then reads the steps and says how many.
pub(crate) fn follow(dir: &str, count: usize) {
    let runner = Dir::open(Path::new(dir)).expect("ours");
    let watch = Arc::new(PageWatch::default());
    let (_follower, mut batches) =
        Follower::start(runner.clone(), Arc::default(), Arc::clone(&watch)).expect("a watch");
    println!("ready");
    let mut heard = 0;
    while heard < count {
        heard += batches.blocking_recv().expect("it goes on").len();
    }
    println!("done");
    let _ = std::io::stdin().read_line(&mut String::new());
    let end = std::time::SystemTime::now().into();
    println!("{}", worker_steps::read(&runner, LOG, None, &watch, end).steps.len());
    let _ = std::io::stdin().read_line(&mut String::new());
}

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let (rounds, mib) = (plan.pick(9, 3), plan.pick(256, 32));
    report.topic(
        "The steps of a job",
        &format!(
            "Milliseconds of processor time: {mib} MiB of a job's log in {STEPS} steps, each with its page, followed for caches \
             (the pages' times are noted there too), and what its steps cost then, out of its worker's log (the real runner's \
             records); median of {rounds}, in a process of its own. Peak RSS as with the cache lines."
        ),
    );
    let (mut alone, mut more, mut peaks) = (Vec::new(), Vec::new(), [0.0; 2]);
    for _ in 0..rounds {
        let mut stage = Stage::of_program("steps", STEPS);
        play(&mut stage, mib * 1024 * 1024 / STEPS);
        let (followed, before) = stage.used();
        stage.asks();
        stage.hears(&(STEPS + 2).to_string());
        let (all, after) = stage.used();
        alone.push(followed);
        more.push(all - followed);
        peaks = [before, after];
    }
    let (alone, more) = (median(alone), median(more));
    let mut row = vec![format!("{mib} MiB, {STEPS} steps")];
    row.extend([alone, more, more / alone * 100.0, peaks[0], peaks[1]].map(number));
    row.extend(report.judge("steps of a job", more / alone * 100.0, Target::AtMost(20.0, "%")));
    let small_mib = mib / 4;
    let small = {
        let mut stage = Stage::of_program("steps", STEPS);
        play(&mut stage, small_mib * 1024 * 1024 / STEPS);
        stage.asks();
        stage.hears(&(STEPS + 2).to_string());
        stage.used().1
    };
    let grown = report.judge("steps, memory of the log", peaks[1] - small, Target::AtMost(512.0, "kB more"));
    let mut second =
        vec![format!("{small_mib} MiB, {STEPS} steps"), String::new(), String::new(), String::new()];
    second.extend([String::new(), number(small)].into_iter().chain(grown));
    let heads = ["", "caches alone", "steps besides", "%", "peak RSS kB before", "after", "target", "met"];
    table(&heads, &[row, second]);
}

/// Plays the job: the pages of its steps come and go while its own goes on, and its worker's log says what they were.
fn play(stage: &mut Stage, bytes: usize) {
    let text = page(&USUAL, bytes);
    let path = |record: &str, number: usize| stage.page(&format!("{TIMELINE}_{record}"), number);
    let new = |record: &str, number| File::create_new(path(record, number)).expect("new");
    let set_up = new(SET_UP, 1);
    let (mut job, mut number, mut written) = (new(JOB, 1), 1, 0);
    drop(set_up);
    for step in 0..STEPS {
        let mut own = new(&record(step), 1);
        own.write_all(text.as_bytes()).expect("room");
        job.write_all(text.as_bytes()).expect("room");
        drop(own);
        std::fs::remove_file(path(&record(step), 1)).expect("ours");
        written += text.len();
        if written >= PAGE {
            (number, written) = (number + 1, 0);
            job = new(JOB, number);
        }
    }
    drop(new(COMPLETE, 1));
    drop(job);
    std::fs::write(stage.path(LOG), worker_log()).expect("room");
    stage.hears("done");
}

fn record(step: usize) -> String {
    format!("{step:08}-0000-4000-8000-000000000000")
}

/// The real runner's log, with one of its steps so many times.
fn worker_log() -> String {
    let logs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/recordings/logs/kinds/worker.log");
    let real = std::fs::read_to_string(logs).expect("readable");
    let turn = |name: &str| {
        let at = real.find(&format!("Processing step: DisplayName='{name}'")).expect("a step");
        real[..at].rfind('\n').expect("a line") + 1
    };
    let end = real.find("Current state: job state = 'Failed'\n[").map(|_| turn("Post Run o/js@v1"));
    let last = end.expect("its end");
    let after = last + real[last..].find("Current state: job state").expect("the end of a turn");
    let after = after + real[after..].find('\n').expect("a line") + 1;
    let head = real[..turn("Pre Run o/js@v1")]
        .replace("Total job steps: 11.", &format!("Total job steps: {STEPS}."));
    let block = &real[turn("prints")..turn("fails")];
    let steps: String = (0..STEPS).map(|step| block.replace(PRINTS, &record(step))).collect();
    head + &steps + &real[after..]
}
