//! Initialisers, drawn on the host: the same numbers whatever the device.

use lethe_tensor::normal;
use lethe_tensor::random::{Draw, Philox};

/// How a parameter is initialised.
///
/// # Examples
/// ```
/// # use lethe_nn::{Builder, Init};
/// # use lethe_tensor::Device;
/// let mut b = Builder::new();
/// let weight = b.param("weight", &[4, 2], Init::XavierUniform { fan_in: 2, fan_out: 4 }); // U(±√(6 / 6))
/// let blueprint = b.finish();
/// let draw = |seed| {
///     let (theta, _) = blueprint.init(&Device::cpu(), seed);
///     theta.layout().view(theta.values(), weight).to_vec::<f32>()
/// };
/// assert!(draw(7)?.iter().all(|w| w.abs() <= 1.0));
/// assert!(draw(7)? == draw(7)? && draw(7)? != draw(8)?); // a function of the seed
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// The same number everywhere.
    Constant(f64),
    /// N(0, std²).
    Normal {
        /// The standard deviation.
        std: f64,
    },
    /// N(0, σ²) cut at ±2 σ, where σ is chosen so that the deviation after the cut is √(1 / fan_in) (truncated LeCun normal).
    TruncatedLecun {
        /// Inputs of a unit.
        fan_in: usize,
    },
    /// U(−b, b) with b = √(6 / (fan_in + fan_out)) (Xavier).
    XavierUniform {
        /// Inputs of a unit.
        fan_in: usize,
        /// Outputs that an input reaches.
        fan_out: usize,
    },
    /// N(0, 2 / fan_out): Kaiming for ReLU, preserving gradients.
    KaimingFanOut {
        /// Outputs that an input reaches.
        fan_out: usize,
    },
    /// U(−b, b) with b = 1/√fan_in: how PyTorch initialises linear layers and convolutions, weights and biases alike (of weights it is Kaiming's
    /// uniform rule with a = √5).
    FanIn {
        /// Inputs of a unit.
        fan_in: usize,
    },
    /// U(−b, b) with b = √(6 / ((1 + a²) fan_in)): Kaiming for a leaky ReLU of slope a, preserving activations.
    KaimingUniform {
        /// Inputs of a unit.
        fan_in: usize,
        /// The slope below 0; 0 for ReLU.
        a: f64,
    },
    /// U(−b, b).
    Uniform {
        /// b.
        bound: f64,
    },
}

/// The deviation of a unit normal cut at ±2.
const TRUNCATED_DEVIATION: f64 = 0.879_625_66;

impl Init {
    /// `n` numbers, a function of the seed and the parameter's number.
    pub fn draw(self, n: usize, seed: u64, parameter: usize) -> Vec<f32> {
        let mut all = vec![0.0; n];
        self.fill(&mut all, seed, parameter);
        all
    }

    /// The same, put in place.
    pub(crate) fn fill(self, numbers: &mut [f32], seed: u64, parameter: usize) {
        /// Tells parameters apart from whatever else is drawn under the seed.
        const STREAM: u32 = 0x1417;
        let mut rng = Philox::new(Draw::new(seed, [STREAM, parameter as u32, 0]));
        let uniform = |rng: &mut Philox, b: f64| (2.0 * rng.uniform() - 1.0) * b;
        let mut next = || match self {
            Init::Constant(c) => c,
            Init::Normal { std } => std * normal::quantile(rng.uniform()),
            Init::TruncatedLecun { fan_in } => {
                let (low, high) = (normal::cdf(-2.0), normal::cdf(2.0));
                let std = (1.0 / fan_in as f64).sqrt() / TRUNCATED_DEVIATION;
                std * normal::quantile(low + rng.uniform() * (high - low))
            }
            Init::XavierUniform { fan_in, fan_out } => uniform(&mut rng, (6.0 / (fan_in + fan_out) as f64).sqrt()),
            Init::KaimingFanOut { fan_out } => (2.0 / fan_out as f64).sqrt() * normal::quantile(rng.uniform()),
            // Where there are no inputs, nothing is scaled.
            Init::FanIn { fan_in } => uniform(&mut rng, 1.0 / (fan_in.max(1) as f64).sqrt()),
            Init::KaimingUniform { fan_in, a } => {
                uniform(&mut rng, (6.0 / ((1.0 + a * a) * fan_in.max(1) as f64)).sqrt())
            }
            Init::Uniform { bound } => uniform(&mut rng, bound),
        };
        numbers.iter_mut().for_each(|x| *x = next() as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(init: Init) -> (f64, f64, f64) {
        let v = init.draw(40_000, 7, 1);
        let n = v.len() as f64;
        let mean = v.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
        let var = v.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / n;
        (mean, var.sqrt(), v.iter().fold(0.0f64, |a, x| a.max(f64::from(x.abs()))))
    }

    #[test]
    fn deviations_and_bounds_are_those_of_their_definitions() {
        let (mean, std, top) = moments(Init::TruncatedLecun { fan_in: 100 });
        assert!(mean.abs() < 2e-3 && (std - 0.1).abs() < 2e-3 && top <= 0.2 / TRUNCATED_DEVIATION + 1e-7);
        let (_, std, top) = moments(Init::XavierUniform { fan_in: 384, fan_out: 384 });
        assert!((std - 0.0883883 / 3f64.sqrt()).abs() < 1e-3 && top <= 0.0883884);
        let (_, std, top) = moments(Init::FanIn { fan_in: 25 });
        assert!((std - 0.2 / 3f64.sqrt()).abs() < 1e-3 && top <= 0.2000001);
        let a = 5f64.sqrt();
        assert_eq!(moments(Init::KaimingUniform { fan_in: 25, a }), (moments(Init::FanIn { fan_in: 25 })));
        let (_, _, top) = moments(Init::KaimingUniform { fan_in: 24, a: 0.0 });
        assert!(top > 0.4999 && top <= 0.5);
        let (_, std, _) = moments(Init::KaimingFanOut { fan_out: 50 });
        assert!((std - 0.2).abs() < 4e-3);
    }
}
