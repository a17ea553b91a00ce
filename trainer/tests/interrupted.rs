//! Resuming runs: with a broken checkpoint, and with a changed config.

#![cfg(feature = "program")]

mod common;
mod trained;

use common::{fails, program, runs};
use std::fs;
use std::path::{Path, PathBuf};
use trained::trained;

/// The folder of a run of a few epochs on few images, and its temporary parent.
fn run(epochs: usize, set: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let config = format!(
        "[data]\ndataset = \"digits\"\ntrain_limit = 64\n[model]\nkind = \"mlp\"\nwidths = [4]\n\
         [optim]\nkind = \"sgd\"\nlr = 0.1\n[train]\nepochs = {epochs}\nbatch = 32\n"
    );
    trained(&config, set)
}

fn text(run: &Path, file: &str) -> String {
    fs::read_to_string(run.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

fn flip(file: &Path, at: impl Fn(usize) -> usize) {
    let mut bytes = fs::read(file).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_flipped_byte_is_found_by_every_command_and_the_checkpoint_before_is_whole() {
    let (folder, run) = run(3, &[]);
    let (last, previous) = (run.join("checkpoint.safetensors"), run.join("checkpoint-previous.safetensors"));
    let [path, whole, out] =
        [&run, &previous, &folder.path().join("w.safetensors")].map(|path| path.display().to_string());
    let (intact, summary) = (fs::read(&last).unwrap(), text(&run, "summary.json"));
    let config = folder.path().join("small.toml").display().to_string();
    let from = format!("init.from={path}");
    for at in [9, 60, intact.len() / 2, intact.len() - 1] {
        flip(&last, |_| at);
        let parts = ["checkpoint.safetensors ", "the newest intact checkpoint of the run is ", "--checkpoint ", &whole];
        for command in [
            &["resume", &path][..],
            &["eval", &path],
            &["export", &path, "--out", &out],
            &["analyze", "sharpness", &path],
            &["train", &config, "--set", &from],
        ] {
            fails(command, 1, &parts);
        }
        let [of_file, last] = [format!("init.from={}", last.display()), last.display().to_string()];
        fails(&["train", &config, "--set", &of_file], 1, &parts);
        fails(&["eval", &path, "--checkpoint", &last], 1, &parts);
        fs::write(&last, &intact).unwrap();
    }
    flip(&last, |length| length - 9);
    for command in [&["eval", &path][..], &["export", &path, "--out", &out]] {
        runs(&[command, &["--checkpoint", &whole]].concat());
    }
    runs(&["resume", &path, "--device", "cpu", "--checkpoint", &whole]);
    assert!(fs::read(&last).unwrap() == intact, "it ends with the bytes of a run that was not interrupted");
    assert_eq!(text(&run, "summary.json"), summary);
    assert_eq!(text(&run, "metrics.jsonl").matches("\"test_loss\"").count(), 3);
    // Without both, there is nothing to resume from.
    [&last, &previous].iter().for_each(|file| flip(file, |length| length / 2));
    fails(&["resume", &path], 1, &["is damaged", "the run has no intact checkpoint"]);
    // Damage in an exported file is noticed too.
    fs::write(&last, &intact).unwrap();
    runs(&["export", &path, "--out", &out]);
    // What was exported is no checkpoint, and does not take the place of one.
    fails(&["eval", &path, "--checkpoint", &out], 1, &["w.safetensors contains weights alone", "`[init] from`"]);
    fails(&["export", &path, "--out", &last.display().to_string()], 1, &["a file of the run", "another name"]);
    assert!(fs::read(&last).unwrap() == intact);
    flip(Path::new(&out), |length| length - 1);
    fails(&["train", &config, "--set", &format!("init.from={out}")], 1, &["w.safetensors is damaged"]);
}

#[test]
fn a_run_killed_between_two_checkpoints_goes_on_from_the_previous_one() {
    let (folder, run) = run(2, &[]);
    let last = fs::read(run.join("checkpoint.safetensors")).unwrap();
    fs::remove_file(run.join("checkpoint.safetensors")).unwrap();
    fs::remove_file(run.join("summary.json")).unwrap();
    let partial = ["checkpoint.safetensors", "checkpoints/epoch-001.safetensors", "analysis/epoch-001.json"]
        .map(|name| run.join(format!("{name}.123-0.partial")));
    for file in &partial {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "half").unwrap();
    }
    let path = run.to_str().unwrap();
    let export = folder.path().join("w.safetensors").display().to_string();
    let (config, from) = (folder.path().join("small.toml").display().to_string(), format!("init.from={path}"));
    let start = folder.path().join("start").display().to_string();
    // Last the one that writes the missing checkpoint.
    for command in [
        &["eval", path, "--device", "cpu"][..],
        &["export", path, "--out", &export],
        &["analyze", "sharpness", path, "--device", "cpu", "--iterations", "1"],
        &["train", &config, "--device", "cpu", "--set", &from, "--out", &start],
        &["resume", path, "--device", "cpu"],
    ] {
        let output = program().args(command).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{command:?}: {error}");
        for part in
            ["checkpoint.safetensors is missing", "checkpoint-previous.safetensors, after 1 epoch and 2 updates"]
        {
            assert!(error.contains(part), "{command:?}: `{part}` not in: {error}");
        }
    }
    assert!(fs::read(run.join("checkpoint.safetensors")).unwrap() == last);
    assert!(partial.iter().all(|file| !file.exists()));
}

#[test]
fn checkpoints_that_were_removed_are_missed_and_those_that_were_kept_are_named() {
    let (_folder, run) = run(2, &["train.keep_checkpoints=true"]);
    let path = run.to_str().unwrap();
    for file in ["checkpoint.safetensors", "checkpoint-previous.safetensors"] {
        fs::remove_file(run.join(file)).unwrap();
    }
    let parts =
        ["checkpoint.safetensors is missing; the newest intact checkpoint", "checkpoints/epoch-002.safetensors"];
    fails(&["eval", path], 1, &parts);
    fs::remove_dir_all(run.join("checkpoints")).unwrap();
    fails(&["eval", path], 1, &["there is no checkpoint", "the files were removed"]);
}

#[test]
fn a_broken_list_of_classes_says_what_it_should_be() {
    let (_folder, run) = run(1, &[]);
    let path = run.to_str().unwrap();
    for (text, found) in
        [("[\"0\", 1]\n", "found something else in line 1"), ("[\"0\", ", "found text that is not JSON")]
    {
        fs::write(run.join("classes.json"), text).unwrap();
        fails(
            &["resume", path, "--device", "cpu"],
            1,
            &["classes.json: expected the names of the classes", found, "remove it"],
        );
    }
    fs::remove_file(run.join("classes.json")).unwrap();
    runs(&["resume", path, "--device", "cpu"]);
    assert!(text(&run, "classes.json").starts_with("[\"0\",\"1\""));
}

#[test]
fn a_config_that_was_edited_is_refused_with_every_difference() {
    let (_folder, run) = run(2, &[]);
    let (path, config) = (run.to_str().unwrap(), run.join("config.toml"));
    let whole = fs::read_to_string(&config).unwrap();
    fs::write(&config, whole.replace("batch = 32", "batch = 16").replace("lr = 0.1", "lr = 0.2")).unwrap();
    let parts =
        ["optim.lr 0.1 → 0.2", "train.batch 32 → 16", "undo that", "resume RUN --set", "belongs to another run"];
    for command in [&["resume", path][..], &["eval", path], &["analyze", "sharpness", path]] {
        fails(command, 1, &parts);
    }
    // Keys on which results do not depend, comments and order may change.
    fs::write(&config, format!("# mine\n{}", whole.replace("eval_batch = 100", "eval_batch = 7"))).unwrap();
    runs(&["eval", path]);
    // What is no config any more is a wrong config for every command.
    fs::write(&config, "[data]\n").unwrap();
    for command in [&["resume", path][..], &["eval", path], &["export", path, "--out", "w"]] {
        fails(command, 2, &["config.toml", "is missing"]);
    }
}

#[test]
fn what_can_change_changes_and_is_recorded() {
    let (_folder, run) = run(2, &[]);
    let path = run.to_str().unwrap();
    let resume = |set: &[&str]| {
        let set: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
        let arguments = [&["resume", path, "--device", "cpu"][..], &set].concat();
        let output = program().args(&arguments).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {error}");
        error
    };
    let said = resume(&["train.epochs=4", "optim.lr=0.05", "train.batch=32"]);
    assert!(said.contains("changed after epoch 2: optim.lr 0.1 → 0.05, train.epochs 2 → 4"), "{said}");
    assert!(said.contains("2 of 4 epochs done"), "{said}");
    assert!(text(&run, "config.toml").contains("epochs = 4"));
    let changes = text(&run, "changes.jsonl");
    assert!(changes.contains("\"updates\":4") && changes.contains("\"to\":\"0.05\""), "{changes}");
    // Four updates of the first config, whose learning rate falls to 0 with the fourth; then updates 4 to 7 of 8 of the second config.
    let rates: Vec<f64> = text(&run, "metrics.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter_map(|line| line["lr"].as_f64())
        .collect();
    let expected = [0.1, 0.075, 0.05, 0.025, 0.025, 0.01875, 0.0125, 0.00625];
    assert!(rates.len() == 8 && rates.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{rates:?}");
    let said = resume(&[]);
    assert!(said.contains("changed after epoch 2") && said.contains("4 of 4 epochs done"), "{said}");
    // Back to a checkpoint of the old config: the record explains the difference.
    fs::copy(run.join("checkpoint-previous.safetensors"), run.join("mine.safetensors")).unwrap();
    let (last, mine) = (fs::read(run.join("checkpoint.safetensors")).unwrap(), run.join("mine.safetensors"));
    runs(&["resume", path, "--device", "cpu", "--checkpoint", mine.to_str().unwrap()]);
    assert!(fs::read(run.join("checkpoint.safetensors")).unwrap() == last);
}

#[test]
fn going_back_behind_a_change_records_it_where_it_takes_effect() {
    let (_folder, run) = run(2, &["train.keep_checkpoints=true"]);
    let path = run.to_str().unwrap();
    let resume = |more: &[&str]| {
        let output = program().args(["resume", path, "--device", "cpu"]).args(more).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{more:?}: {error}");
        error
    };
    resume(&["--set", "train.epochs=4"]);
    let first = run.join("checkpoints/epoch-001.safetensors");
    let said = resume(&["--checkpoint", first.to_str().unwrap()]);
    assert!(said.contains("changed after epoch 1: train.epochs 2 → 4"), "{said}");
    assert!(!said.contains("changed after epoch 2") && said.contains("1 of 4 epochs done"), "{said}");
    let changes = text(&run, "changes.jsonl");
    assert!(changes.lines().count() == 1 && changes.contains("\"updates\":2,"), "{changes}");
    // Two changes at the same checkpoint are merged.
    resume(&["--set", "optim.lr=0.05"]);
    let (config, between) = (text(&run, "config.toml"), text(&run, "changes.jsonl"));
    resume(&["--set", "optim.lr=0.02"]);
    let after = text(&run, "changes.jsonl");
    let last = after.lines().last().unwrap();
    assert!(after.lines().count() == 2 && last.contains("\"0.1\"") && last.contains("\"0.02\""), "{after}");
    // Killed before the config was replaced: the record explains the old config, and the run resumes with it.
    fs::write(run.join("config.toml"), config).unwrap();
    fs::write(run.join("changes.jsonl"), format!("{between}{last}\n")).unwrap();
    runs(&["eval", path]);
    resume(&[]);
    assert_eq!(text(&run, "changes.jsonl"), between);
    resume(&["--set", "optim.lr=0.1"]);
    assert_eq!(text(&run, "changes.jsonl"), changes);
    fs::write(run.join("changes.jsonl"), format!("{changes}{{\"epoch\":2,\"upd")).unwrap();
    fails(&["eval", path], 1, &["changes.jsonl: line 2 is not a record of a change", "remove that line"]);
}

#[test]
fn what_was_changed_holds_even_if_the_program_is_killed_before_its_next_checkpoint() {
    let (_folder, run) = run(1, &["train.checkpoint_every=0"]);
    let (path, first) = (run.to_str().unwrap(), fs::read(run.join("checkpoint.safetensors")).unwrap());
    runs(&["resume", path, "--device", "cpu", "--set", "train.epochs=3"]);
    fs::write(run.join("checkpoint.safetensors"), first).unwrap();
    runs(&["resume", path, "--device", "cpu"]);
    assert!(text(&run, "summary.json").contains("\"updates\": 6"));
}

#[test]
fn what_cannot_change_is_refused_by_name() {
    let (_folder, run) = run(2, &[]);
    let path = run.to_str().unwrap();
    let before = text(&run, "config.toml");
    for (set, part) in [
        ("train.batch=16", "cannot change during training"),
        ("train.seed=1", "init.from=RUN"),
        ("data.train_limit=32", "the run has been trained on these images"),
        ("data.augment={ flip = true }", "the run has been trained on these images"),
        ("model.widths=[5]", "the parameters belong to this model"),
        ("loss.kind=bce", "the objective minimised so far"),
        ("optim.kind=adamw", "the optimiser"),
        ("train.epochs=1", "2 epochs done"),
        ("train.epoch=5", "did you mean `train.epochs`?"),
    ] {
        let set_part = set.split('=').next().unwrap();
        fails(&["resume", path, "--device", "cpu", "--set", set], 2, &[set_part, part]);
    }
    let kind = ["perturb.kind=steepest", "perturb.m=32", "perturb.rho=0.1"].map(|set| ["--set", set]).concat();
    let parts = ["--set perturb.kind=steepest: cannot change", "the objective minimised so far"];
    fails(&[&["resume", path, "--device", "cpu"][..], &kind].concat(), 2, &parts);
    assert_eq!(text(&run, "config.toml"), before);
    assert!(run.join("summary.json").exists() && !run.join("changes.jsonl").exists());
}

#[test]
fn eight_programs_at_once_make_eight_runs() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("x.toml");
    let text = "[data]\ndataset = \"digits\"\ntrain_limit = 64\n[model]\nkind = \"mlp\"\nwidths = [4]\n\
                [optim]\nkind = \"sgd\"\nlr = 0.1\n[train]\nepochs = 1\nbatch = 32\n";
    fs::write(&config, text).unwrap();
    let train = |more: &[&str]| {
        let mut command = program();
        command.args(["train", "x.toml", "--device", "cpu", "--threads", "1"]).args(more).current_dir(folder.path());
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let all: Vec<_> = (0..8).map(|_| train(&[])).collect();
    for child in all {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let made = fs::read_dir(folder.path().join("runs")).unwrap().map(|entry| entry.unwrap().path());
    let whole: Vec<PathBuf> = made.filter(|run| run.join("summary.json").exists()).collect();
    assert_eq!(whole.len(), 8);
    // In the same folder, one trains; the others find it locked or find a run. None replaces another's.
    let all: Vec<_> = (0..8).map(|_| train(&["--out", "one"])).collect();
    let outputs: Vec<_> = all.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    assert_eq!(outputs.iter().filter(|output| output.status.success()).count(), 1);
    for output in outputs.iter().filter(|output| !output.status.success()) {
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            error.contains("another program is writing this run") || error.contains("already contains a run"),
            "{error}"
        );
    }
}

#[test]
fn records_that_were_lost_or_doubled_are_not_passed_over() {
    let (_folder, run) = run(2, &[]);
    let (path, log) = (run.display().to_string(), text(&run, "metrics.jsonl"));
    let (epochs, config) = (text(&run, "epochs.csv"), text(&run, "config.toml"));
    let lines: Vec<&str> = log.split_inclusive('\n').collect();
    let resume = ["resume", &path, "--device", "cpu", "--set", "train.epochs=3"];
    let damaged: [(String, &str); 3] = [
        (lines[..3].concat(), "the last update is 1, not 3"),
        ([&lines[..1], &lines[2..]].concat().concat(), "update 2, not 1 in line 4"),
        (log.repeat(2), "update 0, not 4 in line 9"),
    ];
    for (log, found) in damaged {
        fs::write(run.join("metrics.jsonl"), log).unwrap();
        fails(&resume, 1, &["metrics.jsonl: records are missing or repeated", found]);
        assert_eq!((text(&run, "epochs.csv"), text(&run, "config.toml")), (epochs.clone(), config.clone()));
    }
    fs::remove_file(run.join("metrics.jsonl")).unwrap();
    let output = common::lethe(&resume);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("has no log of its first 4 updates"), "{said}");
    assert_eq!(text(&run, "epochs.csv").lines().count(), 2, "a head and the third epoch");
}

#[test]
fn a_change_that_no_update_uses_is_said_and_an_edited_config_is_not_told() {
    let (_folder, run) = run(1, &[]);
    let path = run.display().to_string();
    let output = common::lethe(&["resume", &path, "--device", "cpu", "--set", "optim.lr=0.5"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no update uses optim.lr 0.1 → 0.5: all epochs are done; raise train.epochs"), "{said}");
    let output = common::lethe(&["resume", &path, "--device", "cpu", "--set", "train.epochs=2"]);
    assert!(output.status.success() && !String::from_utf8(output.stderr).unwrap().contains("no update uses"));
    fs::write(run.join("config.toml"), text(&run, "config.toml").replace("lr = 0.5", "lr = 0.03")).unwrap();
    fails(&["compare", &path, &path], 1, &["optim.lr"]);
}
