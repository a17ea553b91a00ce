//! Learning rates, radii and the end of a run that depend on the config's schedules or on evaluations.

#![cfg(feature = "program")]

mod common;
mod trained;

use common::{fails, runs};
use serde_json::Value;
use std::fs;
use std::path::Path;
use trained::trained;

const SMALL: &str = "
[data]
dataset = \"digits\"
train_limit = 64
[model]
kind = \"mlp\"
widths = [4]
[optim]
kind = \"sgd\"
lr = 0.5
[perturb]
kind = \"steepest\"
rho = 0.1
m = 16
[train]
epochs = 8
batch = 16
";
const PER_EPOCH: usize = 4;

/// A number of every update of a run.
fn of_updates(run: &Path, key: &str) -> Vec<f64> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter(|record| record["update"].is_number()).map(|record| record[key].as_f64().unwrap()).collect()
}

#[test]
fn rates_and_radii_follow_their_schedules() {
    let rates = |set: &[&str], key: &str| of_updates(&trained(SMALL, set).1, key);
    let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
    let cosine = rates(&["optim.schedule=cosine", "optim.min_lr=0.1", "optim.warmup_epochs=2"], "lr");
    near(cosine[4], 0.25);
    near(cosine[8], 0.5);
    near(cosine[20], 0.3);
    let step = rates(&["optim.schedule=step", "optim.step_epochs=[2,5]", "optim.decay_factor=0.5"], "lr");
    [(7, 0.5), (8, 0.25), (19, 0.25), (20, 0.125), (31, 0.125)].iter().for_each(|(t, lr)| near(step[*t], *lr));
    let own = rates(
        &[
            "perturb.rho_schedule=cosine",
            "perturb.rho_warmup_epochs=2",
            "perturb.rho_min=0.02",
            "optim.schedule=constant",
        ],
        "rho",
    );
    [(0, 0.0), (4, 0.05), (8, 0.1), (20, 0.06)].iter().for_each(|(t, rho)| near(own[*t], *rho));
}

#[test]
fn a_plateau_schedule_goes_on_after_a_resume_as_if_nothing_had_happened() {
    let plateau = ["optim.schedule=plateau", "optim.patience=0", "optim.decay_factor=0.5", "optim.min_lr=0.01"];
    let (_whole, whole) = trained(SMALL, &plateau);
    let (_cut, cut) = trained(SMALL, &[&plateau[..], &["train.epochs=5"]].concat());
    runs(&["resume", &cut.display().to_string(), "--device", "cpu", "--set", "train.epochs=8"]);
    let metrics = |run: &Path| fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    assert_eq!(metrics(&whole), metrics(&cut));
    let rates = of_updates(&whole, "lr");
    let lowered = rates.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!(lowered > 0 && rates.iter().all(|lr| *lr >= 0.01), "{rates:?}");
    let changes = rates.windows(2).enumerate().filter(|(_, pair)| pair[0] != pair[1]);
    assert!(changes.map(|(t, _)| t + 1).all(|t| t.is_multiple_of(PER_EPOCH)), "only evaluations lower it: {rates:?}");
}

#[test]
fn a_run_that_does_not_improve_ends_early_and_stays_ended() {
    let set = ["optim.lr=1e-12", "train.best=test_accuracy", "train.stop_after=2", "train.checkpoint_every=0"];
    let (_folder, run) = trained(SMALL, &set);
    let path = run.display().to_string();
    assert_eq!(of_updates(&run, "lr").len(), 3 * PER_EPOCH, "the best and two more");
    let summary = fs::read_to_string(run.join("summary.json")).unwrap();
    let early = "stopped early after 3 of 8 epochs (train.stop_after)";
    assert!(summary.contains("\"stopped_after\": 3"), "{summary}");
    assert!(fs::read_to_string(run.join("log.txt")).unwrap().contains(early));
    assert!(runs(&["compare", &path, &path]).contains(early));
    assert!(runs(&["resume", &path, "--device", "cpu"]).contains(early));
    assert!(runs(&["resume", &path, "--device", "cpu", "--json"]).contains("\"stopped_after\":3"));
    assert_eq!(of_updates(&run, "lr").len(), 3 * PER_EPOCH);
    assert_eq!(fs::read_to_string(run.join("summary.json")).unwrap(), summary);
    runs(&["resume", &path, "--device", "cpu", "--set", "train.stop_after=0"]);
    assert_eq!(of_updates(&run, "lr").len(), 8 * PER_EPOCH);
    assert!(!fs::read_to_string(run.join("summary.json")).unwrap().contains("stopped_after"));
}

#[test]
fn the_moving_average_is_evaluated_beside_the_parameters_and_used_if_asked() {
    let (folder, run) = trained(SMALL, &["train.ema=0.95"]);
    let path = run.display().to_string();
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let said = |arguments: &[&str]| runs(&[&["eval", &path, "--device", "cpu"], arguments].concat());
    let accuracy = |key: &str| format!("test accuracy {:.2} %", last[key].as_f64().unwrap());
    assert!(said(&[]).contains(&accuracy("test_accuracy")) && said(&["--ema"]).contains(&accuracy("ema_accuracy")));
    assert_ne!(last["test_loss"], last["ema_loss"]);
    // The same training, with and without it.
    let (_other, other) = trained(SMALL, &[]);
    assert_eq!(of_updates(&run, "loss"), of_updates(&other, "loss"));
    fails(&["eval", &other.display().to_string(), "--ema"], 1, &["has no averaged parameters", "without train.ema"]);
    let weights = folder.path().join("average.safetensors");
    let exported = |arguments: &[&str]| {
        runs(&[&["export", &path, "--out", &weights.display().to_string()], arguments].concat());
        fs::read(&weights).unwrap()
    };
    assert_ne!(exported(&[]), exported(&["--ema"]));
}

#[test]
fn schedules_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("small.toml");
    fs::write(&config, SMALL).unwrap();
    let config = config.display().to_string();
    let refused = |set: &[&str], part: &str| {
        let set: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
        fails(&[&["train", &config, "--device", "cpu"], &set[..]].concat(), 2, &[part]);
    };
    refused(&["optim.schedule=step"], "optim.step_epochs");
    refused(&["optim.schedule=step", "optim.step_epochs=[4,2]"], "each larger than the one before");
    refused(&["optim.step_epochs=[4]"], "only with schedule = \"step\"");
    refused(&["optim.decay_factor=1"], "must be above 0 and below 1");
    refused(&["perturb.rho_min=0.01"], "has no effect with rho_schedule = \"constant\"");
    refused(&["perturb.rho_schedule=lr", "perturb.rho_warmup_epochs=1"], "follows the learning rate");
    refused(&["perturb.rho_schedule=linear", "perturb.rho_warmup_epochs=9"], "exceeds train.epochs = 8");
    refused(&["optim.schedule=cosin"], "cosine");
}
