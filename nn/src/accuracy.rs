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
/// If the labels are not of type u32, do not have the shape of the logits without its last axis, or (on the CPU) one is neither a class nor
/// `u32::MAX`; on a GPU such a label makes the share NaN.
#[track_caller]
pub fn accuracy(logits: &Tensor, labels: &Tensor) -> Result<f64, DeviceError> {
    let (hits, counted) = hits("accuracy", logits, labels);
    let sum = |of: &Tensor| Ok::<f64, DeviceError>(of.sum().to_dtype(DType::F32).item::<f32>()?.into());
    Ok(sum(&hits)? / sum(&counted)?)
}

/// For each row along the last axis: 1 if its largest number stands at the label, else 0; and 1 if it counts, 0 if its label is `u32::MAX`. Any
/// other label that is no class is refused on the CPU, and makes both NaN on a GPU, as it does the loss.
#[track_caller]
pub(crate) fn hits(op: &str, logits: &Tensor, labels: &Tensor) -> (Tensor, Tensor) {
    let Some((&classes, rows)) = logits.shape().split_last() else {
        panic!("{op}: the output is a scalar, and has no axis of classes")
    };
    assert!(labels.shape() == rows, "{op}: labels {:?} do not fit logits {:?}", labels.shape(), logits.shape());
    let counted = labels.label_weights(op, classes, logits.computed_type());
    let hits = logits.argmax(-1, false).eq(labels);
    (hits.where_(&logits.scalar_like(1.0), &logits.scalar_like(0.0)).mul(&counted), counted)
}
