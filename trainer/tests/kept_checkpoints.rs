//! The checkpoints that a run keeps: the last ones, and the best by its evaluation.

#![cfg(feature = "program")]

mod common;
mod trained;

use common::{fails, lethe, runs};
use std::fs;
use std::path::{Path, PathBuf};
use trained::trained;

/// A run of six epochs whose rate is so large that its evaluations rise and fall.
fn run(set: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let config = "[data]\ndataset = \"digits\"\ntrain_limit = 256\n[model]\nkind = \"mlp\"\nwidths = [16]\n\
                  [optim]\nkind = \"sgd\"\nlr = 2.0\nschedule = \"constant\"\n[train]\nepochs = 6\nbatch = 32\n";
    trained(config, set)
}

/// The evaluations in the log: (epoch, accuracy, loss).
fn evaluations(run: &Path) -> Vec<(u64, f64, f64)> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let number = |line: &serde_json::Value, key: &str| line[key].as_f64();
    lines.filter_map(|l| Some((l["epoch"].as_u64()?, number(&l, "test_accuracy")?, number(&l, "test_loss")?))).collect()
}

#[track_caller]
fn measured(run: &str, checkpoint: &str) -> String {
    let said = runs(&["eval", run, "--checkpoint", checkpoint, "--device", "cpu"]);
    said.lines().find(|line| line.starts_with("test accuracy")).unwrap().to_owned()
}

#[test]
fn the_best_checkpoint_is_the_one_whose_evaluation_was_the_best() {
    for (measure, best) in [("test_accuracy", 0), ("test_loss", 1)] {
        let (_folder, run) = run(&[&format!("train.best={measure}"), "train.keep_checkpoints=true"]);
        let (path, all) = (run.display().to_string(), evaluations(&run));
        let value = |e: &(u64, f64, f64)| if best == 0 { e.1 } else { -e.2 };
        let most = all.iter().map(value).fold(f64::NEG_INFINITY, f64::max);
        let epoch = all.iter().find(|e| value(e) == most).unwrap().0 + 1;
        let file = run.join(format!("checkpoints/epoch-{epoch:03}.safetensors"));
        assert_eq!(measured(&path, "best"), measured(&path, &file.display().to_string()));
        assert_eq!(measured(&path, "last"), measured(&path, &run.join("checkpoint.safetensors").display().to_string()));
        if epoch == 6 {
            continue;
        }
        // Back to before it, the best one is gone; trained again, it is the same.
        let before = fs::read(run.join("checkpoint-best.safetensors")).unwrap();
        let first = run.join("checkpoints/epoch-001.safetensors").display().to_string();
        runs(&["resume", &path, "--checkpoint", &first, "--device", "cpu"]);
        assert!(fs::read(run.join("checkpoint-best.safetensors")).unwrap() == before, "{measure}");
    }
}

#[test]
fn as_many_checkpoints_are_kept_as_were_asked_for() {
    for (keep, kept) in
        [("0", vec![]), ("false", vec![]), ("1", vec![6]), ("3", vec![4, 5, 6]), ("9", vec![1, 2, 3, 4, 5, 6])]
    {
        let (_folder, run) = run(&[&format!("train.keep_checkpoints={keep}")]);
        let exists = |epoch: &i32| run.join(format!("checkpoints/epoch-{epoch:03}.safetensors")).exists();
        assert_eq!((1..=6).filter(exists).collect::<Vec<_>>(), kept, "keep_checkpoints = {keep}");
    }
}

#[test]
fn what_is_not_kept_is_said() {
    let (folder, run) = run(&["train.epochs=1"]);
    let path = run.display().to_string();
    let parts = ["run/checkpoint-best.safetensors; the best checkpoint is kept if", "train.best = \"test_accuracy\""];
    fails(&["eval", &path, "--checkpoint", "best"], 1, &parts);
    let parts = ["there is no checkpoint bset; expected a file, or `best`, `last` or `previous`; the run has `last`"];
    fails(&["eval", &path, "--checkpoint", "bset"], 1, &parts);
    fails(&["eval", &path, "--size", "16"], 2, &["--size = 16: is for runs with data.size"]);
    let config = run.join("config.toml").display().to_string();
    let output = lethe(&["eval", &path, "--checkpoint", &config]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("config.toml is a TOML file, as configs are, ") && !told.contains("lethe resume"), "{told}");
    fails(
        &["eval", &path, "--checkpoint", "previous"],
        1,
        &["run/checkpoint-previous.safetensors; a run has a previous checkpoint from its second one on"],
    );
    let config = folder.path().join("small.toml").display().to_string();
    for (set, parts) in [
        ("train.best=accuracy", ["train.best", "test_accuracy"]),
        ("train.keep_checkpoints=-1", ["train.keep_checkpoints", "the number of the last ones"]),
        ("train.keep_checkpoints=some", ["train.keep_checkpoints", "true (all), false (none)"]),
    ] {
        fails(&["train", &config, "--set", set], 2, &parts);
    }
    assert!(lethe(&["export", &path, "--checkpoint", "last", "--out", "w.safetensors"]).status.success());
}
