//! What learning rate and radius are at update t.

use std::f64::consts::PI;

/// A rate that rises linearly from `start` in W updates of warm-up, and then falls from `max` to `min` until update T, with
/// d = (t − W) / (T − W), held at 1:
///
/// ```text
/// rate(t) = start + t (max − start) / W               t < W
/// rate(t) = min + (max − min) (1 − d)                 Decay::Linear
/// rate(t) = min + (max − min) (1 + cos(π d)) / 2      Decay::Cosine
/// rate(t) = max(min, max · factorⁿ)                   Decay::Step, n of whose updates are ≤ t
/// rate(t) = max                                       Decay::Constant
/// ```
///
/// # Examples
/// ```
/// use lethe_optim::{Decay, Schedule};
/// let linear = Schedule::new(1.0, 2, 6);
/// assert_eq!([0, 1, 2, 4, 6].map(|t| linear.at(t)), [0.0, 0.5, 1.0, 0.5, 0.0]);
/// let steps = Schedule { decay: Decay::Step { at: vec![3, 5], factor: 0.5 }, ..linear };
/// assert_eq!([1, 2, 3, 4, 5].map(|t| steps.at(t)), [0.5, 1.0, 0.5, 0.5, 0.25]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The rate at t = 0, if there is a warm-up.
    pub start: f64,
    /// The rate at t = W.
    pub max: f64,
    /// The rate at t = T, or the smallest that steps lead to.
    pub min: f64,
    /// W: the number of updates of the warm-up.
    pub warmup: u64,
    /// T: the number of all updates.
    pub total: u64,
    /// How it falls after the warm-up.
    pub decay: Decay,
}

/// How a rate falls.
#[derive(Clone, Debug, PartialEq)]
pub enum Decay {
    /// In proportion to the updates.
    Linear,
    /// As half a period of a cosine.
    Cosine,
    /// By a factor at each of these updates.
    Step {
        /// The updates, counted from 0.
        at: Vec<u64>,
        /// The factor.
        factor: f64,
    },
    /// Not at all.
    Constant,
}

impl Schedule {
    /// Linear warm-up from 0 to `max` in this number of updates, and linear decay to 0 at update `total`.
    pub fn new(max: f64, warmup: u64, total: u64) -> Schedule {
        Schedule { start: 0.0, max, min: 0.0, warmup, total, decay: Decay::Linear }
    }

    /// The rate of update `t`, counted from 0.
    pub fn at(&self, t: u64) -> f64 {
        let Schedule { start, max, min, warmup, total, ref decay } = *self;
        if t < warmup {
            return start + t as f64 * (max - start) / warmup as f64;
        }
        let left = total.saturating_sub(warmup).max(1);
        let done = (t - warmup).min(left) as f64 / left as f64;
        match decay {
            Decay::Linear => min + (max - min) * (1.0 - done),
            Decay::Cosine => min + (max - min) * (1.0 + (PI * done).cos()) / 2.0,
            Decay::Step { at, factor } => {
                let steps = at.iter().filter(|step| **step <= t).count();
                (max * factor.powi(steps as i32)).max(min)
            }
            Decay::Constant => max,
        }
    }
}

/// The radius of a perturbation.
///
/// # Examples
/// ```
/// use lethe_optim::RhoSchedule;
/// let rho = RhoSchedule::FollowsLr { min: 0.0, max: 0.5, lr_min: 0.0, lr_max: 0.1 };
/// assert_eq!(rho.at(0, 0.05), 0.25); // half the rate, half the radius
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum RhoSchedule {
    /// A constant radius.
    Constant(f64),
    /// A schedule of its own.
    Own(Schedule),
    /// `max(0, min + (max − min) (lr − lr_min) / (lr_max − lr_min))`: it follows the learning rate of the same update.
    FollowsLr {
        /// The radius at the smallest rate.
        min: f64,
        /// The radius at the largest rate.
        max: f64,
        /// The smallest rate.
        lr_min: f64,
        /// The largest rate.
        lr_max: f64,
    },
}

impl RhoSchedule {
    /// The radius of update `t`, counted from 0, whose learning rate is `lr`.
    pub fn at(&self, t: u64, lr: f64) -> f64 {
        match *self {
            RhoSchedule::Constant(rho) => rho,
            RhoSchedule::Own(ref schedule) => schedule.at(t),
            RhoSchedule::FollowsLr { max, lr_min, lr_max, .. } if lr_min == lr_max => max,
            RhoSchedule::FollowsLr { min, max, lr_min, lr_max } => {
                (min + (max - min) * (lr - lr_min) / (lr_max - lr_min)).max(0.0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_start_at_zero_peak_after_the_warm_up_and_end_an_increment_above_the_minimum() {
        let s = Schedule { min: 3e-5, ..Schedule::new(3e-3, 10, 110) };
        assert_eq!((s.at(0), s.at(10)), (0.0, 3e-3));
        assert!((s.at(109) - (3e-5 + (3e-3 - 3e-5) / 100.0)).abs() < 1e-15);
    }

    #[test]
    fn every_decay_begins_at_the_largest_rate_and_never_rises() {
        let step = Decay::Step { at: vec![20, 50, 80], factor: 0.1 };
        for decay in [Decay::Linear, Decay::Cosine, step, Decay::Constant] {
            let s = Schedule { min: 0.01, decay: decay.clone(), ..Schedule::new(1.0, 10, 100) };
            let rates: Vec<f64> = (10..130).map(|t| s.at(t)).collect();
            assert!(rates[0] == 1.0 && rates.is_sorted_by(|a, b| a >= b), "{decay:?}");
            let last = if decay == Decay::Constant { 1.0 } else { 0.01 };
            assert!((s.at(100) - last).abs() < 1e-15 && s.at(129) == s.at(100), "{decay:?}");
        }
        let cosine = Schedule { decay: Decay::Cosine, ..Schedule::new(2.0, 0, 4) };
        assert!((cosine.at(1) - (1.0 + 0.5f64.sqrt())).abs() < 1e-15 && (cosine.at(2) - 1.0).abs() < 1e-15);
        let own = RhoSchedule::Own(cosine);
        assert_eq!(own.at(0, 0.1), 2.0);
    }

    #[test]
    fn radii_have_their_golden_values() {
        let vit = RhoSchedule::FollowsLr { min: 0.0, max: 0.6, lr_min: 3e-5, lr_max: 3e-3 };
        assert_eq!(vit.at(0, 0.0), 0.0);
        assert!((vit.at(0, 1.5e-3) - 0.296970).abs() < 1e-6 && (vit.at(0, 3e-3) - 0.6).abs() < 1e-12);
        let resnet = RhoSchedule::FollowsLr { min: 0.02, max: 0.04, lr_min: 0.016, lr_max: 1.6 };
        assert!((resnet.at(0, 0.0) - 0.019798).abs() < 1e-6 && (resnet.at(0, 0.8) - 0.029899).abs() < 1e-6);
        assert!((resnet.at(0, 1.6) - 0.04).abs() < 1e-12);
        let still = RhoSchedule::FollowsLr { min: 0.0, max: 0.2, lr_min: 3e-4, lr_max: 3e-4 };
        assert_eq!(
            [still.at(0, 0.0), still.at(0, 3e-4)],
            [0.2; 2],
            "a rate that stays leaves the radius at its largest"
        );
    }
}
