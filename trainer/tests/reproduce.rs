//! Experiments make each run once, go on with what was interrupted, and leave other runs alone.

use lethe::data::Places;
use lethe::paper::Draft;
use lethe::reproduce::{Planned, Scale, Study};
use lethe_tensor::Device;
use std::path::Path;
use std::sync::Mutex;

fn draft(epochs: usize) -> Draft {
    let mut draft = Draft::default();
    draft.section("data", &[("dataset", &"\"digits\""), ("train_limit", &64)]);
    draft.section("model", &[("kind", &"\"mlp\""), ("widths", &"[8]")]);
    draft.section("optim", &[("kind", &"\"sgd\""), ("lr", &"0.1")]);
    draft.section("train", &[("epochs", &epochs), ("batch", &32), ("checkpoint_every", &1)]);
    draft
}

/// What is said while a run is made sure of, in this folder.
fn ensure(planned: &Planned, folder: &Path) -> Result<Vec<String>, lethe::Error> {
    let said = Mutex::new(vec![]);
    let study = Study {
        scale: Scale::Digits,
        set: vec![],
        seeds: 1,
        architectures: vec![],
        devices: vec![Device::cpu()],
        threads: 1,
        places: Places { data_dir: None, variable: None, system: folder.to_owned() },
        runs: folder.join("runs"),
        out: folder.to_owned(),
        say: &|line| said.lock().unwrap().push(line.to_owned()),
    };
    planned.ensure(&study, &Device::cpu())?;
    Ok(said.into_inner().unwrap())
}

#[test]
fn a_run_is_made_once_and_one_that_was_interrupted_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let planned = Planned::new("mlp", &draft(3), 5);
    assert!(ensure(&planned, folder.path()).unwrap()[0].ends_with("3 epochs"));
    let run = folder.path().join("runs/mlp-seed-5");
    let bytes = || std::fs::read(run.join("checkpoint.safetensors")).unwrap();
    let whole = bytes();
    assert_eq!(ensure(&planned, folder.path()).unwrap(), ["mlp-seed-5: finished before"]);
    // What a program leaves that was killed behind the last checkpoint.
    std::fs::remove_file(run.join("summary.json")).unwrap();
    assert!(ensure(&planned, folder.path()).unwrap()[0].contains("goes on after 3 of 3 epochs"));
    assert!(bytes() == whole && run.join("summary.json").exists());
    // And before the first one.
    std::fs::remove_file(run.join("summary.json")).unwrap();
    std::fs::remove_file(run.join("checkpoint.safetensors")).unwrap();
    assert!(ensure(&planned, folder.path()).unwrap()[0].ends_with("3 epochs"));
    assert!(bytes() == whole);
}

#[test]
fn a_run_of_another_config_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    ensure(&Planned::new("mlp", &draft(1), 0), folder.path()).unwrap();
    let error = ensure(&Planned::new("mlp", &draft(2), 0), folder.path()).unwrap_err().to_string();
    assert!(error.contains("mlp-seed-0") && error.contains("another config"), "{error}");
}
