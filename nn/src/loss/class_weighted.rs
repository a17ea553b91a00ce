//! The loss of a classifier whose classes do not count alike.

use super::{Objective, TaskLoss};
use lethe_autograd::Var;
use lethe_tensor::{DType, Tensor};

/// A [`TaskLoss`] in which every sample counts with the weight of its class, a mixture with the mean of its classes' weights by their shares:
///
/// ```text
/// 1/n Σᵢ w(yᵢ) L(yᵢ, zᵢ)
/// ```
///
/// It is divided by the number of samples, so that the mean over slices or parts of a batch is the mean over the batch. PyTorch divides by the sum
/// of the weights in a batch; with weights whose mean over the training set is 1, both are the same on average.
///
/// # Examples
/// ```
/// use lethe_nn::loss::{ClassWeighted, Objective, TaskLoss};
/// use lethe_tensor::{DType, Device, Tensor};
/// let cpu = Device::cpu();
/// let loss = ClassWeighted::new(TaskLoss::cross_entropy(), Tensor::new(&cpu, [1.0f32, 3.0]));
/// let logits = Tensor::zeros(&cpu, DType::F32, &[2, 2]);
/// let (value, slope) = loss.value_and_cotangent(&logits, &Tensor::new(&cpu, [0u32, 1]));
/// assert!((value.item::<f32>()? - 2.0 * 2f32.ln()).abs() < 1e-6); // (1 + 3) / 2 times ln 2
/// assert_eq!(slope.to_vec::<f32>()?, [-0.25, 0.25, 0.75, -0.75]);
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClassWeighted {
    /// The loss of a sample.
    pub loss: TaskLoss,
    weights: Option<Tensor>,
}

impl ClassWeighted {
    /// A loss with one weight for each class, `(classes)`.
    ///
    /// # Panics
    /// If the weights are not a vector of floats.
    #[track_caller]
    pub fn new(loss: TaskLoss, weights: Tensor) -> ClassWeighted {
        assert!(
            weights.rank() == 1 && weights.dtype().is_float(),
            "class weights are a vector of floats, one for each class; these are {} {:?}",
            weights.dtype(),
            weights.shape()
        );
        ClassWeighted { loss, weights: Some(weights) }
    }

    /// The loss in which all classes count alike.
    pub fn plain(loss: TaskLoss) -> ClassWeighted {
        ClassWeighted { loss, weights: None }
    }

    /// The weight of each sample, 0 where the label is `u32::MAX`.
    #[track_caller]
    fn of_samples(&self, weights: &Tensor, logits: &Tensor, targets: &Tensor) -> Tensor {
        let classes = logits.shape()[logits.rank() - 1];
        assert!(weights.shape() == [classes], "class weights: {} were given for {classes} classes", weights.numel());
        if targets.dtype() != DType::U32 {
            return targets.mul(weights).sum_axes(&[-1], false);
        }
        let counted = targets.label_weights("class weights", classes, logits.computed_type());
        let within = targets.lt_scalar(classes as f64).mul(targets);
        weights.index_select(0, &within).mul(&counted)
    }
}

impl From<TaskLoss> for ClassWeighted {
    fn from(loss: TaskLoss) -> ClassWeighted {
        ClassWeighted::plain(loss)
    }
}

impl Objective for ClassWeighted {
    #[track_caller]
    fn value(&self, output: &Var, targets: &Tensor) -> Var {
        match &self.weights {
            None => self.loss.value(output, targets),
            Some(weights) => {
                let weights = self.of_samples(weights, output.tensor(), targets);
                // A sample that does not count is left out, not multiplied: its loss may be infinite.
                let rows = self.loss.rows(output, targets).masked_fill(&weights.eq_scalar(0.0), 0.0);
                (&rows * &Var::constant(&weights)).mean()
            }
        }
    }

    #[track_caller]
    fn value_and_cotangent(&self, output: &Tensor, targets: &Tensor) -> (Tensor, Tensor) {
        let Some(weights) = &self.weights else { return self.loss.value_and_cotangent(output, targets) };
        let weights = self.of_samples(weights, output, targets);
        let TaskLoss { likelihood, smoothing } = self.loss;
        let (rows, grad) = output.cross_entropy_with_grad(targets, likelihood, smoothing);
        let share = 1.0 / rows.numel() as f64;
        let counted =
            |of: &Tensor, weights: &Tensor| weights.eq_scalar(0.0).where_(&of.scalar_like(0.0), &of.mul(weights));
        (counted(&rows, &weights).mean(), counted(&grad, &weights.unsqueeze(-1)).mul_scalar(share))
    }

    #[track_caller]
    fn correct(&self, output: &Tensor, targets: &Tensor) -> Option<Tensor> {
        self.loss.correct(output, targets)
    }
}
