//! The masks of attention, as its plan describes them.

use crate::dtype::DType;
use crate::plan::{Attention, Mask, MaskKind};
use crate::run::copy;
use crate::tensor::Tensor;

/// Broadcasts a mask and makes its key axis dense.
#[track_caller]
pub(super) fn dense(m: &Tensor, p: &Attention) -> Tensor {
    let full = [p.batch, p.heads, p.queries, p.keys];
    let direct = m.layout().expand(&full);
    let usable =
        direct.as_ref().is_some_and(|l| l.strides.iter().all(|s| *s >= 0) && (l.strides[3] == 1 || p.keys == 1));
    assert!(direct.is_some(), "attention: the mask {:?} does not broadcast to {full:?}", m.shape());
    if usable {
        return m.clone();
    }
    // Only the axis of keys is spread out; broadcasting over the others stays free.
    let mut shape = m.shape().to_vec();
    match shape.last_mut() {
        Some(last) => *last = p.keys,
        None => shape.push(p.keys),
    }
    copy(&m.expand(&shape))
}

/// What a mask of these strides is for a plan.
#[track_caller]
pub(super) fn describe(m: &Tensor, p: &Attention) -> Mask {
    let kind = match m.computed_type() {
        DType::U32 => MaskKind::Bool,
        d if d == p.dtype => MaskKind::Additive,
        d => panic!("attention: a mask is u32 (1 = attend) or {} (added), this one is {d}", p.dtype),
    };
    let l = dense(m, p).layout().expand(&[p.batch, p.heads, p.queries, p.keys]).expect("checked");
    Mask { kind, strides: [0, 1, 2].map(|i| if l.shape[i] == 1 { 0 } else { l.strides[i] as usize }) }
}
