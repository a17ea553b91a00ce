//! Kills at random moments.

use super::audit::audit;
use super::subject::{PER_EPOCH, Subject, random, silent};
use super::{Fault, Row};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Where a kill found a run.
#[derive(Clone, Copy, PartialEq)]
enum Moment {
    /// It had no checkpoint yet.
    Start,
    /// Among the updates of an epoch.
    Within,
    /// Between the last update of an epoch and the first of the next: evaluating, or writing a checkpoint or a log.
    Between,
}

/// Kills trainings at this number of random moments, with a signal that no program can catch, and resumes each one until it ends.
///
/// # Errors
/// If a checkpoint is lost or broken, a log has a torn or repeated line, or a run's result is not that of the uninterrupted one.
pub fn kills(subject: &Subject, count: usize, seed: u64) -> Result<Vec<Row>, Fault> {
    let run = subject.run("killed");
    let (mut moments, mut finished, mut saved, mut tries) = (vec![], 0, None, 0);
    while moments.len() < count {
        let mut command = if saved.is_some() { subject.resume(&run) } else { subject.train(&run) };
        let mut child = silent(&mut command).spawn()?;
        // A little longer than the run takes, so that its end is hit too.
        let span = subject.duration.as_micros() as u64 * 11 / 10;
        std::thread::sleep(Duration::from_micros(random(seed, tries, span)));
        tries += 1;
        if let Some(status) = child.try_wait()? {
            if !status.success() {
                return Err(format!("try {tries}: the program ended with {status}").into());
            }
        } else {
            child.kill()?;
            child.wait()?;
            saved = audit(&run, saved).map_err(|fault| format!("kill {}: {fault}", moments.len() + 1))?;
            moments.push(saved.map_or(Moment::Start, |_| moment(&run)));
            if saved.is_none() && run.exists() {
                fs::remove_dir_all(&run)?;
            }
            if !run.join("summary.json").exists() {
                continue;
            }
        }
        subject.finish(&run)?;
        fs::remove_dir_all(&run)?;
        (saved, finished) = (None, finished + 1);
    }
    if saved.is_some() {
        subject.finish(&run)?;
        finished += 1;
    }
    let row = |moment: Moment, what: &str, found: &str| Row {
        what: format!("killed (SIGKILL) {what}"),
        times: moments.iter().filter(|m| **m == moment).count(),
        found: found.to_owned(),
    };
    let same = format!(
        "the last checkpoint is whole; resumed, the {finished} runs ended with the bytes of the uninterrupted one"
    );
    Ok(vec![
        row(Moment::Start, "before the first checkpoint", "nothing was saved; the run is begun again"),
        row(Moment::Within, "within an epoch", &same),
        row(Moment::Between, "between epochs", &same),
    ])
}

fn moment(run: &Path) -> Moment {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    let last = text.lines().rev().find_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let update = last.and_then(|record| record["update"].as_u64());
    if update.is_some_and(|update| !(update + 1).is_multiple_of(PER_EPOCH)) { Moment::Within } else { Moment::Between }
}
