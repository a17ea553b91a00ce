//! Threshold adjustment (specification, section 8.3): two networks' information curves are compared at thresholds at which the first has lost a given
//! fraction of its information.

use serde::{Deserialize, Serialize};

/// The number of points of the grid of adjusted thresholds.
pub const ADJUSTED_GRID: usize = 101;

/// Adjusted thresholds s: [`ADJUSTED_GRID`] of them, evenly spaced from 0 to 1, both included.
pub fn adjusted_thresholds() -> Vec<f64> {
    (0..ADJUSTED_GRID).map(|k| k as f64 / (ADJUSTED_GRID - 1) as f64).collect()
}

/// The decrease of one network's information from its maximum to 0, which gives a scale for thresholds.
#[derive(Clone, Debug, PartialEq)]
pub struct Adjustment<'a> {
    r: &'a [f64],
    /// The index of the maximum.
    peak: usize,
    /// The maximum.
    maximum: f64,
    /// From the peak on: the running minimum of the curve divided by its maximum, which is monotonic.
    fall: Vec<f64>,
}

/// The forgetting of perturbed networks by adjusted threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forgetting {
    /// The adjusted thresholds s.
    pub s: Vec<f64>,
    /// The exponents r(s).
    pub r: Vec<f64>,
    /// F_XY(s): the fraction of I(X;T|Y) that is lost beyond what the threshold itself removes.
    pub sample_given_label: Vec<f64>,
    /// F_Y(s): the fraction of I(T;Y) that is lost; `None` if there was none.
    pub label: Option<Vec<f64>>,
}

impl Forgetting {
    /// The mean of F_XY over s: one number per collection.
    pub fn mean_sample_given_label(&self) -> f64 {
        mean(&self.sample_given_label)
    }

    /// The mean of F_Y over s.
    pub fn mean_label(&self) -> Option<f64> {
        self.label.as_deref().map(mean)
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

impl<'a> Adjustment<'a> {
    /// The scale given by the unperturbed network's I(X;T|Y), `u`, at the exponents `r`; `None` if it is 0 everywhere.
    ///
    /// # Panics
    /// If there is not one value per exponent.
    #[track_caller]
    pub fn new(r: &'a [f64], u: &[f64]) -> Option<Adjustment<'a>> {
        assert!(r.len() == u.len(), "{} values for {} exponents", u.len(), r.len());
        // The last one of equal maxima.
        let (peak, &maximum) = u.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
        if maximum <= 0.0 {
            return None;
        }
        let mut least = 1.0f64;
        let fall = u[peak..].iter().map(|u| {
            least = least.min(u / maximum);
            least
        });
        Some(Adjustment { r, peak, maximum, fall: fall.collect() })
    }

    /// The first position at which the curve, linear between its points, has decreased to 1 − s: the index of the point before it, and the
    /// fraction of the way to the next point.
    fn position(&self, s: f64) -> (usize, f64) {
        let level = 1.0 - s;
        match self.fall.iter().position(|u| *u <= level) {
            None => (self.r.len() - 1, 0.0),
            Some(0) => (self.peak, 0.0),
            Some(k) => {
                let (above, below) = (self.fall[k - 1], self.fall[k]);
                (self.peak + k - 1, (above - level) / (above - below))
            }
        }
    }

    /// r(s).
    pub fn exponent(&self, s: f64) -> f64 {
        interpolate(self.r, self.position(s))
    }

    /// F_XY(s) = (1 − s) − q(r(s)) for the perturbed networks' I(X;T|Y), `q`, which is divided by the maximum of `u`, not by its own.
    pub fn forgetting(&self, q: &[f64], s: f64) -> f64 {
        (1.0 - s) - interpolate(q, self.position(s)) / self.maximum
    }

    /// F_Y(s) = (I(T;Y) − I(Tᵖ;Y))(r(s)) / max I(T;Y), from both networks' I(T;Y); `None` if the unperturbed one's is 0 everywhere.
    pub fn label_forgetting(&self, unperturbed: &[f64], perturbed: &[f64], s: f64) -> Option<f64> {
        let maximum = unperturbed.iter().copied().fold(0.0, f64::max);
        let position = self.position(s);
        let difference = interpolate(unperturbed, position) - interpolate(perturbed, position);
        (maximum > 0.0).then(|| difference / maximum)
    }
}

fn interpolate(values: &[f64], (before, share): (usize, f64)) -> f64 {
    let next = values[(before + 1).min(values.len() - 1)];
    values[before] + share * (next - values[before])
}

#[cfg(test)]
mod tests {
    use super::*;

    const R: [f64; 6] = [-5.0, -4.0, -3.0, -2.0, -1.0, 0.0];
    const U: [f64; 6] = [0.0, 2.0, 2.0, 1.0, 1.5, 0.0];

    #[test]
    fn thresholds_are_those_where_the_share_is_reached_first() {
        let a = Adjustment::new(&R, &U).unwrap();
        for (s, r) in [(0.0, -3.0), (0.25, -2.5), (0.5, -2.0), (0.75, -0.5), (1.0, 0.0)] {
            assert!((a.exponent(s) - r).abs() < 1e-12, "r({s}) = {}", a.exponent(s));
        }
    }

    #[test]
    fn the_unperturbed_network_falls_by_one_minus_s_and_has_forgotten_nothing() {
        // The running minimum removes the last bump.
        let falling = [0.0, 2.0, 2.0, 1.0, 0.7, 0.0];
        let a = Adjustment::new(&R, &falling).unwrap();
        for s in adjusted_thresholds() {
            assert!(a.forgetting(&falling, s).abs() < 1e-12, "F({s}) = {}", a.forgetting(&falling, s));
            assert_eq!(a.label_forgetting(&falling, &falling, s), Some(0.0));
        }
    }

    #[test]
    fn what_a_perturbation_took_is_measured_against_the_unperturbed_maximum() {
        let a = Adjustment::new(&R, &U).unwrap();
        let half = U.map(|u| u / 2.0);
        assert!((a.forgetting(&half, 0.0) - 0.5).abs() < 1e-12, "at the peak too");
        assert!((a.label_forgetting(&U, &half, 0.0).unwrap() - 0.5).abs() < 1e-12);
        assert_eq!(a.label_forgetting(&[0.0; 6], &half, 0.0), None);
        assert!(Adjustment::new(&R, &[0.0; 6]).is_none());
    }

    #[test]
    fn a_curve_that_never_falls_ends_at_the_last_threshold() {
        let a = Adjustment::new(&R, &[0.0, 1.0, 0.9, 0.8, 0.7, 0.6]).unwrap();
        assert_eq!(a.exponent(1.0), 0.0);
    }
}
