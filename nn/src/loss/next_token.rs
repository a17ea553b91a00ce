//! The loss of a language model.

use super::{Likelihood, Objective};
use crate::accuracy::hits;
use lethe_autograd::Var;
use lethe_tensor::Tensor;

/// Cross-entropy of the next token: the mean of `−ln softmax(z)_y` over all places of all sequences, z being logits (n, places, tokens) and y
/// labels (n, places) `U32`, at each place the token that comes after it. Places of `u32::MAX`, such as padding, are left out, and the mean is
/// over the others; 0 if there are none.
///
/// # Examples
/// ```
/// use lethe_autograd::Var;
/// use lethe_nn::loss::{NextToken, Objective};
/// use lethe_tensor::{DType, Device, Tensor};
/// let logits = Var::constant(&Tensor::zeros(&Device::cpu(), DType::F32, &[1, 3, 5])); // all 5 tokens are as likely
/// let next = Tensor::new(&Device::cpu(), [[2, 4, u32::MAX]]); // the last place is padding
/// let loss = NextToken::default().value(&logits, &next).item::<f32>()?;
/// assert!((loss - 5f32.ln()).abs() < 1e-5); // the mean over the other two
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NextToken {
    /// s of the label smoothing `q = (1 − s) e_y + s / tokens`.
    pub smoothing: f64,
}

impl Objective for NextToken {
    /// # Panics
    /// If the output is not (sequences, places, tokens), the labels are not (sequences, places) of `U32`, or (on the CPU) a label is
    /// neither a token nor `u32::MAX`.
    #[track_caller]
    fn value(&self, output: &Var, targets: &Tensor) -> Var {
        let &[n, places, tokens] = output.shape() else {
            panic!("next token: the output has shape {:?}, not (sequences, places, tokens)", output.shape())
        };
        assert!(
            targets.shape() == [n, places],
            "next token: labels {:?} do not fit logits {:?}; they are (sequences, places)",
            targets.shape(),
            output.shape()
        );
        let labels = targets.reshape(&[n * places]);
        let rows = output.reshape(&[n * places, tokens]).cross_entropy(&labels, Likelihood::Softmax, self.smoothing);
        // One that is neither a token nor left out has a loss of NaN on a GPU, whatever it is divided by.
        let left_out = labels.eq_scalar(f64::from(u32::MAX));
        let (zero, one) = (rows.tensor().scalar_like(0.0), rows.tensor().scalar_like(1.0));
        let counted = left_out.where_(&zero, &one).sum().clamp_min(1.0);
        rows.sum() / &counted
    }

    #[track_caller]
    fn correct(&self, output: &Tensor, targets: &Tensor) -> Option<Tensor> {
        Some(hits("correct", output, targets).0.sum())
    }
}
