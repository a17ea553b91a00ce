//! A pool of models, and the rank correlations of their accuracy with forgetting and flatness: the contents of a panel of figure 2.

use super::statistics::mean;
use crate::analysis::kendall::{kendall, kendall_within, significance};
use crate::analysis::threshold::ADJUSTED_GRID;

/// A model of a pool.
pub struct Member {
    /// The slice size.
    pub m: usize,
    /// Its seed.
    pub seed: u64,
    /// Its final test accuracy, in percent.
    pub accuracy: f64,
    /// The dominant eigenvalue of its Hessian.
    pub sharpness: f64,
    /// F_XY by adjusted threshold, averaged over the collections.
    pub sample_given_label: Vec<f64>,
    /// F_Y, averaged likewise.
    pub label: Vec<f64>,
}

/// A rank correlation with accuracy, and its significance; NaN if it is undefined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correlation {
    /// τ-b.
    pub tau: f64,
    /// The two-sided p-value.
    pub p: f64,
}

/// The contents of a panel.
pub struct Panel {
    /// The perturbation.
    pub name: &'static str,
    /// The correlation of F_XY with accuracy, by adjusted threshold.
    pub sample_given_label: Vec<Correlation>,
    /// The same for F_Y.
    pub label: Vec<Correlation>,
    /// The same for the means of F_XY and F_Y over all thresholds.
    pub means: [Correlation; 2],
    /// The same for flatness, −λ_max.
    pub flatness: Correlation,
    /// The same for the means and flatness, within seeds: models with the same seed share their initial weights, and seeds differ.
    pub within_seeds: [Correlation; 3],
    /// The models of the pool.
    pub members: Vec<Member>,
}

/// The correlation of two lists of numbers.
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
