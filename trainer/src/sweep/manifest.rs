//! `sweep.json`: what a folder of runs is a sweep of, so that the same command goes on with it, one with more values extends it, and any other is
//! refused.

use super::error::SweepError;
use super::plan::Plan;
use super::point::Draws;
use crate::config::{Change, Config};
use crate::error::Error;
use crate::files;
use crate::words::count;
use lethe_nn::atomic::replaced_by;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The name of the file.
pub const NAME: &str = "sweep.json";
const LOCK: &str = "sweep.lock";

/// The largest number of differences that are named.
const NAMED: usize = 5;

/// The contents of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The text of the config.
    pub config: String,
    /// The settings of all points.
    pub set: Vec<String>,
    /// The keys that vary.
    pub keys: Vec<String>,
    /// How many points were drawn, and by which seed; nothing if they are all combinations.
    pub draws: Option<Draws>,
    /// The seeds of every point.
    pub seeds: Vec<u64>,
    /// The points: the names of their folders, and their settings.
    pub points: Vec<Kept>,
}

/// A point in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The name of its folder.
    pub name: String,
    /// Its settings.
    pub set: Vec<String>,
}

/// The folder of a sweep, locked until it is dropped.
#[derive(Debug)]
pub struct SweepFolder {
    path: PathBuf,
    _lock: Option<File>,
}

impl Manifest {
    /// That of a plan.
    pub fn of(plan: &Plan) -> Manifest {
        let kept = |point: &super::point::Point| Kept { name: point.name.clone(), set: point.set() };
        Manifest {
            config: plan.request.text.clone(),
            set: plan.fixed.clone(),
            keys: plan.axes.iter().map(|axis| axis.key.clone()).collect(),
            draws: plan.request.draws,
            seeds: plan.seeds.clone(),
            points: plan.points.iter().map(|(point, _)| kept(point)).collect(),
        }
    }

    /// Reads the file of a folder; `None` if the folder is empty or does not exist.
    ///
    /// # Errors
    /// If it cannot be read, or the folder holds something else.
    pub fn read(folder: &Path) -> Result<Option<Manifest>, SweepError> {
        let path = folder.join(NAME);
        let failed = |path: &Path, error: String| SweepError::Folder { path: path.to_owned(), error };
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| failed(&path, format!("expected a sweep, found {}", crate::words::unlike(&error)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut entries = match fs::read_dir(folder) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    entries => entries.map_err(|error| failed(folder, error.to_string()))?,
                };
                // A lock alone, or a part of the file, was left by a program that died before it wrote the file.
                let is_other = |entry: io::Result<fs::DirEntry>| {
                    entry.map_or(true, |entry| entry.file_name() != LOCK && !is_part(&entry))
                };
                if entries.any(is_other) { Err(SweepError::NotASweep { path: folder.to_owned() }) } else { Ok(None) }
            }
            Err(error) => Err(failed(&path, error.to_string())),
        }
    }

    /// What a plan adds to this sweep, in words; nothing if it is the same.
    ///
    /// # Errors
    /// If it does not have all its runs, or they differ: how.
    pub fn extended(&self, plan: &Plan) -> Result<Vec<String>, Vec<String>> {
        let new = Manifest::of(plan);
        if self.keys != new.keys {
            let words = |keys: &[String]| if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") };
            return Err(vec![format!("it varies {}, and now {} would vary", words(&self.keys), words(&new.keys))]);
        }
        let names =
            |manifest: &Manifest| manifest.points.iter().map(|point| point.name.clone()).collect::<BTreeSet<_>>();
        let (old_names, new_names) = (names(self), names(&new));
        let mut differences = Vec::new();
        differences.extend(listed(old_names.difference(&new_names)).map(|gone| format!("it also has {gone}")));
        if self.draws.map(|draws| draws.seed) != new.draws.map(|draws| draws.seed) && !differences.is_empty() {
            let words =
                |draws: Option<Draws>| draws.map_or("not drawn".to_owned(), |d| format!("drawn by seed {}", d.seed));
            differences.push(format!("its points are {}, these {}", words(self.draws), words(new.draws)));
        }
        let seeds = |all: &[u64], others: &[u64]| {
            let only = all.iter().filter(|seed| !others.contains(seed)).map(u64::to_string);
            let only: Vec<String> = only.collect();
            (!only.is_empty()).then(|| format!("seed {}", only.join(", ")))
        };
        differences.extend(seeds(&self.seeds, &new.seeds).map(|gone| format!("it also has {gone}")));
        differences.extend(self.changes(plan));
        if !differences.is_empty() {
            return Err(differences);
        }
        Ok(listed(new_names.difference(&old_names)).into_iter().chain(seeds(&new.seeds, &self.seeds)).collect())
    }

    /// The keys that differ at points that both have, without those that vary.
    fn changes(&self, plan: &Plan) -> Vec<String> {
        let mut changes: Vec<String> = Vec::new();
        for (point, config) in &plan.points {
            let Some(kept) = self.points.iter().find(|kept| kept.name == point.name) else { continue };
            let set = [&self.set[..], &kept.set].concat();
            let old = match Config::parse(&self.config, &plan.request.file, &set) {
                Ok(old) => old,
                Err(error) => return vec![format!("its config cannot be read any more ({error})")],
            };
            // Runs do not depend on these; the seeds are compared on their own.
            let is_free =
                |change: &Change| ["train.threads", "train.eval_batch", "train.seed"].contains(&change.key.as_str());
            let all = Change::between(&old, config).into_iter().filter(|change| !is_free(change));
            for text in all.map(|change| change.to_string()) {
                if !changes.contains(&text) {
                    changes.push(text);
                }
            }
        }
        changes
    }
}

/// Some names, or how many there are; `None` without any.
fn listed<'a>(names: impl Iterator<Item = &'a String>) -> Option<String> {
    let names: Vec<&str> = names.map(String::as_str).collect();
    match names.len() {
        0 => None,
        1..=NAMED => Some(names.join(", ")),
        all => Some(format!("{}, … ({})", names[..NAMED].join(", "), count(all, "point"))),
    }
}

/// Whether a file is a part of a [`NAME`] that was not written to its end.
fn is_part(entry: &fs::DirEntry) -> bool {
    entry.file_name().to_str().and_then(replaced_by) == Some(NAME)
}

impl SweepFolder {
    /// Creates the folder if it is missing, keeps other programs from making a sweep in it, and removes what one that died was writing.
    ///
    /// # Errors
    /// If another one does, or it cannot be written.
    pub fn claim(path: &Path) -> Result<SweepFolder, SweepError> {
        let failed = |error: io::Error| SweepError::Folder { path: path.to_owned(), error: error.to_string() };
        fs::create_dir_all(path).map_err(failed)?;
        let file = File::options().create(true).append(true).open(path.join(LOCK)).map_err(failed)?;
        let lock = match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(SweepError::Busy { path: path.to_owned() }),
            Ok(()) => {
                let parts = fs::read_dir(path).map_err(failed)?.filter_map(Result::ok).filter(is_part);
                // One that stays is in nobody's way.
                parts.for_each(|part| drop(fs::remove_file(part.path())));
                Some(file)
            }
            // A file system without locks is not a reason to refuse.
            Err(TryLockError::Error(_)) => Some(file),
        };
        Ok(SweepFolder { path: path.to_owned(), _lock: lock })
    }

    /// Checks that the folder still holds the sweep, or none, that it held before it was claimed.
    ///
    /// # Errors
    /// If another program has made or extended one meanwhile, or it cannot be read.
    pub fn expect(&self, before: Option<&Manifest>) -> Result<(), SweepError> {
        let is_same = Manifest::read(&self.path)?.as_ref() == before;
        if is_same { Ok(()) } else { Err(SweepError::Changed { path: self.path.clone() }) }
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, manifest: &Manifest) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(manifest).expect("texts and numbers") + "\n";
        files::write(&self.path.join(NAME), text.as_bytes()).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::{plan, request};
    use super::*;

    #[test]
    fn the_same_sweep_goes_on_and_one_with_more_values_extends_it() {
        let old = Manifest::of(&plan(&["perturb.rho=0.05,0.1", "optim.momentum=0.5,0.9"], 2));
        let same = plan(&["perturb.rho=0.1,0.05", "optim.momentum=0.9,0.5", "train.threads=3"], 2);
        assert_eq!(old.extended(&same), Ok(vec![]));
        let more = plan(&["perturb.rho=0.1,0.2,0.05", "optim.momentum=0.9,0.5"], 3);
        assert_eq!(
            old.extended(&more),
            Ok(vec!["rho=0.2_momentum=0.5, rho=0.2_momentum=0.9".to_owned(), "seed 2".to_owned()])
        );
        let turned = Plan::of(request(&["optim.momentum=0.9,0.5", "perturb.rho=0.1,0.05"], 2), &old.keys).unwrap();
        assert_eq!(old.extended(&turned), Ok(vec![]));
    }

    #[test]
    fn another_sweep_is_refused_with_what_differs() {
        let old = Manifest::of(&plan(&["perturb.rho=0.05,0.1"], 2));
        let differs = |set: &[&str], seeds| old.extended(&plan(set, seeds)).unwrap_err().join("; ");
        assert_eq!(differs(&["perturb.rho=0.05,0.2"], 2), "it also has rho=0.1");
        assert_eq!(differs(&["perturb.rho=0.05,0.1"], 1), "it also has seed 1");
        assert_eq!(differs(&["perturb.rho=0.05,0.1", "optim.lr=2"], 2), "optim.lr 1.0 → 2.0");
        assert_eq!(differs(&["optim.lr=0.05,0.1"], 2), "it varies perturb.rho, and now optim.lr would vary");
    }

    #[test]
    fn a_folder_with_other_things_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("new");
        assert_eq!(Manifest::read(&at).unwrap(), None);
        let claimed = SweepFolder::claim(&at).unwrap();
        assert!(SweepFolder::claim(&at).unwrap_err().to_string().contains("another program"));
        assert_eq!(Manifest::read(&at).unwrap(), None);
        let manifest = Manifest::of(&plan(&["perturb.rho=0.05,0.1"], 2));
        claimed.write(&manifest).unwrap();
        assert_eq!(Manifest::read(&at).unwrap(), Some(manifest.clone()));
        // Another program made it since the folder was looked at.
        assert!(claimed.expect(None).unwrap_err().to_string().contains("give the command again"));
        claimed.expect(Some(&manifest)).unwrap();
        fs::write(at.join(NAME), "{}").unwrap();
        assert!(Manifest::read(&at).unwrap_err().to_string().contains("expected a sweep"));
        fs::remove_file(at.join(NAME)).unwrap();
        // A program died within its first write.
        drop(claimed);
        let part = at.join(format!("{NAME}.7-0.partial"));
        fs::write(&part, "{").unwrap();
        assert_eq!(Manifest::read(&at).unwrap(), None);
        assert!(SweepFolder::claim(&at).is_ok() && !part.exists());
        fs::write(at.join("thesis.tex"), "…").unwrap();
        assert!(Manifest::read(&at).unwrap_err().to_string().contains("contains no sweep"));
    }
}
