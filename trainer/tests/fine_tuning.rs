//! Runs that start from the weights of another: what is loaded, what is new, and that the source is not needed afterwards.

#![cfg(feature = "program")]

use lethe::Classes;
use lethe::config::{Config, DataFacts};
use lethe::run::{Checkpoint, NamedTensor};
use lethe::shape::ImageShape;
use lethe::training::Session;
use lethe_optim::Batch;
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, Tensor};
use std::path::Path;
use std::process::Command;

const VIT: &str = "kind = \"vit\"\npatch = 2\nwidth = 16\ndepth = 1\nheads = 2\n";
const RESNET: &str = "kind = \"resnet\"\nblock = \"basic\"\nblocks = [1, 1]\nwidth = 4\n";
const BATCH: usize = 8;

/// Square images with one channel.
fn square(side: usize) -> ImageShape {
    ImageShape { channels: 1, height: side, width: side }
}

fn config(model: &str, side: usize, classes: usize, set: &[&str]) -> Config {
    let text = format!(
        "[data]\ndataset = \"digits\"\n[model]\n{model}[loss]\nkind = \"bce\"\n[optim]\nkind = \"sgd\"\nlr = 0.1\n\
         [train]\nepochs = 9\nbatch = {BATCH}\n"
    );
    let set: Vec<String> = set.iter().map(|s| s.to_string()).collect();
    let config = Config::parse(&text, Path::new("x.toml"), &set).unwrap();
    config.resolve(&DataFacts { images: square(side), classes, train: 64, labels: vec![] }).unwrap()
}

fn session(config: &Config, side: usize, classes: usize) -> Result<Session<'_>, String> {
    Session::new(config, square(side), &Classes::numbered(classes), &Device::cpu(), 1).map_err(|e| e.to_string())
}

/// Makes updates on random images.
fn train(session: &mut Session<'_>, side: usize, classes: usize, updates: std::ops::Range<u32>) {
    for update in updates {
        let images = [BATCH, 1, side, side];
        let labels: Vec<u32> = (0..BATCH as u32).map(|i| (i + update) % classes as u32).collect();
        let inputs = Tensor::normal(&Device::cpu(), DType::F32, &images, Draw::new(1, [update, 0, 0]));
        let targets = Tensor::from_slice(&Device::cpu(), &labels, &[BATCH]);
        let done = session.update(0, &Batch { inputs, targets });
        session.read(done).unwrap();
    }
}

/// A checkpoint of a model after two updates on images of 8 × 8 and 5 classes.
fn pretrained(model: &str, file: &Path) -> Checkpoint {
    let config = config(model, 8, 5, &[]);
    let mut session = session(&config, 8, 5).unwrap();
    train(&mut session, 8, 5, 0..2);
    session.checkpoint().unwrap().save(file).unwrap();
    Checkpoint::load(file).unwrap()
}

fn tensor<'a>(checkpoint: &'a Checkpoint, name: &str) -> &'a NamedTensor {
    checkpoint.tensors.iter().find(|t| t.name == name).unwrap_or_else(|| panic!("{name}"))
}

#[test]
fn the_backbone_is_kept_and_a_head_for_other_classes_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.safetensors");
    let from = format!("init.from={}", file.display());
    for (model, head) in [(VIT, "head"), (RESNET, "fc"), ("kind = \"mlp\"\nwidths = [6]\n", "layers.1")] {
        let source = pretrained(model, &file);
        for (classes, choice, new) in [(5, "auto", false), (5, "keep", false), (5, "new", true), (3, "auto", true)] {
            let config = config(model, 8, classes, &[&from, &format!("init.head={choice}"), "train.seed=1"]);
            let session = session(&config, 8, classes).unwrap();
            let origin = session.origin().unwrap();
            let heads = [format!("{head}.weight"), format!("{head}.bias")];
            assert_eq!(origin.new, if new { &heads[..] } else { &[] }, "{origin}");
            assert_eq!(origin.unused.len(), origin.new.len(), "{origin}");
            let start = session.checkpoint().unwrap();
            for t in start.tensors.iter().filter(|t| origin.loaded.contains(&t.name)) {
                assert_eq!(t, tensor(&source, &t.name));
            }
            if new && model == VIT {
                let bias = -(classes as f32).ln();
                assert!(tensor(&start, "head.weight").data.iter().all(|w| *w == 0.0));
                assert!(tensor(&start, "head.bias").data.iter().all(|b| *b == bias), "{bias}");
            }
        }
    }
    let statistics = pretrained(RESNET, &file);
    assert!(tensor(&statistics, "bn1.running_mean").data.iter().all(|m| *m != 0.0), "they had moved, and came along");
}

#[test]
fn positions_are_interpolated_for_images_of_another_size() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.safetensors");
    let source = pretrained(VIT, &file);
    let config = config(VIT, 16, 3, &[&format!("init.from={}", file.display())]);
    let session = session(&config, 16, 3).unwrap();
    let origin = session.origin().unwrap();
    assert_eq!(origin.interpolated, Some([[4, 4], [8, 8]]));
    assert!(origin.to_string().contains("positions interpolated from 4×4 to 8×8 patches"), "{origin}");
    let start = session.checkpoint().unwrap();
    let [old, new] = [&source, &start].map(|c| tensor(c, "pos_embed"));
    assert_eq!(new.shape, [1, 64, 16]);
    // The corner is unchanged, and between two patches the embedding is between theirs.
    assert_eq!(old.data[..16], new.data[..16]);
    assert!((new.data[16] - (0.75 * old.data[0] + 0.25 * old.data[16])).abs() < 1e-6);
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.safetensors");
    pretrained(VIT, &file);
    let from = format!("init.from={}", file.display());
    let refused = |set: &[&str], parts: &[&str]| {
        let config = config(VIT, 8, 3, &[&[from.as_str()], set].concat());
        let Err(message) = session(&config, 8, 3) else { panic!("{set:?} was accepted") };
        parts.iter().for_each(|part| assert!(message.contains(part), "`{part}` not in: {message}"));
    };
    refused(&["init.head=keep"], &["`head.weight`: expected shape [3, 16], found shape [5, 16]"]);
    refused(&["model.heads=4"], &["note `model`: expected heads = 4, found heads = 2"]);
    refused(&["model.kind=mlp", "model.widths=[8]"], &["note `model`: expected kind = \"mlp\", found kind = \"vit\""]);
    refused(&["init.from=/nonexistent/x"], &["init.from = /nonexistent/x: there is no such file or folder", "a run"]);
    let folder = format!("init.from={}", folder.path().display());
    refused(&[&folder], &["is not a run folder"]);
}

#[test]
fn a_start_that_is_gone_back_to_is_kept_in_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.safetensors");
    for model in [VIT, RESNET] {
        pretrained(model, &file);
        let config = config(model, 8, 3, &[&format!("init.from={}", file.display()), "shrink.factor=0.2"]);
        let [mut whole, mut cut] = [0, 1].map(|_| session(&config, 8, 3).unwrap());
        std::fs::remove_file(&file).unwrap();
        train(&mut whole, 8, 3, 0..4);
        train(&mut cut, 8, 3, 0..2);
        let checkpoint = cut.checkpoint().unwrap();
        let mut resumed =
            Session::resumed(&config, square(8), &Classes::numbered(3), &Device::cpu(), 1, &checkpoint).unwrap();
        train(&mut resumed, 8, 3, 2..4);
        assert!(whole.checkpoint().unwrap() == resumed.checkpoint().unwrap(), "the resumed session ends differently");
    }
}

#[test]
fn the_program_starts_from_a_run_and_does_not_need_it_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/digits.toml").display().to_string();
    let lethe = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_lethe")).args(arguments).current_dir(folder.path()).output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(output.status.success(), "{arguments:?}: {err}");
        (out, err)
    };
    let sets = ["train.epochs=1", "optim.warmup_epochs=0", "data.train_limit=128", "train.batch=128", "model.depth=1"];
    let small: Vec<&str> = sets.into_iter().flat_map(|set| ["--set", set]).chain(["--device", "cpu"]).collect();
    lethe(&[&["train", &digits, "--out", "first"], &small[..]].concat());
    let fine = ["train", &digits, "--out", "second", "--set", "init.from=first", "--set", "init.head=new"];
    let (_, err) = lethe(&[&fine[..], &small].concat());
    assert!(err.contains("second starts from first: ") && err.contains("new: head.weight, head.bias"), "{err}");
    std::fs::remove_dir_all(folder.path().join("first")).unwrap();
    let config = std::fs::read_to_string(folder.path().join("second/config.toml")).unwrap();
    assert!(
        config.contains("[init]\nfrom = \"first\"\nhead = \"new\"") && config.contains("head_bias = -2.302"),
        "{config}"
    );
    let (resumed, _) = lethe(&["resume", "second", "--device", "cpu"]);
    let (evaluated, _) = lethe(&["eval", "second", "--device", "cpu"]);
    let accuracy = |text: &str| text.split_once("test accuracy ").map(|(_, rest)| rest[..5].to_owned()).unwrap();
    assert_eq!(accuracy(&resumed), accuracy(&evaluated));
    let (said, _) = lethe(&["export", "second", "--out", "second.safetensors"]);
    assert!(said.contains("tensors in second.safetensors"), "{said}");
    let set = ["--set", "init.from=second.safetensors"];
    let (_, err) = lethe(&[&["train", &digits, "--out", "third"], &set[..], &small].concat());
    assert!(err.contains("third starts from second.safetensors: ") && !err.contains("new:"), "{err}");
}
