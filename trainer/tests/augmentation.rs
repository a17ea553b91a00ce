//! Augmentations, class weights and balanced epochs through the program.

#![cfg(feature = "program")]

mod common;
mod small;
mod trained;

use common::{fails, runs};
use small::SMALL;
use std::fs;
use std::path::PathBuf;
use trained::trained;

/// OBF in slices of half a batch, on images of every class.
const SETTINGS: [&str; 3] = ["perturb.kind=obf", "perturb.m=16", "data.train_limit=96"];

/// The folder of a training with these changes, in a temporary one.
fn trained_with(set: &[&str]) -> (tempfile::TempDir, PathBuf) {
    trained(SMALL, &[&SETTINGS[..], set].concat())
}

#[test]
fn every_way_to_change_images_and_what_counts_changes_the_run() {
    let metrics = |set: &[&str]| fs::read_to_string(trained_with(set).1.join("metrics.jsonl")).unwrap();
    let mut seen = vec![metrics(&[])];
    for set in [
        &["data.augment.brightness=0.3"][..],
        &["data.augment.contrast=0.3"],
        &["data.augment.rand_augment=2"],
        &["data.augment.rand_augment=2", "data.augment.rand_magnitude=15"],
        &["data.augment.erase=0.5"],
        &["data.augment.mixup=0.2"],
        &["data.augment.cutmix=1.0"],
        &["data.augment.mixup=0.2", "data.augment.cutmix=1.0", "loss.kind=bce", "loss.label_smoothing=0.1"],
        &["data.sampling=balanced"],
        &["loss.class_weights=balanced"],
        &["loss.class_weights=[1, 1, 1, 1, 1, 1, 1, 1, 1, 2.5]"],
    ] {
        let found = metrics(set);
        assert!(!seen.contains(&found), "{set:?} changes nothing");
        seen.push(found);
    }
}

#[test]
fn balanced_weights_are_written_out_as_numbers() {
    let (_folder, run) = trained_with(&["loss.class_weights=balanced"]);
    let config: toml::Table = fs::read_to_string(run.join("config.toml")).unwrap().parse().unwrap();
    let weights = config["loss"]["class_weights"].as_array().unwrap();
    assert_eq!(weights.len(), 10);
    // 96 images: a class with 9 of them has 96 / 90.
    assert!(weights.iter().all(|w| (0.5..2.0).contains(&w.as_float().unwrap())), "{weights:?}");
    let path = run.display().to_string();
    runs(&["resume", &path, "--device", "cpu", "--set", "train.epochs=3"]);
    runs(&["eval", &path, "--device", "cpu"]);
}

#[test]
fn a_sheet_shows_mixed_images() {
    let folder = tempfile::tempdir().unwrap();
    let [file, plain, mixed] = ["small.toml", "plain.png", "mixed.png"].map(|name| folder.path().join(name));
    fs::write(&file, SMALL).unwrap();
    let [file_text, plain_text, mixed_text] = [&file, &plain, &mixed].map(|path| path.display().to_string());
    runs(&["check", &file_text, "--device", "cpu", "--sheet", &plain_text]);
    runs(&["check", &file_text, "--device", "cpu", "--sheet", &mixed_text, "--set", "data.augment.cutmix=1"]);
    assert_ne!(fs::read(plain).unwrap(), fs::read(mixed).unwrap());
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("small.toml");
    fs::write(&file, SMALL).unwrap();
    let file = file.display().to_string();
    for (set, parts) in [
        ("data.augment.hue=0.1", &["data.augment.hue", "grey images"][..]),
        ("data.augment.saturation=0.1", &["data.augment.saturation", "grey images"]),
        ("data.augment.brightness=-1", &["data.augment.brightness", "from 0 to 10"]),
        ("data.augment.rand_augment=99", &["data.augment.rand_augment", "0 to 14"]),
        ("data.augment.rand_magnitude=3", &["data.augment.rand_magnitude", "rand_augment above 0"]),
        ("data.augment.erase=1.5", &["data.augment.erase", "from 0 to 1"]),
        ("data.augment.mixup=-0.1", &["data.augment.mixup", "Beta"]),
        ("data.augment.cutmix=nan", &["data.augment.cutmix", "Beta"]),
        ("data.augment.cut_mix=1", &["cut_mix", "did you mean", "cutmix"]),
        ("data.sampling=even", &["data.sampling", "balanced"]),
        ("loss.class_weights=even", &["loss.class_weights", "balanced"]),
        ("loss.class_weights=[1, 2]", &["loss.class_weights", "10 weights"]),
        ("loss.class_weights=[1,1,1,1,1,1,1,1,1,-1]", &["loss.class_weights", "0 or more"]),
    ] {
        fails(&["train", &file, "--set", set], 2, parts);
    }
    fails(
        &["train", &file, "--set", "data.augment.mixup=1", "--set", "train.batch=1", "--set", "perturb.m=1"],
        2,
        &["train.batch", "must be even"],
    );
    fails(
        &["train", &file, "--set", "loss.class_weights=balanced", "--set", "data.sampling=balanced"],
        2,
        &["loss.class_weights", "twice"],
    );
    fails(
        &[
            "train",
            &file,
            "--set",
            "loss.class_weights=balanced",
            "--set",
            "data.train_limit=8",
            "--set",
            "train.batch=8",
            "--set",
            "perturb.m=8",
        ],
        2,
        &["loss.class_weights", "has no training images"],
    );
}
