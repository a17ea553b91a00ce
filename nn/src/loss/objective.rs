//! What a step descends: a number made of a model's output and the targets.

use lethe_autograd::{Mode, Tape, Var};
use lethe_tensor::Tensor;

/// An objective of a model's output. A new loss is one implementation of [`Objective::value`]; a closure over the output and the targets is an
/// objective too:
///
/// ```
/// use lethe_autograd::Var;
/// use lethe_nn::loss::Objective;
/// use lethe_tensor::{Device, Tensor};
///
/// let quartic = |output: &Var, targets: &Tensor| (output - targets).square().square().mean();
/// let device = Device::cpu();
/// let [output, targets] = [[1.0f32, 2.0], [1.0, 0.0]].map(|x| Tensor::from_slice(&device, &x, &[2]));
/// let (value, cotangent) = quartic.value_and_cotangent(&output, &targets);
/// assert_eq!(value.to_vec::<f32>().unwrap(), [8.0]); // (0⁴ + 2⁴) / 2
/// assert_eq!(cotangent.to_vec::<f32>().unwrap(), [0.0, 16.0]); // 4 e³ / 2
/// ```
pub trait Objective {
    /// The mean over the samples of a slice, a scalar that can be differentiated by the output. The first axis of the output and of the targets
    /// counts the samples.
    fn value(&self, output: &Var, targets: &Tensor) -> Var;

    /// The value and its gradient by the output, with which the model's backward pass begins. Unless an objective knows it in closed form, it
    /// comes from a tape of the output alone.
    ///
    /// # Panics
    /// If the value is not a scalar, or does not depend on the output.
    #[track_caller]
    fn value_and_cotangent(&self, output: &Tensor, targets: &Tensor) -> (Tensor, Tensor) {
        let tape = Tape::new();
        let leaf = tape.leaf(output);
        let value = self.value(&leaf, targets);
        assert!(
            value.numel() == 1,
            "an objective gives a scalar, such as a mean; this one has shape {:?}",
            value.shape()
        );
        let one = Var::constant(&Tensor::ones(value.device(), value.tensor().computed_type(), value.shape()));
        let cotangent = tape.sweep(&value, &one, Mode::Free).of(&leaf).tensor().clone();
        (value.tensor().reshape(&[]), cotangent)
    }

    /// The gradient by the output alone.
    ///
    /// # Panics
    /// As [`Objective::value_and_cotangent`].
    #[track_caller]
    fn cotangent(&self, output: &Tensor, targets: &Tensor) -> Tensor {
        self.value_and_cotangent(output, targets).1
    }

    /// The number of correct predictions, a scalar on the device; `None` where nothing is right or wrong, as in a regression.
    #[track_caller]
    fn correct(&self, _output: &Tensor, _targets: &Tensor) -> Option<Tensor> {
        None
    }
}

/// A function of the output and the targets; its derivative comes from a tape.
impl<F: Fn(&Var, &Tensor) -> Var> Objective for F {
    #[track_caller]
    fn value(&self, output: &Var, targets: &Tensor) -> Var {
        self(output, targets)
    }
}

/// That output and targets of an error loss have one shape: broadcasting (n) against (n, 1) would compare every sample with every other.
#[track_caller]
pub(super) fn same_shape(loss: &str, output: &Var, targets: &Tensor) {
    assert!(
        output.shape() == targets.shape(),
        "{loss}: the output has shape {:?}, the targets {:?}; reshape one, so that each number has its target",
        output.shape(),
        targets.shape()
    );
}
