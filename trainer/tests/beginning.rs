//! How a run begins: configs written by the program, or read from standard input; what shells and `man` know.

#![cfg(feature = "program")]

mod common;

use common::{fails, lethe, program, runs};
use lethe::config::Config;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

#[test]
fn every_config_to_start_from_is_one() {
    for data in ["digits", "mnist", "fashion", "fashion-mnist", "cifar10", "cifar-10", "cifar100", "cifar-100"] {
        let text = runs(&["new", data]);
        assert!(text.contains('#') && !text.contains("{name}") && !text.contains("{dataset}"), "{text}");
        Config::parse(&text, Path::new("new.toml"), &[]).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("digits.toml").display().to_string();
    runs(&["new", "digits", "--out", &file]);
    assert!(runs(&["check", &file, "--device", "cpu"]).contains("training: 100 epochs"));
    fails(&["new", "digits", "--out", &file], 1, &["it exists already"]);
}

#[test]
fn a_folder_of_images_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    for (part, images) in [("train", 10), ("val", 2)] {
        for (class, grey) in [("cats", 60), ("dogs", 200)] {
            let own = folder.path().join(part).join(class);
            fs::create_dir_all(&own).unwrap();
            for i in 0..images {
                let pixels =
                    image::GrayImage::from_fn(50 + i, 40, |x, y| image::Luma([grey + ((x + y + i) % 9) as u8]));
                pixels.save(own.join(format!("{i}.png"))).unwrap();
            }
        }
    }
    let path = folder.path().display().to_string();
    let file = folder.path().join("own.toml").display().to_string();
    let output = lethe(&["new", "folder", &path, "--out", &file]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && told.contains(&format!("`lethe train {file} --data-dir {path}`")), "{told}");
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("# 20 training images and 4 test images in 2 classes, half of them 40 pixels or more"),
        "{text}"
    );
    let small = ["--set", "train.epochs=1", "--set", "model.blocks=[1]", "--set", "model.width=4"];
    let out = folder.path().join("run").display().to_string();
    let train = ["train", &file, "--data-dir", &path, "--device", "cpu", "--out", &out];
    assert!(runs(&[&train[..], &small].concat()).contains("test accuracy "));
    fs::remove_dir_all(folder.path().join("val")).unwrap();
    let text = runs(&["new", "folder", &path]);
    assert!(text.contains("18 training images and 2 test images") && text.contains("\nhold_out = 2 # "), "{text}");
    Config::parse(&text, Path::new("new.toml"), &[]).unwrap();
    fails(&["new", "folder", "/nowhere"], 2, &["/nowhere: there is no such folder"]);
    fails(&["new", "folder", &file], 2, &["is no folder"]);
}

#[test]
fn a_config_may_come_from_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let text = runs(&["new", "digits"]);
    let set = ["--set", "perturb.kind=none", "--set", "train.epochs=0"];
    let mut command = program();
    command.args(["train", "-", "--device", "cpu"]).args(set).current_dir(folder.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("perturb.rho"), "what the change leaves out is said: {said}");
    let run = fs::read_dir(folder.path().join("runs")).unwrap().next().unwrap().unwrap().path();
    assert!(run.display().to_string().ends_with("-stdin") && run.join("summary.json").exists(), "{}", run.display());
}

#[test]
fn shells_and_man_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = runs(&["completions", shell]);
        assert!(["report", "resume", "checkpoint"].iter().all(|word| script.contains(word)), "{shell}");
    }
    let man = folder.path().join("man").display().to_string();
    runs(&["man", "--out", &man]);
    let page = fs::read_to_string(folder.path().join("man/lethe-train.1")).unwrap();
    assert!(page.contains(".TH") && page.contains("detect\\-anomaly"), "{page}");
    fails(&["completions", "tcsh"], 2, &["bash"]);
}
