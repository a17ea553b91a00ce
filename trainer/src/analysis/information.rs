//! Binned information about a network's outputs (specification, section 8.2): plug-in estimates from counts, in nats.
//!
//! An output becomes a code with one bit per class, which is set if the class's value is above a threshold. A deterministic network gives one code
//! per sample; R perturbed networks give R, and the code of a sample is then any of them with equal probability. This module knows no networks;
//! [`collect`](super::collect) runs them.

use serde::{Deserialize, Serialize};

/// The code of a sample: bit c for class c.
pub type Code = u128;

/// The largest number of classes of a code.
pub const MAX_CLASSES: usize = Code::BITS as usize;

/// The number of points of the grid of thresholds.
pub const GRID: usize = 100;

/// The exponents r of the thresholds 10^r: [`GRID`] of them, evenly spaced from −12 to 0, both included.
pub fn exponents() -> Vec<f64> {
    (0..GRID).map(|k| -12.0 + 12.0 * k as f64 / (GRID - 1) as f64).collect()
}

/// The code of each row of `values` (n × classes): bit c is set if the value of class c is strictly above the threshold.
/// Values may be likelihoods or, with the threshold's logarithm, log-likelihoods, which do not underflow.
///
/// # Panics
/// If there are more than [`MAX_CLASSES`] classes, or the values do not form complete rows.
#[track_caller]
pub fn codes(values: &[f32], classes: usize, threshold: f32) -> Vec<Code> {
    assert!((1..=MAX_CLASSES).contains(&classes), "a code has 1 to {MAX_CLASSES} classes, not {classes}");
    assert!(values.len().is_multiple_of(classes), "{} values are no rows of {classes}", values.len());
    let code = |row: &[f32]| row.iter().rev().fold(0, |code, v| code << 1 | Code::from(*v > threshold));
    values.chunks_exact(classes).map(code).collect()
}

/// The information of codes T about samples X and labels Y.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Information {
    /// H(T).
    pub entropy: f64,
    /// H(T|Y).
    pub entropy_given_label: f64,
    /// I(X;T|Y): the information about the sample beyond its label.
    pub sample_given_label: f64,
    /// I(T;Y): the information about the label.
    pub label: f64,
}

/// The estimate from the codes of each network, all for the same samples with these labels (equation 11):
///
/// ```text
/// H(T) = −Σ p log p        H(T|Y) = Σ_y p(y) H(T|Y=y)        p from counts pooled over the networks
/// I(T;Y) = H(T) − H(T|Y)   I(X;T|Y) = H(T|Y) − mean over samples of H(the sample's codes)
/// ```
///
/// The last mean is 0 for one network. Without samples everything is 0.
///
/// # Panics
/// If a network does not have one code per label.
#[track_caller]
pub fn information(networks: &[Vec<Code>], labels: &[u32]) -> Information {
    let n = labels.len();
    assert!(networks.iter().all(|codes| codes.len() == n), "every network needs {n} codes, one a label");
    if n == 0 || networks.is_empty() {
        return Information::default();
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|i| labels[*i]);
    let mut pooled = Vec::with_capacity(n * networks.len());
    let mut entropy_given_label = 0.0;
    for samples in order.chunk_by(|a, b| labels[*a] == labels[*b]) {
        let start = pooled.len();
        networks.iter().for_each(|codes| pooled.extend(samples.iter().map(|i| codes[*i])));
        entropy_given_label += samples.len() as f64 / n as f64 * entropy(&mut pooled[start..]);
    }
    let spread = |i| entropy(&mut networks.iter().map(|codes| codes[i]).collect::<Vec<_>>());
    let spread = if networks.len() == 1 { 0.0 } else { (0..n).map(spread).sum::<f64>() / n as f64 };
    let entropy = entropy(&mut pooled);
    Information {
        entropy,
        entropy_given_label,
        // Both are at least 0; rounding below it would print a negative zero in tables.
        sample_given_label: (entropy_given_label - spread).max(0.0),
        label: (entropy - entropy_given_label).max(0.0),
    }
}

/// The entropy of the frequencies of some codes, which are sorted in place.
fn entropy(codes: &mut [Code]) -> f64 {
    codes.sort();
    let n = codes.len() as f64;
    let term = |run: &[Code]| run.len() as f64 / n * (n / run.len() as f64).ln();
    codes.chunk_by(|a, b| a == b).map(term).sum()
}

/// Both quantities over the grid of thresholds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Curves {
    /// I(X;T|Y) at each exponent.
    pub sample_given_label: Vec<f64>,
    /// I(T;Y) at each exponent.
    pub label: Vec<f64>,
}

/// The curves of networks whose log-likelihoods are given, each n × classes.
///
/// # Panics
/// If there are more than [`MAX_CLASSES`] classes, or a network does not have one row per label.
#[track_caller]
pub fn curves(networks: &[Vec<f32>], classes: usize, labels: &[u32]) -> Curves {
    let at = |r: &f64| {
        let threshold = (r * std::f64::consts::LN_10) as f32;
        let codes: Vec<_> = networks.iter().map(|values| codes(values, classes, threshold)).collect();
        information(&codes, labels)
    };
    let points: Vec<Information> = exponents().iter().map(at).collect();
    Curves {
        sample_given_label: points.iter().map(|i| i.sample_given_label).collect(),
        label: points.iter().map(|i| i.label).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lethe_tensor::random::{Draw, Philox};

    const LABELS: [u32; 8] = [0, 0, 0, 0, 1, 1, 1, 1];

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    #[test]
    fn the_golden_example() {
        let i = information(&[vec![1, 1, 1, 3, 2, 2, 3, 3]], &LABELS);
        assert!(near(i.entropy, 1.082196) && near(i.sample_given_label, 0.627741) && near(i.label, 0.454454), "{i:?}");
        assert_eq!(i.sample_given_label, i.entropy_given_label);
    }

    #[test]
    fn equal_networks_say_what_one_says_and_noise_says_nothing_of_the_sample() {
        let one = vec![1, 1, 1, 3, 2, 2, 3, 3];
        let (alone, thrice) = (information(std::slice::from_ref(&one), &LABELS), information(&vec![one; 3], &LABELS));
        assert!(near(alone.sample_given_label, thrice.sample_given_label) && near(alone.label, thrice.label));
        // Every sample has both codes: they are noise.
        let i = information(&[vec![0; 8], vec![1; 8]], &LABELS);
        assert!(near(i.entropy, 2f64.ln()) && i.sample_given_label.abs() < 1e-12 && i.label.abs() < 1e-12, "{i:?}");
        assert_eq!(information(&[vec![]], &[]), Information::default());
    }

    #[test]
    fn a_bit_is_set_above_the_threshold_only() {
        assert_eq!(codes(&[0.5, 0.4, 0.1, 0.2, 0.5, 0.6], 3, 0.4), [0b001, 0b110]);
        let last: Vec<f32> = (0..MAX_CLASSES).map(|c| if c + 1 == MAX_CLASSES { 1.0 } else { 0.0 }).collect();
        assert_eq!(codes(&last, MAX_CLASSES, 0.5), [1 << (MAX_CLASSES - 1)]);
    }

    #[test]
    fn curves_vanish_at_both_ends_and_never_exceed_what_there_is() {
        let grid = exponents();
        assert_eq!((grid.len(), grid[0], grid[GRID - 1]), (GRID, -12.0, 0.0));
        let mut random = Philox::new(Draw::new(3, [0; 3]));
        let labels: Vec<u32> = (0..200).map(|_| random.below(10)).collect();
        // Softmax of random logits: no likelihood is near 1e-12.
        let mut network = || -> Vec<f32> {
            let row = |logits: Vec<f64>| {
                let sum: f64 = logits.iter().map(|z| z.exp()).sum();
                logits.into_iter().map(move |z| (z - sum.ln()) as f32)
            };
            (0..200).flat_map(|_| row((0..10).map(|_| 12.0 * random.uniform()).collect())).collect()
        };
        for networks in [vec![network()], vec![network(), network(), network()]] {
            let c = curves(&networks, 10, &labels);
            assert_eq!([c.sample_given_label[0], c.label[0]], [0.0, 0.0], "all classes are above 1e-12");
            assert_eq!([c.sample_given_label[GRID - 1], c.label[GRID - 1]], [0.0, 0.0], "none is above 1");
            assert!(c.sample_given_label.iter().any(|i| *i > 0.5));
            for (k, r) in grid.iter().enumerate() {
                let codes: Vec<_> = networks.iter().map(|v| codes(v, 10, (r * 10f64.ln()) as f32)).collect();
                let i = information(&codes, &labels);
                assert!(i.label <= i.entropy.min(10f64.ln()) + 1e-12 && c.label[k] == i.label, "{i:?}");
                assert!(i.sample_given_label <= i.entropy_given_label, "{i:?}");
            }
        }
    }
}
