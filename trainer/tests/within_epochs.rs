//! Runs that end within an epoch: by a signal, or killed after a checkpoint that was due by updates. Resumed, they end with the same bytes as an
//! uninterrupted run.

#![cfg(all(feature = "program", unix))]

mod common;

use common::{fails, program, runs};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Everything that is drawn or kept from update to update: augmentation, dropout, slices, GSAM, shrink and perturb, moments.
const SETTINGS: [&str; 24] = [
    "data.sampling=balanced",
    "data.augment.contrast=0.2",
    "data.augment.rand_augment=1",
    "data.augment.erase=0.2",
    "data.augment.mixup=0.2",
    "data.augment.cutmix=1",
    "loss.class_weights=[1, 1, 1, 1, 2, 1, 1, 1, 1, 1]",
    "train.ema=0.9",
    "data.augment.crop_padding=1",
    "model.depth=1",
    "model.width=16",
    "model.dropout=0.1",
    "perturb.kind=steepest",
    "perturb.m=16",
    "perturb.gsam_xi=0.4",
    "shrink.factor=0.1",
    "train.batch=32",
    "train.epochs=3",
    "train.eval_every=1",
    "train.checkpoint_every=1",
    "optim.warmup_epochs=1",
    "train.checkpoint_minutes=0",
    "train.best=test_loss",
    "train.keep_checkpoints=1",
];
/// The updates of an epoch.
const PER_EPOCH: usize = 45;

fn arguments(out: &Path, device: &str, more: &[&str]) -> Vec<String> {
    let digits = format!("{}/../configs/digits.toml", env!("CARGO_MANIFEST_DIR"));
    let train = ["train", &digits, "--device", device, "--out", &out.display().to_string()].map(str::to_owned);
    let set = SETTINGS.iter().chain(more).flat_map(|set| ["--set".to_owned(), set.to_string()]);
    train.into_iter().chain(set).collect()
}

fn lines(run: &Path) -> usize {
    fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default().lines().count()
}

/// Starts a training and waits until its log has this many lines, and more than before.
fn started(arguments: &[String], run: &Path, count: usize) -> Child {
    let count = count.max(lines(run) + 1);
    let mut child = program().args(arguments).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    while lines(run) < count {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

#[track_caller]
fn same_run(whole: &Path, cut: &Path) {
    let names = |run: &Path| {
        let names =
            ["checkpoints", "."].map(|folder| fs::read_dir(run.join(folder)).unwrap().map(|e| e.unwrap().path()));
        let names = names.into_iter().flatten().map(|path| path.strip_prefix(run).unwrap().to_owned());
        names.filter(|name| name.extension().is_some()).collect::<BTreeSet<_>>()
    };
    assert_eq!(names(whole), names(cut));
    let apart = ["timing.jsonl", "processes.jsonl", "log.txt", "checkpoint-previous.safetensors"];
    for file in names(whole).iter().filter(|name| !apart.contains(&name.to_str().unwrap())) {
        let file = file.display().to_string();
        let [a, b] = [whole, cut].map(|run| fs::read(run.join(&file)).unwrap());
        assert!(a == b, "{file} differs");
    }
}

/// Interrupts a run by a signal after its log has this many lines, checks what it says, and resumes it.
fn interrupted(cut: &Path, device: &str, more: &[&str], stops: &[(&str, i32, usize)]) {
    let (path, mut command) = (cut.display().to_string(), arguments(cut, device, more));
    for &(name, status, count) in stops {
        let child = started(&command, cut, count);
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(said.contains(&format!("stopped by {name}").replace('-', "SIG")), "{said}");
        assert!(said.contains(&format!("`lethe resume {path}` continues")), "{said}");
        let (lines, last) = (String::from_utf8(output.stdout).unwrap(), format!("\"stopped\":\"{name}\"}}\n"));
        assert!(!command.contains(&"--json".to_owned()) || lines.ends_with(&last.replace('-', "SIG")), "{lines}");
        command = ["resume", &path, "--device", device, "--json"].map(str::to_owned).to_vec();
    }
    runs(&command.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_run_that_signals_stopped_within_its_epochs_ends_with_the_bytes_of_one_that_none_did() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    runs(&arguments(&whole, "cpu", &[]).iter().map(String::as_str).collect::<Vec<_>>());
    interrupted(&cut, "cpu", &[], &[("-INT", 130, 7), ("-TERM", 143, 30), ("-HUP", 129, PER_EPOCH + 20)]);
    same_run(&whole, &cut);
    let timing = fs::read_to_string(cut.join("timing.jsonl")).unwrap();
    let images = timing.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["images"].as_u64());
    let images: Vec<u64> = images.map(Option::unwrap).collect();
    assert!(images.len() == 3 && images[0] < 1440 && images[2] == 1440, "the images of this process alone: {timing}");
}

#[test]
fn a_killed_run_goes_on_from_its_last_update_with_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    let every = [
        "train.checkpoint_updates=4",
        "train.checkpoint_every=0",
        "model.depth=2",
        "model.drop_path=0.3",
        "optim.layer_decay=0.75",
        "optim.groups=[{params=[\"head.*\"],lr_scale=2,decay_scale=0.5},{params=[\"blocks.0.*\"],frozen=true}]",
    ];
    runs(&arguments(&whole, "cpu", &every).iter().map(String::as_str).collect::<Vec<_>>());
    let path = cut.display().to_string();
    let mut command = arguments(&cut, "cpu", &every);
    for count in [6, 20, PER_EPOCH + 10] {
        let mut child = started(&command, &cut, count);
        child.kill().unwrap();
        child.wait().unwrap();
        command = ["resume", &path, "--device", "cpu"].map(str::to_owned).to_vec();
    }
    let shorter = ["resume", &path, "--device", "cpu", "--set", "train.epochs=1"];
    fails(&shorter, 2, &["train.epochs=1", "1 epoch done, and the next one has begun"]);
    let output = program().args(&command).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains(" of 45 updates of the next done"), "{said}");
    same_run(&whole, &cut);
}

#[test]
fn a_second_signal_ends_the_program_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let child = started(&arguments(&run, "cpu", &["train.epochs=100"]), &run, 5);
    // While it is stopped both signals are kept for it.
    signal(&child, "-STOP");
    signal(&child, "-INT");
    signal(&child, "-TERM");
    signal(&child, "-CONT");
    let output = child.wait_with_output().unwrap();
    assert!([Some(130), Some(143)].contains(&output.status.code()), "{output:?}");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("continues"), "it did not save: {output:?}");
}

#[cfg(feature = "gpu")]
#[test]
fn the_same_holds_on_a_gpu() {
    use lethe_tensor::gpu::{GpuDevice, GpuOptions};
    if GpuDevice::for_tests(GpuOptions::default()).is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    runs(&arguments(&whole, "gpu", &["train.epochs=2"]).iter().map(String::as_str).collect::<Vec<_>>());
    interrupted(&cut, "gpu", &["train.epochs=2"], &[("-INT", 130, 7)]);
    same_run(&whole, &cut);
}
