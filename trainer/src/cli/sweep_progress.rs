//! The progress of a sweep: which of how many runs are done, and the time left.

use super::output::{note, say};
use crate::progress::Show;
use crate::reproduce::cell;
use crate::stopwatch::Stopwatch;
use crate::sweep::jobs::{Event, Outcome};
use crate::sweep::{ACCURACY, Needed, Results};
use crate::words::human;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{IsTerminal, stderr};
use std::time::Duration;

/// What is known of a run that is to be made.
struct Known {
    name: String,
    point: usize,
    /// Its share of the work, in epochs.
    work: f64,
    /// How much of it is done, 0 … 1.
    done: f64,
}

/// The progress of a sweep.
pub struct SweepProgress {
    show: Show,
    bar: Option<ProgressBar>,
    runs: Vec<Known>,
    /// The epochs of the runs at present, in words.
    running: BTreeMap<usize, String>,
    /// The number of finished runs, and of all.
    finished: usize,
    all: usize,
    watch: Stopwatch,
}

impl SweepProgress {
    /// For these runs beside some that were finished before.
    pub fn new(show: Show, finished: usize, todo: &[&Needed]) -> SweepProgress {
        let known = |needed: &&Needed| Known {
            name: needed.run.name.clone(),
            point: needed.run.point,
            work: needed.run.config.train.epochs.max(1) as f64,
            done: 0.0,
        };
        let all = finished + todo.len();
        let bar = (show == Show::Text && stderr().is_terminal() && !todo.is_empty()).then(|| {
            let style = ProgressStyle::with_template("{bar:20} {pos}/{len}  {wide_msg}").expect("a fixed template");
            ProgressBar::new(all as u64).with_style(style).with_position(finished as u64)
        });
        let (runs, running) = (todo.iter().map(known).collect(), BTreeMap::new());
        SweepProgress { show, bar, runs, running, finished, all, watch: Stopwatch::start() }
    }

    /// Tells of an event; of a run that finished with the results so far, its own among them.
    pub fn tell(&mut self, event: Event<'_>, results: &Results<'_>) {
        match event {
            Event::Begun(run) => {
                self.running.insert(run, String::new());
                self.line(run, "begins", json!({ "state": "begun" }));
            }
            Event::Line(run, text) => self.hear(run, text),
            Event::Ended(run, outcome) => {
                self.running.remove(&run);
                // A run that failed takes no more time.
                self.runs[run].done = 1.0;
                self.end(run, outcome, results);
            }
        }
        self.draw();
    }

    /// To be called at the end: the bar is removed.
    pub fn finish(&self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }

    /// A line of JSON of a run: how far it is.
    fn hear(&mut self, run: usize, text: &str) {
        let Ok(Value::Object(mut state)) = serde_json::from_str(text) else { return };
        let number = |key: &str| state.get(key).and_then(Value::as_f64);
        if let (Some(epoch), Some(epochs)) = (number("epoch"), number("epochs")) {
            // An evaluation ends its epoch.
            let done = if state.contains_key("test_accuracy") { epoch } else { epoch - 1.0 };
            self.runs[run].done = (done / epochs).clamp(0.0, 1.0);
            self.running.insert(run, format!(" epoch {epoch}/{epochs}"));
        } else if !state.contains_key("note") {
            // The result, which is told when the run has ended.
            return;
        }
        if self.show == Show::Json {
            state.insert("run".to_owned(), self.runs[run].name.clone().into());
            say(&Value::Object(state).to_string());
        }
    }

    fn end(&mut self, run: usize, outcome: &Outcome, results: &Results<'_>) {
        let point = self.runs[run].point;
        match outcome {
            Outcome::Finished => {
                self.finished += 1;
                let so_far = results.summary(point, ACCURACY);
                let mean =
                    so_far.map_or_else(String::new, |s| format!("test accuracy of the point {} %", cell(ACCURACY, s)));
                let state = json!({
                    "state": "finished", "point_test_accuracy": so_far.map(|s| s.mean), "finished": self.finished, "runs": self.all,
                    "seconds_left": self.left().map(|left| left.as_secs_f64())
                });
                let left = self.left().map_or_else(String::new, |left| format!(", {} left", human(left)));
                self.line(run, &format!("finished, {mean}{left}"), state);
            }
            Outcome::Stopped => self.line(run, "stopped", json!({ "state": "stopped" })),
            Outcome::Failed(reason) => {
                self.line(run, &format!("failed: {reason}"), json!({ "state": "failed", "reason": reason }));
            }
        }
    }

    /// Tells something of a run, in words or as JSON.
    fn line(&self, run: usize, words: &str, mut state: Value) {
        let name = &self.runs[run].name;
        let text = format!("{}/{}  {name}: {words}", self.finished, self.all);
        match (&self.bar, self.show) {
            (Some(bar), _) => bar.println(text),
            (None, Show::Text) => note(&text),
            (None, Show::Json) => {
                state["run"] = name.clone().into();
                say(&state.to_string());
            }
            (None, Show::Nothing) => {}
        }
    }

    fn draw(&self) {
        let Some(bar) = &self.bar else { return };
        let running = self.running.iter().map(|(run, epoch)| format!("{}{epoch}", self.runs[*run].name));
        let left = self.left().map(|left| format!("{} left", human(left)));
        bar.set_message(left.into_iter().chain(running).collect::<Vec<_>>().join("  "));
        bar.set_position(self.finished as u64);
    }

    /// The time left, at the pace so far; `None` before anything is done.
    fn left(&self) -> Option<Duration> {
        let all: f64 = self.runs.iter().map(|run| run.work).sum();
        let done: f64 = self.runs.iter().map(|run| run.work * run.done).sum();
        (done > 0.0).then(|| self.watch.elapsed().mul_f64((all / done - 1.0).max(0.0)))
    }
}
