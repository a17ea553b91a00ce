//! Table 2: fine-tuning, with the perturbation in the pre-training or in the fine-tuning. Each pre-trained model is fine-tuned twice.

use super::measures::Wanted;
use super::table::{Row as Line, Table};
use super::{Environment, Measures, Planned, Scale};
use crate::error::Error;
use crate::paper::{Architecture, FINE_TUNING, FineTuning, Measured, Row, Task, rows};
use std::path::PathBuf;

/// Fine-tunings of a pre-trained model.
const AGAIN: u64 = 2;

/// Trains, and writes the table.
pub(super) fn make(
    scale: Scale,
    seeds: u64,
    env: &Environment,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<PathBuf>, Error> {
    let mut lines = vec![];
    for entry in FINE_TUNING.iter().filter(|e| scale.architectures().contains(&e.architecture)) {
        let mut measured = vec![];
        for seed in 0..seeds {
            for again in 0..AGAIN {
                measured.push(tuned(scale, entry, seed, again, env, say)?);
            }
        }
        let model = scale.model_name(entry.architecture);
        let names = [&model, entry.perturbations[0], entry.perturbations[1]].map(str::to_owned);
        let text = |Measured(mean, sd): Measured| format!("{mean:.2} ± {sd:.2}");
        let paper = ["CIFAR-10", "CIFAR-100"].into_iter().zip(entry.accuracy).map(|(n, m)| (n.to_owned(), text(m)));
        lines.push(Line { names: names.into(), measured, paper: paper.collect() });
    }
    let table = Table { heads: vec!["model", "pre-training", "fine-tuning"], rows: lines };
    let what = if scale == Scale::Paper { "" } else { " Pre-trained on five classes, fine-tuned for the other five." };
    let title = format!(
        "# table-2 at scale {scale}, {seeds} pre-trainings, each fine-tuned {AGAIN} times\n\n\
         Mean test accuracies, ± half the width of their 95 % interval.{what}\n\n"
    );
    Ok(vec![
        env.write("table-2.csv", table.csv().as_bytes())?,
        env.write("table-2.md", (title + &table.markdown()).as_bytes())?,
    ])
}

/// The accuracies of one fine-tuning, a task each.
fn tuned(
    scale: Scale,
    entry: &FineTuning,
    seed: u64,
    again: u64,
    env: &Environment,
    say: &mut dyn FnMut(&str),
) -> Result<Measures, Error> {
    let [before, now] = entry.perturbations;
    let model = scale.model_name(entry.architecture);
    let source = row(entry.architecture, Task::ImageNet, before);
    // At the paper's scale these are the runs of table 1.
    let name = if scale == Scale::Paper { scale.run_name(&source) } else { format!("{model}-half-{before}") };
    let source = Planned::new(&name, &scale.pretraining(&source), seed).ensure(env, say)?;
    let mut values = vec![];
    for task in scale.tunings() {
        let mut draft = scale.draft(&row(entry.architecture, *task, now));
        draft.set("init", "from", format!("{:?}", source.path()));
        let name = format!("{model}-{task}-{before}-{now}");
        let planned = Planned::new(&name, &draft, AGAIN * seed + again);
        let run = planned.ensure(env, say)?;
        let name = if scale == Scale::Paper { task.to_string() } else { "other classes".into() };
        values.push((
            name,
            Measures::of(&planned, &run, &Wanted::accuracy(), env)?.get(Measures::TEST).unwrap_or(f64::NAN),
        ));
    }
    Ok(Measures { seed: AGAIN * seed + again, values })
}

/// The row of SAM with a perturbation, or of none.
fn row(architecture: Architecture, task: Task, perturbation: &str) -> Row {
    let of = |r: &&Row| {
        let [method, found] = r.method.words();
        r.architecture == architecture && r.task == task && found == perturbation && ["base", "sam"].contains(&method)
    };
    *rows().iter().find(of).expect("the table has this row")
}
