//! What predictions are counted into.

use super::calibration::{Calibration, confidence};
use lethe_nn::loss::Likelihood;
use serde::{Deserialize, Serialize};

/// How many classes may be named for an answer to count as correct in the wider sense.
const WIDE: usize = 5;

/// Accuracy, loss and calibration over a whole data set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Images.
    pub images: usize,
    /// Images whose largest logit is at their label.
    pub correct: usize,
    /// Images whose label is among the five largest logits; where there are more than five classes.
    pub correct_top5: Option<usize>,
    /// The mean cross-entropy, without smoothing.
    pub loss: f64,
    /// The expected calibration error, as [`Calibration`] defines it.
    pub calibration_error: f64,
}

impl Evaluation {
    /// Correct images in percent.
    pub fn accuracy(&self) -> f64 {
        percent(self.correct, self.images)
    }

    /// The same for the five largest logits.
    pub fn top5(&self) -> Option<f64> {
        self.correct_top5.map(|correct| percent(correct, self.images))
    }
}

/// The images of a class, and how many of them are correct.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassScore {
    /// Images with this label.
    pub images: usize,
    /// Those whose largest logit is at it.
    pub correct: usize,
}

impl ClassScore {
    /// Correct images in percent; `None` for a class without images.
    pub fn accuracy(&self) -> Option<f64> {
        (self.images > 0).then(|| percent(self.correct, self.images))
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole as f64
}

/// Predictions counted, image by image.
#[derive(Clone, Debug)]
pub struct Tally {
    likelihood: Likelihood,
    wide: usize,
    loss: f64,
    calibration: Calibration,
    /// The class of the largest logit of every image, in order; the first of equal ones.
    pub predictions: Vec<u32>,
    /// By class.
    pub classes: Vec<ClassScore>,
}

impl Tally {
    /// Of no image yet.
    pub fn new(classes: usize, likelihood: Likelihood) -> Tally {
        let classes = vec![ClassScore::default(); classes];
        Tally { likelihood, wide: 0, loss: 0.0, calibration: Calibration::default(), predictions: Vec::new(), classes }
    }

    /// Counts an image.
    ///
    /// # Panics
    /// If the label is no class.
    pub fn add(&mut self, logits: &[f32], label: u32, loss: f32) {
        let y = label as usize;
        // Of equal logits the first is the larger one.
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
