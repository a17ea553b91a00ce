//! `lethe predict`: the classes of images from anywhere.

#![cfg(feature = "program")]

mod common;
mod trained;

use common::{fails, runs};
use lethe::tensor::Device;
use std::fs;
use std::path::PathBuf;
use trained::trained;

/// A run of a small perceptron on the digits, and the first test images as pictures of 8×8 pixels with their labels, in the folder beside it.
fn run() -> (tempfile::TempDir, String, Vec<(PathBuf, u32)>) {
    let config = "[data]\ndataset = \"digits\"\n[model]\nkind = \"mlp\"\nwidths = [64]\n\
                [optim]\nkind = \"adamw\"\nlr = 0.01\n[train]\nepochs = 10\nbatch = 64\n";
    let (folder, out) = trained(config, &[]);
    let (_, test) = lethe::digits::load(&Device::cpu());
    let (values, labels) = (test.inputs.to_vec::<f32>().unwrap(), test.targets.to_vec::<u32>().unwrap());
    let pictures = folder.path().join("pictures");
    fs::create_dir(&pictures).unwrap();
    let write = |(i, (pixels, label)): (usize, (&[f32], &u32))| {
        let file = pictures.join(format!("{i:02}.png"));
        let grey = pixels.iter().map(|v| (255.0 * v).round() as u8).collect();
        image::GrayImage::from_raw(8, 8, grey).unwrap().save(&file).unwrap();
        (file, *label)
    };
    let images = values.chunks(64).zip(&labels).take(40).enumerate().map(write).collect();
    (folder, out.display().to_string(), images)
}

#[test]
fn no_class_at_all_is_not_an_answer() {
    fails(&["predict", "run", "image.png", "--top", "0"], 2, &["--top", "expected a whole number from 1"]);
}

#[test]
fn pictures_of_test_images_are_what_they_are_in_the_test_set() {
    let (folder, run, images) = run();
    let pictures = folder.path().join("pictures").display().to_string();
    let said = runs(&["predict", &run, &pictures, "--device", "cpu"]);
    let right = said.lines().zip(&images).filter(|(line, (file, label))| {
        assert!(line.starts_with(&format!("{}: ", file.display())) && line.ends_with(" %"), "{line}");
        line.contains(&format!(": {label} "))
    });
    assert!(right.count() >= 36 && said.lines().count() == 40, "{said}");
    // One file alone, in the other forms.
    let (file, _) = &images[3];
    let file = file.display().to_string();
    let json = runs(&["predict", &run, &file, "--top", "10", "--json", "--device", "cpu"]);
    let answer: serde_json::Value = serde_json::from_str(&json).unwrap();
    let predictions = answer["predictions"].as_array().unwrap();
    let likelihoods: Vec<f64> = predictions.iter().map(|p| p["likelihood"].as_f64().unwrap()).collect();
    assert!(answer["file"] == file.as_str() && likelihoods.len() == 10, "{json}");
    assert!(likelihoods.is_sorted_by(|a, b| a >= b) && (likelihoods.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{json}");
    let csv = runs(&["predict", &run, &file, "--top", "2", "--csv", "--device", "cpu"]);
    let rows: Vec<&str> = csv.lines().collect();
    assert_eq!((rows.len(), rows[0]), (3, "file,rank,class,name,likelihood"));
    assert!(rows[1].starts_with(&format!("{file},1,{0},{0},", predictions[0]["name"].as_str().unwrap())), "{csv}");
    // Of any size and colour.
    let large = folder.path().join("large, and red.png");
    image::RgbImage::from_pixel(90, 50, image::Rgb([200, 0, 0])).save(&large).unwrap();
    let csv = runs(&["predict", &run, &large.display().to_string(), "--csv", "--device", "cpu"]);
    assert!(csv.lines().nth(1).unwrap().starts_with(&format!("\"{}\",1,", large.display())), "{csv}");
}

#[test]
fn what_is_no_image_is_said() {
    let (folder, run, images) = run();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let bytes = fs::read(&images[0].0).unwrap();
    fs::write(at("half.png"), &bytes[..bytes.len() / 2]).unwrap();
    fs::create_dir(at("empty")).unwrap();
    for (image, parts) in [
        ("missing.png", ["missing.png", "No such file"]),
        ("half.png", ["half.png", ""]),
        ("empty", ["expected images", "found none"]),
    ] {
        fails(&["predict", &run, &at(image), "--device", "cpu"], 1, &parts);
    }
    fails(&["predict", &run], 2, &["<IMAGE|FOLDER>"]);
    fails(&["predict", &run, &at("half.png"), "--json", "--csv"], 2, &["cannot be used with"]);
    fails(
        &["predict", &run, &at("half.png"), "--checkpoint", "best"],
        1,
        &["run/checkpoint-best.safetensors; the best"],
    );
}
