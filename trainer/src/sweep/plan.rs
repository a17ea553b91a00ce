//! A sweep before its first run: its points and their configs, checked.

use super::axis::{Axis, Values};
use super::error::SweepError;
use super::point::{Draws, Point, drawn, grid};
use crate::config::{Config, ConfigError, Problem};
use crate::error::Error;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

const SEED: &str = "train.seed";

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The file of the config, for messages.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
    /// The arguments of `--set`, which may have several values.
    pub set: Vec<String>,
    /// The number of seeds of every point.
    pub seeds: u64,
    /// How many points are drawn, if not all are wanted.
    pub draws: Option<Draws>,
}

/// A sweep whose configs can be read.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What was asked for.
    pub request: Request,
    /// The settings of all points, as arguments of `--set`.
    pub fixed: Vec<String>,
    /// The keys that vary.
    pub axes: Vec<Axis>,
    /// The points, each with its config at the first seed.
    pub points: Vec<(Point, Config)>,
    /// The seeds.
    pub seeds: Vec<u64>,
}

/// A run of a sweep.
#[derive(Clone, Debug)]
pub struct SweepRun {
    /// Its name: that of the point, and the seed.
    pub name: String,
    /// The number of its point.
    pub point: usize,
    /// Its seed.
    pub seed: u64,
    /// All settings, as arguments of `--set`.
    pub set: Vec<String>,
    /// Its config.
    pub config: Config,
}

impl Plan {
    /// Reads the settings and the configs of all points. The keys stand in this order, if they are the same: the one in which folders were named.
    ///
    /// # Errors
    /// If a setting cannot be read, the points cannot be made, or a config is wrong.
    pub fn of(request: Request, order: &[String]) -> Result<Plan, Error> {
        let mut axes: Vec<Axis> = request.set.iter().map(|text| Axis::parse(text)).collect::<Result<_, _>>()?;
        for (i, axis) in axes.iter().enumerate() {
            let refuse =
                |reason: &str| ConfigError::Override { text: request.set[i].clone(), reason: reason.to_owned() };
            if axes[..i].iter().any(|other| other.key == axis.key) {
                return Err(
                    refuse("an earlier --set has this key: give all its values in one, separated by commas").into()
                );
            }
            // Whichever is set last would take the other's values away.
            let is_part = |of: &Axis, whole: &Axis| of.key.strip_prefix(&whole.key).is_some_and(|r| r.starts_with('.'));
            if let Some(other) = axes[..i].iter().find(|other| is_part(axis, other) || is_part(other, axis)) {
                let (part, whole) = if is_part(axis, other) { (axis, other) } else { (other, axis) };
                let reason =
                    format!("{} is a part of {}, which has a --set too: set each part by itself", part.key, whole.key);
                return Err(refuse(&reason).into());
            }
            if axis.key == SEED && axis.varies() {
                return Err(refuse("--seeds N trains with N seeds, from this one on: give one number").into());
            }
        }
        let fixed: Vec<String> = request
            .set
            .iter()
            .zip(&axes)
            .filter(|(_, axis)| !axis.varies())
            .map(|(_, axis)| assignment(axis))
            .collect();
        axes.retain(Axis::varies);
        axes.sort_by_key(|axis| order.iter().position(|key| *key == axis.key));
        let refs: Vec<&Axis> = axes.iter().collect();
        let points = match request.draws {
            None => grid(&refs)?,
            Some(draws) => drawn(&refs, draws)?,
        };
        let read = |point: Point| -> Result<(Point, Config), Error> {
            let config = Config::parse(&request.text, &request.file, &[&fixed[..], &point.set()].concat());
            match config {
                Ok(config) => Ok((point, config)),
                Err(problem) => Err(SweepError::Point { point: point.name, problem: Box::new(problem.into()) }.into()),
            }
        };
        let points: Vec<(Point, Config)> = points.into_iter().map(read).collect::<Result<_, Error>>()?;
        expect_different(&points)?;
        let first = points[0].1.train.seed;
        let last = first.checked_add(request.seeds - 1).filter(|last| i64::try_from(*last).is_ok());
        let last = last.ok_or_else(|| Problem::value(SEED, first, "is too large for so many seeds after it"))?;
        Ok(Plan { fixed, axes, points, seeds: (first..=last).collect(), request })
    }

    /// All runs: first those of the first seed, so that all points are seen early.
    pub fn runs(&self) -> Vec<SweepRun> {
        let run = |seed: u64, (point, (of, config)): (usize, &(Point, Config))| {
            let mut config = config.clone();
            config.train.seed = seed;
            let set = [&self.fixed[..], &of.set(), &[format!("{SEED}={seed}")]].concat();
            SweepRun { name: format!("{}/seed-{seed}", of.name), point, seed, set, config }
        };
        let of_seed = |seed: &u64| self.points.iter().enumerate().map(|point| run(*seed, point)).collect::<Vec<_>>();
        self.seeds.iter().flat_map(of_seed).collect()
    }
}

/// Refuses points that share a folder or a config.
fn expect_different(points: &[(Point, Config)]) -> Result<(), Problem> {
    let (mut names, mut configs) = (HashSet::new(), HashMap::new());
    for (point, config) in points {
        // Some file systems do not tell capitals apart.
        if !names.insert(point.name.to_ascii_lowercase()) {
            return Err(Problem::value("--set", &point.name, "is the name of two points: give only one of them"));
        }
        if let Some(other) = configs.insert(config.to_toml(), &point.name) {
            let reason = format!("is the same config as {other}: give only one of them");
            return Err(Problem::value("--set", &point.name, reason));
        }
    }
    Ok(())
}

/// The setting of a key that has one value.
fn assignment(axis: &Axis) -> String {
    match &axis.values {
        Values::List(values) => format!("{}={}", axis.key, values[0]),
        Values::Range(range) => format!("{}={}", axis.key, range.text()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const TEXT: &str = "[data]\ndataset = \"digits\"\n[model]\nkind = \"mlp\"\nwidths = [4]\n[optim]\nkind = \"sgd\"\nlr = 1\n\
                        [perturb]\nkind = \"steepest\"\nrho = 0.1\nm = 8\n[train]\nepochs = 1\nbatch = 8\n";

    pub fn request(set: &[&str], seeds: u64) -> Request {
        let set = set.iter().map(|set| (*set).to_owned()).collect();
        Request { file: "x.toml".into(), text: TEXT.to_owned(), set, seeds, draws: None }
    }

    pub fn plan(set: &[&str], seeds: u64) -> Plan {
        Plan::of(request(set, seeds), &[]).unwrap()
    }

    #[test]
    fn every_point_has_every_seed_and_all_points_come_first() {
        let plan = plan(&["perturb.rho=0.05,0.1", "train.seed=7", "optim.lr=2"], 2);
        let runs = plan.runs();
        let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
        assert_eq!(names, ["rho=0.05/seed-7", "rho=0.1/seed-7", "rho=0.05/seed-8", "rho=0.1/seed-8"]);
        assert_eq!(runs[3].set, ["train.seed=7", "optim.lr=2", "perturb.rho=0.1", "train.seed=8"]);
        let again = Config::parse(TEXT, "x.toml".as_ref(), &runs[3].set).unwrap();
        assert_eq!(runs[3].config, again);
    }

    #[test]
    fn wrong_settings_and_wrong_points_are_named() {
        for (set, parts) in [
            (&["perturb.rho=0.1,-1"][..], &["rho=-1", "x.toml", "perturb.rho = -1", "0 or more"][..]),
            (&["perturb.m=8,3"], &["m=3", "train.batch = 8", "not divisible"]),
            (&["perturb.rhoo=1,2"], &["perturb.rhoo", "did you mean `perturb.rho`"]),
            (&["optim.lr=1", "optim.lr=2"], &["--set optim.lr=2", "an earlier --set"]),
            (
                &["data.augment={flip=true},{flip=false}", "data.augment.crop_padding=2"],
                &["--set data.augment.crop_padding=2", "crop_padding is a part of data.augment, which"],
            ),
            (
                &["data.augment.crop_padding=1,2", "data.augment={flip=true}"],
                &["--set data.augment={flip=true}", "crop_padding is a part of data.augment, which"],
            ),
            (&["data.augment={},{flip=false}"], &["is the same config as augment="]),
            (&["train.seed=1,2"], &["--set train.seed=1,2", "--seeds N"]),
            (&["optim.lr=0.1..1"], &["--random N"]),
        ] {
            let error = Plan::of(request(set, 1), &[]).unwrap_err();
            assert_eq!(error.exit_status(), 2, "{error}");
            parts.iter().for_each(|part| assert!(error.to_string().contains(part), "{set:?}: {part} not in {error}"));
        }
    }
}
