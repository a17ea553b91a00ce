//! Runs as processes of this program, several at a time. Each is an ordinary `lethe train` or `lethe resume`; what it prints is passed on.

use super::parent;
use crate::stop::{Signal, StopRequests};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often signals are looked for.
const PATIENCE: Duration = Duration::from_millis(100);

/// A process to be run.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its command line, without the program.
    pub arguments: Vec<OsString>,
    /// What it reads from standard input.
    pub input: String,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With success.
    Finished,
    /// Since this program was asked to stop.
    Stopped,
    /// Otherwise: why.
    Failed(String),
}

/// What is told while processes run; each with the number of its job.
#[derive(Debug)]
pub enum Event<'a> {
    /// It begins.
    Begun(usize),
    /// It printed a line on standard output.
    Line(usize, &'a str),
    /// It ended.
    Ended(usize, &'a Outcome),
}

enum Message {
    Line(usize, String),
    /// Its standard output is closed: it has ended, or is about to.
    Closed(usize),
}

/// A process that runs.
struct Running {
    child: Child,
    complaints: JoinHandle<String>,
}

/// The processes of a program, and what they tell it.
struct Jobs<'a> {
    jobs: &'a [Job],
    /// This program, or why it is not known.
    program: io::Result<PathBuf>,
    running: BTreeMap<usize, Running>,
    outcomes: Vec<Option<Outcome>>,
    sender: Sender<Message>,
    receiver: Receiver<Message>,
}

/// Runs all jobs in their order, at most so many at a time, and tells of them. When a signal asks to stop, it is passed on to the running ones, and no
/// other begins: those have no outcome.
pub fn run(
    jobs: &[Job],
    at_a_time: usize,
    stop: &StopRequests,
    tell: &mut dyn FnMut(Event<'_>),
) -> Vec<Option<Outcome>> {
    let (sender, receiver) = channel();
    let outcomes = vec![None; jobs.len()];
    let mut all = Jobs { jobs, program: program(), running: BTreeMap::new(), outcomes, sender, receiver };
    let (mut next, mut passed_on) = (0, None);
    loop {
        let asked = stop.asked();
        while asked.is_none() && all.running.len() < at_a_time && next < jobs.len() {
            tell(Event::Begun(next));
            all.start(next, tell);
            next += 1;
        }
        if let (Some(signal), None) = (asked, passed_on) {
            all.running.values().for_each(|running| pass_on(signal, &running.child));
            passed_on = asked;
            stop.passed_on();
        }
        if all.running.is_empty() && (asked.is_some() || next == jobs.len()) {
            return all.outcomes;
        }
        match all.receiver.recv_timeout(PATIENCE) {
            Ok(Message::Line(job, line)) => tell(Event::Line(job, &line)),
            Ok(Message::Closed(job)) => all.end(job, passed_on, tell),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }
}

impl Jobs<'_> {
    fn start(&mut self, job: usize, tell: &mut dyn FnMut(Event<'_>)) {
        match self.spawned(job) {
            Ok(running) => drop(self.running.insert(job, running)),
            Err(error) => {
                self.ended(job, Outcome::Failed(format!("this program cannot be started again: {error}")), tell)
            }
        }
    }

    fn spawned(&self, job: usize) -> io::Result<Running> {
        let Job { arguments, input } = &self.jobs[job];
        let program = self.program.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
        let mut command = Command::new(program);
        parent::tell(&mut command);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C would reach it beside what is passed on, and a second signal ends it at once.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        if let Some(mut stdin) = stdin {
            // One that ended already says itself why.
            let _ = stdin.write_all(input.as_bytes());
        }
        let sender = self.sender.clone();
        thread::spawn(move || {
            for line in stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
                let Ok(line) = line else { break };
                // Nobody listens once the program ends.
                let _ = sender.send(Message::Line(job, line));
            }
            let _ = sender.send(Message::Closed(job));
        });
        let complaints = thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.map(|mut stderr| stderr.read_to_end(&mut text));
            String::from_utf8_lossy(&text).into_owned()
        });
        Ok(Running { child, complaints })
    }

    fn end(&mut self, job: usize, signal: Option<Signal>, tell: &mut dyn FnMut(Event<'_>)) {
        let Some(Running { mut child, complaints }) = self.running.remove(&job) else { return };
        let status = child.wait();
        let complaints = complaints.join().unwrap_or_default();
        let outcome = match status {
            Ok(status) if status.success() => Outcome::Finished,
            Ok(status) if signal.is_some_and(|signal| is_of(status, signal)) => Outcome::Stopped,
            Ok(status) => Outcome::Failed(reason(&complaints, status)),
            Err(error) => Outcome::Failed(error.to_string()),
        };
        self.ended(job, outcome, tell);
    }

    fn ended(&mut self, job: usize, outcome: Outcome, tell: &mut dyn FnMut(Event<'_>)) {
        // Before it is told, so that it is not lost.
        let outcome = self.outcomes[job].insert(outcome);
        tell(Event::Ended(job, outcome));
    }
}

/// This program, also after its file was replaced or removed where the system can start it nevertheless.
fn program() -> io::Result<PathBuf> {
    let own = Path::new("/proc/self/exe");
    if cfg!(target_os = "linux") && own.exists() { Ok(own.to_owned()) } else { std::env::current_exe() }
}

/// Whether a process ended since it was asked to by this signal, before or after it could save anything.
fn is_of(status: ExitStatus, signal: Signal) -> bool {
    #[cfg(unix)]
    if std::os::unix::process::ExitStatusExt::signal(&status) == Some(signal.number()) {
        return true;
    }
    status.code() == Some(i32::from(signal.exit_status()))
}

/// The last complaint of a process, or else how it ended.
fn reason(complaints: &str, status: ExitStatus) -> String {
    let own = complaints.rsplit_once("lethe: ").map(|(_, last)| last.trim());
    let last = || complaints.trim().lines().map(str::trim).rfind(|line| !line.is_empty());
    own.or_else(last).map_or_else(|| format!("it ended with {status} and said nothing"), str::to_owned)
}

/// Sends a signal to a process that has not been waited for.
#[cfg(unix)]
fn pass_on(signal: Signal, child: &Child) {
    use rustix::process::{Pid, Signal as Name, kill_process};
    if let Some(name) = Name::from_named_raw(signal.number()) {
        // It fails if the process has ended, which is as well.
        let _ = kill_process(Pid::from_child(child), name);
    }
}

/// On other systems Ctrl-C reaches the processes of a console by itself.
#[cfg(not(unix))]
fn pass_on(_: Signal, _: &Child) {}
