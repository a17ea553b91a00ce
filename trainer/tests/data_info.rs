//! `lethe data info`, and runs that find their data again.

#![cfg(feature = "program")]

mod common;

use common::{fails, program, runs};
use serde_json::Value;
use std::fs;
use std::path::Path;

const FAILURE: i32 = 1;
const USAGE: i32 = 2;

/// Four IDX files with images of 4×4 pixels in two classes; the first `shared` test images are training images.
fn idx(folder: &Path, train: usize, test: usize, shared: usize) {
    fs::create_dir_all(folder).unwrap();
    let words = |words: &[u32]| words.iter().flat_map(|w| w.to_be_bytes()).collect::<Vec<u8>>();
    let image = |i: usize| (0..16).map(move |p| ((i * 37 + p * 11 + i * p) % 256) as u8);
    let write = |part: &str, from: Vec<usize>| {
        let head = words(&[0x803, from.len() as u32, 4, 4]);
        let pixels = head.into_iter().chain(from.iter().flat_map(|i| image(*i)));
        fs::write(folder.join(format!("{part}-images-idx3-ubyte")), pixels.collect::<Vec<u8>>()).unwrap();
        let labels = words(&[0x801, from.len() as u32]).into_iter().chain(from.iter().map(|i| (i % 2) as u8));
        fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), labels.collect::<Vec<u8>>()).unwrap();
    };
    write("train", (0..train).collect());
    write("t10k", (0..shared).chain(train..train + test - shared).collect());
}

#[test]
fn the_digits_are_described_in_words_and_in_json() {
    let folder = tempfile::tempdir().unwrap();
    let sheet = folder.path().join("sheet.png").display().to_string();
    let said = runs(&["data", "info", "digits", "--sheet", &sheet]);
    for part in [
        "data: 1437 training images and 360 test images in 10 classes",
        "size (height×width): 8×8",
        "in a config: mean = [0.30",
        "     0  0         142       36",
        "equal images: 0 of the training images",
    ] {
        assert!(said.contains(part), "`{part}` is not in {said}");
    }
    let picture = image::open(&sheet).unwrap();
    assert_eq!((picture.width(), picture.height()), (16 + 8 * 102 + 6, 10 * 102 + 6), "a row for each class");
    let names = picture.crop_imm(0, 0, 20, picture.height()).into_rgb8();
    assert!(names.pixels().any(|pixel| pixel.0 != [128; 3]), "the names are written");
    let json: Value = serde_json::from_str(&runs(&["data", "info", "digits", "--json"])).unwrap();
    let numbers = |value: &Value| {
        value.as_array().unwrap().iter().map(|class| class["train_images"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((json["train_images"].as_u64(), numbers(&json["classes"])), (Some(1437), 1437));
    assert_eq!(json["channels"][0]["greatest"], 16);
}

#[test]
fn a_config_selects_what_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("digits.toml").display().to_string();
    runs(&["new", "digits", "--out", &file]);
    let said = runs(&["data", "info", &file, "--set", "data.only_classes=[7,1]"]);
    assert!(said.contains("in 2 classes") && said.contains("     0  7 "), "{said}");
    idx(&folder.path().join("idx"), 20, 6, 2);
    let path = folder.path().display().to_string();
    let said = runs(&["data", "info", "idx", "--data-dir", &path]);
    assert!(
        said.contains("2 test images are also in the training set") && said.contains("size (height×width): 4×4"),
        "{said}"
    );
}

#[test]
fn a_test_image_is_in_another_class_if_no_equal_training_image_has_its_class() {
    let folder = tempfile::tempdir().unwrap();
    let paint = |part: &str, class: &str, name: &str| {
        let own = folder.path().join(part).join(class);
        fs::create_dir_all(&own).unwrap();
        image::RgbImage::from_pixel(9, 9, image::Rgb([7, 8, 9])).save(own.join(name)).unwrap();
    };
    // The same image in the training images of two of three classes.
    ["cats", "dogs"].iter().for_each(|class| paint("train", class, "a.png"));
    fs::create_dir_all(folder.path().join("train/eels")).unwrap();
    image::RgbImage::new(8, 8).save(folder.path().join("train/eels/b.png")).unwrap();
    paint("val", "cats", "c.png");
    let path = folder.path().display().to_string();
    let info = || runs(&["data", "info", "image-folder", "--data-dir", &path]);
    let said = info();
    assert!(said.contains("1 test image is also in the training set") && !said.contains("in another class"), "{said}");
    paint("val", "eels", "d.png");
    let said = info();
    assert!(said.contains("2 test images are also") && said.contains("1 of them in another class"), "{said}");
}

#[test]
fn images_in_files_have_sizes_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    for (part, images) in [("train", 6), ("val", 2)] {
        for (class, grey) in [("cats", 60), ("dogs", 200)] {
            let own = folder.path().join(part).join(class);
            fs::create_dir_all(&own).unwrap();
            for i in 0..images {
                // The validation images are the first training images.
                image::RgbImage::from_pixel(20 + i, 10, image::Rgb([grey, 0, i as u8]))
                    .save(own.join(format!("{i}.png")))
                    .unwrap();
            }
        }
    }
    let path = folder.path().display().to_string();
    let sheet = folder.path().join("sheet.png").display().to_string();
    let said = runs(&["data", "info", "image-folder", "--data-dir", &path, "--sheet", &sheet]);
    for part in [
        "sizes (height×width): 10×20 to 10×25",
        "cats        6        2",
        "4 test images are also",
        "red        0.5098",
    ] {
        assert!(said.contains(part), "`{part}` is not in {said}");
    }
    assert!(
        runs(&["data", "info", "image-folder", "--data-dir", &path, "--images", "5"])
            .contains("of 4 training images: ")
    );
    assert_eq!(image::open(&sheet).unwrap().height(), 2 * 102 + 6);
}

#[test]
fn what_cannot_be_described_is_refused() {
    fails(&["data", "info", "minst"], USAGE, &["NAME|CONFIG.toml = minst", "fashion-mnist"]);
    for name in ["fashion", "fashion-mnist", "cifar10", "cifar-10"] {
        fails(&["data", "info", name, "--data-dir", "/nowhere"], 1, &["/nowhere"]);
    }
    fails(&["data", "info", "none.toml"], USAGE, &["cannot read the config none.toml"]);
    fails(&["data", "info", "digits", "--set", "data.train_limit=3"], USAGE, &["--set", "name a config"]);
    fails(&["data", "info", "digits", "--sheet", "/dev/null/x.png"], FAILURE, &["cannot be written"]);
    fails(&["data", "info", "image-folder", "--data-dir", "/nowhere"], FAILURE, &["/nowhere", "--data-dir"]);
    fails(&["data", "info", "digits", "--images", "0"], USAGE, &["--images"]);
}

#[test]
fn a_run_finds_its_data_again() {
    let folder = tempfile::tempdir().unwrap();
    let (data, moved) = (folder.path().join("data"), folder.path().join("moved"));
    idx(&data.join("idx"), 24, 8, 0);
    let config = folder.path().join("idx.toml");
    let text = "[data]\ndataset = \"idx\"\n[model]\nkind = \"mlp\"\nwidths = [4]\n[optim]\nkind = \"sgd\"\nlr = 0.1\n[train]\nepochs = 1\nbatch = 8\n";
    fs::write(&config, text).unwrap();
    let [config, data, run, moved] =
        [&config, &data, &folder.path().join("run"), &moved].map(|path| path.display().to_string());
    let cpu = ["--device", "cpu"];
    runs(&[&["train", &config, "--data-dir", &data, "--out", &run][..], &cpu].concat());
    let evaluated = runs(&[&["eval", &run][..], &cpu].concat());
    runs(&[&["resume", &run, "--set", "train.epochs=2"][..], &cpu].concat());
    runs(&[&["report", &run, "--out", &format!("{run}.html")][..], &cpu].concat());
    // Other data in the environment is not the run's.
    let other = folder.path().join("other");
    idx(&other.join("idx"), 10, 4, 0);
    let output = program()
        .args(["resume", &run, "--set", "train.epochs=3", "--device", "cpu"])
        .env("LETHE_DATA", &other)
        .output();
    assert!(output.unwrap().status.success());
    // Moved, it is named or found elsewhere.
    fs::rename(&data, &moved).unwrap();
    fails(&[&["eval", &run][..], &cpu].concat(), FAILURE, &["idx not found", &format!("{data}/idx")]);
    runs(&[&["eval", &run, "--data-dir", &moved][..], &cpu].concat());
    let output = program().args(["eval", &run, "--device", "cpu"]).env("LETHE_DATA", &moved).output().unwrap();
    assert!(output.status.success() && evaluated.contains("8 images"), "{evaluated}");
}
