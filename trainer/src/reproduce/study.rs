//! A study: the scale, the folders and the number of seeds of experiments, and their execution by several jobs at once.

use super::experiment::Experiment;
use super::pace::Pace;
use super::scale::Scale;
use crate::data::SearchPath;
use crate::error::Error;
use crate::files;
use crate::paper::Architecture;
use crate::stop::StopRequests;
use crate::stopwatch::Stopwatch;
use crate::words::count;
use lethe_tensor::Device;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// The settings that experiments share.
pub struct Study<'a> {
    /// The scale.
    pub scale: Scale,
    /// The models with rows in tables; figures have one model.
    pub architectures: Vec<Architecture>,
    /// Changes to every config, each as section.key=value.
    pub set: Vec<String>,
    /// The number of runs of every method, with seeds 0, 1, …
    pub seeds: u64,
    /// The devices on which networks are trained and measured, one run at a time on each.
    pub devices: Vec<Device>,
    /// The number of CPU threads of a run, including its loader's.
    pub threads: usize,
    /// The folders in which data is searched.
    pub search_path: SearchPath,
    /// The folder of all runs at this scale, which experiments share.
    pub runs: PathBuf,
    /// The folder of results.
    pub out: PathBuf,
    /// Asked after every update whether to stop: a run that is being trained then ends with a checkpoint.
    pub stop: StopRequests,
    /// Called with messages about the progress.
    pub say: &'a (dyn Fn(&str) + Sync),
}

impl Study<'_> {
    /// Does `work`, unless a signal has asked to stop.
    fn unless_stopped<R>(&self, work: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
        match self.stop.asked() {
            None => work(),
            Some(signal) => {
                let how = "give the command again to continue where it stopped".to_owned();
                Err(Error::Stopped { signal, how })
            }
        }
    }

    /// Applies `make` to all items and returns the results in their order. Every device takes the next free item; after an error no further item is
    /// started.
    ///
    /// # Errors
    /// The first error of `make`, in the order of devices.
    pub(super) fn all<T: Sync, R: Send>(
        &self,
        items: &[T],
        make: impl Fn(&T, &Device) -> Result<R, Error> + Sync,
    ) -> Result<Vec<R>, Error> {
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let pace = Pace::new(items.len(), self.devices.len());
        let job = |device: &Device| {
            let mut made = vec![];
            while !failed.load(Ordering::Relaxed) {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(i) else { break };
                let watch = Stopwatch::start();
                let one = self.unless_stopped(|| make(item, device));
                made.push((i, one.inspect_err(|_| failed.store(true, Ordering::Relaxed))?));
                (self.say)(&pace.done(watch.elapsed()));
            }
            Ok(made)
        };
        let made: Vec<Result<Vec<(usize, R)>, Error>> = thread::scope(|scope| {
            let jobs: Vec<_> = self.devices.iter().map(|device| scope.spawn(|| job(device))).collect();
            jobs.into_iter().map(|j| j.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
        });
        let mut all: Vec<(usize, R)> =
            made.into_iter().collect::<Result<Vec<_>, Error>>()?.into_iter().flatten().collect();
        all.sort_by_key(|(i, _)| *i);
        Ok(all.into_iter().map(|(_, made)| made).collect())
    }

    /// Writes a file of results.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Error> {
        files::write(&self.out.join(name), bytes)
    }

    /// The heading of a result in Markdown.
    pub(super) fn title(&self, experiment: Experiment, what: &str) -> String {
        let changed = if self.set.is_empty() { String::new() } else { format!(", with {}", self.set.join(", ")) };
        format!("# {experiment} at scale {}, {}{changed}\n\n{what}\n\n", self.scale, count(self.seeds, "seed"))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::Problem;
    use std::path::Path;

    /// A study of two seeds with as many jobs, in this folder.
    pub fn study(folder: &Path, jobs: usize) -> Study<'static> {
        Study {
            scale: Scale::Digits,
            architectures: vec![],
            set: vec![],
            seeds: 2,
            devices: vec![Device::cpu(); jobs],
            threads: 1,
            search_path: SearchPath { system: folder.to_owned(), ..SearchPath::default() },
            runs: folder.join("runs"),
            out: folder.to_owned(),
            stop: StopRequests::default(),
            say: &|_| {},
        }
    }

    #[test]
    fn a_study_that_is_asked_to_stop_begins_nothing_more() {
        let study = study(Path::new("."), 2);
        study.stop.ask(15);
        let error = study.all(&[1, 2, 3], |i: &i32, _| -> Result<i32, Error> { panic!("{i} was begun") }).unwrap_err();
        assert_eq!(error.exit_status(), 143);
        assert_eq!(error.to_string(), "stopped by SIGTERM; give the command again to continue where it stopped");
    }

    #[test]
    fn items_come_back_in_their_order_and_an_error_ends_the_rest() {
        let items: Vec<usize> = (0..40).collect();
        let study = study(Path::new("."), 3);
        assert_eq!(study.all(&items, |i, _| Ok(2 * i)).unwrap(), items.iter().map(|i| 2 * i).collect::<Vec<_>>());
        let begun = AtomicUsize::new(0);
        let failing = |i: &usize, _: &Device| {
            begun.fetch_add(1, Ordering::Relaxed);
            if *i == 0 {
                Err(Problem::value("item", i, "fails").into())
            } else {
                thread::sleep(std::time::Duration::from_millis(20));
                Ok(())
            }
        };
        assert!(study.all(&items, failing).unwrap_err().to_string().contains("item = 0"));
        assert!(begun.into_inner() < items.len());
    }
}
