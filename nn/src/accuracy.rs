//! How often a model is right.

use lethe_tensor::{DType, DeviceError, Tensor};

/// The share of samples whose largest logit stands at the label, from 0 to 1: logits (…, classes) against labels (…). Labels of `u32::MAX` do not
/// count, as in the losses; where none are left the share is NaN. A sample whose logits hold a NaN counts as wrong unless the first NaN stands at
/// the label: see [`Tensor::argmax`].
///
/// ```
/// use lethe_nn::accuracy;
/// use lethe_tensor::{Device, Tensor};
/// let logits = Tensor::new(&Device::cpu(), [[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]]);
/// let labels = Tensor::from_slice(&Device::cpu(), &[1u32, 0, 0, 0], &[4]);
/// assert_eq!(accuracy(&logits, &labels)?, 0.75);
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
///
/// # Panics
/// If the labels are not of type u32, or do not have the shape of the logits without its last axis.
#[track_caller]
pub fn accuracy(logits: &Tensor, labels: &Tensor) -> Result<f64, DeviceError> {
    let rows = logits.shape().split_last().map_or(&[][..], |(_, rows)| rows);
    assert!(
        labels.dtype() == DType::U32 && labels.shape() == rows,
        "accuracy: logits {:?} need labels {rows:?} of type u32; these are {:?} of type {:?}",
        logits.shape(),
        labels.shape(),
        labels.dtype()
    );
    let (answers, labels) = (logits.argmax(-1, false).to_vec::<u32>()?, labels.to_vec::<u32>()?);
    let right = answers.iter().zip(&labels).filter(|(answer, label)| answer == label).count();
    let counted = labels.iter().filter(|label| **label != u32::MAX).count();
    Ok(right as f64 / counted as f64)
}
