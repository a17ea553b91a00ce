//! `lethe eval` and `lethe analyze` as commands, on runs of a few updates: what they print, write and refuse.

#![cfg(feature = "program")]

mod common;
mod trained;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const CONFIG: &str = r#"
[data]
dataset = "digits"
train_limit = 160
[model]
kind = "resnet"
block = "basic"
blocks = [1, 1]
width = 4
stem = "small"
[optim]
kind = "sgd"
lr = 0.05
[perturb]
kind = "steepest"
rho = 0.05
m = 16
[train]
epochs = 4
batch = 32
[analysis]
every = 2
draws = 3
"#;

fn runs(arguments: &[&str]) -> String {
    common::runs(&[arguments, &["--device", "cpu"]].concat())
}

fn fails(arguments: &[&str], status: i32, parts: &[&str]) {
    common::fails(&[arguments, &["--device", "cpu"]].concat(), status, parts);
}

/// A run of that config with changes, and its temporary folder.
fn trained(set: &[&str]) -> (tempfile::TempDir, String) {
    let (folder, out) = trained::trained(CONFIG, set);
    (folder, out.display().to_string())
}

fn json(path: PathBuf) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

#[test]
fn earlier_checkpoints_and_models_as_they_start_are_measured_too() {
    let (folder, out) = trained(&["train.keep_checkpoints=true", "analysis.protocol=both"]);
    let files = |folder: &str| {
        let entries = fs::read_dir(Path::new(&out).join(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(files("analysis"), ["epoch-002-p2.json", "epoch-002.json", "epoch-004-p2.json", "epoch-004.json"]);
    assert_eq!(files("checkpoints"), [1, 2, 3, 4].map(|epochs| format!("epoch-00{epochs}.safetensors")));
    let protocol = |name: &str| json(Path::new(&out).join("analysis").join(name))["protocol"].clone();
    assert_eq!([protocol("epoch-004.json"), protocol("epoch-004-p2.json")], ["p1", "p2"]);
    let second = format!("{out}/checkpoints/epoch-002.safetensors");
    runs(&["analyze", "sharpness", &out, "--samples", "32", "--iterations", "2", "--checkpoint", &second]);
    assert_eq!(json(Path::new(&out).join("analysis/sharpness-epoch-002.json"))["epochs"], 2);
    runs(&["analyze", "forgetting", &out, "--checkpoint", &second]);
    let records = ["forgetting-epoch-002.json", "forgetting-epoch-002-p2.json", "epoch-002.json", "epoch-002-p2.json"];
    let [now, now_p2, then, then_p2] = records.map(|name| json(Path::new(&out).join("analysis").join(name)));
    assert!(now == then && now_p2 == then_p2, "the same as during the training");
    // The initial model, as a run without an epoch.
    let config = folder.path().join("small.toml").display().to_string();
    let (start, from) = (folder.path().join("start").display().to_string(), format!("init.from={second}"));
    let set = ["--set", "train.epochs=0", "--set", "analysis.every=0", "--set", &from, "--set", "init.head=keep"];
    runs(&[&["train", &config, "--out", &start], &set[..]].concat());
    assert_eq!(runs(&["eval", &start]), runs(&["eval", &out, "--checkpoint", &second]));
    assert_ne!(runs(&["eval", &start]), runs(&["eval", &out]));
    runs(&["analyze", "landscape", &start, "--samples", "32", "--points", "3", "--set", "perturb.kind=obf"]);
    let record = json(Path::new(&start).join("analysis/landscape.json"));
    assert_eq!(
        (&record["epochs"], &record["samples"], record["slices"].as_array().unwrap().len()),
        (&0.into(), &32.into(), 3)
    );
    fails(&["eval", &out, "--checkpoint", &config], 1, &["small.toml", "safetensors"]);
}

#[test]
fn collections_during_training_hold_what_figure_2_needs() {
    let (_folder, out) = trained(&[]);
    let records = Path::new(&out).join("analysis");
    let mut names: Vec<_> = fs::read_dir(&records).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["epoch-002.json", "epoch-004.json"]);
    let last = json(records.join("epoch-004.json"));
    assert_eq!((&last["epochs"], &last["updates"]), (&4.into(), &20.into()));
    assert_eq!((&last["protocol"], &last["draws"], &last["slice"]), (&"p1".into(), &3.into(), &16.into()));
    assert_eq!(
        (&last["rho"], &last["perturb"]["kind"], &last["split"]),
        (&0.05.into(), &"steepest".into(), &"test".into())
    );
    for side in ["unperturbed", "perturbed"] {
        let curve = numbers(&last[side]["sample_given_label"]);
        assert_eq!((curve.len(), curve[99]), (100, 0.0), "{side}: no output is above 1");
        assert!(curve.iter().all(|i| (0.0..10.0).contains(i)) && curve.iter().any(|i| *i > 0.01), "{side}: {curve:?}");
        assert!(last[side]["companion"]["sample_given_label"].as_f64().unwrap() > 0.0, "{side}");
    }
    assert_ne!(last["unperturbed"], last["perturbed"]);
    assert_eq!(numbers(&last["adjusted"]["sample_given_label"]).len(), 101);
    // The same network and the same draws: an analysis after the run equals the last one during it.
    let text = runs(&["analyze", "forgetting", &out]);
    assert!(text.contains("protocol P1: 3 × steepest") && text.contains("mean over s"), "{text}");
    assert_eq!(json(records.join("forgetting.json")), last);
    // Unperturbed, the adjusted curve is 1 − s: a radius of 0 forgets nothing.
    runs(&["analyze", "forgetting", &out, "--set", "perturb.rho=0", "--draws", "2"]);
    let still = json(records.join("forgetting.json"));
    assert!(numbers(&still["adjusted"]["sample_given_label"]).iter().all(|f| f.abs() < 1e-9), "{still}");
    assert_eq!(still["unperturbed"], last["unperturbed"]);
    // Other perturbations of the same network give other results.
    for other in ["perturb.kind=random", "perturb.kind=obf", "perturb.asam=both"] {
        runs(&["analyze", "forgetting", &out, "--set", other]);
        let record = json(records.join("forgetting.json"));
        assert_eq!(record["unperturbed"], last["unperturbed"], "{other}");
        assert_ne!(record["perturbed"], last["perturbed"], "{other}");
    }
}

#[test]
fn slices_of_the_held_out_images_perturb_and_are_seen() {
    let (_folder, out) =
        trained(&["analysis.split=held-out", "analysis.protocol=p2", "perturb.m=32", "train.epochs=2"]);
    let record = json(Path::new(&out).join("analysis/epoch-002.json"));
    assert_eq!((&record["protocol"], &record["draws"]), (&"p2".into(), &1.into()));
    assert_eq!((&record["split"], &record["images"]), (&"held-out".into(), &16.into()), "one of ten of 160");
    assert_ne!(record["unperturbed"], record["perturbed"]);
    for analysis in ["forgetting", "landscape"] {
        let split = ["analyze", analysis, &out, "--set", "analysis.split=test"];
        fails(&split, 2, &["analysis.split", "cannot change after training"]);
    }
}

/// What is expected of any trained network (specification, section 12).
#[test]
fn perturbed_networks_are_less_certain_of_the_labels_and_say_less() {
    let (_folder, out) =
        trained(&["data.train_limit=1280", "train.epochs=8", "optim.lr=0.2", "model.width=8", "analysis.every=0"]);
    for kind in ["steepest", "obf"] {
        let set = format!("perturb.kind={kind}");
        runs(&["analyze", "forgetting", &out, "--protocol", "p2", "--set", &set, "--set", "perturb.rho=0.1"]);
        let record = json(Path::new(&out).join("analysis/forgetting.json"));
        let [before, after] = ["unperturbed", "perturbed"].map(|side| record[side].clone());
        let of = |side: &Value, what: &str| side[what].as_f64().unwrap();
        assert!(of(&before, "label_likelihood") > 0.3, "it has learnt something: {before}");
        assert!(of(&after, "label_likelihood") < of(&before, "label_likelihood"), "{kind}");
        assert!(kind != "obf" || of(&after, "output_entropy") > of(&before, "output_entropy"), "{before} {after}");
    }
}

#[test]
fn forgetting_needs_a_perturbation_and_enough_slices() {
    let (_folder, out) = trained(&["perturb.kind=none", "analysis.every=0", "train.epochs=1", "train.accumulate=2"]);
    fails(
        &["analyze", "forgetting", &out],
        2,
        &["perturb.kind = \"none\"", "nothing to compare", "--set perturb.kind="],
    );
    let chosen = ["--set", "perturb.kind=obf", "--set", "perturb.rho=0.05", "--set", "perturb.m=32"];
    let text = runs(&[&["analyze", "forgetting", &out, "--protocol", "p2"], &chosen[..]].concat());
    assert!(text.contains("protocol P2: 1 × obf"), "{text}");
    // As the error advises: slices of 64, which no training batch consists of.
    let advised = ["--set", "perturb.kind=steepest", "--set", "perturb.rho=0.05"];
    let text = runs(&[&["analyze", "forgetting", &out, "--draws", "2"], &advised[..]].concat());
    assert!(text.contains("after 1 epoch, 5 updates") && text.contains("slices of 64"), "{text}");
    let reach = |more: &[&str]| {
        runs(&[&["analyze", "landscape", &out, "--samples", "32", "--points", "3"], &advised[..], more].concat());
        json(Path::new(&out).join("analysis/landscape.json"))["slices"][0]["distance"][2].as_f64().unwrap()
    };
    assert!((reach(&[]) - 0.1).abs() < 1e-6, "twice the radius");
    assert!(reach(&["--set", "perturb.asam=after"]) < 0.05, "where |θ| is small, so is the perturbation");
    for other in ["train.batch=64", "optim.lr=0.1", "data.train_limit=64"] {
        fails(&["analyze", "forgetting", &out, "--set", other], 2, &[other, "the run is already trained"]);
    }
    // A perturbation that makes outputs infinite has no measurable forgetting.
    let far =
        ["analyze", "forgetting", &out, "--draws", "2", "--set", "perturb.kind=steepest", "--set", "perturb.rho=1e30"];
    fails(&far, 1, &["are not finite", "perturb.rho"]);
    let many = ["analyze", "forgetting", &out, "--draws", "6"];
    fails(&[&many, &chosen[..]].concat(), 2, &["analysis.draws = 6", "5 slices of perturb.m = 32"]);
    fails(&["analyze", "forgetting", &out, "--protocol", "p3"], 2, &["p1, p2"]);
    let folder = tempfile::tempdir().unwrap();
    fails(&["analyze", "sharpness", &folder.path().display().to_string()], 1, &["is not a run folder"]);
    let config = folder.path().join("none.toml");
    fs::write(&config, CONFIG).unwrap();
    let train = ["train", &config.display().to_string(), "--set", "perturb.kind=none"];
    fails(&train, 2, &["analysis.every = 2", "needs a perturbation"]);
}

#[test]
fn sharpness_is_found_again_and_says_how_it_was() {
    let (_folder, out) = trained(&["analysis.every=0", "loss.label_smoothing=0.1"]);
    let arguments = ["analyze", "sharpness", &out, "--batch", "48", "--tolerance", "1e-3"];
    let text = runs(&arguments);
    assert!(text.contains("dominant eigenvalue") && text.contains("160 training images"), "{text}");
    let path = Path::new(&out).join("analysis/sharpness.json");
    let first = json(path.clone());
    assert_eq!(
        (&first["samples"], &first["label_smoothing"], &first["loss"]),
        (&160.into(), &0.1.into(), &"ce".into())
    );
    assert_eq!((&first["epochs"], &first["converged"]), (&4.into(), &true.into()));
    runs(&arguments);
    assert_eq!(json(path.clone()), first, "the same bits");
    runs(&[&arguments[..], &["--seed", "1"]].concat());
    let value = |record: &Value| record["eigenvalue"].as_f64().unwrap();
    let other = json(path.clone());
    assert!(other["estimates"] != first["estimates"]);
    assert!((value(&other) - value(&first)).abs() < 0.05 * value(&first).abs(), "{other}, {first}");
    runs(&[&arguments[..], &["--without-smoothing", "--samples", "64"]].concat());
    let plain = json(path);
    assert_eq!((&plain["samples"], &plain["label_smoothing"]), (&64.into(), &0.0.into()));
}

#[test]
fn an_evaluation_says_more_when_asked() {
    let (folder, out) = trained(&["analysis.every=0", "train.epochs=2"]);
    let file = |name: &str| folder.path().join(name).display().to_string();
    let labels = lethe::data::digits().test.labels;
    let single: Vec<[u32; 1]> = labels.iter().map(|y| [*y]).collect();
    fs::write(file("single.json"), serde_json::to_string(&single).unwrap()).unwrap();
    let text =
        runs(&["eval", &out, "--per-class", "--multi-label", &file("single.json"), "--json", &file("eval.json")]);
    let first = text.lines().next().unwrap();
    for part in ["test accuracy ", ", top-5 ", "calibration error 0.", "loss ", "360 images"] {
        assert!(first.contains(part), "{text}");
    }
    assert_eq!(text.lines().count(), 1 + 1 + 10, "{text}");
    let record = json(file("eval.json").into());
    assert_eq!(record["multi_label_accuracy"], record["accuracy"], "one label an image is top-1");
    let classes = record["classes"].as_array().unwrap();
    let sum = |key: &str| classes.iter().map(|c| c[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("images"), sum("correct")), (360, record["correct"].as_u64().unwrap()));
    assert!(record["correct_top5"].as_u64() >= record["correct"].as_u64());
    let summary = json(Path::new(&out).join("summary.json"));
    assert_eq!(summary["test"]["correct"], record["correct"]);
    fs::write(file("empty.json"), serde_json::to_string(&vec![[0u32; 0]; 360]).unwrap()).unwrap();
    let empty = ["eval", &out, "--multi-label", &file("empty.json")];
    fails(&empty, 1, &["empty.json", "each of 360 test images", "found empty lists only"]);
    fs::write(file("short.json"), "[[1], []]").unwrap();
    fails(
        &["eval", &out, "--multi-label", &file("short.json")],
        1,
        &["short.json", "each of 360 test images", "found 2 lists"],
    );
}
