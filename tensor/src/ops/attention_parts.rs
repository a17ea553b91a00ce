//! Attention whose operands are larger than a GPU can bind, or longer than a thread of it may run: how it is cut, and how parts
//! are joined. Items first, then heads, then queries or keys, whose parts are merged by their rows' statistics.

use super::attention_mask::describe;
use crate::device::Device;
use crate::plan::Attention;
use crate::run::store;
use crate::tensor::Tensor;
use std::ops::Range;

/// How a plan is cut.
pub(super) enum Cut {
    /// The packed projection into its three parts, which may then be cut.
    Unpack,
    /// An axis of (batch, heads, queries, keys) into this many parts.
    Axis(usize, usize),
}

pub(super) const QUERIES: usize = 2;
pub(super) const KEYS: usize = 3;

/// The bytes of the largest operand and of the largest that can be bound, and the most rows that a thread goes through; `None` where there are no
/// such limits.
fn limits(p: &Attention, device: &Device) -> Option<(u64, u64, usize)> {
    match device {
        Device::Cpu(_) => {
            let _ = p;
            None
        }
        #[cfg(feature = "gpu")]
        Device::Gpu(gpu) => {
            use crate::gpu::plans::attention::{largest_operand, most_rows};
            Some((largest_operand(p), gpu.caps().max_binding, most_rows(p.dim)))
        }
    }
}

impl Cut {
    /// `None` where the device can run the plan as it is.
    #[track_caller]
    pub(super) fn of(p: &Attention, device: &Device) -> Option<Cut> {
        let (largest, most, most_rows) = limits(p, device)?;
        let rows = p.queries.max(p.keys);
        if largest <= most && rows <= most_rows {
            return None;
        }
        if p.packed {
            return Some(Cut::Unpack);
        }
        let sizes = sizes(p);
        // Where it is queries or keys, the longer ones.
        let order = if p.keys > p.queries { [0, 1, KEYS, QUERIES] } else { [0, 1, QUERIES, KEYS] };
        let axis = order.into_iter().find(|axis| sizes[*axis] > 1);
        let Some(axis) = axis else {
            let dim = p.dim;
            panic!(
                "attention: a row of {dim} numbers is {largest} bytes in its kernel, and this GPU binds {most} at most"
            )
        };
        let parts = match axis {
            _ if rows <= most_rows => largest.div_ceil(most) as usize,
            0 | 1 => sizes[axis], // heads one by one, whose rows are then cut
            _ => (largest.div_ceil(most) as usize).max(rows.div_ceil(most_rows)),
        };
        Some(Cut::Axis(axis, parts.min(sizes[axis])))
    }
}

pub(super) fn sizes(p: &Attention) -> [usize; 4] {
    [p.batch, p.heads, p.queries, p.keys]
}

/// `0..n` in `parts` parts.
pub(super) fn ranges(n: usize, parts: usize) -> impl Iterator<Item = Range<usize>> {
    (0..parts).map(move |i| n * i / parts..n * (i + 1) / parts)
}

/// Parts one after the other. An axis is cut only where those before it are 1, so that this joins them along theirs.
pub(super) fn joined(parts: &[Tensor]) -> Tensor {
    let len = parts.iter().map(Tensor::numel).sum();
    let mut all = Tensor::zeros(parts[0].device(), parts[0].dtype(), &[len]);
    let mut start = 0;
    for part in parts {
        store(part, &mut all, start, false);
        start += part.numel();
    }
    all
}

/// The plan of the three parts of a packed projection.
pub(super) fn apart(p: &Attention) -> Attention {
    Attention { packed: false, ..p.clone() }
}

/// q, k and v of [batch, tokens, 3, heads, dim].
pub(super) fn unpacked(qkv: &Tensor) -> [Tensor; 3] {
    [0, 1, 2].map(|i| qkv.slice(2, i, i + 1).squeeze(2).transpose(1, 2))
}

/// A part of a plan.
pub(super) struct Part<'a> {
    pub plan: Attention,
    pub mask: Option<Tensor>,
    axis: usize,
    range: &'a Range<usize>,
}

impl<'a> Part<'a> {
    #[track_caller]
    pub fn new(p: &Attention, axis: usize, range: &'a Range<usize>, mask: Option<&Tensor>) -> Part<'a> {
        let mut sizes = sizes(p);
        sizes[axis] = range.len();
        let [batch, heads, queries, keys] = sizes;
        let later = match axis {
            QUERIES => range.start as isize,
            KEYS => -(range.start as isize),
            _ => 0,
        };
        let mut plan = Attention { batch, heads, queries, keys, shift: p.shift + later, mask: None, ..p.clone() };
        let full = [p.batch, p.heads, p.queries, p.keys];
        let mask = mask.map(|m| m.expand(&full).slice(axis as isize, range.start, range.end));
        plan.mask = mask.as_ref().map(|m| describe(m, &plan));
        Part { plan, mask, axis, range }
    }

    /// q, k and v.
    pub fn rows(&self, inputs: &[&Tensor]) -> [Tensor; 3] {
        [self.of_queries(inputs[0]), self.of_keys(inputs[1]), self.of_keys(inputs[2])]
    }

    /// What has an axis of queries.
    pub fn of_queries(&self, t: &Tensor) -> Tensor {
        if self.axis == KEYS { t.clone() } else { self.cut(t, self.axis) }
    }

    fn of_keys(&self, t: &Tensor) -> Tensor {
        match self.axis {
            QUERIES => t.clone(),
            KEYS => self.cut(t, QUERIES),
            axis => self.cut(t, axis),
        }
    }

    fn cut(&self, t: &Tensor, axis: usize) -> Tensor {
        t.slice(axis as isize, self.range.start, self.range.end)
    }
}

/// Outputs and statistics of the same queries with two sets of keys, as with both.
pub(super) fn merged(
    p: &Attention,
    (a, stats_a): (Tensor, Tensor),
    (b, stats_b): (Tensor, Tensor),
) -> (Tensor, Tensor) {
    let part = |stats: &Tensor, i: usize| stats.slice(-1, i, i + 1);
    let [top_a, top_b] = [&stats_a, &stats_b].map(|s| part(s, 0));
    let top = top_a.maximum(&top_b);
    let sum = |stats: &Tensor, own: &Tensor| part(stats, 1).mul(&own.sub(&top).mul_scalar(p.units().1).exp());
    let (sum_a, sum_b) = (sum(&stats_a, &top_a), sum(&stats_b, &top_b));
    let sum = sum_a.add(&sum_b);
    let nothing = sum.eq_scalar(0.0);
    let mean = a.mul(&sum_a).add(&b.mul(&sum_b)).div(&sum);
    let o = nothing.where_(&mean.scalar_like(0.0), &mean);
    let first = Tensor::arange(o.device(), 2).eq_scalar(0.0);
    (o.force().clone(), first.where_(&top, &sum).force().clone())
}
