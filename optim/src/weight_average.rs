//! An average of θ and the state over the updates of a training, which is often evaluated in place of the last ones.

use crate::shrink_perturb::between;
use lethe_nn::{State, Theta};
use lethe_tensor::store;

/// The exponential moving average of θ and of the state:
///
/// ```text
/// x̄ ← β_t x̄ + (1 − β_t) x,    β_t = min(β, (1 + t) / (10 + t))
/// ```
///
/// after update t = 0, 1, …. It begins at the initial values, and forgets them faster than β alone would (as TensorFlow's
/// `ExponentialMovingAverage` with `num_updates`).
///
/// # Examples
/// ```
/// # use lethe_nn::{Builder, Init, Theta};
/// # use lethe_optim::WeightAverage;
/// # use lethe_tensor::Device;
/// # let mut b = Builder::new();
/// # let w = b.param("w", &[1], Init::Constant(0.0));
/// # let (start, state) = b.finish().init(&Device::cpu(), 0);
/// let mut average = WeightAverage::new(0.999, &start, &state); // θ is 0
/// let theta = Theta::new(start.values().add_scalar(10.0), start.layout()); // an update has led to 10
/// average.update(&theta, &state, 0); // β₀ = 1/10
/// let w = theta.layout().view(average.theta().values(), w).item::<f32>()?;
/// assert_eq!(w, 9.0);
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
pub struct WeightAverage {
    decay: f64,
    theta: Theta,
    state: State,
}

impl WeightAverage {
    /// An average that is now at these values.
    ///
    /// # Panics
    /// If the decay β is not in [0, 1).
    #[track_caller]
    pub fn new(decay: f64, theta: &Theta, state: &State) -> WeightAverage {
        assert!((0.0..1.0).contains(&decay), "WeightAverage: the decay {decay} is not in [0, 1)");
        WeightAverage { decay, theta: theta.clone(), state: state.clone() }
    }

    /// Takes the values after update `t`, counted from 0, into the average.
    pub fn update(&mut self, theta: &Theta, state: &State, t: u64) {
        let share = 1.0 - self.decay.min((1.0 + t as f64) / (10.0 + t as f64));
        let moved = between(self.theta.values(), theta.values(), share);
        store(&moved, self.theta.values_mut(), 0, false);
        self.state = State::new(between(self.state.values(), state.values(), share), state.layout());
    }

    /// The averaged parameters.
    pub fn theta(&self) -> &Theta {
        &self.theta
    }

    /// The averaged state.
    pub fn state(&self) -> &State {
        &self.state
    }
}
