//! Table 2: fine-tuning, with a perturbation in pre-training or in fine-tuning. Each pre-trained model is fine-tuned twice.

use super::comparisons::{self, Pair};
use super::experiment::Experiment;
use super::measures::{Measures, Wanted};
use super::planned::Planned;
use super::scale::Scale;
use super::statistics::mean;
use super::study::Study;
use super::table::{Row as Line, Table};
use crate::error::Error;
use crate::paper::{Architecture, Direction, Draft, FINE_TUNING, FineTuning, Method, Row, Task, rows};
use lethe_tensor::Device;
use std::path::PathBuf;

/// The number of fine-tunings per pre-trained model.
const AGAIN: u64 = 2;

/// A row of the table, with the settings of the paper's table or, where launch scripts and table conflict (specification, section 9), of the scripts:
/// OBF with γ = 0 for ViTs, BCE for ResNets that are perturbed in fine-tuning.
#[derive(Clone, Copy)]
struct Entry {
    of: &'static FineTuning,
    by_script: bool,
}

impl Entry {
    /// All rows for these models.
    fn all(architectures: &[Architecture]) -> Vec<Entry> {
        let mine = FINE_TUNING.iter().filter(|of| architectures.contains(&of.architecture));
        mine.flat_map(Entry::of).collect()
    }

    /// The rows for a row of the paper.
    fn of(of: &'static FineTuning) -> Vec<Entry> {
        let conflict = match of.perturbations[1] {
            "none" => false,
            "obf" => true,
            _ => !of.architecture.is_vit(),
        };
        let ways: &[bool] = if conflict { &[false, true] } else { &[false] };
        ways.iter().map(|by_script| Entry { of, by_script: *by_script }).collect()
    }

    /// What differs in the scripts: as a part of a run's name, and as text in the table.
    fn variant(&self) -> [&'static str; 2] {
        match (self.by_script, self.of.architecture.is_vit()) {
            (false, _) => ["", ""],
            (true, true) => ["-gamma-0", ", γ = 0"],
            (true, false) => ["-bce", ", BCE"],
        }
    }

    /// The config of a fine-tuning.
    fn draft(&self, scale: Scale, task: Task) -> Draft {
        let mut row = row(self.of.architecture, task, self.of.perturbations[1]);
        if let (true, Method::Perturbed { direction: Direction::Obf { gamma, .. }, .. }, true) =
            (self.by_script, &mut row.method, self.of.architecture.is_vit())
        {
            *gamma = 0.0;
        }
        let mut draft = scale.draft(&row);
        if self.by_script && !self.of.architecture.is_vit() {
            draft.set("loss", "kind", "\"bce\"");
        }
        draft
    }
}

/// Trains the models, and writes the table.
pub(super) fn make(study: &Study<'_>) -> Result<Vec<PathBuf>, Error> {
    let entries = Entry::all(&study.architectures);
    let mut sources: Vec<Planned> = vec![];
    for planned in entries.iter().flat_map(|entry| (0..study.seeds).map(|seed| source(study.scale, entry.of, seed))) {
        if sources.iter().all(|other| other.name != planned.name) {
            sources.push(planned);
        }
    }
    // The fine-tunings of a pre-trained model have seeds of their own.
    let seeds = 0..study.seeds * AGAIN;
    let all: Vec<_> = entries.iter().flat_map(|entry| seeds.clone().map(|seed| tunings(study, entry, seed))).collect();
    let tunings = all.iter().flatten().map(|(_, planned)| planned);
    study.plan(&sources.iter().chain(tunings).collect::<Vec<_>>(), &Wanted::accuracy())?;
    study.all(&sources, |source, device| source.ensure(study, device).map(drop))?;
    let measured = study.all(&all, |tunings, device| tuned(study, tunings, device))?;
    let line = |(entry, measured): (&Entry, &[Measures])| {
        let model = study.scale.model_name(entry.of.architecture);
        let [before, now] = entry.of.perturbations;
        let names = vec![model, before.to_owned(), format!("{now}{}", entry.variant()[1])];
        let sets = ["CIFAR-10", "CIFAR-100"].into_iter().zip(entry.of.accuracy);
        let paper = sets.map(|(name, m)| (name.to_owned(), m.text(2))).collect();
        Line {
            names,
            measured: measured.chunks(AGAIN as usize).zip(0..).map(|(of, seed)| average(of, seed)).collect(),
            paper,
        }
    };
    let rows: Vec<Line> = entries.iter().zip(measured.chunks((study.seeds * AGAIN) as usize)).map(line).collect();
    let what =
        if study.scale == Scale::Paper { "" } else { " Pre-trained on five classes, fine-tuned for the other five." };
    let note = format!(
        "Mean test accuracies over pre-trained models, each the mean of {AGAIN} fine-tunings, ± half the width of \
         the 95 % confidence interval; the paper's ± is a standard deviation.{what} Where the paper's launch scripts \
         use another γ or loss than its table, there are rows for both, with the paper's results beside each."
    );
    let table = Table { heads: vec!["model", "pre-training", "fine-tuning"], rows };
    let below = comparisons::markdown(&table, &pairs(), &["CIFAR-10", "CIFAR-100"]);
    table.write(study, Experiment::Table2, &note, &below)
}

/// The mean over the fine-tunings of one pre-trained model, which are not independent.
fn average(tunings: &[Measures], seed: u64) -> Measures {
    let of = |name: &str| mean(&tunings.iter().filter_map(|m| m.get(name)).collect::<Vec<_>>());
    Measures { seed, values: tunings[0].names().map(|name| (name.to_owned(), of(name))).collect() }
}

/// The differences of interest: between perturbations, between pre-training and fine-tuning, and between the paper's two sources.
fn pairs() -> Vec<Pair> {
    let between = [
        ("fine-tuning: obf − steepest", [["none", "obf"], ["none", "steepest"]]),
        ("pre-training: obf − steepest", [["obf", "none"], ["steepest", "none"]]),
        ("steepest: fine-tuning − pre-training", [["none", "steepest"], ["steepest", "none"]]),
        ("obf: fine-tuning − pre-training", [["none", "obf"], ["obf", "none"]]),
        ("fine-tuning, obf: γ = 0 − 1", [["none", "obf, γ = 0"], ["none", "obf"]]),
        ("fine-tuning, steepest: BCE − CE", [["none", "steepest, BCE"], ["none", "steepest"]]),
        ("fine-tuning, obf: BCE − CE", [["none", "obf, BCE"], ["none", "obf"]]),
    ];
    between.map(|(label, rows)| Pair { label: label.to_owned(), rows }).into()
}

/// The pre-training of an entry.
fn source(scale: Scale, entry: &FineTuning, seed: u64) -> Planned {
    let (model, [before, _]) = (scale.model_name(entry.architecture), entry.perturbations);
    let row = row(entry.architecture, Task::ImageNet, before);
    // At the paper's scale these are the runs of table 1.
    let name = if scale == Scale::Paper { scale.run_name(&row) } else { format!("{model}-half-{before}") };
    Planned::new(&name, &scale.pretraining(&row), seed)
}

/// The runs of one fine-tuning, one per task.
fn tunings(study: &Study<'_>, entry: &Entry, seed: u64) -> Vec<(Task, Planned)> {
    let (scale, [before, now]) = (study.scale, entry.of.perturbations);
    let model = scale.model_name(entry.of.architecture);
    let from = study.runs.join(source(scale, entry.of, seed / AGAIN).name);
    let planned = |task: &Task| {
        let mut draft = entry.draft(scale, *task);
        draft.set("init", "from", format!("{from:?}"));
        let name = format!("{model}-{task}-{before}-{now}{}", entry.variant()[0]);
        (*task, Planned::new(&name, &draft, seed))
    };
    scale.tunings().iter().map(planned).collect()
}

/// Their accuracies.
fn tuned(study: &Study<'_>, tunings: &[(Task, Planned)], device: &Device) -> Result<Measures, Error> {
    let mut values = vec![];
    for (task, planned) in tunings {
        let measures = Measures::of(planned, &planned.ensure(study, device)?, &Wanted::accuracy(), study, device)?;
        let name = if study.scale == Scale::Paper { task.to_string() } else { "other classes".into() };
        values.push((name, measures.test()));
    }
    Ok(Measures { seed: tunings[0].1.seed, values })
}

/// The row of SAM with a perturbation, or without one.
fn row(architecture: Architecture, task: Task, perturbation: &str) -> Row {
    let of = |r: &Row| {
        let [method, found] = r.method.words();
        r.architecture == architecture && r.task == task && found == perturbation && ["base", "sam"].contains(&method)
    };
    rows().into_iter().find(of).expect("the table has this row")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fine_tunings_of_a_pre_trained_model_are_one_value() {
        let of = |seed, value| Measures { seed, values: vec![("other classes".into(), value)] };
        assert_eq!(average(&[of(4, 90.0), of(5, 92.0)], 2), of(2, 91.0));
    }

    #[test]
    fn differences_are_of_rows_that_there_are() {
        let entries = Entry::all(&[Architecture::VitS32, Architecture::Resnet50]);
        for Pair { label, rows } in pairs() {
            let is_there = |[before, now]: &[&str; 2]| {
                let mut names = entries
                    .iter()
                    .map(|e| (e.of.perturbations[0], format!("{}{}", e.of.perturbations[1], e.variant()[1])));
                names.any(|(b, n)| b == *before && n == *now)
            };
            assert!(rows.iter().all(is_there), "{label}");
        }
    }
}
