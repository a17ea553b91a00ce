//! What learning rate and radius are at update t.

/// Linear warm-up from `start`, then linear decay:
///
/// ```text
/// lr(t) = start + t (max − start) / W               t < W
/// lr(t) = min + (max − min) (1 − (t − W) / (T − W))  t ≥ W
/// ```
///
/// # Examples
/// ```
/// use lethe_optim::LinearSchedule;
/// let schedule = LinearSchedule { start: 0.0, max: 1.0, min: 0.0, warmup: 2, total: 6 };
/// assert_eq!([0, 1, 2, 4, 6].map(|t| schedule.at(t)), [0.0, 0.5, 1.0, 0.5, 0.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearSchedule {
    /// The rate at t = 0, if there is a warm-up.
    pub start: f64,
    /// The rate at t = W.
    pub max: f64,
    /// The rate at t = T. Equal to `max` for a constant rate after the warm-up.
    pub min: f64,
    /// W: updates of the warm-up.
    pub warmup: u64,
    /// T: all updates.
    pub total: u64,
}

impl LinearSchedule {
    /// The rate of update `t`, counted from 0.
    pub fn at(&self, t: u64) -> f64 {
        if t < self.warmup {
            return self.start + t as f64 * (self.max - self.start) / self.warmup as f64;
        }
        let left = self.total.saturating_sub(self.warmup).max(1);
        let done = (t - self.warmup).min(left) as f64 / left as f64;
        self.min + (self.max - self.min) * (1.0 - done)
    }
}

/// The radius of a perturbation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RhoSchedule {
    /// A constant radius.
    Constant(f64),
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
    /// The radius at a learning rate.
    pub fn at(&self, lr: f64) -> f64 {
        match *self {
            RhoSchedule::Constant(rho) => rho,
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
        let s = LinearSchedule { start: 0.0, max: 3e-3, min: 3e-5, warmup: 10, total: 110 };
        assert_eq!((s.at(0), s.at(10)), (0.0, 3e-3));
        assert!((s.at(109) - (3e-5 + (3e-3 - 3e-5) / 100.0)).abs() < 1e-15);
    }

    #[test]
    fn radii_have_their_golden_values() {
        let vit = RhoSchedule::FollowsLr { min: 0.0, max: 0.6, lr_min: 3e-5, lr_max: 3e-3 };
        assert_eq!(vit.at(0.0), 0.0);
        assert!((vit.at(1.5e-3) - 0.296970).abs() < 1e-6 && (vit.at(3e-3) - 0.6).abs() < 1e-12);
        let resnet = RhoSchedule::FollowsLr { min: 0.02, max: 0.04, lr_min: 0.016, lr_max: 1.6 };
        assert!((resnet.at(0.0) - 0.019798).abs() < 1e-6 && (resnet.at(0.8) - 0.029899).abs() < 1e-6);
        assert!((resnet.at(1.6) - 0.04).abs() < 1e-12);
        let still = RhoSchedule::FollowsLr { min: 0.0, max: 0.2, lr_min: 3e-4, lr_max: 3e-4 };
        assert_eq!([still.at(0.0), still.at(3e-4)], [0.2; 2], "a rate that stays leaves the radius at its largest");
    }
}
