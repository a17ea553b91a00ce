//! Updates that are not finite: they end a run, or are skipped and change nothing.

#![cfg(feature = "program")]

mod common;
mod trained;

use common::fails;
use lethe::Classes;
use lethe::config::{Config, DataFacts};
use lethe::data::Batch;
use lethe::network::HostBatch;
use lethe::run::Checkpoint;
use lethe::shape::ImageShape;
use lethe::tensor::Device;
use lethe::training::Session;
use std::fs;
use std::path::Path;

const SHAPE: ImageShape = ImageShape { channels: 1, height: 8, width: 8 };

/// A network with running statistics, an optimiser with a vector beside θ, and a perturbation.
const SMALL: &str = "
[data]
dataset = \"digits\"
[model]
kind = \"resnet\"
block = \"basic\"
blocks = [1]
width = 4
[optim]
kind = \"sgd\"
lr = 0.01
schedule = \"constant\"
[perturb]
kind = \"steepest\"
rho = 0.05
m = 4
[train]
epochs = 1
batch = 8
on_nonfinite = \"skip\"
";

/// Images of noise, all of them multiplied by a number.
fn batch(seed: u32, factor: f32) -> Batch {
    let pixel = |i: u32| ((i.wrapping_mul(2654435761).wrapping_add(seed * 40503) >> 16) % 256) as f32 / 255.0 * factor;
    Batch {
        images: (0..8 * 64).map(pixel).collect(),
        labels: (0..8).map(|i| (i + seed) % 10).collect(),
        shape: SHAPE,
        mixture: None,
    }
}

/// The checkpoint after these batches, and for each of them whether it was an update.
fn after(device: &Device, batches: &[Batch]) -> (Checkpoint, Vec<bool>) {
    let config = Config::parse(SMALL, Path::new("small.toml"), &[]).unwrap();
    let config = config.resolve(&DataFacts { images: SHAPE, classes: 10, train: 80, labels: vec![] }).unwrap();
    let mut session = Session::new(&config, SHAPE, &Classes::numbered(10), device, 10).unwrap();
    let mut made = vec![];
    for batch in batches {
        let done = session.update(0, &HostBatch { device, batch });
        made.push(session.read(done).is_ok());
    }
    (session.checkpoint().unwrap(), made)
}

fn skipped_updates_change_nothing_on(device: &Device) {
    let (first, second) = (batch(1, 1.0), batch(2, 1.0));
    let (expected, made) = after(device, &[first.clone(), second.clone()]);
    assert_eq!(made, [true, true]);
    for (factor, from) in [(f32::NAN, 0), (f32::INFINITY, 0), (3e38, 0), (f32::NAN, 300)] {
        // From an element on, so that a part of the slices is finite.
        let (mut bad, good) = (batch(3, factor), batch(3, 1.0));
        bad.images[..from].copy_from_slice(&good.images[..from]);
        let (found, made) = after(device, &[first.clone(), bad, second.clone()]);
        assert_eq!(made, [true, false, true], "{factor} from {from}");
        for (tensor, expected) in found.tensors.iter().zip(&expected.tensors) {
            let same = tensor.data.iter().zip(&expected.data).all(|(x, y)| x.to_bits() == y.to_bits());
            assert!(same, "{} after {factor} from {from}", tensor.name);
        }
    }
}

#[test]
fn skipped_updates_change_nothing() {
    skipped_updates_change_nothing_on(&Device::cpu());
}

#[cfg(feature = "gpu")]
#[test]
fn skipped_updates_change_nothing_on_a_gpu() {
    match Device::gpu() {
        Ok(device) => skipped_updates_change_nothing_on(&device),
        Err(error) => assert!(std::env::var_os("LETHE_REQUIRE_GPU").is_none(), "{error}"),
    }
}

#[test]
fn a_model_that_has_diverged_is_given_up_after_some_skipped_updates() {
    let folder = tempfile::tempdir().unwrap();
    let digits = format!("{}/../configs/digits.toml", env!("CARGO_MANIFEST_DIR"));
    let train = |name: &str, set: &[&str], parts: &[&str]| {
        let out = folder.path().join(name);
        let fixed =
            ["optim.lr=1e30", "optim.warmup_epochs=0", "optim.weight_decay=0", "model.depth=1", "train.epochs=1"];
        let out_text = out.display().to_string();
        let set = fixed.iter().chain(set).flat_map(|set| ["--set", set]);
        let arguments: Vec<&str> =
            ["train", &digits, "--device", "cpu", "--out", &out_text].into_iter().chain(set).collect();
        fails(&arguments, 1, parts);
        fs::read_to_string(out.join("metrics.jsonl")).unwrap()
    };
    let stopped = train("stopped", &[], &["of update 1 is", "--detect-anomaly names the operation"]);
    assert_eq!(stopped.lines().count(), 1, "{stopped}");
    let parts =
        ["update 1 is skipped", "update 3 is skipped", "of update 4 is", "the 3 updates before it were skipped"];
    let given_up = train("given-up", &["train.on_nonfinite=skip", "train.max_skipped=3"], &parts);
    let skipped: Vec<&str> = given_up.lines().filter(|line| line.contains("\"skipped\":")).collect();
    assert_eq!(skipped.len(), 4, "{given_up}");
    assert!(skipped[0].contains("\"update\":1,") && skipped[0].contains("\"value\":\""), "{}", skipped[0]);
}

#[test]
fn a_run_without_such_updates_is_the_same_with_skipping() {
    let metrics = |set: &[&str]| {
        let (_folder, out) = trained::trained(SMALL, set);
        fs::read_to_string(out.join("metrics.jsonl")).unwrap()
    };
    let small = ["data.train_limit=80", "train.batch=16", "train.epochs=2"];
    let stopping = [&small[..], &["train.on_nonfinite=stop"]].concat();
    assert_eq!(metrics(&small), metrics(&stopping));
}
