//! The run that is killed and damaged, and what it must become in the end.

use super::Fault;
use lethe::tensor::random::{Draw, Philox};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// Everything that is drawn or kept from update to update: augmentation, dropout, slices, GSAM, shrink and perturb, moments, the moving average, the best checkpoint.
const CONFIG: &str = r#"
[data]
dataset = "digits"
augment = { crop_padding = 1 }
[model]
kind = "vit"
patch = 2
width = 16
depth = 1
heads = 2
dropout = 0.1
[optim]
kind = "adamw"
lr = 3e-3
weight_decay = 0.05
warmup_epochs = 1
[perturb]
kind = "steepest"
rho = 0.05
m = 16
gsam_xi = 0.4
[shrink]
factor = 0.1
[train]
epochs = 6
batch = 32
checkpoint_updates = 4
checkpoint_minutes = 0
keep_checkpoints = 1
best = "test_loss"
ema = 0.99
"#;

/// Parts of the names of files that tell times, or what came before the last checkpoint.
const TOLD: [&str; 4] = ["timing", "processes", "log.txt", "previous"];

/// The updates of an epoch: the digits have 1437 training images.
pub const PER_EPOCH: u64 = 45;

/// A small run, its program, and the result of the run when nothing happens to it.
pub struct Subject {
    program: PathBuf,
    folder: PathBuf,
    device: String,
    /// The time that the whole run takes.
    pub duration: Duration,
}

impl Subject {
    /// Trains the run once, uninterrupted, in this empty folder.
    ///
    /// # Errors
    /// If the folder cannot be written, or the training fails.
    pub fn new(program: &Path, folder: &Path, device: &str) -> Result<Subject, Fault> {
        fs::write(folder.join("run.toml"), CONFIG)?;
        let (program, folder) = (program.to_owned(), folder.to_owned());
        let mut subject = Subject { program, folder, device: device.to_owned(), duration: Duration::ZERO };
        let began = Instant::now();
        succeeded(&subject.train(&subject.whole()).output()?)?;
        subject.duration = began.elapsed();
        Ok(subject)
    }

    fn whole(&self) -> PathBuf {
        self.folder.join("whole")
    }

    /// Where a run of this name is, or would be.
    pub fn run(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The command that begins the run in this folder.
    pub fn train(&self, run: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("train").arg(self.folder.join("run.toml")).arg("--out").arg(run).args(["--device", &self.device]);
        command
    }

    /// The command that resumes it.
    pub fn resume(&self, run: &Path) -> Command {
        let mut command = self.command("resume", run);
        command.args(["--device", &self.device]);
        command
    }

    /// A command of the program for a run.
    pub fn command(&self, name: &str, run: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(name).arg(run);
        command
    }

    /// A run that was killed after this number of updates, or a little later.
    ///
    /// # Errors
    /// If it ends before.
    pub fn killed_after(&self, name: &str, updates: usize) -> Result<PathBuf, Fault> {
        let run = self.run(name);
        let mut child = silent(&mut self.train(&run)).spawn()?;
        while fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default().lines().count() < updates {
            if let Some(status) = child.try_wait()? {
                return Err(format!("the run ended before {updates} updates: {status}").into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill()?;
        child.wait()?;
        Ok(run)
    }

    /// Checks that a finished run has the bytes of the uninterrupted one, in every file but those that tell times or what came before the last
    /// checkpoint.
    ///
    /// # Errors
    /// The first difference.
    pub fn expect_whole(&self, run: &Path) -> Result<(), Fault> {
        let (expected, found) = (files(&self.whole())?, files(run)?);
        if expected != found {
            return Err(format!("{} has other files: {found:?} instead of {expected:?}", run.display()).into());
        }
        for file in expected.iter().filter(|name| !TOLD.iter().any(|told| name.contains(told))) {
            if fs::read(self.whole().join(file))? != fs::read(run.join(file))? {
                return Err(format!("{file} of {} differs from the uninterrupted run's", run.display()).into());
            }
        }
        Ok(())
    }

    /// Resumes a run to its end, and checks its result.
    ///
    /// # Errors
    /// If the program fails, or the result is not that of the uninterrupted run.
    pub fn finish(&self, run: &Path) -> Result<(), Fault> {
        succeeded(&self.resume(run).output()?)?;
        self.expect_whole(run)
    }
}

/// A random number below `bound`, the `index`-th of a seed.
pub fn random(seed: u64, index: u64, bound: u64) -> u64 {
    let mut bits = Philox::new(Draw::new(seed, [index as u32, (index >> 32) as u32, 0]));
    ((u64::from(bits.bits()) << 32) | u64::from(bits.bits())) % bound.max(1)
}

/// The same command without its output.
pub fn silent(command: &mut Command) -> &mut Command {
    use std::process::Stdio;
    command.stdout(Stdio::null()).stderr(Stdio::null())
}

fn succeeded(output: &Output) -> Result<(), Fault> {
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// The names of a run's files, also those in `checkpoints/`, that have an extension (the lock has none).
fn files(run: &Path) -> Result<BTreeSet<String>, Fault> {
    let mut names = BTreeSet::new();
    for folder in [run.to_owned(), run.join("checkpoints")] {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some() {
                names.insert(path.strip_prefix(run)?.display().to_string());
            }
        }
    }
    Ok(names)
}

/// Copies a run's files, without its lock.
///
/// # Errors
/// If a file cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> Result<(), Fault> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir_all(to.join("checkpoints"))?;
    for name in files(from)? {
        fs::copy(from.join(&name), to.join(&name))?;
    }
    Ok(())
}
