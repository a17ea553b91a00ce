//! A pool of models, and how their accuracy goes together with forgetting and flatness: what a panel of figure 2 shows.

use super::statistics::mean;
use crate::analysis::kendall::{kendall, kendall_within, significance};
use crate::analysis::threshold::ADJUSTED_GRID;

/// A model of a pool.
pub struct Member {
    /// Samples of a slice.
    pub m: usize,
    /// Its seed.
    pub seed: u64,
    /// Its final test accuracy, in percent.
    pub accuracy: f64,
    /// The dominant eigenvalue of its Hessian.
    pub sharpness: f64,
    /// F_XY by adjusted threshold, the mean over the collections.
    pub sample_given_label: Vec<f64>,
    /// F_Y, likewise.
    pub label: Vec<f64>,
}

/// A rank correlation with accuracy, and its significance; NaN where there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correlation {
    /// τ-b.
    pub tau: f64,
    /// Two-sided.
    pub p: f64,
}

/// What a panel shows.
pub struct Panel {
    /// The perturbation.
    pub name: &'static str,
    /// By adjusted threshold: of F_XY with accuracy.
    pub sample_given_label: Vec<Correlation>,
    /// Of F_Y.
    pub label: Vec<Correlation>,
    /// Of the means over all thresholds: F_XY, F_Y.
    pub means: [Correlation; 2],
    /// Of flatness, −λ_max.
    pub flatness: Correlation,
    /// Of the means and of flatness within seeds: models of one seed share their start, and seeds differ.
    pub within_seeds: [Correlation; 3],
    /// The models.
    pub members: Vec<Member>,
}

/// The correlation of some numbers with others.
fn correlation(x: &[f64], y: &[f64]) -> Correlation {
    let tau = kendall(x, y).and_then(|k| k.tau_b).unwrap_or(f64::NAN);
    Correlation { tau, p: significance(x, y, 0).map_or(f64::NAN, |s| s.p) }
}

impl Panel {
    /// The correlations over a pool.
    pub fn of(name: &'static str, members: Vec<Member>) -> Panel {
        let accuracy: Vec<f64> = members.iter().map(|m| m.accuracy).collect();
        let seeds: Vec<u64> = members.iter().map(|m| m.seed).collect();
        let values = |of: &dyn Fn(&Member) -> f64| members.iter().map(of).collect::<Vec<f64>>();
        let with = |of: &dyn Fn(&Member) -> f64| correlation(&values(of), &accuracy);
        let within = |of: &dyn Fn(&Member) -> f64| {
            let found = kendall_within(&values(of), &accuracy, &seeds, 0);
            found.map_or(Correlation { tau: f64::NAN, p: f64::NAN }, |(tau, s)| Correlation { tau, p: s.p })
        };
        let sample_given_label = |m: &Member| mean(&m.sample_given_label);
        let (label, flatness) = (|m: &Member| mean(&m.label), |m: &Member| -m.sharpness);
        Panel {
            name,
            sample_given_label: (0..ADJUSTED_GRID).map(|k| with(&|m| m.sample_given_label[k])).collect(),
            label: (0..ADJUSTED_GRID).map(|k| with(&|m| m.label[k])).collect(),
            means: [with(&sample_given_label), with(&label)],
            flatness: with(&flatness),
            within_seeds: [within(&sample_given_label), within(&label), within(&flatness)],
            members,
        }
    }
}
