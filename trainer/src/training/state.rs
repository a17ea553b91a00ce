//! Converts between the vectors of a training and the tensors of its checkpoint.

use crate::error::Error;
use crate::run::{Checkpoint, CheckpointError, NamedTensor};
use lethe_autograd::{Param, ParamLayout};
use lethe_tensor::{Device, Tensor};

/// The note with the number of updates made.
pub(super) const UPDATES: &str = Checkpoint::UPDATES;

/// The note with the number of times that the learning rate was lowered since evaluations did not improve.
pub(super) const LR_DECAYS: &str = "lr_decays";

/// That number; 0 unless it is noted.
pub(super) fn lr_decays(checkpoint: &Checkpoint) -> Result<u32, CheckpointError> {
    if checkpoint.notes.contains_key(LR_DECAYS) { checkpoint.number(LR_DECAYS) } else { Ok(0) }
}

/// The parameters of a vector as named tensors.
pub(super) fn named(prefix: &str, layout: &ParamLayout, vector: &Tensor) -> Result<Vec<NamedTensor>, Error> {
    let values: Vec<f32> = vector.to_vec()?;
    let part = |p: &Param| NamedTensor {
        name: format!("{prefix}{}", p.name),
        shape: p.shape.clone(),
        data: values[p.range()].to_vec(),
    };
    Ok(layout.owned().map(|(_, p)| part(p)).collect())
}

/// A vector assembled from a checkpoint's tensors.
pub(super) fn vector(
    prefix: &str,
    checkpoint: &Checkpoint,
    layout: &ParamLayout,
    device: &Device,
) -> Result<Tensor, CheckpointError> {
    let mut values = vec![0f32; layout.len()];
    for (_, p) in layout.owned() {
        values[p.range()].copy_from_slice(checkpoint.tensor(&format!("{prefix}{}", p.name), &p.shape)?);
    }
    Ok(Tensor::from_slice(device, &values, &[layout.len()]))
}
