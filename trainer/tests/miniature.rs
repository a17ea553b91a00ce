//! The pipeline of the paper as commands, on miniatures of its data: training, and evaluation on every set.

#![cfg(feature = "program")]

mod common;

use common::{fails, program, runs};
use std::fs;
use std::path::Path;

const VIT: &str = "[model]\nkind = \"vit\"\npatch = 8\nwidth = 16\ndepth = 1\nheads = 2\n";
const RESNET: &str = "[model]\nkind = \"resnet\"\nblock = \"basic\"\nblocks = [1, 1]\nwidth = 8\n";
const TRAIN: &str = "[optim]\nkind = \"adamw\"\nlr = 3e-3\nwarmup_epochs = 0\n[perturb]\nkind = \"obf\"\nrho = 0.02\nm = 16\n\
                     [train]\nepochs = 1\nbatch = 32\n";

/// A folder with the miniatures, and their path.
fn miniature() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    runs(&["miniature", &data]);
    (folder, data)
}

/// Writes a config beside the data, and returns its path and the path for its run.
fn config(folder: &Path, name: &str, data: &str, model: &str) -> (String, String) {
    let path = folder.join(format!("{name}.toml"));
    fs::write(&path, format!("[data]\n{data}\n{model}{TRAIN}")).unwrap();
    (path.display().to_string(), folder.join(name).display().to_string())
}

#[test]
fn imagenet_is_trained_on_and_measured_on_all_its_sets() {
    let (folder, data) = miniature();
    fails(&["miniature", &data], 1, &["not empty"]);
    let keys = "dataset = \"imagenet\"\nsize = 32\naugment = { inception_crop = true, flip = true }";
    let (path, run) = config(folder.path(), "imagenet", keys, VIT);
    let at = ["--device", "cpu", "--data-dir", &data];
    runs(&[&["train", &path, "--out", &run], &at[..]].concat());
    let json = folder.path().join("sets.json").display().to_string();
    let lines = runs(&[&["eval", &run, "--on", "all", "--json", &json], &at[..]].concat());
    let starts = ["test accuracy", "real accuracy", "v2 accuracy", "r accuracy", "sketch accuracy"];
    assert!(lines.lines().map(str::to_owned).zip(starts).all(|(line, start)| line.starts_with(start)), "{lines}");
    let sets: serde_json::Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    let images = |set: &str| sets[set]["images"].as_u64().unwrap();
    assert_eq!(["test", "real", "v2", "r", "sketch"].map(images), [80, 80, 80, 16, 80]);
    assert!(lines.contains("73 images; without a label: 7") && sets["real"]["labelled_images"] == 73, "{lines}");
    let said = |set: &str| format!("{set} accuracy {:.2} %", sets[set]["accuracy"].as_f64().unwrap());
    assert!(["test", "real", "v2", "r", "sketch"].map(said).iter().all(|line| lines.contains(line)), "{lines}");
    // The same results with one thread; among R's four classes the accuracy is at least as high.
    let again = runs(&[&["eval", &run, "--on", "v1,real,v2,r,sketch", "--threads", "1"], &at[..]].concat());
    assert_eq!(lines, again);
    let masked = runs(&[&["eval", &run, "--on", "r", "--mask-classes"], &at[..]].concat());
    let accuracy = |line: &str| {
        let number = line.split_once("accuracy ").unwrap().1.split_once(" %").unwrap().0;
        number.parse::<f64>().unwrap()
    };
    let unmasked = lines.lines().find(|line| line.starts_with("r accuracy")).unwrap();
    assert!(accuracy(&masked) >= accuracy(unmasked) && masked.contains("among its classes only"), "{masked}{unmasked}");
    let stand_ins = runs(&[&["eval", &run, "--on", "stand-ins"], &at[..]].concat());
    assert_eq!(stand_ins.lines().filter(|line| line.starts_with("stand-in ")).count(), 6, "{stand_ins}");
    fails(&[&["eval", &run, "--mask-classes"], &at[..]].concat(), 2, &["--mask-classes", "--on r"]);
    fails(&["eval", &run, "--on", "v3"], 2, &["v3", "possible values", "sketch"]);
    broken_files_are_named(folder.path(), &run, &at);
}

/// A file that is not an image, and a set that does not exist.
fn broken_files_are_named(folder: &Path, run: &str, at: &[&str]) {
    let sketch = folder.join("data/imagenet-sketch/n01440764/sketch_0.JPEG");
    fs::write(sketch.with_file_name("notes.txt"), "ignored").unwrap();
    let output = program().args([&["eval", run, "--on", "sketch"], at].concat()).output().unwrap();
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(notes.contains("1 file that is not read as images") && notes.contains("sketch"), "{notes}");
    fs::write(&sketch, "no image").unwrap();
    fails(
        &[&["eval", run, "--on", "sketch"], at].concat(),
        1,
        &["sketch_0.JPEG", "is not an image: expected JPEG, PNG"],
    );
    fs::remove_dir_all(folder.join("data/imagenet-v2")).unwrap();
    fails(&[&["eval", run, "--on", "v2"], at].concat(), 1, &["v2 not found", "imagenet-v2"]);
}

/// Pre-training, fine-tuning for other classes, and the analyses of both, as with the paper's own data.
#[test]
fn the_way_of_the_paper_is_gone_from_end_to_end() {
    let (folder, data) = miniature();
    let at = ["--device", "cpu", "--data-dir", &data];
    let keys =
        |set: &str| format!("dataset = \"{set}\"\nsize = 32\naugment = {{ inception_crop = true, flip = true }}");
    let (path, first) = config(folder.path(), "imagenet", &keys("imagenet"), VIT);
    runs(&[&["train", &path, "--out", &first], &at[..]].concat());
    for (set, classes) in [("cifar-10", 10), ("cifar-100", 100)] {
        let (path, tuned) = config(folder.path(), set, &keys(set), VIT);
        let from = format!("init.from={first}");
        runs(&[&["train", &path, "--out", &tuned, "--set", &from], &at[..]].concat());
        let lines = runs(&[&["eval", &tuned, "--on", "all", "--per-class"], &at[..]].concat());
        assert_eq!(lines.lines().filter(|line| line.contains("accuracy ")).count(), 7, "{lines}");
        assert!(lines.lines().count() >= 7 * classes, "{lines}");
        let sharpness = ["analyze", "sharpness", &tuned, "--samples", "32", "--iterations", "3"];
        assert!(runs(&[&sharpness[..], &at[..]].concat()).contains("dominant eigenvalue"));
        let forgetting = ["analyze", "forgetting", &tuned, "--draws", "2"];
        assert!(runs(&[&forgetting[..], &at[..]].concat()).contains(&format!("{classes} classes")));
        let landscape = ["analyze", "landscape", &tuned, "--samples", "32", "--points", "3"];
        runs(&[&landscape[..], &at[..]].concat());
        let picture = fs::read(Path::new(&tuned).join("analysis/landscape.png")).unwrap();
        assert!(image::load_from_memory(&picture).unwrap().to_rgb8().pixels().any(|p| p.0 != [255; 3]), "it is blank");
    }
}

/// The experiments at the paper's scale, except that the network, the images and the epochs are small enough for a test.
#[test]
fn the_tables_of_the_paper_are_made_of_miniatures() {
    let (folder, data) = miniature();
    let out = folder.path().join("out").display().to_string();
    let small =
        ["data.size=32", "model.patch=8", "model.width=16", "model.depth=1", "model.heads=2", "optim.warmup_epochs=0"];
    let short = ["train.epochs=1", "train.batch=64"];
    let set: Vec<&str> = small.iter().chain(&short).flat_map(|key| ["--set", key]).collect();
    let at = [
        "--scale",
        "paper",
        "--model",
        "vit-s32",
        "--seeds",
        "1",
        "--device",
        "cpu",
        "--data-dir",
        &data,
        "--out",
        &out,
    ];
    let made = |experiment: &str| {
        let said = runs(&[&["reproduce", experiment], &at[..], &set].concat());
        (said, fs::read_to_string(Path::new(&out).join(format!("paper/{experiment}.md"))).unwrap())
    };
    let (said, table) = made("table-1");
    assert_eq!(said.matches("test accuracy").count(), 5, "{said}");
    let head = "| model | method | perturbation | test | real | v2 | r | sketch | sharpness | paper: V1 |";
    assert!(table.contains(head) && table.contains("with data.size=32, model.patch=8"), "{table}");
    assert!(
        table.contains("| vit-s32 | gsam | obf |") && table.contains("| vit-s32 | sam-obf − sam-steepest |"),
        "{table}"
    );
    let (said, table) = made("table-2");
    // The three pre-trained networks are runs of table 1; four rows, and one by another source, on two data sets, twice each.
    assert_eq!((said.matches("finished before").count(), said.matches("test accuracy").count()), (3, 20), "{said}");
    assert!(table.contains("| vit-s32 | obf | none |") && table.contains("| vit-s32 | none | obf, γ = 0 |"), "{table}");
    assert!(table.contains("paper: CIFAR-100"), "{table}");
    let (said, _) = made("table-1");
    assert_eq!(said.matches("finished before").count(), 5, "{said}");
}

/// ResNets, whose finished runs are evaluated again at another size; missing data and wrong keys are reported before anything is trained.
#[test]
fn a_table_of_resnets_is_measured_again_at_another_size() {
    let (folder, data) = miniature();
    let out = folder.path().join("out").display().to_string();
    let small = ["data.size=32", "model.blocks=[1, 1]", "model.width=8", "train.batch=64"];
    let short = ["optim.warmup_epochs=0", "train.epochs=1"];
    let set: Vec<&str> = small.iter().chain(&short).flat_map(|key| ["--set", key]).collect();
    let at = ["--scale", "paper", "--seeds", "1", "--device", "cpu", "--data-dir", &data, "--out", &out];
    let table = [&["reproduce", "table-1", "--model", "resnet-50"], &at[..], &set].concat();
    let made = |more: &[&str]| {
        let said = runs(&[&table[..], more].concat());
        (said, fs::read_to_string(Path::new(&out).join("paper/table-1.md")).unwrap())
    };
    let (said, first) = made(&[]);
    assert_eq!((said.matches("test accuracy").count(), said.matches("finished before").count()), (5, 0), "{said}");
    let (said, larger) = made(&["--set", "data.eval_size=48"]);
    assert_eq!((said.matches("test accuracy").count(), said.matches("finished before").count()), (0, 5), "{said}");
    let numbers = |table: &str| table.split_once("\n\n").unwrap().1.to_owned();
    assert!(larger.contains("data.eval_size=48") && numbers(&larger) != numbers(&first), "{larger}");
    let run = format!("{out}/paper/runs/resnet-50-base-seed-0");
    let evaluated = |size: &[&str]| runs(&[&["eval", &run, "--device", "cpu", "--data-dir", &data], size].concat());
    assert_ne!(evaluated(&[]), evaluated(&["--size", "48"]));
    fails(&[&table[..], &["--set", "train.seed=5"]].concat(), 2, &["train.seed", "--seeds"]);
    fs::remove_dir_all(format!("{data}/imagenet-r")).unwrap();
    fs::remove_dir_all(format!("{out}/paper/runs")).unwrap();
    fails(&table, 1, &["r not found", "imagenet-r"]);
    assert!(!Path::new(&run).exists(), "nothing was trained");
}

#[test]
fn a_resnet_is_tested_at_another_size() {
    let (folder, data) = miniature();
    let keys = "dataset = \"image-folder\"\nsize = 16\neval_size = 24\nhold_out = 60\ntrain_limit = 200\n\
                mean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]";
    let (path, run) = config(folder.path(), "folder", keys, RESNET);
    let at = ["--device", "cpu", "--data-dir", &format!("{data}/imagenet")];
    let trained = runs(&[&["train", &path, "--out", &run], &at[..]].concat());
    let evaluated = runs(&[&["eval", &run], &at[..]].concat());
    assert!(evaluated.ends_with("60 images\n"), "{evaluated}");
    let percent = |text: &str| text.split_once("test accuracy ").unwrap().1.split_once(" %").unwrap().0.to_owned();
    assert_eq!(percent(&trained), percent(&evaluated), "both at 24 pixels");
    fails(&[&["eval", &run, "--on", "real"], &at[..]].concat(), 2, &["--on = real", "imagenet"]);
}

#[test]
fn both_cifars_are_trained_on_small_and_enlarged() {
    let (folder, data) = miniature();
    let native = "augment = { crop_padding = 4, flip = true }";
    let enlarged = "size = 48\naugment = { inception_crop = true, flip = true, min_area = 0.3 }";
    for (dataset, keys) in [("cifar-10", native), ("cifar-100", enlarged)] {
        let (path, run) = config(folder.path(), dataset, &format!("dataset = \"{dataset}\"\n{keys}"), VIT);
        let at = ["--device", "cpu", "--data-dir", &data];
        runs(&[&["train", &path, "--out", &run], &at[..]].concat());
        let lines = runs(&[&["eval", &run, "--on", "all"], &at[..]].concat());
        assert_eq!(lines.lines().filter(|line| line.contains("stand-in ")).count(), 6, "{lines}");
        assert_eq!(lines.lines().count(), 7, "{lines}");
    }
}
