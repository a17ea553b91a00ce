//! `lethe sweep`.

use super::device::threads;
use super::options::{Common, Telling, natural, whole};
use super::output::{aligned, note, say};
use super::sweep_progress::SweepProgress;
use crate::config::{MAX_THREADS, text_of};
use crate::data::SearchPath;
use crate::error::Error;
use crate::progress::Show;
use crate::run::RunFolder;
use crate::stop::StopRequests;
use crate::sweep::jobs::{self, Event, Job, Outcome};
use crate::sweep::{Draws, Manifest, Needed, Plan, Request, Results, Standing, SweepError, SweepFolder, check};
use crate::words::count;
use clap::Args;
use serde_json::json;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What is varied, and how often.
#[derive(Args)]
pub struct SweepArgs {
    /// The config file; `-` for standard input.
    #[arg(value_name = "CONFIG.toml")]
    config: PathBuf,
    /// A key of the config and its values, separated by commas: section.key=value,value; may be repeated, for all combinations. A list is a value in
    /// brackets. `0.01..1 5` stands for five values from 0.01 to 1, `0.01..1 log 5` for five with equal ratios.
    #[arg(long, value_name = "KEY=VALUES")]
    set: Vec<String>,
    /// The number of runs of every combination, with the seeds train.seed, train.seed + 1, …
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = whole::<u64>(1..=1000))]
    seeds: u64,
    /// Train only N combinations, drawn at random without repetition; ranges may then stand without a number of values, as `0.01..1 log`.
    #[arg(long, value_name = "N", value_parser = whole::<usize>(1..=10_000))]
    random: Option<usize>,
    /// The seed by which combinations are drawn.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = natural::<u64>(), requires = "random")]
    random_seed: u64,
    /// The number of runs at a time, each with its share of the threads. Results do not depend on it.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<usize>(1..=MAX_THREADS as u64))]
    jobs: usize,
    /// The folder for runs and results, by default sweeps/NAME after the config's file. Runs that are there already are not trained again, and
    /// interrupted ones are resumed.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    telling: Telling,
}

/// Trains what is missing of a sweep, and tabulates its results.
pub fn run(args: &SweepArgs) -> Result<(), Error> {
    let folder = args.folder();
    let before = Manifest::read(&folder)?;
    let plan = args.plan(before.as_ref())?;
    let added = match before.as_ref().map(|before| before.extended(&plan)) {
        None => vec![],
        Some(Ok(added)) => added,
        Some(Err(differences)) => return Err(SweepError::Other { path: folder, differences }.into()),
    };
    let tell = |line: &str| args.telling.note(line);
    let mut needed = check(&plan, &folder, &SearchPath::of_process(args.common.data_dir.clone()), &tell)?;
    if needed.iter().any(|needed| needed.standing != Standing::Finished) {
        // What is wrong with the device is said once, and not by every run.
        args.common.device.choice.open(args.share(&plan, &needed).1)?;
    }
    let _claimed = claim(&folder, &plan, before.as_ref(), &mut needed)?;
    let (at_a_time, share) = args.share(&plan, &needed);
    let todo: Vec<&Needed> = needed.iter().filter(|needed| needed.standing != Standing::Finished).collect();
    let (points, seeds) = (count(plan.points.len(), "point"), count(plan.seeds.len(), "seed"));
    let finished = needed.len() - todo.len();
    tell(&format!(
        "{}: {points}, {seeds}, {} at a time; already finished: {finished}",
        folder.display(),
        count(at_a_time, "run")
    ));
    added.iter().for_each(|added| tell(&format!("added: {added}")));
    let stop = StopRequests::of_parent().map_err(Error::Signals)?;
    let jobs: Vec<Job> = todo.iter().map(|needed| args.job(needed, &folder, share, &plan)).collect();
    let mut progress = SweepProgress::new(args.telling.show(), finished, &todo);
    let mut results = Results::read(&plan, &folder)?;
    let mut written = results.write(&folder).map(drop);
    let outcomes = jobs::run(&jobs, at_a_time, &stop, &mut |event| {
        let finished = if let Event::Ended(run, Outcome::Finished) = event { Some(run) } else { None };
        if let (Some(run), true) = (finished, written.is_ok()) {
            written = results.add(&todo[run].run, &folder).and_then(|()| results.write(&folder).map(drop));
        }
        progress.tell(event, &results);
    });
    progress.finish();
    written?;
    let failed = failures(&todo, &outcomes);
    show(args.telling.show(), &results, &failed, &folder)?;
    if let Some(signal) = stop.asked() {
        let done = finished + outcomes.iter().filter(|outcome| **outcome == Some(Outcome::Finished)).count();
        let how = format!("{done} of {} are finished; the same command goes on", count(needed.len(), "run"));
        return Err(Error::Stopped { signal, how });
    }
    match failed.len() {
        0 => Ok(()),
        failed => Err(SweepError::Failed { failed, runs: needed.len() }.into()),
    }
}

impl SweepArgs {
    fn folder(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| {
            let is_input = self.config == Path::new("-");
            let name = if is_input { Some("stdin".as_ref()) } else { self.config.file_stem() };
            Path::new("sweeps").join(name.unwrap_or_default())
        })
    }

    fn plan(&self, before: Option<&Manifest>) -> Result<Plan, Error> {
        let request = Request {
            file: self.config.clone(),
            text: text_of(&self.config)?,
            set: self.set.clone(),
            seeds: self.seeds,
            draws: self.random.map(|count| Draws { count, seed: self.random_seed }),
        };
        Plan::of(request, before.map_or(&[], |before| &before.keys))
    }

    /// How many runs are made at a time, and the number of threads of each.
    fn share(&self, plan: &Plan, needed: &[Needed]) -> (usize, usize) {
        let missing = needed.iter().filter(|needed| needed.standing != Standing::Finished).count();
        let at_a_time = self.jobs.min(missing).max(1);
        let all = threads(self.common.threads.filter(|t| *t > 0).unwrap_or(plan.points[0].1.train.threads));
        (at_a_time, (all / at_a_time).max(1))
    }

    /// The command that trains a run or goes on with it.
    fn job(&self, needed: &Needed, folder: &Path, threads: usize, plan: &Plan) -> Job {
        let path = folder.join(&needed.run.name).into_os_string();
        let mut arguments: Vec<OsString> = Vec::new();
        let mut input = String::new();
        if needed.standing == Standing::Interrupted {
            arguments.extend(["resume".into(), path]);
        } else {
            // The text that was checked, whatever becomes of the file meanwhile.
            input.clone_from(&plan.request.text);
            // A run without a checkpoint begins anew. Where there is none, one that appears meanwhile is kept.
            let is_begun = RunFolder::open(Path::new(&path)).is_ok();
            arguments.extend(["train".into(), "-".into(), "--out".into(), path]);
            arguments.extend(is_begun.then(|| "--overwrite".into()));
            arguments.extend(needed.run.set.iter().flat_map(|set| ["--set".into(), set.into()]));
        }
        let device = self.common.device.choice.to_string();
        arguments.extend(["--json", "--device", &device, "--threads", &threads.to_string()].map(OsString::from));
        if let Some(data) = &self.common.data_dir {
            arguments.extend(["--data-dir".into(), data.into()]);
        }
        Job { arguments, input }
    }
}

/// Claims the folder and writes what it is a sweep of. Nothing was kept from other programs until then: it is looked again what there is.
fn claim(path: &Path, plan: &Plan, before: Option<&Manifest>, needed: &mut [Needed]) -> Result<SweepFolder, Error> {
    let folder = SweepFolder::claim(path)?;
    folder.expect(before)?;
    needed.iter_mut().try_for_each(|needed| needed.look_again(path))?;
    folder.write(&Manifest::of(plan))?;
    Ok(folder)
}

/// The names of the runs that failed, and why.
fn failures<'a>(todo: &[&'a Needed], outcomes: &'a [Option<Outcome>]) -> Vec<(&'a str, &'a str)> {
    let failed = |(needed, outcome): (&&'a Needed, &'a Option<Outcome>)| match outcome {
        Some(Outcome::Failed(reason)) => Some((needed.run.name.as_str(), reason.as_str())),
        _ => None,
    };
    todo.iter().zip(outcomes).filter_map(failed).collect()
}

/// Prints the table, and which runs failed.
fn show(show: Show, results: &Results<'_>, failed: &[(&str, &str)], folder: &Path) -> Result<(), Error> {
    if show == Show::Json {
        let mut result = results.json();
        let failed = failed.iter().map(|(run, reason)| json!({ "run": run, "reason": reason }));
        result["failed"] = failed.collect::<Vec<_>>().into();
        say(&result.to_string());
        return Ok(());
    }
    aligned(&results.cells()).iter().for_each(|line| say(line));
    failed.iter().for_each(|(run, reason)| note(&format!("failed: {run}: {reason}")));
    say(&format!("written to {}", folder.join("sweep.md").display()));
    Ok(())
}
