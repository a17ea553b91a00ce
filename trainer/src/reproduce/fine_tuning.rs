//! Table 2: fine-tuning, with the perturbation in the pre-training or in the fine-tuning. Each pre-trained model is fine-tuned twice.

use super::measures::Wanted;
use super::table::{Row as Line, Table};
use super::{Experiment, Measures, Planned, Scale, Study};
use crate::error::Error;
use crate::paper::{Architecture, FINE_TUNING, FineTuning, Row, Task, rows};
use std::path::PathBuf;

/// Fine-tunings of a pre-trained model.
const AGAIN: u64 = 2;

/// Trains, and writes the table.
pub(super) fn make(study: &Study<'_>) -> Result<Vec<PathBuf>, Error> {
    let line = |entry: &FineTuning| {
        let all = (0..study.seeds).flat_map(|seed| (0..AGAIN).map(move |again| (seed, again)));
        let measured = all.map(|(seed, again)| tuned(study, entry, seed, again)).collect::<Result<_, Error>>()?;
        let model = study.scale.model_name(entry.architecture);
        let names = [&model, entry.perturbations[0], entry.perturbations[1]].map(str::to_owned).into();
        let sets = ["CIFAR-10", "CIFAR-100"].into_iter().zip(entry.accuracy);
        Ok(Line { names, measured, paper: sets.map(|(name, m)| (name.to_owned(), m.text(2))).collect() })
    };
    let mine = |entry: &&FineTuning| study.scale.architectures().contains(&entry.architecture);
    let rows = FINE_TUNING.iter().filter(mine).map(line).collect::<Result<_, Error>>()?;
    let what =
        if study.scale == Scale::Paper { "" } else { " Pre-trained on five classes, fine-tuned for the other five." };
    let note = format!(
        "Mean test accuracies, ± half the width of their 95 % interval; every pre-trained model is fine-tuned {AGAIN} times.{what}"
    );
    Table { heads: vec!["model", "pre-training", "fine-tuning"], rows }.write(study, Experiment::Table2, &note)
}

/// The accuracies of one fine-tuning, a task each.
fn tuned(study: &Study<'_>, entry: &FineTuning, seed: u64, again: u64) -> Result<Measures, Error> {
    let (scale, [before, now]) = (study.scale, entry.perturbations);
    let model = scale.model_name(entry.architecture);
    let source = row(entry.architecture, Task::ImageNet, before);
    // At the paper's scale these are the runs of table 1.
    let name = if scale == Scale::Paper { scale.run_name(&source) } else { format!("{model}-half-{before}") };
    let source = Planned::new(&name, &scale.pretraining(&source), seed).ensure(study)?;
    let mut values = vec![];
    for task in scale.tunings() {
        let mut draft = scale.draft(&row(entry.architecture, *task, now));
        draft.set("init", "from", format!("{:?}", source.path()));
        let planned = Planned::new(&format!("{model}-{task}-{before}-{now}"), &draft, AGAIN * seed + again);
        let measures = Measures::of(&planned, &planned.ensure(study)?, &Wanted::accuracy(), study)?;
        values.push((if scale == Scale::Paper { task.to_string() } else { "other classes".into() }, measures.test()));
    }
    Ok(Measures { seed: AGAIN * seed + again, values })
}

/// The row of SAM with a perturbation, or of none.
fn row(architecture: Architecture, task: Task, perturbation: &str) -> Row {
    let of = |r: &Row| {
        let [method, found] = r.method.words();
        r.architecture == architecture && r.task == task && found == perturbation && ["base", "sam"].contains(&method)
    };
    rows().into_iter().find(of).expect("the table has this row")
}
