//! `lethe check`.

#![cfg(feature = "program")]

mod common;

use common::{fails, lethe, runs};
use std::fs;

#[test]
fn what_a_training_would_take_is_said_and_nothing_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let digits = format!("{}/../configs/digits.toml", env!("CARGO_MANIFEST_DIR"));
    let sheet = folder.path().join("sheet.png");
    let sheet_text = sheet.display().to_string();
    let (set, device) = (["--set", "data.augment.crop_padding=2", "--set", "model.depth=2"], ["--device", "cpu"]);
    let arguments = [&["check", &digits, "--sheet", &sheet_text][..], &set, &device].concat();
    let said = runs(&arguments);
    for part in [
        "data: 1437 training images and 360 test images of 1×8×8",
        "classes: 0, 1, 2, ",
        "blocks.1.attn.qkv        12480  weight [192, 64], bias [192]",
        "\nparameters: 102090\n",
        "optimiser 0.8 MB",
        "training: 100 epochs of 23 updates, 10 evaluations: about ",
        "after the warm-up: learning rate 0.001, radius 0.02",
    ] {
        assert!(said.contains(part), "`{part}` is not in {said}");
    }
    // Of each image: forward and backward passes at two points, three products of 2 · parameters · tokens each, and attention.
    let gflop = said.split("an update: ").nth(1).unwrap().split(' ').next().unwrap().parse::<f64>().unwrap();
    let products = 64.0 * 16.0 * 2.0 * 3.0 * 2.0 * 99_456.0 / 1e9;
    assert!((0.9..1.3).contains(&(gflop / products)), "{gflop} GFLOP beside {products}");
    let picture = fs::read(&sheet).unwrap();
    assert!(picture.starts_with(b"\x89PNG"), "a sheet of images");
    let output = lethe(&arguments);
    assert!(output.status.success() && !folder.path().join("runs").exists(), "no run is made");
    // The first images are drawn for the first epoch and its seed: the same again.
    assert_eq!(fs::read(&sheet).unwrap(), picture);
    let own = folder.path().join("own.toml");
    fs::copy(&digits, &own).unwrap();
    let path = own.display().to_string();
    fails(&["check", &path, "--sheet", &path, "--device", "cpu"], 1, &[&path, "this command reads it"]);
    assert_eq!(fs::read(&own).unwrap(), fs::read(&digits).unwrap());
    fails(&["check", &digits, "--set", "train.batch=100"], 2, &["train.batch", "is not divisible"]);
}
