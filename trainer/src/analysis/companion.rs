//! Information without bins (specification, section 8.5): the output read as a label drawn from the model's likelihoods (equation 10), in nats.

use serde::{Deserialize, Serialize};

/// The information of a label drawn from the model about sample and label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Companion {
    /// `E[Σ_c p(c|x) (log p(c|x) − log p̄_y(c))]`: how far predictions are from the mean prediction of their label's samples.
    pub sample_given_label: f64,
    /// `E[Σ_c p̄_y(c) (log p̄_y(c) − log p̄(c))]`: how far the labels' mean predictions are from the overall mean.
    pub label: f64,
}

/// Both quantities from likelihoods (n × classes): p̄_y is the mean over the samples with label y, p̄ the mean over all, and 0 log 0 = 0. For
/// several networks, pass [`mean_likelihoods`]. Without samples both are 0.
///
/// # Panics
/// If there is not one row per label.
#[track_caller]
pub fn companion(likelihoods: &[f64], classes: usize, labels: &[u32]) -> Companion {
    assert!(likelihoods.len() == labels.len() * classes, "{} values for {} rows", likelihoods.len(), labels.len());
    let highest = labels.iter().max().map_or(0, |y| *y as usize + 1);
    let mut counts = vec![0usize; highest];
    let mut means = vec![0.0; highest * classes];
    let rows = || likelihoods.chunks_exact(classes.max(1)).zip(labels);
    for (row, y) in rows() {
        let y = *y as usize;
        counts[y] += 1;
        means[y * classes..][..classes].iter_mut().zip(row).for_each(|(sum, p)| *sum += p);
    }
    let n = labels.len() as f64;
    let whole: Vec<f64> = (0..classes).map(|c| means.iter().skip(c).step_by(classes).sum::<f64>() / n).collect();
    for (mean, count) in means.chunks_exact_mut(classes.max(1)).zip(&counts) {
        mean.iter_mut().for_each(|sum| *sum /= (*count).max(1) as f64);
    }
    let of = |y: usize| &means[y * classes..][..classes];
    let samples: f64 = rows().map(|(row, y)| divergence(row, of(*y as usize))).sum();
    let label: f64 = counts.iter().enumerate().map(|(y, count)| *count as f64 * divergence(of(y), &whole)).sum();
    let mean = |sum: f64| if labels.is_empty() { 0.0 } else { (sum / n).max(0.0) };
    Companion { sample_given_label: mean(samples), label: mean(label) }
}

/// KL(p ‖ q).
fn divergence(p: &[f64], q: &[f64]) -> f64 {
    p.iter().zip(q).filter(|(p, _)| **p > 0.0).map(|(p, q)| p * (p.ln() - q.ln())).sum()
}

/// The likelihoods of a network drawn at random from those whose log-likelihoods are given: their mean (equation 11).
pub fn mean_likelihoods(networks: &[Vec<f32>]) -> Vec<f64> {
    let Some(first) = networks.first() else { return Vec::new() };
    let mean = |i| networks.iter().map(|values| f64::from(values[i]).exp()).sum::<f64>() / networks.len() as f64;
    (0..first.len()).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: [u32; 4] = [0, 0, 2, 2];

    #[test]
    fn predictions_that_the_label_decides_say_nothing_more_of_the_sample() {
        let one_hot = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0];
        let c = companion(&one_hot, 3, &LABELS);
        assert!(c.sample_given_label == 0.0 && (c.label - 2f64.ln()).abs() < 1e-12, "{c:?}");
        let constant = companion(&[0.2, 0.3, 0.5].repeat(4), 3, &LABELS);
        assert!(constant.sample_given_label < 1e-15 && constant.label < 1e-15, "{constant:?}");
        assert_eq!(companion(&[], 3, &[]), Companion::default());
    }

    #[test]
    fn predictions_that_differ_within_a_label_do() {
        let values = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0];
        let c = companion(&values, 2, &LABELS);
        assert!((c.sample_given_label - 2f64.ln()).abs() < 1e-12 && c.label.abs() < 1e-12, "{c:?}");
    }

    #[test]
    fn the_mean_of_networks_is_taken_of_likelihoods() {
        let [a, b] = [[0.2f32, 0.8], [0.6, 0.4]].map(|p| p.map(f32::ln).to_vec());
        let mean = mean_likelihoods(&[a, b]);
        assert!((mean[0] - 0.4).abs() < 1e-7 && (mean[1] - 0.6).abs() < 1e-7, "{mean:?}");
    }
}
