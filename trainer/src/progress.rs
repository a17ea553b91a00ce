//! What a person sees while a run trains: a bar where somebody watches, plain lines where the output is kept.
//!
//! It is told what happened and asks nothing of the device: loss and accuracy appear when they are known.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// Time between two plain lines, those of evaluations not counted.
const INTERVAL: Duration = Duration::from_secs(10);
/// The share of the newest update in the loss and accuracy shown.
const NEWEST: f64 = 0.05;

/// The progress of one run.
pub struct Progress {
    view: View,
    epochs: usize,
    epoch_images: usize,
    /// Images of the epochs before this process.
    before: usize,
    images: usize,
    start: Instant,
    loss: f64,
    accuracy: f64,
}

enum View {
    Bar(ProgressBar),
    Lines { out: Box<dyn Write + Send>, interval: Duration, last: Instant },
}

impl Progress {
    /// A run of so many epochs of so many images, some of them done: a bar on standard error if that is a terminal, else lines there.
    pub fn new(done: usize, epochs: usize, epoch_images: usize) -> Progress {
        let view = if io::stderr().is_terminal() {
            let target = ProgressDrawTarget::stderr();
            let bar = ProgressBar::with_draw_target(Some((epochs * epoch_images) as u64), target);
            View::Bar(bar.with_style(style()).with_position((done * epoch_images) as u64))
        } else {
            View::lines(Box::new(io::stderr()), INTERVAL)
        };
        Progress::with(view, done, epochs, epoch_images)
    }

    /// One that nobody sees.
    pub fn hidden(done: usize, epochs: usize, epoch_images: usize) -> Progress {
        Progress::with(View::lines(Box::new(io::sink()), Duration::MAX), done, epochs, epoch_images)
    }

    fn with(view: View, done: usize, epochs: usize, epoch_images: usize) -> Progress {
        let (loss, accuracy, images) = (f64::NAN, f64::NAN, done * epoch_images);
        Progress { view, epochs, epoch_images, before: images, images, start: Instant::now(), loss, accuracy }
    }

    /// An update: its loss, its accuracy in percent, its images.
    pub fn step(&mut self, loss: f32, accuracy: f64, images: usize) {
        let blend = |old: f64, new: f64| if old.is_nan() { new } else { old + NEWEST * (new - old) };
        (self.loss, self.accuracy) = (blend(self.loss, f64::from(loss)), blend(self.accuracy, accuracy));
        self.images += images;
        let (figures, pace) = (self.figures(), self.pace());
        match &mut self.view {
            View::Bar(bar) => {
                bar.set_message(figures);
                bar.set_position(self.images as u64);
            }
            View::Lines { out, interval, last } if last.elapsed() >= *interval => {
                *last = Instant::now();
                print(out, &format!("{figures}  {pace}"));
            }
            View::Lines { .. } => {}
        }
    }

    /// An evaluation after an epoch; its accuracy in percent.
    pub fn test(&mut self, accuracy: f64) {
        let line = format!("{}  test {accuracy:.2} %  {}", self.figures(), self.pace());
        match &mut self.view {
            View::Bar(bar) => bar.println(line),
            View::Lines { out, .. } => print(out, &line),
        }
    }

    /// The end: the bar goes.
    pub fn finish(&self) {
        if let View::Bar(bar) = &self.view {
            bar.finish_and_clear();
        }
    }

    /// Which epoch the last update belongs to, and how it went.
    fn figures(&self) -> String {
        let epoch = self.images.div_ceil(self.epoch_images).max(1);
        format!("epoch {epoch}/{}  loss {:.4}  accuracy {:.1} %", self.epochs, self.loss, self.accuracy)
    }

    /// Images a second, and the time left at that pace.
    fn pace(&self) -> String {
        let rate = (self.images - self.before) as f64 / self.start.elapsed().as_secs_f64().max(1e-9);
        let left = (self.epochs * self.epoch_images).saturating_sub(self.images);
        format!("{rate:.0} images/s  {} left", human(Duration::from_secs_f64(left as f64 / rate.max(1e-9))))
    }
}

impl View {
    fn lines(out: Box<dyn Write + Send>, interval: Duration) -> View {
        View::Lines { out, interval, last: Instant::now() }
    }
}

/// Nobody reads the output any more where this fails; the work goes on for the files it writes.
fn print(out: &mut dyn Write, line: &str) {
    let _ = writeln!(out, "{line}");
}

fn style() -> ProgressStyle {
    let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let _ = write!(out, "{:.0} images/s", state.per_sec());
    };
    let left = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let _ = out.write_str(&human(state.eta()));
    };
    let style = ProgressStyle::with_template("{bar:32} {percent:>3} %  {msg}  {rate}  {left} left");
    style.expect("a fixed template").with_key("rate", rate).with_key("left", left)
}

/// A time span in its two largest units: `1h 02m`, `3m 20s`, `7s`.
fn human(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
    }
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

    /// What two epochs of 100 images say.
    fn run(interval: Duration, act: impl Fn(&mut Progress)) -> String {
        let shared = Shared::default();
        let mut progress = Progress::with(View::lines(Box::new(shared.clone()), interval), 0, 2, 100);
        act(&mut progress);
        progress.finish();
        String::from_utf8(shared.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn lines_tell_epoch_loss_accuracy_rate_and_time_left() {
        let text = run(Duration::ZERO, |progress| {
            progress.step(0.25, 50.0, 100);
            progress.step(1.25, 50.0, 100);
        });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].starts_with("epoch 1/2  loss 0.2500  accuracy 50.0 %  "), "{text}");
        assert!(lines[1].starts_with("epoch 2/2  loss 0.3000  accuracy 50.0 %  "), "{text}");
        assert!(lines[1].ends_with(" images/s  0s left"), "{text}");
    }

    #[test]
    fn lines_keep_their_distance_but_evaluations_are_always_told() {
        let text = run(Duration::from_secs(3600), |progress| {
            (0..10).for_each(|_| progress.step(0.5, 90.0, 10));
            progress.test(97.222);
        });
        assert_eq!(text.lines().count(), 1);
        assert!(text.starts_with("epoch 1/2  loss 0.5000  accuracy 90.0 %  test 97.22 %  "), "{text}");
    }

    #[test]
    fn spans_are_short() {
        let spans = [0, 59, 60, 200, 3599, 3600, 90_061].map(|s| human(Duration::from_secs(s)));
        assert_eq!(spans, ["0s", "59s", "1m 00s", "3m 20s", "59m 59s", "1h 00m", "25h 01m"]);
    }
}
