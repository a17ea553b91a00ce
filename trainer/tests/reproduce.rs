//! Experiments train each run once, resume interrupted ones, and leave other runs alone.

#![cfg(feature = "program")]

mod common;

use lethe::data::SearchPath;
use lethe::paper::Draft;
use lethe::reproduce::{Planned, Scale, Study};
use lethe::stop::StopRequests;
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

/// The messages while a run in this folder is found or trained.
fn ensure(planned: &Planned, folder: &Path) -> Result<Vec<String>, lethe::Error> {
    let said = Mutex::new(vec![]);
    let study = Study {
        scale: Scale::Digits,
        set: vec![],
        seeds: 1,
        architectures: vec![],
        devices: vec![Device::cpu()],
        threads: 1,
        search_path: SearchPath { system: folder.to_owned(), ..SearchPath::default() },
        runs: folder.join("runs"),
        out: folder.to_owned(),
        stop: StopRequests::default(),
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
    // The state after a program was killed after the last checkpoint.
    std::fs::remove_file(run.join("summary.json")).unwrap();
    assert!(ensure(&planned, folder.path()).unwrap()[0].contains("resumes after 3 of 3 epochs"));
    assert!(bytes() == whole && run.join("summary.json").exists());
    // The last checkpoint was removed.
    std::fs::remove_file(run.join("checkpoint.safetensors")).unwrap();
    let said = ensure(&planned, folder.path()).unwrap();
    assert!(said[0].starts_with("warning: ") && said[1].contains("resumes after 2 of 3 epochs"), "{said:?}");
    assert!(bytes() == whole);
    // The state before the first checkpoint.
    for file in ["summary.json", "checkpoint.safetensors", "checkpoint-previous.safetensors"] {
        std::fs::remove_file(run.join(file)).unwrap();
    }
    assert!(ensure(&planned, folder.path()).unwrap()[0].ends_with("3 epochs"));
    assert!(bytes() == whole);
}

#[test]
fn a_run_on_other_images_is_not_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let planned = Planned::new("mlp", &draft(1), 5);
    ensure(&planned, folder.path()).unwrap();
    let run = folder.path().join("runs/mlp-seed-5");
    let noted = std::fs::read_to_string(run.join("data.txt")).unwrap();
    assert!(noted.starts_with("train: 64 images, checksum ") && noted.contains("\ntest: 360 images, "), "{noted}");
    std::fs::write(run.join("data.txt"), noted.replace("360", "359")).unwrap();
    for gone in ["summary.json", "none"] {
        let error = ensure(&planned, folder.path()).unwrap_err().to_string();
        assert!(error.contains("not those that the run began with") && error.contains("359 images"), "{gone}: {error}");
        common::fails(&["resume", &run.display().to_string()], 1, &["not those that the run began with", "--data-dir"]);
        let _ = std::fs::remove_file(run.join(gone));
    }
}

#[test]
fn a_study_that_was_moved_knows_its_fine_tunings() {
    let folder = tempfile::tempdir().unwrap();
    let (first, moved) = (folder.path().join("first"), folder.path().join("moved"));
    ensure(&Planned::new("source", &draft(1), 0), &first).unwrap();
    let tuning = |folder: &Path, source: &str| {
        let mut draft = draft(1);
        draft.section("init", &[("from", &format!("{:?}", folder.join("runs").join(source)))]);
        Planned::new("tuning", &draft, 0)
    };
    ensure(&tuning(&first, "source-seed-0"), &first).unwrap();
    std::fs::rename(&first, &moved).unwrap();
    assert_eq!(ensure(&tuning(&moved, "source-seed-0"), &moved).unwrap(), ["tuning-seed-0: finished before"]);
    let error = ensure(&tuning(&moved, "tuning-seed-0"), &moved).unwrap_err().to_string();
    assert!(error.contains("another config"), "{error}");
}

#[test]
fn a_run_of_another_config_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    ensure(&Planned::new("mlp", &draft(1), 0), folder.path()).unwrap();
    let error = ensure(&Planned::new("mlp", &draft(2), 0), folder.path()).unwrap_err().to_string();
    assert!(error.contains("mlp-seed-0") && error.contains("another config"), "{error}");
}

/// Figures as commands, with runs of one epoch.
#[test]
fn figures_are_made_and_refuse_what_would_leave_them_empty() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().display().to_string();
    let small = ["train.epochs=1", "optim.warmup_epochs=0", "model.width=8", "model.heads=2", "model.depth=1"];
    let set: Vec<&str> = small.iter().flat_map(|key| ["--set", key]).collect();
    let figure = |name: &'static str, more: &[&'static str]| {
        [&["reproduce", name, "--seeds", "1", "--device", "cpu", "--out", &out], &set[..], more].concat()
    };
    common::fails(&figure("figure-2", &[]), 2, &["analysis.every = 10", "train.epochs = 1"]);
    common::fails(&figure("figure-2", &["--set", "train.epoch=1"]), 2, &["train.epoch", "epochs"]);
    let said = common::runs(&figure("figure-2", &["--set", "analysis.every=1", "--set", "perturb.rho=0.1"]));
    assert_eq!(said.matches("test accuracy").count(), 21, "{said}");
    let read = |name: &str| std::fs::read_to_string(folder.path().join("digits").join(name)).unwrap();
    let (text, curves, models) = (read("figure-2.md"), read("figure-2.csv"), read("figure-2-models.csv"));
    assert!(text.contains("over 7 models") && text.contains("Hatching"), "{text}");
    assert_eq!((curves.lines().count(), models.lines().count()), (1 + 3 * 101, 1 + 21));
    assert!(models.contains("\n\"OBF, γ = 1\",64,0,"), "{models}");
    common::runs(&figure("figure-3", &[]));
    assert_eq!(read("figure-3.csv").lines().count(), 1 + 5 + 4);
    let text = read("figure-3.md");
    assert!(text.contains("| γ | 0.250 | ") && !text.contains("NaN"), "a single run has no interval: {text}");
}
