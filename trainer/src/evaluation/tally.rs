//! Counts predictions: accuracy, loss and calibration, in total and by class.

use super::calibration::{Calibration, confidence};
use lethe_nn::loss::Likelihood;
use serde::{Deserialize, Serialize};

/// The number of largest logits among which the label counts as correct for the top-5 accuracy.
const WIDE: usize = 5;

/// Accuracy, loss and calibration over a whole data set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The number of images.
    pub images: usize,
    /// The number of images whose largest logit is that of their label.
    pub correct: usize,
    /// The number of images whose label is among the five largest logits; `None` for five classes or fewer.
    pub correct_top5: Option<usize>,
    /// The mean cross-entropy, without smoothing.
    pub loss: f64,
    /// The expected calibration error, as [`Calibration`] defines it.
    pub calibration_error: f64,
}

impl Evaluation {
    /// The percentage of correct images.
    pub fn accuracy(&self) -> f64 {
        percent(self.correct, self.images)
    }

    /// The top-5 accuracy, in percent.
    pub fn top5(&self) -> Option<f64> {
        self.correct_top5.map(|correct| percent(correct, self.images))
    }
}

/// The number of images of a class, and of those that are correct.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassScore {
    /// The number of images with this label.
    pub images: usize,
    /// The number of those whose largest logit is that of the label.
    pub correct: usize,
}

impl ClassScore {
    /// The percentage of correct images; `None` for a class without images.
    pub fn accuracy(&self) -> Option<f64> {
        (self.images > 0).then(|| percent(self.correct, self.images))
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole as f64
}

/// Running counts of predictions.
#[derive(Clone, Debug)]
pub struct Tally {
    likelihood: Likelihood,
    wide: usize,
    loss: f64,
    calibration: Calibration,
    /// The predicted class of every image, in order: that of the largest logit, the first of equal ones.
    pub predictions: Vec<u32>,
    /// The counts of each class.
    pub classes: Vec<ClassScore>,
}

impl Tally {
    /// Counts of no images yet.
    pub fn new(classes: usize, likelihood: Likelihood) -> Tally {
        let classes = vec![ClassScore::default(); classes];
        Tally { likelihood, wide: 0, loss: 0.0, calibration: Calibration::default(), predictions: Vec::new(), classes }
    }

    /// Counts an image.
    ///
    /// # Panics
    /// If the label is not a class.
    pub fn add(&mut self, logits: &[f32], label: u32, loss: f32) {
        let y = label as usize;
        // The first of equal logits counts as the larger one.
        let before = |c: usize, z: f32| z > logits[y] || (z == logits[y] && c < y);
        let rank = logits.iter().enumerate().filter(|(c, z)| before(*c, **z)).count();
        let largest = (1..logits.len()).fold(0, |best, c| if logits[c] > logits[best] { c } else { best });
        let correct = rank == 0;
        self.predictions.push(largest as u32);
        self.classes[y].images += 1;
        self.classes[y].correct += usize::from(correct);
        self.wide += usize::from(rank < WIDE);
        self.loss += f64::from(loss);
        self.calibration.add(confidence(logits, self.likelihood), correct);
    }

    /// The totals.
    pub fn evaluation(&self) -> Evaluation {
        let images = self.predictions.len();
        Evaluation {
            images,
            correct: self.classes.iter().map(|c| c.correct).sum(),
            correct_top5: (self.classes.len() > WIDE).then_some(self.wide),
            loss: self.loss / images as f64,
            calibration_error: self.calibration.error(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_counted_once_and_by_rank() {
        let mut tally = Tally::new(7, Likelihood::Softmax);
        tally.add(&[7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0], 0, 0.5);
        tally.add(&[7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0], 4, 1.5);
        tally.add(&[7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0], 5, 1.0);
        tally.add(&[0.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0], 2, 1.0);
        let e = tally.evaluation();
        assert_eq!((e.images, e.correct, e.correct_top5, e.loss), (4, 1, Some(3), 1.0));
        assert_eq!(tally.predictions, [0, 0, 0, 1], "the first of equal logits");
        assert_eq!((e.accuracy(), e.top5()), (25.0, Some(75.0)));
        assert_eq!(tally.classes[0].accuracy(), Some(100.0));
        assert_eq!((tally.classes[4].accuracy(), tally.classes[6].accuracy()), (Some(0.0), None));
        assert_eq!(Tally::new(5, Likelihood::Sigmoid).evaluation().correct_top5, None);
    }
}
