//! What a training tells: on the terminal, to other programs, and in its folder.

#![cfg(feature = "program")]

mod common;
mod trained;

use common::{fails, lethe, runs};
use serde_json::Value;
use std::fs;
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
lr = 0.1
[train]
epochs = 2
batch = 16
tensorboard = true
";

#[test]
fn progress_is_for_people_for_programs_or_for_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("small.toml");
    fs::write(&config, SMALL).unwrap();
    let train = |name: &str, how: &[&str]| {
        let out = folder.path().join(name).display().to_string();
        let output =
            lethe(&[&["train", &config.display().to_string(), "--device", "cpu", "--out", &out], how].concat());
        assert!(output.status.success());
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (said, told) = train("people", &[]);
    assert!(told.contains("epoch 2/2  loss ") && told.contains("  test "), "{told}");
    assert!(said.contains("\ntest accuracy ") && said.ends_with("after 8 updates\n"), "{said}");
    let (quiet, told) = train("nobody", &["--quiet"]);
    assert!(quiet.contains("\ntest accuracy ") && told.is_empty(), "{told}");
    let run = folder.path().join("nobody").display().to_string();
    assert!(lethe(&["resume", &run, "--device", "cpu", "--quiet"]).stderr.is_empty());
    let (said, told) = train("programs", &["--json"]);
    assert!(!told.contains("epoch 1/2"), "{told}");
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let tests: Vec<&Value> =
        lines.iter().filter(|line| line["epochs"] == 2 && line["test_accuracy"].is_number()).collect();
    assert_eq!(tests.iter().map(|line| line["epoch"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2], "{said}");
    assert!(tests[1]["loss"].is_number() && tests[1]["seconds_left"] == 0.0, "{said}");
    let result = lines.last().unwrap();
    assert_eq!((&result["updates"], &result["test_accuracy"]), (&8.into(), &tests[1]["test_accuracy"]), "{said}");
    fails(&["train", "x.toml", "--quiet", "--json"], 2, &["cannot be used with"]);
}

#[test]
fn a_runs_folder_says_where_how_and_when_it_was_trained() {
    let (_folder, run) = trained(SMALL, &[]);
    runs(&["resume", &run.display().to_string(), "--device", "cpu", "--set", "train.epochs=3"]);
    let text = |name: &str| fs::read_to_string(run.join(name)).unwrap();
    let processes: Vec<Value> =
        text("processes.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(processes.iter().map(|p| p["update"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 8]);
    let first = &processes[0];
    assert!(first["command"].as_array().unwrap().contains(&"train".into()), "{first}");
    assert!(first["device"].as_str().unwrap().starts_with("cpu") && first["cores"].as_u64().unwrap() > 0, "{first}");
    assert_eq!((&first["version"], first["started"].as_str().unwrap().len()), (&env!("CARGO_PKG_VERSION").into(), 15));
    let log = text("log.txt");
    for part in ["update 0: ", "epoch 2/2: test loss ", "update 8: ", "epoch 3/3: training loss "] {
        assert_eq!(log.matches(part).count(), 1, "{part}: {log}");
    }
    assert_eq!(log.matches("finished: test accuracy ").count(), 2, "{log}");
    // The table is that of a run of three epochs from the beginning, but for the schedule.
    let rows: Vec<String> = text("epochs.csv").lines().map(str::to_owned).collect();
    assert_eq!((rows.len(), rows[0].split(',').count()), (4, 10));
    let metrics: Vec<Value> = text("metrics.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = rows[3].split(',').collect::<Vec<_>>();
    assert_eq!((last[0], last[1]), ("3", "12"));
    let test = metrics.last().unwrap();
    assert_eq!(
        (last[6].parse().unwrap(), last[7].parse().unwrap()),
        (test["test_loss"].as_f64().unwrap(), test["test_accuracy"].as_f64().unwrap())
    );
    let events = fs::read_dir(run.join("tensorboard")).unwrap().count();
    assert_eq!(events, 2, "a file of each process");
    let length = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().metadata().unwrap().len();
    assert!(fs::read_dir(run.join("tensorboard")).unwrap().map(length).all(|bytes| bytes > 500));
}
