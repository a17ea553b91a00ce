//! Creating a run folder, locking it, and bringing it back to the update that a run is resumed at.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::RunError;
use super::files::{CONFIG, FILES, LOCK, METRICS, TIMING, is_run};
use super::folder::{RunFolder, remove};
use super::records::epoch_of;
use crate::config::Config;
use lethe_nn::atomic::replaced_by;

/// What to do if the folder already contains a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Refuse.
    Refuse,
    /// Remove the run's files, and no others, and start again.
    Overwrite,
}

/// Candidate folders for a run of this config started at this time: first `DIR/20260131-235959-digits`, then with numbers appended.
fn names(runs: &Path, config: &Path, timestamp: &str) -> impl Iterator<Item = PathBuf> {
    let name = config.file_stem().map_or_else(String::new, |stem| format!("-{}", stem.to_string_lossy()));
    let first = runs.join(format!("{timestamp}{name}"));
    let numbered = (2..).map({
        let first = first.clone();
        move |number: usize| {
            let mut path = first.clone().into_os_string();
            path.push(format!("-{number}"));
            path.into()
        }
    });
    std::iter::once(first).chain(numbered)
}

impl RunFolder {
    /// Creates a folder of its own for a new run of this config file, under `runs`. No two programs get the same one.
    ///
    /// # Errors
    /// If it cannot be created or written.
    pub fn create_new(runs: &Path, file: &Path, timestamp: &str, config: &Config) -> Result<RunFolder, RunError> {
        fs::create_dir_all(runs).map_err(|e| RunError::folder(runs, e))?;
        let mut names = names(runs, file, timestamp);
        loop {
            let path = names.next().expect("there are more numbers than folders");
            match fs::create_dir(&path) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                made => {
                    made.map_err(|e| RunError::folder(&path, e))?;
                    return RunFolder::create(&path, Existing::Refuse, config);
                }
            }
        }
    }

    /// Creates a folder for a new run, and writes the run's config into it.
    ///
    /// # Errors
    /// If it cannot be created or written, if it contains a run and `existing` refuses that, or if it contains other things.
    pub fn create(path: &Path, existing: Existing, config: &Config) -> Result<RunFolder, RunError> {
        let run = RunFolder::claim(path, existing)?;
        run.begin(config)?;
        Ok(run)
    }

    /// Locks a folder for a run, and creates it if needed.
    ///
    /// # Errors
    /// If another program is writing it, it cannot be created, it contains a run and `existing` refuses that, or it contains other things.
    pub fn claim(path: &Path, existing: Existing) -> Result<RunFolder, RunError> {
        // Checked before anything is written, and again while no other program can write.
        check_free(path, existing)?;
        fs::create_dir_all(path).map_err(|e| RunError::folder(path, e))?;
        let mut run = RunFolder { path: path.to_owned(), lock: None };
        run.lock()?;
        check_free(path, existing)?;
        Ok(run)
    }

    /// Removes the files of an earlier run, and writes the config of the new one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn begin(&self, config: &Config) -> Result<(), RunError> {
        FILES.iter().try_for_each(|name| remove(&self.file(name)))?;
        self.forget_records()?;
        self.forget_board()?;
        self.forget_kept(|_| true)?;
        // Last, and atomically: if the program is killed before, the folder can still be overwritten.
        self.replace_config(config)
    }

    /// Keeps other programs from writing the folder until this value is dropped or the program ends in any way.
    ///
    /// # Errors
    /// If another one is writing it, or the folder cannot be written.
    pub fn lock(&mut self) -> Result<(), RunError> {
        let path = self.file(LOCK);
        let file = File::options().create(true).append(true).open(&path).map_err(|e| RunError::write(&path, e))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(RunError::Busy(self.path.clone())),
            // A file system without locks is not a reason to refuse.
            Ok(()) | Err(TryLockError::Error(_)) => self.lock = Some(file),
        }
        self.forget_partial()
    }

    /// Removes partial files that killed programs left, of the files that only the holder of the lock writes.
    fn forget_partial(&self) -> Result<(), RunError> {
        self.forget_partial_in("", |name| name == CONFIG || FILES.contains(&name))?;
        self.forget_partial_checkpoints()?;
        // Other analyses are written without the lock, possibly at this moment.
        self.forget_partial_records(|name| epoch_of(name).is_some())
    }

    /// Truncates the logs after this number of complete epochs and of updates, and removes half-written lines.
    ///
    /// # Errors
    /// If they cannot be read or written, or if lines after one that is no record would be lost.
    pub fn forget_after(&self, epochs: usize, updates: u64) -> Result<(), RunError> {
        // Both are read before one is written, so that an error changes nothing.
        let logs = self.kept_records(epochs, updates)?;
        logs.into_iter().flatten().try_for_each(|(name, kept)| self.replace(name, kept.as_bytes()))?;
        self.forget_kept(|kept| kept > epochs)?;
        self.forget_records_after(epochs)
    }

    /// Checks that the logs have the records that a checkpoint after this number of complete epochs and of updates counts on.
    ///
    /// # Errors
    /// As [`RunFolder::forget_after`].
    pub fn expect_records(&self, epochs: usize, updates: u64) -> Result<(), RunError> {
        self.kept_records(epochs, updates).map(drop)
    }

    /// The names of the logs that exist, with their records until then.
    fn kept_records(&self, epochs: usize, updates: u64) -> Result<[Option<(&'static str, String)>; 2], RunError> {
        #[derive(Deserialize)]
        struct Line {
            epoch: usize,
            update: Option<u64>,
        }
        let is_kept = |line: &Line| line.epoch < epochs || line.update.is_some_and(|update| update < updates);
        let kept = |name: &'static str| {
            let path = self.file(name);
            let text = match fs::read_to_string(&path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
                text => text.map_err(|source| RunError::Read { path: path.clone(), source })?,
            };
            let (mut kept, mut next) = (String::new(), None);
            for (line, record) in text.split_inclusive('\n').enumerate() {
                match serde_json::from_str::<Line>(record) {
                    Ok(Line { update: Some(update), .. }) if next.is_some_and(|next| next != update) => {
                        let found = format!("update {update}, not {}", next.unwrap_or(0));
                        return Err(RunError::LostRecords { path, found: format!("{found} in line {}", line + 1) });
                    }
                    Ok(line) if is_kept(&line) => {
                        next = line.update.map(|update| update + 1).or(next);
                        kept += record;
                    }
                    // A program that was killed leaves half a line at the end, and nothing after it.
                    Err(_) if record.ends_with('\n') => return Err(RunError::BrokenLog { path, line: line + 1 }),
                    _ => break,
                }
            }
            match next {
                Some(next) if updates > 0 && next < updates => {
                    let found = format!("the last update is {}, not {}", next - 1, updates - 1);
                    Err(RunError::LostRecords { path, found })
                }
                _ => Ok(Some((name, kept))),
            }
        };
        Ok([kept(METRICS)?, kept(TIMING)?])
    }
}

/// Refuses a path whose contents must be kept.
fn check_free(path: &Path, existing: Existing) -> Result<(), RunError> {
    let entries = match fs::read_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|e| RunError::folder(path, e))?,
    };
    // A lock alone, or a part of a config, was left by a program that died before it wrote the config.
    let left = |name: &str| name == LOCK || replaced_by(name) == Some(CONFIG);
    let mut others = entries.filter(|entry| entry.as_ref().map_or(true, |e| !e.file_name().to_str().is_some_and(left)));
    match (is_run(path), existing) {
        (true, Existing::Overwrite) => Ok(()),
        (true, Existing::Refuse) => Err(RunError::Exists(path.to_owned())),
        (false, _) if others.next().is_none() => Ok(()),
        (false, _) => Err(RunError::NotARun(path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::config;
    use super::*;

    #[test]
    fn a_new_run_holds_its_config() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let run = RunFolder::create(&path, Existing::Refuse, &config()).unwrap();
        assert_eq!(Config::load(&run.config(), &[]).unwrap(), config());
        assert_eq!(RunFolder::open(&path).unwrap().path(), path);
    }

    #[test]
    fn a_run_is_replaced_only_when_asked_and_foreign_files_never() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let run = RunFolder::create(path, Existing::Refuse, &config()).unwrap();
        run.metrics().unwrap().record(&1).unwrap();
        run.summarise(&"done").unwrap();
        run.record("sharpness", &1).unwrap();
        for partial in ["checkpoints/epoch-001.safetensors", "analysis/epoch-001.json", "analysis/sharpness.json"] {
            let partial = path.join(format!("{partial}.7-0.partial"));
            fs::create_dir_all(partial.parent().unwrap()).unwrap();
            fs::write(partial, "half").unwrap();
        }
        fs::write(path.join("notes.txt"), "mine").unwrap();
        let error = RunFolder::create(path, Existing::Refuse, &config()).unwrap_err().to_string();
        assert!(error.contains("already contains a run") && error.contains("--overwrite"), "{error}");
        let error = RunFolder::create(path, Existing::Overwrite, &config()).unwrap_err().to_string();
        assert!(error.contains("another program is writing this run"), "{error}");
        drop(run);
        RunFolder::create(path, Existing::Overwrite, &config()).unwrap();
        let mut names: Vec<_> = fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["config.toml", "lock", "notes.txt"]);
    }

    #[test]
    fn a_run_is_gone_on_with_on_its_own_images_only() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(folder.path(), Existing::Refuse, &config()).unwrap();
        run.expect_data("train: 5\n").unwrap();
        run.note_data("train: 5\ntest: 6\n", None).unwrap();
        run.expect_data("train: 5\ntest: 6\n").unwrap();
        let error = run.expect_data("train: 5\ntest: 7\n").unwrap_err().to_string();
        assert!(error.contains("not those that the run began with (then test: 6; now test: 7);"), "{error}");
        run.note_data("train: 5\ntest: 6\n", Some(Path::new("/data/x"))).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("data.txt")).unwrap(), "train: 5\ntest: 6\nfolder: /data/x\n");
        run.expect_data("train: 5\ntest: 6\n").unwrap();
        let error = run.expect_data("train: 5\n").unwrap_err().to_string();
        assert!(error.contains("(then test: 6, in the folder: /data/x; now no such part);"), "{error}");
    }

    #[test]
    fn a_folder_that_was_being_replaced_can_be_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(folder.path(), Existing::Refuse, &config()).unwrap();
        run.metrics().unwrap().record(&1).unwrap();
        // The state after `create` has failed to remove a file: there is a folder in the place of the last log.
        fs::create_dir(folder.path().join(TIMING)).unwrap();
        drop(run);
        RunFolder::create(folder.path(), Existing::Overwrite, &config()).unwrap_err();
        fs::remove_dir(folder.path().join(TIMING)).unwrap();
        RunFolder::create(folder.path(), Existing::Overwrite, &config()).unwrap();
    }

    #[test]
    fn other_folders_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.tex"), "…").unwrap();
        fs::write(folder.path().join(CONFIG), "# mine, not a run's").unwrap();
        for existing in [Existing::Refuse, Existing::Overwrite] {
            let error = RunFolder::create(folder.path(), existing, &config()).unwrap_err();
            assert!(matches!(error, RunError::NotARun(_)), "{error}");
        }
        fs::remove_file(folder.path().join(CONFIG)).unwrap();
        assert!(matches!(RunFolder::open(folder.path()), Err(RunError::NoRun(_))));
        fs::remove_file(folder.path().join("thesis.tex")).unwrap();
        fs::write(folder.path().join(LOCK), "").unwrap();
        drop(RunFolder::create(folder.path(), Existing::Refuse, &config()).unwrap());
        fs::write(folder.path().join("thesis.tex"), "…").unwrap();
        let below_a_file = folder.path().join("thesis.tex/run");
        let error = RunFolder::create(&below_a_file, Existing::Refuse, &config()).unwrap_err().to_string();
        assert!(error.contains("cannot use the output folder") && error.contains("thesis.tex/run"), "{error}");
    }

    #[test]
    fn logs_grow_by_lines() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(folder.path(), Existing::Refuse, &config()).unwrap();
        run.metrics().unwrap().record(&[1.5, 2.0]).unwrap();
        run.metrics().unwrap().record(&f32::NAN).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join(METRICS)).unwrap(), "[1.5,2.0]\nnull\n");
    }

    #[test]
    fn logs_are_cut_behind_an_epoch() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(folder.path(), Existing::Refuse, &config()).unwrap();
        let lines = "{\"epoch\":0,\"loss\":1}\n{\"epoch\":1}\n{\"epoch\":2}\n{\"epo";
        fs::write(folder.path().join(METRICS), lines).unwrap();
        for (epochs, kept) in [(3, &lines[..45]), (1, &lines[..21]), (0, "")] {
            run.forget_after(epochs, 0).unwrap();
            assert_eq!(fs::read_to_string(folder.path().join(METRICS)).unwrap(), kept);
        }
        let updates: String = (0..6).map(|i| format!("{{\"epoch\":{},\"update\":{i}}}\n", i / 3)).collect();
        let (line, of_epoch) = (updates.len() / 6, "{\"epoch\":0,\"train_loss\":1}\n");
        let lines = [&updates[..3 * line], of_epoch, &updates[3 * line..], "{\"epoch\":1,\"train_loss\":1}\n"].concat();
        for (epochs, update, length) in [(2, 6, lines.len()), (1, 5, of_epoch.len() + 5 * line), (0, 2, 2 * line)] {
            fs::write(folder.path().join(METRICS), &lines).unwrap();
            run.forget_after(epochs, update).unwrap();
            assert_eq!(fs::read_to_string(folder.path().join(METRICS)).unwrap(), lines[..length]);
        }
        let (sound, broken) = ("{\"epoch\":0}\n{\"epoch\":1}\n", "{\"epoch\":0}\ngarbage\n{\"epoch\":1}\n");
        for (metrics, timing, named) in [(broken, sound, METRICS), (sound, broken, TIMING)] {
            let logs = [(METRICS, metrics), (TIMING, timing)];
            logs.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).unwrap());
            let error = run.forget_after(1, 0).unwrap_err().to_string();
            assert!(error.contains(&format!("{named}, line 2")) && error.contains("move the file away"), "{error}");
            logs.iter()
                .for_each(|(name, text)| assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), *text));
        }
    }

    #[test]
    fn new_folders_carry_time_and_name_and_are_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("runs");
        let new = || RunFolder::create_new(&runs, Path::new("configs/digits.toml"), "20260131-235959", &config());
        assert_eq!(new().unwrap().path(), runs.join("20260131-235959-digits"));
        let made: Vec<PathBuf> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| new().unwrap().path().to_owned())).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let different: std::collections::BTreeSet<_> = made.iter().collect();
        assert_eq!(different.len(), 8, "{made:?}");
        assert!(made.contains(&runs.join("20260131-235959-digits-9")), "{made:?}");
    }
}
