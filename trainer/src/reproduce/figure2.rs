//! Figure 2: over a pool of models that differ in m, the rank correlation of the final accuracy with what perturbations make them forget, by
//! threshold, and with flatness (specification, section 8.4).

use super::experiment::Experiment;
use super::measures::{Measures, Wanted};
use super::model_pool::{Correlation, Member, Panel};
use super::panel;
use super::planned::Planned;
use super::scale::Scale;
use super::statistics::mean;
use super::study::Study;
use super::table::csv_field;
use crate::analysis::forgetting::ForgettingRecord;
use crate::analysis::threshold::{ADJUSTED_GRID, adjusted_thresholds};
use crate::config::{Config, Problem};
use crate::error::Error;
use crate::paper::{Direction, Method, Row, Task, rows};
use crate::plot::{self, Picture};
use lethe_tensor::Device;
use std::fmt::Write;
use std::path::PathBuf;

/// The settings of a pool: slices of 1, 2, 4, … up to the largest m, the radius if it is not the row's, epochs and warm-up epochs, epochs between
/// collections, and the number of perturbed networks per collection, which is at most the number of slices of the largest m in the training set.
///
/// The radii of the reduced scales are the same for all three perturbations, as in the paper, and large enough that the models of a pool differ by
/// their m and not only by chance.
struct Pool {
    largest_m: usize,
    rho: Option<f64>,
    epochs: [usize; 2],
    every: usize,
    draws: usize,
}

fn pool(scale: Scale) -> Pool {
    match scale {
        Scale::Digits => Pool { largest_m: 64, rho: Some(0.05), epochs: [40, 4], every: 10, draws: 4 },
        Scale::Fashion => Pool { largest_m: 64, rho: Some(0.1), epochs: [20, 2], every: 5, draws: 8 },
        Scale::Paper => Pool { largest_m: 512, rho: None, epochs: [300, 32], every: 25, draws: 8 },
    }
}

/// How to read the figure.
const KEY: &str = "In the figure, green is F_XY, orange F_Y and blue flatness (−λ_max). A line is solid where p ≤ \
                   0.05 and dashed elsewhere. The grey background is the p-value of F_XY's τ, darker where it is \
                   smaller. Hatching marks the thresholds at which F_XY's τ is above that of flatness.";

/// Trains the pools, and writes the figure, its numbers, and those of the models.
pub(super) fn make(study: &Study<'_>) -> Result<Vec<PathBuf>, Error> {
    let pools: Vec<Row> = rows().into_iter().filter(|r| r.task == Task::Pool).collect();
    let each = (0..study.seeds).flat_map(|seed| slice_sizes(study.scale).map(move |m| (seed, m)));
    let each: Vec<(u64, usize)> = each.collect();
    let of_row = |row| each.iter().map(move |(seed, m)| (*m, planned(study.scale, row, *m, *seed)));
    let all: Vec<(usize, Planned)> = pools.iter().flat_map(of_row).collect();
    study.plan(&all.iter().map(|(_, planned)| planned).collect::<Vec<_>>(), &Wanted::curvature(study.scale))?;
    all.iter().try_for_each(|(_, planned)| check_collections(&planned.config(study)?))?;
    let mut members = study.all(&all, |(m, planned), device| member(study, planned, *m, device))?.into_iter();
    let panel = |row| Panel::of(title(row), members.by_ref().take(each.len()).collect());
    let panels: Vec<Panel> = pools.iter().map(panel).collect();
    let note = format!(
        "Kendall's τ with the final test accuracy over {} models (all m, all seeds), with p in brackets. {KEY}",
        each.len()
    );
    let mut text = study.title(Experiment::Figure2, &note) + &summary(&panels);
    if study.seeds > 1 {
        text += &within_seeds(&panels);
    }
    let mut files = plot::save(&study.out, "figure-2", [1500, 480], &Panels(&panels))?;
    files.push(study.write("figure-2.csv", curves(&panels).as_bytes())?);
    files.push(study.write("figure-2-models.csv", models(&panels).as_bytes())?);
    files.push(study.write("figure-2.md", text.as_bytes())?);
    Ok(files)
}

fn title(row: &Row) -> &'static str {
    match row.method {
        Method::Perturbed { direction: Direction::Obf { gamma, .. }, .. } if gamma > 0.0 => "OBF, γ = 1",
        Method::Perturbed { direction: Direction::Obf { .. }, .. } => "OBF, γ = 0",
        _ => "steepest ascent",
    }
}

/// The run of a row of the pool with slice size m.
fn planned(scale: Scale, row: &Row, m: usize, seed: u64) -> Planned {
    let Pool { rho, epochs, every, draws, .. } = pool(scale);
    let mut draft = scale.draft(row);
    draft.set("perturb", "m", m);
    if let Some(rho) = rho {
        draft.set("perturb", "rho", rho);
    }
    draft.set("train", "epochs", epochs[0]);
    draft.set("optim", "warmup_epochs", epochs[1]);
    draft.section("analysis", &[("every", &every), ("draws", &draws)]);
    Planned::new(&format!("{}-m-{m}", row.name().replace("vit-s32-cifar-", "")), &draft, seed)
}

/// 1, 2, 4, … up to the largest m of a scale.
fn slice_sizes(scale: Scale) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(1), |m| Some(2 * m)).take_while(move |m| *m <= pool(scale).largest_m)
}

/// Checks that outputs are collected at all.
fn check_collections(config: &Config) -> Result<(), Error> {
    let (every, epochs) = (config.analysis.every, config.train.epochs);
    if (1..=epochs).contains(&every) {
        return Ok(());
    }
    let reason =
        format!("figure-2 needs collections during training, of which there are none with train.epochs = {epochs}");
    Err(Problem::value("analysis.every", every, reason).into())
}

fn member(study: &Study<'_>, planned: &Planned, m: usize, device: &Device) -> Result<Member, Error> {
    let run = planned.ensure(study, device)?;
    let measures = Measures::of(planned, &run, &Wanted::curvature(study.scale), study, device)?;
    let mut records: Vec<ForgettingRecord> = run.epoch_records()?;
    // The first protocol, if --set asks for both.
    let protocol = records.iter().map(|r| r.protocol).min();
    records.retain(|r| Some(r.protocol) == protocol);
    let adjusted: Vec<_> = records.into_iter().filter_map(|r| r.adjusted).collect();
    let mean_of = |of: &dyn Fn(usize) -> Vec<f64>| (0..ADJUSTED_GRID).map(|k| mean(&of(k))).collect();
    Ok(Member {
        m,
        seed: planned.seed,
        accuracy: measures.test(),
        sharpness: measures.get(Measures::SHARPNESS).unwrap_or(f64::NAN),
        sample_given_label: mean_of(&|k| adjusted.iter().map(|a| a.sample_given_label[k]).collect()),
        label: mean_of(&|k| adjusted.iter().filter_map(|a| Some(a.label.as_ref()?[k])).collect()),
    })
}

/// The three panels, side by side, below the names of their curves.
struct Panels<'a>(&'a [Panel]);

impl Picture for Panels<'_> {
    fn draw<B: plot::Backend>(&self, area: &plot::Area<B>) -> plot::Drawn<B> {
        let parts = plot::legend(area, &panel::CURVES)?.split_evenly((1, self.0.len()));
        self.0.iter().zip(&parts).try_for_each(|(panel, part)| panel::draw(panel, part))
    }
}

fn curves(panels: &[Panel]) -> String {
    let mut text = String::from("perturbation,s,tau F_XY,p F_XY,tau F_Y,p F_Y,tau flatness,p flatness\n");
    for panel in panels {
        for (k, s) in adjusted_thresholds().iter().enumerate() {
            let (xy, y, flat) = (panel.sample_given_label[k], panel.label[k], panel.flatness);
            let _ = writeln!(
                text,
                "{},{s},{},{},{},{},{},{}",
                csv_field(panel.name),
                xy.tau,
                xy.p,
                y.tau,
                y.p,
                flat.tau,
                flat.p
            );
        }
    }
    text
}

fn models(panels: &[Panel]) -> String {
    let mut text = String::from("perturbation,m,seed,accuracy,sharpness,mean F_XY,mean F_Y\n");
    for panel in panels {
        for m in &panel.members {
            let (xy, y) = (mean(&m.sample_given_label), mean(&m.label));
            let _ =
                writeln!(text, "{},{},{},{},{},{xy},{y}", csv_field(panel.name), m.m, m.seed, m.accuracy, m.sharpness);
        }
    }
    text
}

fn summary(panels: &[Panel]) -> String {
    let mut text = String::from(
        "| perturbation | mean F_XY over s | mean F_Y over s | largest τ of F_XY, at s | share of s where F_XY beats flatness | flatness |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    for panel in panels {
        let all = panel.sample_given_label.iter().enumerate().filter(|(_, c)| !c.tau.is_nan());
        let best = all.max_by(|a, b| a.1.tau.total_cmp(&b.1.tau));
        let best = best.map_or("–".into(), |(k, c)| format!("{}, {:.2}", cell(*c), adjusted_thresholds()[k]));
        let beats = panel.sample_given_label.iter().filter(|c| c.tau > panel.flatness.tau).count();
        let share = 100.0 * beats as f64 / ADJUSTED_GRID as f64;
        let [xy, y] = panel.means.map(cell);
        let _ = writeln!(text, "| {} | {xy} | {y} | {best} | {share:.0} % | {} |", panel.name, cell(panel.flatness));
    }
    text
}

/// The same for pairs of models with the same seed.
fn within_seeds(panels: &[Panel]) -> String {
    let mut text = String::from(
        "\nThese p-values treat all models as independent, which models with the same seed are not. Within seeds \
         (only pairs of models with the same seed; p by permutations within seeds):\n\n\
         | perturbation | mean F_XY over s | mean F_Y over s | flatness |\n| --- | --- | --- | --- |\n",
    );
    for panel in panels {
        let [xy, y, flatness] = panel.within_seeds.map(cell);
        let _ = writeln!(text, "| {} | {xy} | {y} | {flatness} |", panel.name);
    }
    text
}

/// τ with its p-value.
fn cell(c: Correlation) -> String {
    format!("{:.3} ({:.3})", c.tau, c.p)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::forgetting::ForgettingProbe;
    use crate::data::{SearchPath, load};
    use crate::training::{Parts, facts};
    use std::path::Path;

    #[test]
    fn every_pool_of_digits_can_be_collected_from() {
        for row in rows().iter().filter(|r| r.task == Task::Pool) {
            for m in slice_sizes(Scale::Digits) {
                let text = planned(Scale::Digits, row, m, 0).draft.to_string();
                let config = Config::parse(&text, Path::new("x.toml"), &[]).unwrap();
                let split = load(&config.data, &SearchPath::of_process(None)).unwrap();
                let config = config.resolve(&facts(&split)).unwrap();
                let Parts { train, analysed, .. } = Parts::of(&config, split);
                assert_eq!(train.len(), 400);
                assert!(ForgettingProbe::each(&config, &train, &analysed, 1).is_ok(), "m = {m}");
            }
        }
    }

    #[test]
    fn correlations_are_those_of_the_pool() {
        let member = |i: usize| Member {
            m: 1 << i,
            seed: 0,
            accuracy: i as f64,
            sharpness: -(i as f64),
            sample_given_label: vec![i as f64; ADJUSTED_GRID],
            label: vec![-(i as f64); ADJUSTED_GRID],
        };
        let panel = Panel::of("x", (0..10).map(member).collect());
        assert_eq!([panel.sample_given_label[7].tau, panel.label[7].tau, panel.flatness.tau], [1.0, -1.0, 1.0]);
        assert!(panel.flatness.p < 1e-5 && panel.means[0].tau == 1.0);
        assert!(summary(std::slice::from_ref(&panel)).contains("| x | 1.000 (0.000) | -1.000 (0.000) |"));
        assert!(
            within_seeds(std::slice::from_ref(&panel))
                .contains("| x | 1.000 (0.000) | -1.000 (0.000) | 1.000 (0.000) |")
        );
        let folder = tempfile::tempdir().unwrap();
        let files = plot::save(folder.path(), "figure", [400, 300], &Panels(&[panel])).unwrap();
        let svg = std::fs::read_to_string(&files[0]).unwrap();
        assert!(svg.contains("adjusted threshold s") && svg.contains("F_XY"), "{svg}");
        let picture = image::open(&files[1]).unwrap().to_rgb8();
        // The curve of F_XY, which is significant and therefore solid.
        assert!(picture.pixels().filter(|p| p.0 == [27, 128, 62]).count() > 300);
    }
}
