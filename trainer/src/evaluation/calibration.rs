//! The expected calibration error: how far the confidence of predictions is from their accuracy.

use lethe_nn::loss::Likelihood;

/// The number of bins of confidence.
pub const BINS: usize = 15;

/// Predictions binned by their confidence, the likelihood of the predicted class: 15 bins of equal width, (b/15, (b + 1)/15]. The expected
/// calibration error is
///
/// ```text
/// ECE = Σ_b |B_b| / n · |accuracy(B_b) − mean confidence(B_b)|
/// ```
///
/// (Guo et al., "On calibration of modern neural networks", ICML 2017). Likelihoods are those of the loss: softmax with CE, a sigmoid per class with
/// BCE.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration {
    bins: [Bin; BINS],
}

/// The predictions of one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// Their number.
    pub images: usize,
    /// The number of correct ones.
    pub correct: usize,
    /// The sum of their confidences.
    pub confidence: f64,
}

impl Calibration {
    /// Counts a prediction of this confidence, in 0..=1.
    pub fn add(&mut self, confidence: f64, correct: bool) {
        let bin = ((confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
        let bin = &mut self.bins[bin];
        bin.images += 1;
        bin.correct += usize::from(correct);
        bin.confidence += confidence;
    }

    /// The bins, from the least to the most confident.
    pub fn bins(&self) -> &[Bin; BINS] {
        &self.bins
    }

    /// The ECE, in 0..=1; 0 without predictions.
    pub fn error(&self) -> f64 {
        let images: usize = self.bins.iter().map(|b| b.images).sum();
        let gap: f64 = self.bins.iter().map(|b| (b.correct as f64 - b.confidence).abs()).sum();
        gap / images.max(1) as f64
    }
}

/// The likelihood of the class of the largest logit.
pub fn confidence(logits: &[f32], likelihood: Likelihood) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let below = |z: f32| (f64::from(z) - f64::from(largest)).exp();
    match likelihood {
        Likelihood::Softmax => 1.0 / logits.iter().map(|z| below(*z)).sum::<f64>(),
        Likelihood::Sigmoid => 1.0 / (1.0 + (-f64::from(largest)).exp()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_the_gap_between_confidence_and_accuracy() {
        let mut c = Calibration::default();
        assert_eq!(c.error(), 0.0);
        // Bin (0.6, 2/3]: half are correct. Bin (14/15, 1]: all are.
        [(0.65, true), (0.65, false), (1.0, true), (1.0, true)].iter().for_each(|(p, hit)| c.add(*p, *hit));
        assert!((c.error() - (2.0 * 0.15) / 4.0).abs() < 1e-12, "{}", c.error());
    }

    #[test]
    fn the_upper_edge_belongs_to_a_bin() {
        let mut c = Calibration::default();
        [0.0, 1.0 / 15.0, 1.0].iter().for_each(|p| c.add(*p, true));
        assert_eq!(c.bins.map(|b| b.images), [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn confidence_is_the_losss_likelihood_and_never_overflows() {
        assert!((confidence(&[0.0, 0.0, 1000.0], Likelihood::Softmax) - 1.0).abs() < 1e-12);
        assert!((confidence(&[2.0, 2.0], Likelihood::Softmax) - 0.5).abs() < 1e-12);
        assert!((confidence(&[0.0, -5.0], Likelihood::Sigmoid) - 0.5).abs() < 1e-12);
        assert_eq!(confidence(&[-1e4, -2e4], Likelihood::Sigmoid), 0.0);
    }
}
