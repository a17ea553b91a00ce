//! The progress of a run on standard error: a progress bar on a terminal, plain lines elsewhere.
//!
//! It is told what happened and reads nothing from the device: loss and accuracy are shown when they are known.

use crate::run::{Checkpoint, CheckpointError};
use crate::stopwatch::Stopwatch;
use crate::words::human;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// The time between two plain lines; evaluations have lines of their own.
const INTERVAL: Duration = Duration::from_secs(10);

/// The progress of one run, which is told of epochs and updates.
pub struct Progress {
    view: Shown,
    epochs: usize,
    epoch_images: usize,
    /// The images of the epochs that earlier processes trained.
    before: usize,
    /// The images trained on, including those of earlier processes.
    images: usize,
    watch: Stopwatch,
    /// When the current epoch began.
    began: Option<Duration>,
    /// The time that updates took in the epochs that this process has completed.
    training: Duration,
    sums: EpochSums,
}

/// Sums over the images of an epoch so far, without those of updates that were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EpochSums {
    images: usize,
    loss: f64,
    accuracy: f64,
}

/// The notes of a checkpoint within an epoch.
const IMAGES: &str = "epoch_images";
const LOSS: &str = "epoch_loss";
const ACCURACY: &str = "epoch_accuracy";

/// The result of an epoch's updates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochFigures {
    /// The mean loss over its images.
    pub loss: f64,
    /// The percentage of them that were classified correctly.
    pub accuracy: f64,
    /// The time it took, not counting the time in which the process was stopped.
    pub seconds: f64,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// On standard error: as a bar if that is a terminal, otherwise as lines.
    Text,
    /// As lines of JSON on standard output.
    Json,
    /// Not at all.
    Nothing,
}

enum Shown {
    Bar(ProgressBar),
    Lines { out: Box<dyn Write + Send>, form: Form, interval: Duration, last: Instant },
}

/// The form of lines.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Json,
}

/// How far a training is. Before its first update a process knows neither means nor speed.
#[derive(Serialize)]
struct State {
    /// The epoch of the last update, counted from 1.
    epoch: usize,
    epochs: usize,
    /// The images of the run that were trained on.
    images: usize,
    /// The means over the epoch's images so far.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    means: Option<Means>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test_accuracy: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ema_accuracy: Option<f64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pace: Option<Pace>,
}

#[derive(Serialize)]
struct Means {
    loss: f64,
    accuracy: f64,
}

#[derive(Serialize)]
struct Pace {
    images_per_second: f64,
    seconds_left: f64,
}

impl EpochSums {
    /// The sums that a checkpoint within an epoch notes.
    ///
    /// # Errors
    /// If it does not.
    pub fn noted(checkpoint: &Checkpoint) -> Result<EpochSums, CheckpointError> {
        let (loss, accuracy) = (checkpoint.number(LOSS)?, checkpoint.number(ACCURACY)?);
        Ok(EpochSums { images: checkpoint.number(IMAGES)?, loss, accuracy })
    }

    /// Adds them to a checkpoint's notes, to the last bit.
    pub fn note(&self, checkpoint: &mut Checkpoint) {
        let notes = [(IMAGES, self.images as f64), (LOSS, self.loss), (ACCURACY, self.accuracy)];
        checkpoint.notes.extend(notes.map(|(name, sum)| (name.to_owned(), sum.to_string())));
    }

    fn add(&mut self, loss: f64, accuracy: f64, images: usize) {
        self.images += images;
        self.loss += loss * images as f64;
        self.accuracy += accuracy * images as f64;
    }

    /// The mean loss and accuracy; NaN without images.
    fn means(&self) -> (f64, f64) {
        (self.loss / self.images as f64, self.accuracy / self.images as f64)
    }
}

impl Progress {
    /// For a run of this number of epochs and images per epoch, of which `done` images are done.
    pub fn new(show: Show, done: usize, epochs: usize, epoch_images: usize) -> Progress {
        let view = match show {
            Show::Nothing => Shown::lines(Box::new(io::sink()), Form::Text, Duration::MAX),
            Show::Json => Shown::lines(Box::new(io::stdout()), Form::Json, INTERVAL),
            Show::Text if io::stderr().is_terminal() => {
                let bar = ProgressBar::new((epochs * epoch_images) as u64);
                Shown::Bar(bar.with_style(style()).with_position(done as u64))
            }
            Show::Text => Shown::lines(Box::new(io::stderr()), Form::Text, INTERVAL),
        };
        Progress::with(view, done, epochs, epoch_images)
    }

    fn with(view: Shown, done: usize, epochs: usize, epoch_images: usize) -> Progress {
        let (images, sums) = (done, EpochSums::default());
        let (watch, training) = (Stopwatch::start(), Duration::ZERO);
        Progress { view, epochs, epoch_images, before: images, images, watch, began: None, training, sums }
    }

    /// To be called before an epoch's first update, with what earlier processes made of the epoch.
    pub fn begin_epoch(&mut self, sums: EpochSums) {
        self.sums = sums;
        self.began = Some(self.watch.elapsed());
    }

    /// To be called after an update, with its loss, accuracy in percent, and number of images.
    pub fn step(&mut self, loss: f32, accuracy: f64, images: usize) {
        self.sums.add(f64::from(loss), accuracy, images);
        self.images += images;
        let state = self.state(None);
        match &mut self.view {
            Shown::Bar(bar) => {
                bar.set_message(text(&state));
                bar.set_position(self.images as u64);
            }
            Shown::Lines { out, form, interval, last } if last.elapsed() >= *interval => {
                *last = Instant::now();
                print(out, &form.state(&state));
            }
            Shown::Lines { .. } => {}
        }
    }

    /// To be called after an update that was skipped, with what is to be said of it. Its images count as done, but not in the epoch's means.
    pub fn skipped(&mut self, message: &str, images: usize) {
        self.images += images;
        match &mut self.view {
            Shown::Bar(bar) => bar.println(message),
            Shown::Lines { out, form, .. } => print(out, &form.note(message)),
        }
    }

    /// To be called after an epoch's last update.
    pub fn end_epoch(&mut self) -> EpochFigures {
        let span = self.watch.elapsed() - self.began.take().unwrap_or_default();
        self.training += span;
        let (loss, accuracy) = self.sums.means();
        EpochFigures { loss, accuracy, seconds: span.as_secs_f64() }
    }

    /// To be called after an evaluation, with its accuracy in percent, and that of the moving average if there is one.
    pub fn test(&mut self, accuracy: f64, average: Option<f64>) {
        let state = State { ema_accuracy: average, ..self.state(Some(accuracy)) };
        match &mut self.view {
            Shown::Bar(bar) => bar.println(text(&state)),
            Shown::Lines { out, form, .. } => print(out, &form.state(&state)),
        }
    }

    /// The sums of the current epoch.
    pub fn sums(&self) -> EpochSums {
        self.sums
    }

    /// To be called at the end: the bar is removed.
    pub fn finish(&self) {
        if let Shown::Bar(bar) = &self.view {
            bar.finish_and_clear();
        }
    }

    fn state(&self, test_accuracy: Option<f64>) -> State {
        let (loss, accuracy) = self.sums.means();
        State {
            epoch: self.images.div_ceil(self.epoch_images).max(1),
            epochs: self.epochs,
            images: self.images,
            means: (self.sums.images > 0).then_some(Means { loss, accuracy }),
            test_accuracy,
            ema_accuracy: None,
            pace: (self.images > self.before).then(|| self.pace()),
        }
    }

    /// Images per second during updates, and the time left: for the remaining images, and for what happens between epochs, such as evaluations. Both
    /// are measured in this process, without the time in which it was stopped.
    fn pace(&self) -> Pace {
        let now = self.watch.elapsed();
        let training = self.training + self.began.map_or(Duration::ZERO, |began| now - began);
        let rate = (self.images - self.before) as f64 / training.as_secs_f64().max(1e-9);
        let images = (self.epochs * self.epoch_images).saturating_sub(self.images);
        let done = (self.images - self.before) / self.epoch_images;
        let between = (now - training).as_secs_f64() / done.max(1) as f64;
        let left = images as f64 / rate.max(1e-9) + between * (images / self.epoch_images) as f64;
        Pace { images_per_second: rate, seconds_left: left }
    }
}

impl Shown {
    fn lines(out: Box<dyn Write + Send>, form: Form, interval: Duration) -> Shown {
        Shown::Lines { out, form, interval, last: Instant::now() }
    }
}

/// Epoch, means so far, test accuracy, speed and time left, as far as they are known.
fn text(state: &State) -> String {
    let mut parts = vec![format!("epoch {}/{}", state.epoch, state.epochs)];
    parts.extend(state.means.as_ref().map(|m| format!("loss {:.4}  accuracy {:.1} %", m.loss, m.accuracy)));
    parts.extend(state.test_accuracy.map(|accuracy| format!("test {accuracy:.2} %")));
    parts.extend(state.ema_accuracy.map(|accuracy| format!("average {accuracy:.2} %")));
    parts.extend(state.pace.as_ref().map(|pace| {
        let left = human(Duration::try_from_secs_f64(pace.seconds_left).unwrap_or(Duration::MAX));
        format!("{:.0} images/s  {left} left", pace.images_per_second)
    }));
    parts.join("  ")
}

impl Form {
    fn state(self, state: &State) -> String {
        match self {
            Form::Text => text(state),
            Form::Json => serde_json::to_string(state).expect("numbers can be written as JSON"),
        }
    }

    fn note(self, message: &str) -> String {
        match self {
            Form::Text => message.to_owned(),
            Form::Json => serde_json::json!({ "note": message }).to_string(),
        }
    }
}

/// If this fails, the output is no longer read; the work continues for the files that it writes.
fn print(out: &mut dyn Write, line: &str) {
    let _ = writeln!(out, "{line}");
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:20} {percent:>3} %  {wide_msg}").expect("a fixed template")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is printed for two epochs of 100 images.
    fn run(interval: Duration, act: impl Fn(&mut Progress)) -> String {
        let shared = Shared::default();
        let mut progress = Progress::with(Shown::lines(Box::new(shared.clone()), Form::Text, interval), 0, 2, 100);
        act(&mut progress);
        progress.finish();
        String::from_utf8(shared.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn lines_tell_epoch_loss_accuracy_rate_and_time_left() {
        let text = run(Duration::ZERO, |progress| {
            progress.begin_epoch(EpochSums::default());
            progress.step(0.25, 50.0, 75);
            progress.step(1.25, 90.0, 25);
            let EpochFigures { loss, accuracy, .. } = progress.end_epoch();
            assert_eq!((loss, accuracy), (0.5, 60.0), "means over images, not over updates");
            progress.begin_epoch(EpochSums::default());
            progress.step(1.0, 100.0, 100);
            progress.end_epoch();
            progress.test(80.0, None);
        });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[0].starts_with("epoch 1/2  loss 0.2500  accuracy 50.0 %  "), "{text}");
        assert!(lines[1].starts_with("epoch 1/2  loss 0.5000  accuracy 60.0 %  "), "{text}");
        assert!(lines[3].starts_with("epoch 2/2  loss 1.0000  accuracy 100.0 %  test 80.00 %  "), "{text}");
        assert!(lines[3].ends_with(" images/s  0s left"), "{text}");
    }

    #[test]
    fn rates_are_of_this_process_and_of_updates_alone() {
        let shared = Shared::default();
        let view = Shown::lines(Box::new(shared.clone()), Form::Text, Duration::from_secs(3600));
        // Of 1000 epochs 900 are done before.
        let mut progress = Progress::with(view, 90_000, 1000, 100);
        progress.begin_epoch(EpochSums::default());
        std::thread::sleep(Duration::from_millis(50));
        progress.step(0.5, 50.0, 100);
        progress.end_epoch();
        std::thread::sleep(Duration::from_millis(150));
        progress.test(50.0, None);
        let text = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
        let rate: f64 = text.split("  ").find_map(|part| part.strip_suffix(" images/s")).unwrap().parse().unwrap();
        assert!((400.0..=2000.0).contains(&rate), "100 images in 50 ms: {text}");
        let left = text.trim_end().rsplit("  ").next().unwrap();
        let seconds: u64 = left.strip_suffix("s left").and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("{text}"));
        assert!((18..=59).contains(&seconds), "99 epochs of 200 ms: {text}");
    }

    #[test]
    fn lines_keep_their_distance_but_evaluations_are_always_told() {
        let text = run(Duration::from_secs(3600), |progress| {
            (0..10).for_each(|_| progress.step(0.5, 90.0, 10));
            progress.test(97.222, Some(98.0));
        });
        assert_eq!(text.lines().count(), 1);
        assert!(text.starts_with("epoch 1/2  loss 0.5000  accuracy 90.0 %  test 97.22 %  average 98.00 %  "), "{text}");
    }

    #[test]
    fn nothing_is_said_of_images_that_this_process_has_not_trained() {
        let shared = Shared::default();
        let mut progress =
            Progress::with(Shown::lines(Box::new(shared.clone()), Form::Text, Duration::ZERO), 100, 2, 100);
        progress.test(50.0, None);
        assert_eq!(String::from_utf8(shared.0.lock().unwrap().clone()).unwrap(), "epoch 1/2  test 50.00 %\n");
    }
}
