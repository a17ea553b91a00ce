//! What a report shows of a run.

use super::judged::Judged;
use crate::analysis::forgetting::{ForgettingRecord, Side};
use crate::config::Config;
use crate::error::Error;
use crate::run::{Finished, History, RunError, RunFolder, Test, Update};
use crate::words::{count, stopped_early};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The largest number of points of a curve.
const POINTS: usize = 1500;

/// A run, as the page's script reads it.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// Its folder's name.
    pub name: String,
    /// Numbers and words about it, in the order in which they are shown.
    pub facts: Vec<(&'static str, String)>,
    /// Its curves by name; x in epochs.
    pub curves: BTreeMap<&'static str, Curve>,
    /// Every key of its config with its value.
    pub config: BTreeMap<String, String>,
    /// What its model says of the test images, if it was asked.
    pub judged: Option<Judged>,
}

/// A curve.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Curve {
    /// Epochs and fractions of them.
    pub x: Vec<f64>,
    /// The values.
    pub y: Vec<f64>,
}

impl Shown {
    /// Reads a run, which may be in training.
    ///
    /// # Errors
    /// If its config or a log cannot be read.
    pub fn of(run: &RunFolder, name: String) -> Result<Shown, Error> {
        let config = Config::load_trained(&run.config(), &[])?;
        // A config that was edited since would tell of what no update used.
        match run.load(None) {
            Ok(_) | Err(RunError::NoCheckpoint(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let (history, finished) = (run.history()?, run.finished()?);
        let mut curves = curves(&history);
        curves.extend(forgetting(run)?);
        let mut facts = facts(&config, &history, finished.as_ref());
        facts.extend(sharpness(run)?.map(|value| ("dominant Hessian eigenvalue", value)));
        Ok(Shown { name, facts, curves, config: config.keys(), judged: None })
    }
}

/// The dominant eigenvalue that `lethe analyze sharpness` recorded, if it did.
fn sharpness(run: &RunFolder) -> Result<Option<String>, Error> {
    let record: Option<serde_json::Value> = run.read_record("sharpness")?;
    let eigenvalue = record.as_ref().and_then(|record| record["eigenvalue"].as_f64());
    Ok(eigenvalue.map(|value| format!("{value:.4}")))
}

/// The mean likelihood of the right class after the epochs whose forgetting was measured during training, by the network and by its perturbations.
fn forgetting(run: &RunFolder) -> Result<Vec<(&'static str, Curve)>, Error> {
    let records: Vec<ForgettingRecord> = run.epoch_records()?;
    let side = |of: fn(&ForgettingRecord) -> &Side| {
        let points = records.iter().map(|record| (record.progress.epochs as f64, of(record).label_likelihood));
        let (x, y) = points.unzip();
        Curve { x, y }
    };
    let both = [("unperturbed", side(|r| &r.unperturbed)), ("perturbed", side(|r| &r.perturbed))];
    Ok(both.into_iter().filter(|(_, curve)| !curve.x.is_empty()).collect())
}

fn facts(config: &Config, history: &History, finished: Option<&Finished>) -> Vec<(&'static str, String)> {
    let last = history.tests.last();
    let best = history.best();
    let test = |t: Test| format!("{:.2} % after epoch {}", t.test_accuracy, t.epoch + 1);
    let seconds: f64 = history.times.iter().map(|time| time.seconds).sum();
    let mut rates: Vec<f64> = history.times.iter().map(|time| time.images_per_second).collect();
    rates.sort_by(f64::total_cmp);
    let state = match finished {
        Some(Finished { stopped_after: Some(done), .. }) => stopped_early(*done, config.train.epochs),
        Some(_) => format!("finished, {}", count(config.train.epochs, "epoch")),
        None => format!("{} of {} done", history.epochs.len(), count(config.train.epochs, "epoch")),
    };
    let all = [
        ("state", Some(state)),
        ("test accuracy", last.map(|t| test(*t))),
        ("best test accuracy", best.map(test)),
        ("test accuracy of the average", last.and_then(|t| t.ema_accuracy).map(|a| format!("{a:.2} %"))),
        ("test loss", last.map(|t| format!("{:.4}", t.test_loss))),
        ("train accuracy", history.epochs.last().and_then(|e| e.train_accuracy).map(|a| format!("{a:.2} %"))),
        ("train loss", history.epochs.last().and_then(|e| e.train_loss).map(|l| format!("{l:.4}"))),
        ("updates", Some((history.updates.len() + history.skipped).to_string())),
        ("skipped updates", (history.skipped > 0).then(|| history.skipped.to_string())),
        ("parameters", finished.map(|f| f.parameters.to_string())),
        ("time of the updates", (seconds > 0.0).then(|| format!("{seconds:.1} s"))),
        ("images per second", rates.get(rates.len() / 2).map(|rate| format!("{rate:.0}"))),
        ("device", finished.map(|f| f.device.clone())),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Losses, accuracies, rates, radii and gradients by update; evaluations by epoch.
fn curves(history: &History) -> BTreeMap<&'static str, Curve> {
    let mut per_epoch = BTreeMap::new();
    history.updates.iter().for_each(|u| *per_epoch.entry(u.epoch).or_insert(0) += 1);
    // The last epoch may have begun only now.
    let per_epoch = per_epoch.values().copied().max().unwrap_or(1) as f64;
    let of_updates = |value: fn(&Update) -> f64| {
        let points = history.updates.iter().map(|u| ((u.update + 1) as f64 / per_epoch, value(u)));
        thinned(points.collect())
    };
    let of_tests = |value: fn(&Test) -> Option<f64>| {
        let points = history.tests.iter().filter_map(|t| Some(((t.epoch + 1) as f64, value(t)?)));
        let (x, y) = points.unzip();
        Curve { x, y }
    };
    let all = [
        ("training loss", of_updates(|u| u.loss)),
        ("perturbed loss", of_updates(|u| u.perturbed_loss)),
        ("test loss", of_tests(|t| Some(t.test_loss))),
        ("test loss of the average", of_tests(|t| t.ema_loss)),
        ("training accuracy", of_updates(|u| u.accuracy)),
        ("test accuracy", of_tests(|t| Some(t.test_accuracy))),
        ("test accuracy of the average", of_tests(|t| t.ema_accuracy)),
        ("learning rate", of_updates(|u| u.lr)),
        ("radius", of_updates(|u| u.rho)),
        ("gradient norm", of_updates(|u| u.grad_norm)),
    ];
    // Without a perturbation its radius is 0, and the perturbed loss is the loss.
    let is_perturbed = history.updates.iter().any(|u| u.rho > 0.0);
    let says_something = |name: &str| is_perturbed || !["perturbed loss", "radius"].contains(&name);
    all.into_iter().filter(|(name, curve)| !curve.x.is_empty() && says_something(name)).collect()
}

/// A curve of no more than [`POINTS`] points: the means of equally many neighbours each.
fn thinned(points: Vec<(f64, f64)>) -> Curve {
    let each = points.len().div_ceil(POINTS).max(1);
    let mean = |part: &[(f64, f64)], of: fn(&(f64, f64)) -> f64| part.iter().map(of).sum::<f64>() / part.len() as f64;
    let (x, y) = points.chunks(each).map(|part| (mean(part, |p| p.0), mean(part, |p| p.1))).unzip();
    Curve { x, y }
}

/// The keys in which runs differ, each with its value in every run; `None` where a run does not have the key.
pub fn differences(runs: &[Shown]) -> Vec<(String, Vec<Option<String>>)> {
    let keys: BTreeSet<&String> = runs.iter().flat_map(|run| run.config.keys()).collect();
    let values = |key: &String| runs.iter().map(|run| run.config.get(key).cloned()).collect::<Vec<_>>();
    let rows = keys.into_iter().map(|key| (key.clone(), values(key)));
    rows.filter(|(_, values)| values.iter().any(|value| *value != values[0])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_curves_are_thinned_to_means() {
        let points = |n: usize| (0..n).map(|i| (i as f64, 2.0 * i as f64)).collect::<Vec<_>>();
        assert_eq!(thinned(points(3)), Curve { x: vec![0.0, 1.0, 2.0], y: vec![0.0, 2.0, 4.0] });
        let curve = thinned(points(4 * POINTS - 1));
        assert_eq!((curve.x.len(), curve.x[0], curve.y[1]), (POINTS, 1.5, 11.0));
        assert_eq!(thinned(points(0)), Curve::default());
    }
}
