//! Table 2: fine-tuning, with the perturbation in the pre-training or in the fine-tuning. Each pre-trained model is fine-tuned twice.

use super::measures::Wanted;
use super::table::{Row as Line, Table};
use super::{Experiment, Measures, Planned, Scale, Study};
use crate::error::Error;
use crate::paper::{Architecture, FINE_TUNING, FineTuning, Row, Task, rows};
use lethe_tensor::Device;
use std::path::PathBuf;

/// Fine-tunings of a pre-trained model.
const AGAIN: u64 = 2;

/// Trains, and writes the table.
pub(super) fn make(study: &Study<'_>) -> Result<Vec<PathBuf>, Error> {
    let mine: Vec<&FineTuning> =
        FINE_TUNING.iter().filter(|entry| study.architectures.contains(&entry.architecture)).collect();
    let mut sources: Vec<Planned> = vec![];
    for planned in mine.iter().flat_map(|entry| (0..study.seeds).map(|seed| source(study.scale, entry, seed))) {
        if sources.iter().all(|other| other.name != planned.name) {
            sources.push(planned);
        }
    }
    study.all(&sources, |source, device| source.ensure(study, device).map(drop))?;
    let runs = |entry| (0..study.seeds).flat_map(move |seed| (0..AGAIN).map(move |again| (entry, seed, again)));
    let all: Vec<_> = mine.iter().flat_map(|entry| runs(*entry)).collect();
    let measured = study.all(&all, |(entry, seed, again), device| tuned(study, entry, *seed, *again, device))?;
    let line = |(entry, measured): (&&FineTuning, &[Measures])| {
        let model = study.scale.model_name(entry.architecture);
        let names = [&model, entry.perturbations[0], entry.perturbations[1]].map(str::to_owned).into();
        let sets = ["CIFAR-10", "CIFAR-100"].into_iter().zip(entry.accuracy);
        let paper = sets.map(|(name, m)| (name.to_owned(), m.text(2))).collect();
        Line { names, measured: measured.to_vec(), paper }
    };
    let rows = mine.iter().zip(measured.chunks((study.seeds * AGAIN) as usize)).map(line).collect();
    let what =
        if study.scale == Scale::Paper { "" } else { " Pre-trained on five classes, fine-tuned for the other five." };
    let note = format!(
        "Mean test accuracies, ± half the width of their 95 % interval; every pre-trained model is fine-tuned {AGAIN} times.{what}"
    );
    Table { heads: vec!["model", "pre-training", "fine-tuning"], rows }.write(study, Experiment::Table2, &note, "")
}

/// The pre-training of an entry.
fn source(scale: Scale, entry: &FineTuning, seed: u64) -> Planned {
    let (model, [before, _]) = (scale.model_name(entry.architecture), entry.perturbations);
    let row = row(entry.architecture, Task::ImageNet, before);
    // At the paper's scale these are the runs of table 1.
    let name = if scale == Scale::Paper { scale.run_name(&row) } else { format!("{model}-half-{before}") };
    Planned::new(&name, &scale.pretraining(&row), seed)
}

/// The accuracies of one fine-tuning, a task each.
fn tuned(study: &Study<'_>, entry: &FineTuning, seed: u64, again: u64, device: &Device) -> Result<Measures, Error> {
    let (scale, [before, now]) = (study.scale, entry.perturbations);
    let model = scale.model_name(entry.architecture);
    let source = study.runs.join(source(scale, entry, seed).name);
    let mut values = vec![];
    for task in scale.tunings() {
        let mut draft = scale.draft(&row(entry.architecture, *task, now));
        draft.set("init", "from", format!("{source:?}"));
        let planned = Planned::new(&format!("{model}-{task}-{before}-{now}"), &draft, AGAIN * seed + again);
        let measures = Measures::of(&planned, &planned.ensure(study, device)?, &Wanted::accuracy(), study, device)?;
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
