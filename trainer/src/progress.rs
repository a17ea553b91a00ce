//! What a person sees while a run trains: a bar on a terminal, a line an evaluation elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::Instant;

/// The progress of one run, on standard error.
pub struct Progress {
    bar: Option<ProgressBar>,
    epochs: usize,
    start: Instant,
    images: usize,
    loss: f64,
    accuracy: f64,
}

/// The share of the newest update in what is shown.
const NEWEST: f64 = 0.05;

impl Progress {
    /// A run of so many epochs of so many updates.
    pub fn new(epochs: usize, updates: usize) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{bar:32} {pos}/{len}  {msg}  {eta} left").expect("a fixed template");
            ProgressBar::with_draw_target(Some((epochs * updates) as u64), ProgressDrawTarget::stderr())
                .with_style(style)
        });
        Progress { bar, epochs, start: Instant::now(), images: 0, loss: f64::NAN, accuracy: f64::NAN }
    }

    fn rate(&self) -> f64 {
        self.images as f64 / self.start.elapsed().as_secs_f64()
    }

    /// An update: its loss, its accuracy in percent, its images.
    pub fn step(&mut self, loss: f32, accuracy: f64, images: usize) {
        let blend = |old: f64, new: f64| if old.is_nan() { new } else { old + NEWEST * (new - old) };
        (self.loss, self.accuracy) = (blend(self.loss, f64::from(loss)), blend(self.accuracy, accuracy));
        self.images += images;
        if let Some(bar) = &self.bar {
            bar.inc(1);
            bar.set_message(format!(
                "loss {:.4}  accuracy {:.1} %  {:.0} images/s",
                self.loss,
                self.accuracy,
                self.rate()
            ));
        }
    }

    /// An evaluation after an epoch, counted from 0.
    pub fn test(&self, epoch: usize, accuracy: f64) {
        let done = (epoch + 1) as f64;
        let left = self.start.elapsed().as_secs_f64() / done * (self.epochs as f64 - done);
        let line = format!(
            "epoch {}/{}  loss {:.4}  accuracy {:.1} %  test {accuracy:.2} %  {:.0} images/s  {left:.0} s left",
            epoch + 1,
            self.epochs,
            self.loss,
            self.accuracy,
            self.rate()
        );
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }

    /// The end.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
