//! The program as a command, above all on wrong inputs: each ends with a message that names the fault and with the right exit status, none
//! with a panic.

#![cfg(feature = "program")]

mod common;

use common::{fails, program, runs};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

const STATUS_FAILURE: i32 = 1;
const STATUS_USAGE: i32 = 2;

/// One update of a small model.
const SMALL: [&str; 10] = [
    "--set",
    "train.epochs=1",
    "--set",
    "optim.warmup_epochs=0",
    "--set",
    "data.train_limit=128",
    "--set",
    "train.batch=128",
    "--set",
    "model.depth=1",
];

const MLP: &str = "[model]\nkind = \"mlp\"\nwidths = [8]\n[optim]\nkind = \"sgd\"\nlr = 0.1\n";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn digits() -> String {
    repository().join("configs/digits.toml").display().to_string()
}

/// Writes four IDX files of 2×2 images: this number of images, these labels, with `cut` bytes missing from the images.
fn idx(folder: &Path, images: u32, labels: &[u8], cut: usize) {
    let words = |words: &[u32]| words.iter().flat_map(|w| w.to_be_bytes()).collect::<Vec<u8>>();
    for part in ["train", "t10k"] {
        let mut file = [words(&[0x803, images, 2, 2]), vec![9; 4 * images as usize]].concat();
        file.truncate(file.len() - cut);
        fs::write(folder.join(format!("{part}-images-idx3-ubyte")), file).unwrap();
        let file = [words(&[0x801, labels.len() as u32]), labels.to_vec()].concat();
        fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), file).unwrap();
    }
}

#[test]
fn what_is_right_trains_and_evaluates_alike() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run").display().to_string();
    let trained = runs(&[&["train", &digits(), "--device", "cpu", "--out", &out], &SMALL[..]].concat());
    let evaluated = runs(&["eval", &out, "--threads", "1"]);
    let accuracy = |text: &str| {
        let last = text.lines().last().unwrap().to_owned();
        let percent = last.strip_prefix("test accuracy ").and_then(|rest| rest.split_once(" %"));
        percent.unwrap_or_else(|| panic!("{last}")).0.to_owned()
    };
    assert_eq!(accuracy(&trained), accuracy(&evaluated));
    let text = fs::read_to_string(Path::new(&out).join("metrics.jsonl")).unwrap();
    assert_eq!(text.lines().count(), 3, "one update, its epoch and one evaluation: {text}");
    // A model with another number of heads has tensors of the same shapes.
    let config = Path::new(&out).join("config.toml");
    let other = fs::read_to_string(&config).unwrap().replace("heads = 4", "heads = 2");
    fs::write(&config, other).unwrap();
    fails(&["eval", &out], STATUS_FAILURE, &["config.toml is not the config that", "model.heads 4 → 2"]);
}

#[test]
fn a_killed_run_goes_on_as_if_nothing_had_happened() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    let arguments = |out: &Path| {
        let train = ["train", &digits(), "--device", "cpu", "--out", &out.display().to_string()].map(str::to_owned);
        let small = SMALL.map(|s| s.replace("train.epochs=1", "train.epochs=100"));
        let set = ["data.augment.crop_padding=1", "model.dropout=0.1", "analysis.every=40", "analysis.draws=2"];
        let set = set.into_iter().flat_map(|s| ["--set".to_owned(), s.to_owned()]);
        train.into_iter().chain(small).chain(set).collect::<Vec<_>>()
    };
    let mut child = program().args(arguments(&cut)).stderr(Stdio::null()).spawn().unwrap();
    while !cut.join("checkpoint.safetensors").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before its first checkpoint");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let path = cut.display().to_string();
    fails(&["resume", &path, "--device", "cpu"], STATUS_FAILURE, &["another program is writing this run"]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!cut.join("summary.json").exists(), "it was killed too late to show anything");
    runs(&["resume", &path, "--device", "cpu"]);
    assert!(program().args(arguments(&whole)).output().unwrap().status.success());
    let records = ["analysis/epoch-040.json", "analysis/epoch-080.json"];
    for file in ["config.toml", "metrics.jsonl", "checkpoint.safetensors", "summary.json"].into_iter().chain(records) {
        let [a, b] = [&whole, &cut].map(|run| fs::read(run.join(file)).unwrap());
        assert!(a == b, "{file} differs");
    }
    fails(&["resume", &folder.path().display().to_string()], STATUS_FAILURE, &["is not a run folder"]);
}

/// Recomputed blocks, with dropout and OBF: the same updates, and a run that begins without them can go on with them.
#[test]
fn recomputing_blocks_changes_no_number_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let out = |name: &str| folder.path().join(name).display().to_string();
    let train = |name: &str, set: &[&str]| {
        let dropout = ["--set", "model.dropout=0.1"];
        runs(&[&["train", &digits(), "--device", "cpu", "--out", &out(name)], &SMALL[..], &dropout, set].concat());
    };
    train("kept", &["--set", "train.epochs=2"]);
    train("recomputed", &["--set", "train.epochs=2", "--set", "model.recompute=true"]);
    train("changed", &[]);
    runs(&["resume", &out("changed"), "--set", "model.recompute=true", "--set", "train.epochs=2", "--device", "cpu"]);
    let norms = |name: &str| {
        let text = fs::read_to_string(Path::new(&out(name)).join("metrics.jsonl")).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.filter_map(|l| Some((l.get("loss")?.clone(), l.get("grad_norm")?.clone()))).collect::<Vec<_>>()
    };
    assert!(!norms("kept").is_empty());
    assert_eq!(norms("recomputed"), norms("kept"));
    let first = norms("changed").len() / 2;
    assert_eq!(norms("changed")[..first], norms("kept")[..first], "the schedule of one epoch is another one later");
}

/// The epoch's loss and accuracy are means over its images, in three updates of 48: the last one repeats 16 of the 128.
#[test]
fn an_epochs_figures_are_the_means_over_its_images() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run").display().to_string();
    let set = ["--set", "train.batch=48", "--set", "perturb.m=16"];
    runs(&[&["train", &digits(), "--device", "cpu", "--out", &out], &SMALL[..], &set].concat());
    let text = fs::read_to_string(Path::new(&out).join("metrics.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mean = |key: &str| -> f64 {
        let updates = lines.iter().filter_map(|line| line[key].as_f64());
        updates.sum::<f64>() / 3.0
    };
    let epoch = lines.iter().find(|line| line.get("train_loss").is_some()).unwrap();
    for (key, of) in [("train_loss", "loss"), ("train_accuracy", "accuracy")] {
        assert!((epoch[key].as_f64().unwrap() - mean(of)).abs() < 1e-6, "{key}: {text}");
    }
}

#[test]
fn every_config_makes_a_run_of_no_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run").display().to_string();
    let warm = ["--set", "train.epochs=0", "--set", "optim.warmup_epochs=5"];
    let text = runs(&[&["train", &digits(), "--device", "cpu", "--out", &out], &warm[..]].concat());
    assert!(text.contains("after 0 updates"), "{text}");
    runs(&["eval", &out, "--device", "cpu"]);
    runs(&["resume", &out, "--device", "cpu"]);
    let epochs = vec!["train.epochs=0".to_owned()];
    for folder in ["configs", "configs/paper"].map(|folder| fs::read_dir(repository().join(folder)).unwrap()) {
        for path in folder.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
            lethe::config::Config::load(&path, &epochs).unwrap();
        }
    }
}

/// Whatever cannot be written: a result that could not be delivered is a failure.
#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_printed_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run").display().to_string();
    let [weights, shaders, json, small] =
        ["w.safetensors", "shaders", "x.json", "small"].map(|name| folder.path().join(name).display().to_string());
    let config = digits();
    let train = [&["train", &config, "--device", "cpu", "--out", &run], &SMALL[..]].concat();
    let doctor = ["doctor", "--device", "cpu", "--cases", "1"];
    let mut commands = vec![
        train,
        vec!["resume", &run, "--device", "cpu"],
        vec!["eval", &run, "--device", "cpu", "--json", &json],
        vec!["export", &run, "--out", &weights],
        vec!["analyze", "forgetting", &run, "--device", "cpu", "--draws", "1"],
        doctor.to_vec(),
        vec!["bench", "--device", "cpu", "--case", "sum_all"],
        vec!["devices"],
        vec!["paper-configs", "--out", &small],
        vec!["--help"],
        vec!["--version"],
    ];
    if cfg!(feature = "gpu") {
        commands.push(vec!["shaders", "--out", &shaders]);
    }
    for arguments in commands {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = program().args(&arguments).stdout(full).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(STATUS_FAILURE), "{arguments:?}: {error}");
        assert!(error.contains("cannot write to standard output: No space left"), "{arguments:?}: {error}");
        if arguments[0] == "train" {
            continue;
        }
        // A reader that closes the pipe, as `head` does.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = program().args(&arguments).stdout(writer).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(141), "{arguments:?}: {error}");
        assert!(!error.contains("lethe:") && !error.contains("panicked"), "{arguments:?}: {error}");
    }
    assert!([&weights, &json].iter().all(|file| Path::new(file).exists()), "files are written all the same");
}

/// `libwayland`, called by Mesa's layer, would complain on standard error.
#[cfg(target_os = "linux")]
#[test]
fn complaints_of_others_do_not_look_like_ours() {
    let mut command = program();
    command.args(["devices"]).env_remove("XDG_RUNTIME_DIR").env_remove("NODEVICE_SELECT");
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !error.contains("XDG_RUNTIME_DIR"), "{error}");
}

/// The time in which the process was stopped does not count as training time.
#[cfg(unix)]
#[test]
fn a_stop_of_the_process_spoils_no_rate() {
    const STOP: std::time::Duration = std::time::Duration::from_secs(4);
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let (out, start) = (run.display().to_string(), std::time::Instant::now());
    let set = ["train.epochs=2", "optim.warmup_epochs=0", "train.batch=64", "model.depth=1"];
    let set = set.iter().flat_map(|set| ["--set", set]);
    let mut command = program();
    command.args(["train", &digits(), "--device", "cpu", "--out", &out]).args(set).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    while fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default().lines().count() < 2 {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let signal = |name: &str| {
        let sent = std::process::Command::new("kill").args([name, &child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    };
    signal("-STOP");
    std::thread::sleep(STOP);
    signal("-CONT");
    assert!(child.wait().unwrap().success());
    let text = fs::read_to_string(run.join("timing.jsonl")).unwrap();
    let seconds = text.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["seconds"].as_f64().unwrap()
    });
    let (trained, all) = (seconds.sum::<f64>(), start.elapsed().as_secs_f64());
    assert!(trained + 3.5 < all, "{trained} of {all} seconds: {text}");
}

#[test]
fn a_model_that_no_machine_holds() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let (size, path) = (["--set", "model.width=1048576", "--set", "model.depth=1000"], out.display().to_string());
    let train = ["train", &digits(), "--device", "cpu", "--out", &path];
    fails(&[&train[..], &size].concat(), STATUS_FAILURE, &["parameters; training it takes more than"]);
    assert!(!out.exists(), "nothing began");
}

#[test]
fn a_model_that_diverges() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run").display().to_string();
    for (change, part) in [
        ("optim.lr=3e38", "contains an infinity or a NaN: the model has diverged"),
        ("perturb.rho=1e38", "of update 0 is"),
    ] {
        let train = ["train", &digits(), "--device", "cpu", "--overwrite", "--out", &out, "--set", change];
        let set = ["--set", "optim.weight_decay=0"];
        fails(&[&train[..], &SMALL[..], &set].concat(), STATUS_FAILURE, &[part, "lower optim.lr"]);
        assert!(!Path::new(&out).join("checkpoint.safetensors").exists(), "{change}: nothing worth keeping");
    }
    let train = ["train", &digits(), "--device", "cpu", "--overwrite", "--out", &out, "--set", "perturb.rho=1e38"];
    let parts = ["update 0: `", "` at ", ".rs:", "made ", "input 0: f32 ["];
    fails(&[&train[..], &SMALL[..], &["--detect-anomaly"]].concat(), STATUS_FAILURE, &parts);
}

/// Nine wrong classes with 3e38 each overflow f32: on every device the loss is infinite, not a huge finite number.
#[test]
fn an_infinite_loss() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run").display().to_string();
    let change = ["--set", "loss.kind=bce", "--set", "model.head_bias=3e38"];
    for device in lethe_tensor::Device::all_for_tests() {
        let name = if device.is_cpu() { "cpu" } else { "gpu" };
        let train = ["train", &digits(), "--device", name, "--overwrite", "--out", &out];
        fails(&[&train[..], &SMALL[..], &change].concat(), STATUS_FAILURE, &["loss of update 0 is inf"]);
    }
}

#[test]
fn every_config_of_the_repository_reads() {
    let entries = ["configs", "configs/paper"].map(|folder| fs::read_dir(repository().join(folder)).unwrap());
    let paths = entries.into_iter().flatten().map(|entry| entry.unwrap().path());
    for path in paths.filter(|path| path.is_file()) {
        if let Err(error) = lethe::config::Config::load(&path, &[]) {
            panic!("{error}");
        }
    }
}

#[test]
fn wrong_usage() {
    fails(&[], STATUS_USAGE, &["Usage"]);
    fails(&["trian", "x.toml"], STATUS_USAGE, &["trian", "train"]);
    fails(&["train"], STATUS_USAGE, &["CONFIG.toml"]);
    fails(&["train", &digits(), "--batch", "3"], STATUS_USAGE, &["--batch"]);
    fails(&["train", &digits(), "--set", "epochs"], STATUS_USAGE, &["--set epochs", "key=value"]);
    for (arguments, expected) in [
        (&["analyze", "landscape", "run", "--reach", "-1"][..], "expected a finite number above 0"),
        (&["analyze", "landscape", "run", "--reach", "-.5"], "expected a finite number above 0"),
        (&["analyze", "landscape", "run", "--points", "-3"], "expected a whole number from 2 to 10001"),
        (&["analyze", "sharpness", "run", "--tolerance", "-1e-3"], "expected a finite number, 0 or more"),
        (&["analyze", "sharpness", "run", "--seed", "-1"], "expected a whole number, 0 or more"),
        (&["eval", "run", "--size", "-8"], "expected a whole number, 0 or more"),
        (&["bench", "--threads", "-2"], "expected a whole number from 0 to 1024"),
        (&["train", &digits(), "--set", "-1"], "--set -1: expected key=value"),
    ] {
        fails(arguments, STATUS_USAGE, &[expected]);
    }
}

#[test]
fn a_case_or_shape_that_is_not_measured() {
    fails(&["bench", "--case", "matmull"], STATUS_USAGE, &["matmull", "possible values", "matmul", "sum_all"]);
    let shape = ["bench", "--case", "matmul", "--shape", "3x3x3"];
    fails(&shape, STATUS_USAGE, &["--shape 3x3x3", "512x512x512"]);
}

#[test]
fn a_missing_config() {
    fails(&["train", "none.toml", "--overwrite"], STATUS_USAGE, &["--out <DIR>"]);
    fails(&["train", "none.toml"], STATUS_USAGE, &["cannot read the config none.toml"]);
}

#[test]
fn a_misspelt_key() {
    let parts = ["digits.toml", "unknown key `train.epoch`", "did you mean `train.epochs`?"];
    fails(&["train", &digits(), "--set", "train.epoch=3"], STATUS_USAGE, &parts);
}

#[test]
fn a_bad_value() {
    let set = |value| ["train".to_owned(), digits(), "--set".to_owned(), value];
    for (value, parts) in [
        ("optim.kind=adagrad", ["optim.kind = \"adagrad\"", "adam, adamw, lion, rmsprop, sgd"]),
        ("optim.lr=fast", ["optim.lr = \"fast\"", "expected a number"]),
        ("perturb.lambda=1", ["perturb.lambda = 1", "below 1"]),
        ("perturb.rho=-1", ["perturb.rho = -1", "0 or more"]),
        ("train.batch=1472", ["train.batch = 1472", "the training set, 1437 images"]),
    ] {
        let arguments = set(value.to_owned());
        fails(&arguments.each_ref().map(String::as_str), STATUS_USAGE, &parts);
    }
}

#[test]
fn a_batch_not_divisible_by_m() {
    let parts = ["train.batch = 100", "not divisible by the slice size, perturb.m = 64"];
    fails(&["train", &digits(), "--set", "train.batch=100"], STATUS_USAGE, &parts);
}

#[test]
fn a_patch_that_does_not_divide_the_image() {
    let parts = ["model.patch = 3", "8×8 pixels"];
    fails(&["train", &digits(), "--set", "model.patch=3"], STATUS_USAGE, &parts);
}

#[test]
fn broken_idx_files() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("idx.toml");
    fs::write(&config, format!("[data]\ndataset = \"idx\"\n{MLP}[train]\nepochs = 1\nbatch = 2\n")).unwrap();
    let (config, data) = (config.to_str().unwrap(), folder.path().to_str().unwrap());
    let arguments = ["train", config, "--data-dir", data];
    fails(&arguments, STATUS_FAILURE, &["idx not found", data, "--data-dir"]);
    idx(folder.path(), 3, &[0, 1, 0], 5);
    fails(&arguments, STATUS_FAILURE, &["train-images-idx3-ubyte", "expected 12 bytes", "found 7"]);
    idx(folder.path(), 3, &[0, 1], 0);
    fails(&arguments, STATUS_FAILURE, &["train-labels-idx1-ubyte", "expected 3 labels", "found 2"]);
    idx(folder.path(), 3, &[0, 1, 0], 0);
    runs(&arguments);
}

#[test]
fn a_device_that_is_not_there() {
    let train = |device| ["train".to_owned(), digits(), "--device".to_owned(), device];
    let cuda = train("cuda".to_owned());
    fails(&cuda.each_ref().map(String::as_str), STATUS_USAGE, &["cuda", "auto, cpu, gpu, gpu:N", "did you mean gpu?"]);
    let far = train("gpu:999".to_owned());
    let parts = if cfg!(feature = "gpu") { ["number 999", "present"] } else { ["gpu:999", "--device cpu"] };
    fails(&far.each_ref().map(String::as_str), STATUS_FAILURE, &parts);
}

/// Drivers that cannot be loaded do not prevent computing, unless a GPU is requested.
#[cfg(feature = "gpu")]
#[test]
fn drivers_that_cannot_be_loaded_leave_the_cpu() {
    let folder = tempfile::tempdir().unwrap();
    let [broken, missing] = ["broken.json", "missing.json"].map(|name| folder.path().join(name));
    let driver =
        "{\"file_format_version\": \"1.0.0\", \"ICD\": {\"library_path\": \"/dev/null\", \"api_version\": \"1.3.0\"}}";
    fs::write(&broken, driver).unwrap();
    for file in [&broken, &missing] {
        let out = folder.path().join("run").display().to_string();
        let mut command = program();
        command.args(["train", &digits(), "--overwrite", "--out", &out]).args(SMALL);
        command.envs([("VK_ICD_FILENAMES", file), ("VK_DRIVER_FILES", file)]);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !text.contains("panicked"), "{text}");
        let summary = fs::read_to_string(Path::new(&out).join("summary.json")).unwrap();
        assert!(summary.contains("\"device\": \"cpu ("), "{summary}");
    }
}

/// wgpu itself panics with these.
#[cfg(feature = "gpu")]
#[test]
fn an_adapter_of_the_environment_that_is_not_there() {
    for (variable, value) in [("WGPU_ADAPTER_NAME", "no such adapter"), ("WGPU_BACKEND", "noop")] {
        for device in ["auto", "gpu"] {
            let mut command = program();
            let out = command.args(["train", &digits(), "--device", device]).env(variable, value).output().unwrap();
            let text = String::from_utf8_lossy(&out.stderr);
            assert_eq!(out.status.code(), Some(STATUS_FAILURE), "{variable}, {device}: {text}");
            assert!(text.contains(variable) && text.contains(value) && !text.contains("panicked"), "{device}: {text}");
        }
    }
}

#[test]
fn devices_are_listed() {
    let text = runs(&["devices"]);
    assert!(text.starts_with("cpu"), "{text}");
}

#[test]
fn a_run_that_is_not_there_or_broken() {
    fails(&["eval", "nowhere"], STATUS_FAILURE, &["nowhere is not a run folder"]);
    let folder = tempfile::tempdir().unwrap();
    fs::copy(digits(), folder.path().join("config.toml")).unwrap();
    let run = folder.path().to_str().unwrap();
    fails(&["eval", run], STATUS_FAILURE, &["there is no checkpoint: none was written yet", "--overwrite"]);
    fs::write(folder.path().join("checkpoint.safetensors"), "half").unwrap();
    fails(&["eval", run], STATUS_FAILURE, &["checkpoint.safetensors is not a complete safetensors file"]);
}

#[test]
fn an_output_folder_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let out = file.join("run").display().to_string();
    fails(&["train", &digits(), "--out", &out], STATUS_FAILURE, &["cannot use the output folder", &out]);
    let out = folder.path().to_str().unwrap();
    for (name, parts) in
        [("config.toml", &["contains no run"][..]), ("lock", &["already contains a run", "--overwrite"])]
    {
        fs::write(folder.path().join(name), "").unwrap();
        fails(&["train", &digits(), "--device", "cpu", "--out", out], STATUS_FAILURE, parts);
    }
}

#[test]
fn the_doctor_examines_a_device() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkup.json");
    let text = runs(&["doctor", "--device", "cpu", "--cases", "1", "--json", file.to_str().unwrap()]);
    assert!(text.contains("conv2d ") && text.contains("operations are correct on cpu"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert!(
        json["findings"].as_array().unwrap().len() > 100 && json["device"].as_str().unwrap().starts_with("cpu ("),
        "{json}"
    );
    let out = folder.path().join("none/checkup.json");
    let arguments = ["doctor", "--device", "cpu", "--cases", "1", "--json", out.to_str().unwrap()];
    fails(&arguments, STATUS_FAILURE, &["none/checkup.json: cannot be written"]);
    fails(&["doctor", "--cases", "0"], STATUS_USAGE, &["--cases"]);
}

#[test]
fn models_and_scales_that_an_experiment_has_not_are_refused() {
    let of = |arguments: &[&str], parts: &[&str]| fails(&[&["reproduce"], arguments].concat(), STATUS_USAGE, parts);
    of(&["table-1", "--model", "vit-s32", "--device", "cpu"], &["--model = vit-s32", "digits has vit, resnet"]);
    of(&["figure-3", "--model", "resnet", "--device", "cpu"], &["--model = resnet", "figure-3 has only vit"]);
    of(&["radii", "--scale", "paper", "--device", "cpu"], &["--scale = paper", "configs/paper"]);
    of(&["table-1", "--jobs", "0"], &["--jobs", "expected a whole number from 1 to 1024"]);
}
