//! The parameters of a case as one vector, and back.

use super::case::{Case, Unknown};
use lethe_autograd::{ParamLayout, Tags, Var};
use lethe_tensor::Tensor;
use std::sync::Arc;

/// A layout of the given parameters, in their order. Without `decay_1d`, those of at most one axis are exempt from decay.
pub fn layout(params: &[(String, Var)], decay_1d: bool) -> Arc<ParamLayout> {
    let mut layout = ParamLayout::new();
    for (name, v) in params {
        layout.add(name, v.shape(), Tags { decayed: decay_1d || v.rank() > 1, ..Tags::default() });
    }
    Arc::new(layout)
}

/// The vector of the parts that the layout names; zero between them.
pub fn assemble(case: &Case<'_>, layout: &ParamLayout, parts: &[(String, Var)]) -> Result<Tensor, Unknown> {
    let mut pieces = vec![];
    for (_, p) in layout.iter() {
        let part = parts.iter().find(|(name, v)| *name == p.name && v.shape() == p.shape);
        let (_, part) = part.ok_or_else(|| Unknown(format!("no part {} of shape {:?}", p.name, p.shape)))?;
        pieces.push((p.offset, part.tensor()));
    }
    Ok(match pieces.is_empty() {
        true => Tensor::zeros(case.device, case.dtype, &[layout.len()]),
        false => Tensor::assemble(&pieces, layout.len()),
    })
}

/// The parts of a vector, their names after `prefix`.
pub fn split(layout: &ParamLayout, vector: &Tensor, prefix: &str) -> Vec<(String, Var)> {
    layout.iter().map(|(id, p)| (format!("{prefix}{}", p.name), Var::constant(&layout.view(vector, id)))).collect()
}

/// The parts of vectors of one layout, those of the same name stacked along a new first axis.
pub fn stacked(layout: &ParamLayout, vectors: &[Tensor], prefix: &str) -> Vec<(String, Var)> {
    let part = |id| {
        let views: Vec<Tensor> = vectors.iter().map(|v| layout.view(v, id)).collect();
        Var::constant(&Tensor::stack(&views.iter().collect::<Vec<_>>(), 0))
    };
    layout.iter().map(|(id, p)| (format!("{prefix}{}", p.name), part(id))).collect()
}

/// Row `i` of a tensor, without the first axis.
pub fn row(t: &Tensor, i: usize) -> Tensor {
    t.slice(0, i, i + 1).squeeze(0)
}

/// Numbers of the host in the case's type.
pub fn host(case: &Case<'_>, numbers: &[f64]) -> Tensor {
    let floats: Vec<f32> = numbers.iter().map(|x| *x as f32).collect();
    match case.dtype {
        lethe_tensor::DType::F64 => Tensor::from_slice(case.device, numbers, &[numbers.len()]),
        _ => Tensor::from_slice(case.device, &floats, &[floats.len()]),
    }
}
