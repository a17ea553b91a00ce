//! Data sets as they occur in practice: with truncated, renamed, ignored and broken files. Each flaw is reported before anything is computed, or does
//! no harm.

#![cfg(feature = "program")]

mod common;

use common::{fails, program, runs};
use image::{ImageFormat, Rgb, RgbImage};
use std::fs;
use std::path::{Path, PathBuf};

const FAILURE: i32 = 1;

/// A folder with images of three classes, a config for it, and room for runs.
struct Setup {
    folder: tempfile::TempDir,
}

impl Setup {
    fn new() -> Setup {
        let setup = Setup { folder: tempfile::tempdir().unwrap() };
        for (part, count) in [("train", 6), ("val", 2)] {
            for class in ["ant", "cat", "dog"] {
                (0..count).for_each(|i| setup.picture(&format!("{part}/{class}/{part}-{class}-{i}.jpg")));
            }
        }
        let config = "[data]\ndataset = \"image-folder\"\nsize = 8\n[model]\nkind = \"mlp\"\nwidths = [4]\n[optim]\nkind = \"sgd\"\n\
                      lr = 0.1\n[train]\nepochs = 2\nbatch = 6\n";
        fs::write(setup.folder.path().join("config.toml"), config).unwrap();
        setup
    }

    fn at(&self, file: &str) -> PathBuf {
        self.folder.path().join("data").join(file)
    }

    /// Paints an image, in the format of its extension.
    fn picture(&self, file: &str) {
        let seed = file.bytes().fold(7u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        let wave = |x: u32, y: u32, c: u32| ((x * (3 + seed % 11) + y * (5 + seed % 7)) * (c + 1) + seed % 97) as u8;
        let path = self.at(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::from_fn(24, 18, |x, y| Rgb([0, 1, 2].map(|c| wave(x, y, c)))).save(path).unwrap();
    }

    fn run(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The arguments of a command on this data.
    fn arguments(&self, command: &[&str], run: Option<&str>) -> Vec<String> {
        let path = |path: PathBuf| path.display().to_string();
        let named = |word: &&str| match *word {
            "CONFIG" => path(self.folder.path().join("config.toml")),
            word => word.to_owned(),
        };
        let mut all: Vec<String> = command.iter().map(named).collect();
        all.extend(run.map(|run| path(self.run(run))));
        all.extend(["--device".into(), "cpu".into(), "--data-dir".into(), path(self.at(""))]);
        all
    }

    fn train(&self, run: &str, set: &[&str]) -> Vec<String> {
        let set = set.iter().flat_map(|set| ["--set", set]);
        let command: Vec<&str> = ["train", "CONFIG"].into_iter().chain(set).chain(["--out"]).collect();
        self.arguments(&command, Some(run))
    }
}

/// What a successful command prints, results and notes.
#[track_caller]
fn said(arguments: &[String]) -> String {
    let output = program().args(arguments).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{arguments:?}: {err}");
    out + &err
}

#[track_caller]
fn refused(arguments: &[String], parts: &[&str]) {
    fails(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), FAILURE, parts);
}

#[test]
fn half_a_file_does_not_train() {
    let setup = Setup::new();
    for name in ["progressive.jpg", "restarts.jpg", "lossy.webp", "lzw.tif"] {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pil").join(name);
        fs::copy(fixture, setup.at("train/cat").join(name)).unwrap();
    }
    ["train/cat/a.png", "train/cat/a.bmp", "train/cat/a.jpg"].iter().for_each(|file| setup.picture(file));
    let names = ["progressive.jpg", "restarts.jpg", "lossy.webp", "lzw.tif", "a.png", "a.bmp", "a.jpg"];
    for name in names {
        let path = setup.at("train/cat").join(name);
        let whole = fs::read(&path).unwrap();
        for length in [0, whole.len() / 3, whole.len() / 2, whole.len() * 9 / 10] {
            fs::write(&path, &whole[..length]).unwrap();
            let _ = fs::remove_dir_all(setup.run("run"));
            refused(&setup.train("run", &[]), &[name, "replace the file, or remove it"]);
        }
        fs::write(&path, &whole).unwrap();
        let _ = fs::remove_dir_all(setup.run("run"));
    }
    said(&setup.train("run", &[]));
}

#[test]
fn all_that_is_wrong_is_told_at_once_and_before_the_first_step() {
    let setup = Setup::new();
    for i in 0..11 {
        fs::write(setup.at(&format!("val/dog/empty-{i:02}.png")), "").unwrap();
    }
    let mut large = fs::read(setup.at("train/ant/train-ant-0.jpg")).unwrap();
    let at = large.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    large[at + 5..at + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
    fs::write(setup.at("train/ant/large.jpg"), large).unwrap();
    fs::write(setup.at("train/ant/page.jpg"), "<!DOCTYPE html>").unwrap();
    let parts = [
        "13 of 37 images cannot be used",
        "large.jpg is too large: 60000 × 60000 pixels",
        "page.jpg is not an image: expected JPEG, PNG, BMP, WebP, TIFF, found a file that begins with \"<!DOCTYPE",
        "empty-07.png is empty\n  and 3 more\n",
    ];
    refused(&setup.train("run", &[]), &parts);
    assert!(!setup.run("run").exists(), "nothing began");
}

#[test]
fn a_fault_in_the_evaluation_costs_no_epoch() {
    // Nor, where no checkpoint was due, the epochs since the last one.
    for set in [&[][..], &["train.checkpoint_every=0"]] {
        fault_in_the_evaluation(set);
    }
}

fn fault_in_the_evaluation(set: &[&str]) {
    let setup = Setup::new();
    said(&setup.train("whole", set));
    let path = setup.at("val/dog/val-dog-1.jpg");
    let whole = fs::read(&path).unwrap();
    // The same length and ends, with two changed bytes that the inspection cannot notice.
    let damaged = [&whole[..whole.len() - 2], &[0x12, 0x34, 0xff, 0xd9]].concat();
    fs::write(&path, damaged).unwrap();
    refused(
        &setup.train("cut", set),
        &["val-dog-1.jpg is a damaged or incomplete JPEG: the data is damaged: there is more of it"],
    );
    assert!(setup.run("cut").join("checkpoint.safetensors").exists());
    fs::write(&path, whole).unwrap();
    let resume = setup.arguments(&["resume"], Some("cut"));
    refused(&resume, &["not those that the run began with", "remove data.txt"]);
    fs::remove_file(setup.run("cut").join("data.txt")).unwrap();
    let text = said(&resume);
    assert!(text.contains("1 of 2 epochs done") && !text.contains("NaN"), "{text}");
    for file in ["checkpoint.safetensors", "metrics.jsonl", "summary.json", "data.txt", "classes.json"] {
        let [a, b] = ["whole", "cut"].map(|run| fs::read(setup.run(run).join(file)).unwrap());
        assert!(a == b, "{file} differs");
    }
}

#[test]
fn other_classes_are_refused_with_the_difference() {
    let setup = Setup::new();
    said(&setup.train("run", &[]));
    let eval = setup.arguments(&["eval", "--per-class", "--json", "JSON"], Some("run"));
    let json = setup.run("eval.json").display().to_string();
    let eval: Vec<String> = eval.into_iter().map(|word| if word == "JSON" { json.clone() } else { word }).collect();
    assert!(said(&eval).contains("\n     1  cat  "));
    let record: serde_json::Value = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    assert_eq!((&record["classes"][2]["name"], &record["classes"][2]["images"]), (&"dog".into(), &2.into()));
    let noted = fs::read_to_string(setup.run("run").join("classes.json")).unwrap();
    assert_eq!(noted, "[\"ant\",\"cat\",\"dog\"]\n");
    let commands = [&["eval"][..], &["resume"], &["analyze", "sharpness"], &["analyze", "landscape"]];
    let all_refuse = |parts: &[&str]| {
        commands.iter().for_each(|command| refused(&setup.arguments(command, Some("run")), parts));
    };
    let rename = |from: &str, to: &str| {
        ["train", "val"].iter().for_each(|part| {
            fs::rename(setup.at(&format!("{part}/{from}")), setup.at(&format!("{part}/{to}"))).unwrap();
        });
    };
    rename("cat", "zebra");
    all_refuse(&["other classes", "class 1 was `cat`, now `dog`; gone: `cat`; new: `zebra`", "--data-dir"]);
    rename("zebra", "cat");
    setup.picture("train/bee/1.jpg");
    all_refuse(&["there were 3, now there are 4; class 1 was `cat`, now `bee`; new: `bee`"]);
    fs::remove_dir_all(setup.at("train/bee")).unwrap();
    commands.iter().for_each(|command| drop(said(&setup.arguments(command, Some("run")))));
}

#[test]
fn images_that_were_moved_or_replaced_are_noticed() {
    let setup = Setup::new();
    said(&setup.train("run", &[]));
    let resume = setup.arguments(&["resume"], Some("run"));
    said(&resume);
    let [one, two] = ["train/ant/train-ant-0.jpg", "train/cat/train-cat-0.jpg"].map(|file| setup.at(file));
    let [first, second] = [&one, &two].map(|file| fs::read(file).unwrap());
    // The other file's contents, then one byte more.
    fs::write(&one, &second).unwrap();
    refused(&resume, &["not those that the run began with"]);
    refused(&setup.arguments(&["analyze", "sharpness"], Some("run")), &["not those that the run began with"]);
    fs::write(&one, [&first[..], b" "].concat()).unwrap();
    refused(&resume, &["not those that the run began with"]);
    fs::remove_file(&one).unwrap();
    fs::write(setup.at("train/cat/train-ant-0.jpg"), &first).unwrap();
    refused(&resume, &["not those that the run began with"]);
    fs::remove_file(setup.at("train/cat/train-ant-0.jpg")).unwrap();
    fs::create_dir(setup.at("train/ant/more")).unwrap();
    fs::write(setup.at("train/ant/more/train-ant-0.jpg"), &first).unwrap();
    refused(&resume, &["not those that the run began with"]);
    fs::remove_dir_all(setup.at("train/ant/more")).unwrap();
    fs::write(&one, &first).unwrap();
    said(&resume);
}

#[test]
fn a_head_is_kept_for_the_same_classes_and_new_for_others() {
    let setup = Setup::new();
    said(&setup.train("first", &[]));
    let from = format!("init.from={}", setup.run("first").display());
    assert!(said(&setup.train("same", &[&from])).contains("the head is kept: its classes are the same"));
    let exported = setup.run("weights.safetensors").display().to_string();
    runs(&["export", &setup.run("first").display().to_string(), "--out", &exported]);
    let of_file = format!("init.from={exported}");
    assert!(said(&setup.train("of-file", &[&of_file])).contains("the head is kept: its classes are the same"));
    for part in ["train", "val"] {
        fs::rename(setup.at(part).join("cat"), setup.at(part).join("zebra")).unwrap();
    }
    let new = "the head is new: its classes were different: class 1 was `cat`, now `dog`; gone: `cat`; new: `zebra`";
    assert!(said(&setup.train("other", &[&from])).contains(new));
    let kept = said(&setup.train("forced", &[&from, "init.head=keep"]));
    assert!(kept.contains("the head is kept, as init.head says, though its classes were different"), "{kept}");
}

#[test]
fn every_form_at_any_depth_is_read_and_what_is_not_is_said() {
    let setup = Setup::new();
    for file in ["ant/images/deep/a.JPEG", "ant/b.bmp", "cat/c.webp", "cat/d.TIF", "dog/e.tiff", "dog/f.PNG"] {
        setup.picture(&format!("train/{}", file.to_lowercase()));
        let [lower, wanted] = [file.to_lowercase(), file.to_owned()].map(|file| setup.at("train").join(file));
        if lower != wanted {
            fs::create_dir_all(wanted.parent().unwrap()).unwrap();
            fs::rename(lower, wanted).unwrap();
        }
    }
    for file in ["ant/x.gif", "cat/y.gif", "cat/notes.txt", "dog/README", "stray.csv", "Thumbs.db", "ant/.DS_Store"] {
        fs::write(setup.at("train").join(file), "x").unwrap();
    }
    setup.picture("train/outside.png");
    fs::remove_dir_all(setup.at("val/cat")).unwrap();
    fs::create_dir(setup.at("test")).unwrap();
    let said = said(&setup.train("run", &[]));
    for part in [
        "24 training and 4 test images",
        "5 files that are not read as images",
        "2 .gif (as ",
        "train/ant/x.gif)",
        "1 .txt",
        "1 without an extension",
        "1 .csv",
        "ignored 1 image outside the class folders: `outside.png`",
        "val has no image of 1 of 3 classes: `cat`",
        "test is ignored, since there is ",
    ] {
        assert!(said.contains(part), "{part} not in {said}");
    }
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_those_that_lead_nowhere_are_named() {
    use std::os::unix::fs::symlink;
    let setup = Setup::new();
    fs::rename(setup.at("train/cat"), setup.at("elsewhere")).unwrap();
    symlink(setup.at("elsewhere"), setup.at("train/cat")).unwrap();
    said(&setup.train("run", &[]));
    symlink("/nowhere/a.jpg", setup.at("train/ant/lost.jpg")).unwrap();
    refused(&setup.train("other", &[]), &["lost.jpg is a link to /nowhere/a.jpg", "replace the file, or remove it"]);
    ["val/dog/lost.jpg", "val/ant/lost.png"].iter().for_each(|link| symlink("/nowhere/b.jpg", setup.at(link)).unwrap());
    fs::write(setup.at("train/cat/empty.jpg"), "").unwrap();
    let parts = [
        "4 of 28 images cannot be used",
        "train/ant/lost.jpg is a link",
        "val/dog/lost.jpg is a link",
        "empty.jpg is empty",
    ];
    refused(&setup.train("other", &[]), &parts);
    for file in ["train/ant/lost.jpg", "val/dog/lost.jpg", "val/ant/lost.png", "train/cat/empty.jpg"] {
        fs::remove_file(setup.at(file)).unwrap();
    }
    symlink("/nowhere/class", setup.at("train/emu")).unwrap();
    refused(&setup.train("other", &[]), &["train/emu is a link to /nowhere/class"]);
    symlink("/nowhere/more", setup.at("train/ant/more")).unwrap();
    refused(&setup.train("other", &[]), &["train/emu is a link to /nowhere/class", "train/ant/more is a link"]);
    fs::remove_file(setup.at("train/ant/more")).unwrap();
    fs::remove_file(setup.at("train/emu")).unwrap();
    symlink(setup.at("train"), setup.at("train/dog/again")).unwrap();
    refused(&setup.train("other", &[]), &["train/dog/again is a link to", "leads back"]);
    fs::remove_file(setup.at("train/dog/again")).unwrap();
    // A loop through two folders, neither of which contains the other.
    symlink("../dog", setup.at("train/ant/there")).unwrap();
    symlink("../ant", setup.at("train/dog/back")).unwrap();
    refused(&setup.train("other", &[]), &["train/ant/there/back is a link to", "leads back"]);
}

#[test]
fn classes_that_only_the_test_part_has_are_refused() {
    let setup = Setup::new();
    setup.picture("val/emu/1.jpg");
    refused(&setup.train("run", &[]), &["val: class: expected one of the 3 classes", "found `emu`"]);
}

#[test]
fn test_images_without_folders_have_a_line_each() {
    let setup = Setup::new();
    fs::remove_dir_all(setup.at("val")).unwrap();
    let files = ["images/v 1.png", "images/v2.png", "images/v3.png"];
    files.iter().for_each(|file| setup.picture(&format!("val/{file}")));
    refused(&setup.train("run", &[]), &["val: class: expected one of the 3 classes", "found `images`"]);
    for (file, text) in [
        ("val/val_annotations.txt", "v 1.png\tcat\t0\t0\t9\t9\nv2.png\tant\t0\t0\t9\t9\nv3.png\tdog\t0\t0\t9\t9\n"),
        ("val.csv", "\u{feff}file,label\r\nv 1,cat\r\nv2.png,ant\r\nv3,dog\r\n"),
        ("val.txt", "v 1.png 1\nv2.png 0\nv3.png 2\n"),
    ] {
        fs::write(setup.at(file), text).unwrap();
        if file == "val.txt" {
            refused(&setup.train("run", &[]), &["labels: expected one file: val.txt or val.csv, found both"]);
            fs::remove_file(setup.at("val.csv")).unwrap();
        }
        let said = said(&setup.train("run", &[]));
        assert_eq!(said.contains("ignored"), file != "val/val_annotations.txt", "{said}");
        fs::remove_dir_all(setup.run("run")).unwrap();
    }
    for (text, part) in [
        (
            "v 1.png 1\nv2.png 0\nv3.png 2\nv2.png 0\n",
            "val.txt: lines: expected one line for each image, found `v2.png` in lines 2 and 4",
        ),
        ("v 1.png 1\nv2.png 0\n", "val.txt: lines: expected a line for v3.png, found none"),
        ("v 1.png 1\nv2.png 0\nv3.png 2\nv4.png 2\n", "found `v4.png 2 in line 4`"),
        ("v 1.png 1\nv2.png 0\nv3.png 3\n", "by name or by number below 3, found `v3.png 3` in line 3"),
    ] {
        fs::write(setup.at("val.txt"), text).unwrap();
        refused(&setup.train("run", &[]), &[part]);
    }
}

#[test]
fn images_are_turned_upright_where_that_is_asked_for() {
    let setup = Setup::new();
    for part in ["train", "val"] {
        for class in ["ant", "cat", "dog"] {
            for entry in fs::read_dir(setup.at(part).join(class)).unwrap() {
                let path = entry.unwrap().path();
                let whole = fs::read(&path).unwrap();
                // EXIF with one entry: orientation 6, a quarter turn.
                let exif = b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
                fs::write(path, [&whole[..2], exif, &whole[2..]].concat()).unwrap();
            }
        }
    }
    said(&setup.train("as-stored", &[]));
    said(&setup.train("upright", &["data.exif_orientation=true"]));
    let metrics = ["as-stored", "upright"].map(|run| fs::read_to_string(setup.run(run).join("metrics.jsonl")).unwrap());
    assert_ne!(metrics[0], metrics[1]);
    let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/digits.toml").display().to_string();
    let set = ["train", &digits, "--set", "data.exif_orientation=true"];
    fails(&set, 2, &["data.exif_orientation = true", "only to images in files"]);
}

/// Enough files that the inspection is cached; a broken cache does no harm.
#[test]
fn many_files_are_looked_at_once() {
    let setup = Setup::new();
    let mut bytes = std::io::Cursor::new(Vec::new());
    RgbImage::new(2, 2).write_to(&mut bytes, ImageFormat::Png).unwrap();
    (0..1000).for_each(|i| fs::write(setup.at(&format!("train/ant/{i:04}.png")), bytes.get_ref()).unwrap());
    let kept = setup.run("kept");
    let train = |run: &str| {
        let output =
            program().args(setup.train(run, &["train.batch=512"])).env("XDG_CACHE_HOME", &kept).output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    assert!(train("one").0);
    let record = || {
        let mut files = fs::read_dir(kept.join("lethe")).unwrap();
        let file = files.next().unwrap().unwrap().path();
        assert!(files.next().is_none());
        (fs::read_to_string(&file).unwrap(), file)
    };
    let (first, file) = record();
    assert_eq!(first.lines().count(), 1 + 1024 + 1);
    // The cache is trusted: another checksum in it, with a matching seal, makes the same images count as others.
    let (body, _) = first.trim_end().rsplit_once('\n').unwrap();
    let lines = body.lines().map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
        [size, modified, changed, _, path] if path.ends_with("0500.png") => {
            format!("{size} {modified} {changed} 00000007 {path}\n")
        }
        _ => format!("{line}\n"),
    });
    let other: String = lines.collect();
    let mut crc = flate2::Crc::new();
    crc.update(other.as_bytes());
    fs::write(&file, format!("{other}checksum {:08x}\n", crc.sum())).unwrap();
    assert!(train("believed").0);
    let data = ["one", "believed"].map(|run| fs::read_to_string(setup.run(run).join("data.txt")).unwrap());
    assert_ne!(data[0], data[1], "the files were opened again");
    fs::write(&file, &first[..first.len() / 2]).unwrap();
    assert!(train("two").0);
    assert!(record().0 == first, "made again");
    // Damaged in place, with its size and modification time restored: only the change time shows it.
    #[cfg(unix)]
    {
        let path = setup.at("train/ant/0500.png");
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, vec![0; bytes.get_ref().len()]).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        let (done, error) = train("damaged");
        assert!(!done && error.contains("0500.png is not an image"), "{error}");
    }
    fs::write(setup.at("train/ant/0500.png"), "").unwrap();
    let (done, error) = train("three");
    assert!(!done && error.contains("0500.png is empty"), "{error}");
}
