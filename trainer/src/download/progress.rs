//! The progress of downloads: a bar on a terminal, lines elsewhere.

use crate::progress::Show;
use crate::words::human;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// The time between two lines; shorter downloads have none.
const INTERVAL: Duration = Duration::from_secs(10);

/// Shows the progress of one file after the other.
pub struct Transfers {
    show: Show,
    /// The current one.
    file: String,
    bar: Option<ProgressBar>,
    total: Option<u64>,
    /// The bytes that were there when it began, and when.
    before: u64,
    began: Instant,
    last: Instant,
}

/// A line of JSON.
#[derive(Serialize)]
struct State<'a> {
    file: &'a str,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    bytes_per_second: f64,
}

impl Transfers {
    /// Shown in this way.
    pub fn new(show: Show) -> Transfers {
        let now = Instant::now();
        Transfers { show, file: String::new(), bar: None, total: None, before: 0, began: now, last: now }
    }

    /// To be called when bytes of a file begin to arrive, of which some are there already.
    pub fn begin(&mut self, file: &str, before: u64, total: Option<u64>) {
        self.end();
        let now = Instant::now();
        *self = Transfers { show: self.show, file: file.to_owned(), bar: None, total, before, began: now, last: now };
        if self.show == Show::Text && io::stderr().is_terminal() {
            let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
            bar.set_style(style());
            bar.set_position(before);
            self.bar = Some(bar);
        }
    }

    /// To be called when so many bytes of it are there.
    pub fn at(&mut self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.set_message(text(&self.file, bytes, self.total, self.rate(bytes)));
            bar.set_position(bytes);
        } else if self.show != Show::Nothing && self.last.elapsed() >= INTERVAL {
            self.last = Instant::now();
            let rate = self.rate(bytes);
            // If this fails, nobody reads it; the work continues for the files.
            let _ = match self.show {
                Show::Json => {
                    let state = State { file: &self.file, bytes, total: self.total, bytes_per_second: rate };
                    let line = serde_json::to_string(&state).expect("numbers can be written as JSON");
                    writeln!(io::stdout(), "{line}")
                }
                _ => writeln!(io::stderr(), "{}", text(&self.file, bytes, self.total, rate)),
            };
        }
    }

    /// Tells of something that is not as it should be, and that the work goes on.
    pub fn warn(&self, message: &str) {
        match (&self.bar, self.show) {
            (_, Show::Nothing) => {}
            (Some(bar), _) => bar.println(message),
            (None, _) => drop(writeln!(io::stderr(), "{message}")),
        }
    }

    /// To be called when the file is complete: the bar is removed.
    pub fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn rate(&self, bytes: u64) -> f64 {
        bytes.saturating_sub(self.before) as f64 / self.began.elapsed().as_secs_f64().max(1e-3)
    }
}

/// The file, how much of it is there, the speed and the time left.
fn text(file: &str, bytes: u64, total: Option<u64>, rate: f64) -> String {
    let mega = |bytes: f64| format!("{:.1}", bytes / 1e6);
    let of = total.map_or_else(String::new, |total| format!(" of {}", mega(total as f64)));
    let left = total.filter(|_| rate > 0.0).map(|total| total.saturating_sub(bytes) as f64 / rate);
    let left = left.map(|seconds| human(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)));
    let left = left.map_or_else(String::new, |left| format!("  {left} left"));
    format!("{file}  {}{of} MB  {} MB/s{left}", mega(bytes as f64), mega(rate))
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:8} {percent:>3} %  {wide_msg}").expect("a fixed template")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_much_how_fast_and_how_long() {
        assert_eq!(text("a.gz", 2_000_000, Some(26_400_000), 1e6), "a.gz  2.0 of 26.4 MB  1.0 MB/s  24s left");
        assert_eq!(text("a.gz", 2_000_000, None, 1e6), "a.gz  2.0 MB  1.0 MB/s");
        assert_eq!(text("a.gz", 0, Some(5), 0.0), "a.gz  0.0 of 0.0 MB  0.0 MB/s");
    }
}
