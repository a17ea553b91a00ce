//! Sweeps: runs of several values and seeds, in processes of their own, tabulated; interrupted, extended, failed and refused.

#![cfg(feature = "program")]

mod common;
mod small;

use common::{fails, lethe, program, runs};
use lethe::run::{Existing, RunFolder};
use serde_json::Value;
use small::SMALL;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

struct Setup {
    folder: tempfile::TempDir,
}

impl Setup {
    fn new() -> Setup {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("small.toml"), SMALL).unwrap();
        Setup { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The arguments of a sweep into this folder.
    fn arguments(&self, name: &str, more: &[&str]) -> Vec<String> {
        let paths = [self.at("small.toml"), self.at(name)].map(|path| path.display().to_string());
        let [config, out] = &paths;
        let all = [&["sweep", config, "--device", "cpu", "--out", out][..], more].concat();
        all.into_iter().map(str::to_owned).collect()
    }

    fn sweep(&self, name: &str, more: &[&str]) -> Output {
        let arguments = self.arguments(name, more);
        lethe(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    #[track_caller]
    fn succeeds(&self, name: &str, more: &[&str]) -> (String, String) {
        let output = self.sweep(name, more);
        let [said, told] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(output.status.code(), Some(0), "{more:?}: {said}{told}");
        (said, told)
    }

    #[track_caller]
    fn fails(&self, name: &str, more: &[&str], status: i32, parts: &[&str]) {
        let arguments = self.arguments(name, more);
        fails(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), status, parts);
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }
}

const FILES: [&str; 5] = ["config.toml", "metrics.jsonl", "checkpoint.safetensors", "summary.json", "epochs.csv"];

/// Whether the files of two runs that do not depend on the clock have the same bytes.
fn is_same_run(a: &Path, b: &Path) -> bool {
    FILES.iter().all(|file| fs::read(a.join(file)).unwrap() == fs::read(b.join(file)).unwrap())
}

#[test]
fn every_point_is_an_ordinary_run_and_a_row_of_the_table() {
    let setup = Setup::new();
    let grid =
        ["--set", "perturb.rho=0.05,0.2", "--set", "model.widths=[8],[8,8]", "--set", "optim.lr=0.2", "--seeds", "2"];
    let (said, told) = setup.succeeds("a", &grid);
    assert!(told.contains("4 points, 2 seeds, 1 run at a time; already finished: 0"), "{told}");
    assert!(told.contains("8/8  rho=0.2_widths=8-8/seed-1: finished, test accuracy of the point "), "{told}");
    let rows: Vec<&str> = said.lines().collect();
    assert!(rows[0].starts_with("perturb.rho  model.widths  runs  test accuracy, %"), "{said}");
    assert!(rows.len() == 6 && rows[1..5].iter().all(|row| row.contains(" ± ")), "{said}");
    assert_eq!(said.matches("  best").count(), 1, "{said}");
    // The same bytes as by `lethe train`.
    let (one, config) = (setup.at("one").display().to_string(), setup.at("small.toml").display().to_string());
    let set =
        ["--set", "optim.lr=0.2", "--set", "perturb.rho=0.2", "--set", "model.widths=[8, 8]", "--set", "train.seed=1"];
    runs(&[&["train", &config, "--device", "cpu", "--out", &one][..], &set].concat());
    let of = |sweep: &str, name: &str| setup.at(sweep).join(name);
    assert!(is_same_run(&of("a", "rho=0.2_widths=8-8/seed-1"), &setup.at("one")));
    // And with any number of jobs.
    let (parallel, told) = setup.succeeds("b", &[&grid[..], &["--jobs", "3", "--threads", "3"]].concat());
    assert!(told.contains("3 runs at a time"), "{told}");
    assert_eq!(parallel.lines().take(5).collect::<Vec<_>>(), rows[..5]);
    for name in ["rho=0.05_widths=8/seed-0", "rho=0.2_widths=8/seed-1"] {
        assert!(is_same_run(&of("a", name), &of("b", name)), "{name}");
    }
    // Other commands know the runs.
    let [first, last] =
        ["rho=0.05_widths=8/seed-0", "rho=0.2_widths=8/seed-0"].map(|name| of("a", name).display().to_string());
    assert!(runs(&["compare", &first, &last]).contains("perturb.rho"));
    runs(&["eval", &first, "--device", "cpu"]);
    let csv = setup.text("a/sweep.csv");
    assert_eq!(csv.lines().count(), 1 + 4 * 2 * (2 + 3), "{csv}");
    assert!(csv.starts_with("perturb.rho,model.widths,seed,measure,value\n0.05,[8],0,test accuracy,"), "{csv}");
    assert!(csv.contains("\n0.2,\"[8, 8]\",mean,test accuracy,"), "{csv}");
    assert!(setup.text("a/sweep.md").contains("![") && setup.text("a/sweep.svg").contains("perturb.rho"));
    assert!(fs::read(setup.at("a/sweep.png")).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn finished_runs_are_kept_others_go_on_and_more_values_extend_it() {
    let setup = Setup::new();
    let rho = |values: &str, seeds: &str| {
        ["--set".to_owned(), format!("perturb.rho={values}"), "--seeds".to_owned(), seeds.to_owned()]
    };
    let run = |values: &str, seeds: &str| {
        let arguments = rho(values, seeds);
        setup.succeeds("a", &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let (first, _) = run("0.05,0.1", "1");
    let of = |name: &str| setup.at("a").join(name);
    let whole = fs::read(of("rho=0.1/seed-0/checkpoint.safetensors")).unwrap();
    // The state after a program was killed within the second epoch.
    fs::rename(of("rho=0.1/seed-0/checkpoint-previous.safetensors"), of("rho=0.1/seed-0/checkpoint.safetensors"))
        .unwrap();
    fs::remove_file(of("rho=0.1/seed-0/summary.json")).unwrap();
    // And before the first checkpoint.
    fs::remove_dir_all(of("rho=0.05/seed-0")).unwrap();
    let (again, told) = run("0.05,0.1", "1");
    assert!(told.contains("already finished: 0"), "{told}");
    assert_eq!(again, first);
    assert!(fs::read(of("rho=0.1/seed-0/checkpoint.safetensors")).unwrap() == whole);
    let processes = fs::read_to_string(of("rho=0.1/seed-0/processes.jsonl")).unwrap();
    assert!(processes.lines().count() == 2 && processes.contains("\"resume\""), "{processes}");
    let (more, told) = run("0.2,0.05,0.1", "2");
    for part in ["already finished: 2", "added: rho=0.2\n", "added: seed 1\n"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(more.matches(" ± ").count(), 2 * 3, "{more}");
    let (same, told) = run("0.2,0.05,0.1", "2");
    assert!(told.contains("already finished: 6") && same == more, "{told}");
    for (set, parts) in [
        (&["--set", "perturb.rho=0.2,0.05", "--seeds", "2"][..], &["another sweep", "it also has rho=0.1"][..]),
        (&["--set", "perturb.rho=0.2,0.05,0.1", "--seeds", "1"], &["it also has seed 1"]),
        (&["--set", "perturb.rho=0.2,0.05,0.1", "--seeds", "2", "--set", "optim.lr=0.3"], &["optim.lr 0.1 → 0.3"]),
        (&["--set", "optim.lr=0.2,0.3"], &["it varies perturb.rho, and now optim.lr would vary"]),
    ] {
        setup.fails("a", set, 2, parts);
    }
}

#[test]
fn a_failed_run_is_listed_and_does_not_end_the_others() {
    let setup = Setup::new();
    let arguments = ["--set", "optim.lr=1e30,0.1", "--seeds", "2", "--jobs", "2"];
    setup.fails("a", &arguments, 1, &["failed: lr=1e30/seed-0: the ", "lower optim.lr", "2 of 4 runs failed"]);
    let csv = setup.text("a/sweep.csv");
    assert!(csv.contains("\n0.1,1,test accuracy,") && !csv.contains("\n1e30,"), "{csv}");
    let output = setup.sweep("a", &[&arguments[..], &["--json"]].concat());
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let result = lines.last().unwrap();
    assert_eq!((&result["points"][0]["runs"], &result["points"][1]["best"]), (&0.into(), &true.into()), "{result}");
    assert!(result["failed"][1]["reason"].as_str().unwrap().contains("optim.lr"), "{result}");
    assert!(lines.iter().any(|line| line["state"] == "failed" && line["run"] == "lr=1e30/seed-0"), "{lines:?}");
}

#[test]
fn what_is_wrong_is_said_before_anything_is_trained() {
    let setup = Setup::new();
    for (arguments, parts) in [
        (&["--set", "perturb.rho=0.1,-1"][..], &["rho=-1: ", "small.toml: perturb.rho = -1", "0 or more"][..]),
        (&["--set", "train.batch=32,65,64"], &["batch=65: ", "train.batch = 65", "not divisible"]),
        (&["--set", "train.batch=32,1472"], &["batch=1472", "must not exceed the training set, 64 images"]),
        (&["--set", "perturb.rhoo=0.1,0.2"], &["unknown key `perturb.rhoo`", "did you mean `perturb.rho`?"]),
        (&["--set", "perturb.rho=0.1,,0.2"], &["--set perturb.rho=0.1,,0.2", "a value between commas is missing"]),
        (&["--set", "train.seed=1,2"], &["--seeds N"]),
        (
            &["--set", "data.augment={flip=true},{flip=false}", "--set", "data.augment.crop_padding=2"],
            &["--set data.augment.crop_padding=2: ", "is a part of data.augment"],
        ),
        (&["--set", "data.augment={},{flip=false}"], &["is the same config as augment="]),
        (&["--set", "optim.lr=0.1..1"], &["is a range to draw from"]),
        (&["--set", "optim.lr=0.1,0.2", "--random", "3"], &["--random = 3", "there are only 2 points"]),
        (&["--random-seed", "3"], &["--random"]),
        (&["--seeds", "0"], &["from 1 to 1000"]),
        (&["--set", "init.from=nowhere"], &["nowhere"]),
    ] {
        setup.fails("a", arguments, 2, parts);
    }
    assert!(!setup.at("a").exists());
    fs::create_dir(setup.at("b")).unwrap();
    fs::write(setup.at("b/thesis.tex"), "…").unwrap();
    setup.fails("b", &[], 2, &["contains no sweep"]);
}

#[test]
fn points_can_be_drawn_from_ranges() {
    let setup = Setup::new();
    let set = ["--set", "optim.lr=0.01..1 log", "--set", "optim.schedule=linear,constant", "--seeds", "1", "--quiet"];
    let drawn = |name, count| setup.succeeds(name, &[&set[..], &["--random", count]].concat());
    let (three, told) = drawn("a", "3");
    assert_eq!((three.lines().count(), told.as_str()), (1 + 3 + 1, ""), "{three}");
    let names = |name: &str| {
        let entries = fs::read_dir(setup.at(name)).unwrap().map(|entry| entry.unwrap());
        let mut names: Vec<String> =
            entries.filter(|e| e.path().is_dir()).map(|e| e.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let first = names("a");
    assert!(first.len() == 3 && first.iter().all(|name| name.starts_with("lr=0.")), "{first:?}");
    drawn("a", "4");
    let more = names("a");
    assert!(more.len() == 4 && first.iter().all(|name| more.contains(name)), "{more:?}");
    setup.fails(
        "a",
        &[&set[..], &["--random", "4", "--random-seed", "1"]].concat(),
        2,
        &["drawn by seed 0, these drawn by seed 1"],
    );
}

/// A sweep of two runs that never end by themselves and have no checkpoint until they are asked to stop, in a process.
#[cfg(unix)]
struct Endless {
    process: std::process::Child,
    runs: [PathBuf; 2],
}

#[cfg(unix)]
impl Endless {
    /// Starts it, or goes on with it, and waits until both runs have begun for this time and made updates.
    fn started(setup: &Setup, times: usize) -> Endless {
        let set = ["perturb.rho=0.05,0.1,0.2", "train.epochs=200000", "train.eval_every=0", "train.checkpoint_every=0"];
        let set: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
        let mut command = program();
        command.args(setup.arguments("a", &[&set[..], &["--seeds", "1", "--jobs", "2"]].concat()));
        let process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let runs = ["rho=0.05/seed-0", "rho=0.1/seed-0"].map(|name| setup.at("a").join(name));
        let mut sweep = Endless { process, runs };
        let lines =
            |run: &PathBuf, name: &str| fs::read_to_string(run.join(name)).map_or(0, |text| text.lines().count());
        // Updates of another time may be taken back until it goes on.
        let before = sweep.runs.each_ref().map(|run| lines(run, "metrics.jsonl"));
        let has_begun =
            |i: usize, run| lines(run, "processes.jsonl") == times && lines(run, "metrics.jsonl") > before[i] + 10;
        while !sweep.runs.iter().enumerate().all(|(i, run)| has_begun(i, run)) {
            assert!(sweep.process.try_wait().unwrap().is_none(), "it ended too early");
            std::thread::sleep(Duration::from_millis(2));
        }
        sweep
    }

    fn kill(&self, signals: &[&str]) {
        let lines: Vec<String> = signals.iter().map(|signal| format!("kill -{signal} {}", self.process.id())).collect();
        assert!(Command::new("sh").args(["-c", &lines.join("; ")]).status().unwrap().success());
    }

    /// Waits until no process holds its runs.
    fn wait_for_runs(&self) {
        let is_held = |run: &PathBuf| RunFolder::claim(run, Existing::Overwrite).is_err();
        let until = Instant::now() + Duration::from_secs(30);
        while self.runs.iter().any(is_held) {
            assert!(Instant::now() < until, "the runs train on");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Checks what it says and leaves behind when a signal has stopped it.
    fn expect_stopped(self, setup: &Setup) {
        let Endless { process, runs } = self;
        let output = process.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{told}");
        assert!(told.contains("stopped by SIGINT; 0 of 3 runs are finished; the same command goes on"), "{told}");
        assert!(!told.contains("failed") && !setup.at("a/rho=0.2").exists(), "{told}");
        expect_checkpoints(&runs);
    }
}

#[cfg(unix)]
fn expect_checkpoints(runs: &[PathBuf]) {
    for run in runs {
        let run = RunFolder::open(run).unwrap();
        assert!(!run.is_finished() && run.has_checkpoint());
    }
}

#[cfg(unix)]
#[test]
fn a_sweep_that_is_asked_to_stop_saves_its_runs_and_the_same_command_resumes_them() {
    let setup = Setup::new();
    for times in [1, 2] {
        let sweep = Endless::started(&setup, times);
        sweep.kill(&["INT"]);
        sweep.expect_stopped(&setup);
    }
    let processes = fs::read_to_string(setup.at("a/rho=0.1/seed-0/processes.jsonl")).unwrap();
    assert!(processes.lines().nth(1).unwrap().contains("\"resume\""), "{processes}");
}

#[cfg(unix)]
#[test]
fn two_signals_at_once_leave_no_run_behind() {
    let setup = Setup::new();
    let mut sweep = Endless::started(&setup, 1);
    sweep.kill(&["INT", "INT"]);
    assert_eq!(sweep.process.wait().unwrap().code(), Some(130));
    sweep.wait_for_runs();
    expect_checkpoints(&sweep.runs);
}

#[cfg(target_os = "linux")]
#[test]
fn runs_of_a_sweep_that_was_killed_end_with_checkpoints() {
    let setup = Setup::new();
    let mut sweep = Endless::started(&setup, 1);
    sweep.process.kill().unwrap();
    sweep.process.wait().unwrap();
    sweep.wait_for_runs();
    expect_checkpoints(&sweep.runs);
}

#[cfg(target_os = "linux")]
#[test]
fn a_program_that_was_replaced_meanwhile_still_makes_its_runs() {
    let setup = Setup::new();
    let (own, copy) = (program().get_program().to_owned(), setup.at("lethe"));
    fs::hard_link(&own, &copy).or_else(|_| fs::copy(&own, &copy).map(drop)).unwrap();
    let mut command = Command::new(&copy);
    // With this it does not start itself again.
    command.args(setup.arguments("a", &["--seeds", "1"])).env("NODEVICE_SELECT", "1");
    let process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    fs::remove_file(&copy).unwrap();
    let output = process.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_sweep_that_another_program_made_meanwhile_is_left_alone() {
    let setup = Setup::new();
    let out = setup.at("a").display().to_string();
    // It looks into the folder, and waits for its config.
    let mut command = program();
    command.args(["sweep", "-", "--device", "cpu", "--out", &out, "--set", "perturb.rho=0.2,0.3"]);
    let mut late = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    setup.succeeds("a", &["--set", "perturb.rho=0.05", "--seeds", "1"]);
    let manifest = setup.text("a/sweep.json");
    std::io::Write::write_all(&mut late.stdin.take().unwrap(), SMALL.as_bytes()).unwrap();
    let output = late.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    // It may have been too late even for that.
    assert!(
        told.contains("while it was being checked; give the command again") || told.contains("another sweep"),
        "{told}"
    );
    assert!(matches!(output.status.code(), Some(1 | 2)), "{told}");
    assert_eq!(setup.text("a/sweep.json"), manifest);
    assert!(!setup.at("a/rho=0.2").exists());
}

#[test]
fn what_a_program_that_died_was_writing_does_not_block_a_folder() {
    let setup = Setup::new();
    fs::create_dir(setup.at("a")).unwrap();
    fs::write(setup.at("a/sweep.lock"), "").unwrap();
    fs::write(setup.at("a/sweep.json.7-0.partial"), "{").unwrap();
    setup.succeeds("a", &["--seeds", "1"]);
    assert!(!setup.at("a/sweep.json.7-0.partial").exists());
}
