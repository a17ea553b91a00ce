//! What must hold of a run's folder at any moment, also after its program was killed.

use super::Fault;
use lethe::run::{Checkpoint, RunError, RunFolder};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The number of updates of the newest checkpoint that `resume` would take; `None` before the first one.
///
/// # Errors
/// If it is broken, or older than one that was there before, or the log has a torn or repeated line.
pub fn audit(run: &Path, before: Option<u64>) -> Result<Option<u64>, Fault> {
    let saved = match RunFolder::open(run).and_then(|run| run.load(None)) {
        Ok(checkpoint) => Some(checkpoint.number::<u64>(Checkpoint::UPDATES)?),
        // A program that was killed at once has not even written the config.
        Err(RunError::NoCheckpoint(_) | RunError::NoRun(_)) => None,
        Err(error) => return Err(error.into()),
    };
    if saved < before {
        return Err(format!("{}: {saved:?} updates are saved, after {before:?} were", run.display()).into());
    }
    audit_log(&run.join("metrics.jsonl"), saved.unwrap_or(0))?;
    Ok(saved)
}

/// Every line is a record, updates follow each other, and those that the checkpoint counts on are there. Only the last line may lack its end: a kill
/// may find the program in the middle of it, and `resume` removes it.
fn audit_log(file: &Path, saved: u64) -> Result<(), Fault> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let (mut next, mut epochs) = (0, 0);
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let record: Value = serde_json::from_str(line).map_err(|e| format!("{}: {e}: {line}", file.display()))?;
        if let Some(update) = record["update"].as_u64() {
            if update != next {
                return Err(format!("{}: update {update} where {next} is expected", file.display()).into());
            }
            next += 1;
        } else if record["train_loss"].is_number() {
            if record["epoch"].as_u64() != Some(epochs) {
                return Err(format!("{}: a line of another epoch than {epochs}: {line}", file.display()).into());
            }
            epochs += 1;
        }
    }
    match next >= saved {
        true => Ok(()),
        false => Err(format!("{}: {next} updates, and the checkpoint is after {saved}", file.display()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(text: &str, saved: u64) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("metrics.jsonl");
        fs::write(&file, text).unwrap();
        audit_log(&file, saved).map_err(|fault| fault.to_string())
    }

    #[test]
    fn torn_repeated_and_missing_lines_are_found() {
        let whole = "{\"update\":0}\n{\"update\":1}\n{\"epoch\":0,\"train_loss\":1.5}\n{\"update\":2}\n";
        assert_eq!(log(whole, 3), Ok(()));
        assert_eq!(log(&format!("{whole}{{\"upd"), 3), Ok(()));
        assert!(log(whole, 4).unwrap_err().contains("3 updates, and the checkpoint is after 4"));
        assert!(log(&format!("{whole}{{\"update\":2}}\n"), 3).unwrap_err().contains("update 2 where 3"));
        assert!(log(&format!("{{\"upd\n{whole}"), 3).is_err());
        assert!(log(&format!("{whole}{{\"epoch\":0,\"train_loss\":1.5}}\n"), 3).unwrap_err().contains("another epoch"));
    }
}
