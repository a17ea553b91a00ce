//! Runs end with the program that makes a sweep of them, also if it is killed.

use std::process::Command;

/// The environment variable by which a run knows its sweep: the number of the process.
const NAME: &str = "LETHE_SWEEP";

/// Tells a process that this one is its sweep.
pub fn tell(command: &mut Command) {
    command.env(NAME, std::process::id().to_string());
}

/// Where this process is a run of a sweep: asks the system for a signal, which ends it with a checkpoint, when the sweep ends. Whether the sweep still
/// runs, or there is none.
#[cfg(target_os = "linux")]
pub fn follow() -> bool {
    use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
    let Some(sweep) = std::env::var(NAME).ok().and_then(|text| text.parse().ok()).and_then(Pid::from_raw) else {
        return true;
    };
    // It refuses only signals that it does not know.
    let _ = set_parent_process_death_signal(Signal::from_named_raw(crate::stop::ABANDONED));
    // One that ended before will not end again.
    getppid() == Some(sweep)
}

/// Other systems have no such signal: the run trains on to its end.
#[cfg(not(target_os = "linux"))]
pub fn follow() -> bool {
    true
}
