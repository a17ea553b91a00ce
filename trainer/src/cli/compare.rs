//! `lethe compare`.

use super::output::{aligned, say};
use super::report::names;
use crate::error::Error;
use crate::report::{Shown, differences};
use crate::run::RunFolder;
use crate::words::Brief;
use clap::Args;
use std::path::PathBuf;

/// Which runs are compared.
#[derive(Args)]
pub struct CompareArgs {
    /// The folders of two or more runs; they may still be in training.
    #[arg(value_name = "RUN", required = true, num_args = 2..)]
    runs: Vec<PathBuf>,
}

/// Prints the results of runs side by side, and where their configs differ.
pub fn run(args: &CompareArgs) -> Result<(), Error> {
    let read = |(path, name): (&PathBuf, String)| Shown::of(&RunFolder::open(path)?, name);
    let runs = args.runs.iter().zip(names(&args.runs)).map(read).collect::<Result<Vec<Shown>, Error>>()?;
    let mut rows = vec![[vec![String::new()], runs.iter().map(|run| run.name.clone()).collect()].concat()];
    let mut facts: Vec<&str> = Vec::new();
    for (name, _) in runs.iter().flat_map(|run| &run.facts) {
        if !facts.contains(name) {
            facts.push(name);
        }
    }
    for fact in facts {
        let of = |run: &Shown| run.facts.iter().find(|(name, _)| *name == fact).map(|(_, value)| value.clone());
        rows.push([vec![fact.to_owned()], runs.iter().map(|run| word(of(run))).collect()].concat());
    }
    let differences = differences(&runs);
    let results = rows.len();
    rows.extend(
        differences.into_iter().map(|(key, values)| [vec![key], values.into_iter().map(word).collect()].concat()),
    );
    let same = rows.len() == results;
    for (index, line) in aligned(&rows).into_iter().enumerate() {
        if index == results {
            say("");
        }
        say(&line);
    }
    if same {
        say("\nthe configs do not differ");
    }
    Ok(())
}

fn word(value: Option<String>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| Brief(value).to_string())
}
