//! Scaled dot-product attention without stored scores.

use super::{Plan, Spec, bytes_of};
use crate::dtype::DType;

/// What a mask holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MaskKind {
    /// `U32`: 0 hides a key from a query.
    Bool,
    /// Added to the score.
    Additive,
}

/// A mask over (batch, head, query, key); strides of 0 broadcast. The stride of keys is 1 (or there is one key).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// What it holds.
    pub kind: MaskKind,
    /// Strides of batch, head and query.
    pub strides: [usize; 3],
}

/// `o = softmax(scale · q kᵀ + mask) v` for every (batch, head).
///
/// Inputs, contiguous: q [batch, heads, queries, dim], k and v [batch, heads, keys, dim]; or, `packed`, one qkv
/// [batch, queries, 3, heads, dim]; then the mask if there is one. Outputs: o [batch, heads, queries, dim] (packed:
/// [batch, queries, heads, dim]), and stats [batch, heads, queries, 2]: of each row its largest score `top` and `Σ e^(score − top)`. They
/// stay apart because `top + ln Σ`, rounded, has lost Σ where |top| is large. Scores are kept in the units of [`Attention::units`].
///
/// A key is hidden from a query by causality, by a 0 in a boolean mask and by −∞ in an additive one, and by nothing else: every finite number,
/// `f32::MIN` too, is a number. What is hidden contributes nothing, even where it is NaN. A query that sees no key gives o = 0, stats
/// (`f32::MIN`, 0) and gradients of 0; the statistics of a row of NaN are NaN.
#[derive(Clone, Debug)]
pub struct Attention {
    /// `F32` or `F64`.
    pub dtype: DType,
    /// Items.
    pub batch: usize,
    /// Heads.
    pub heads: usize,
    /// Rows of q.
    pub queries: usize,
    /// Rows of k and v.
    pub keys: usize,
    /// The head dimension.
    pub dim: usize,
    /// The factor of the scores.
    pub scale: f64,
    /// Whether later keys are hidden: query i sees keys j ≤ i + shift.
    pub causal: bool,
    /// How much later a query is than the key of the same row: where the rows are parts of longer sequences.
    pub shift: isize,
    /// The mask.
    pub mask: Option<Mask>,
    /// Whether q, k and v lie in one buffer.
    pub packed: bool,
}

impl Attention {
    /// The shape of o and do.
    pub fn output_shape(&self) -> [usize; 4] {
        if self.packed {
            [self.batch, self.queries, self.heads, self.dim]
        } else {
            [self.batch, self.heads, self.queries, self.dim]
        }
    }
    /// `(factor, unit)`: a row's weights are in proportion to `e^(unit · (score − top))` with `score = factor · q·k + mask`. The largest score
    /// then has the weight e^0 without rounding, however large it is. An additive mask needs the factor to be the scale; without one it is
    /// the scale's sign, so that nothing is rounded before the difference.
    pub fn units(&self) -> (f64, f64) {
        match &self.mask {
            Some(Mask { kind: MaskKind::Additive, .. }) => (self.scale, 1.0),
            // The scale as the type has it: one that is 0 there makes all scores equal.
            _ if self.scale == 0.0 || self.dtype != DType::F64 && self.scale as f32 == 0.0 => (0.0, 1.0),
            _ => (self.scale.signum(), self.scale.abs()),
        }
    }

    /// Whether a key may be hidden from a query, or there is none to see.
    pub fn hides(&self) -> bool {
        self.mask.is_some() || self.causal || self.keys == 0
    }

    /// The number of keys that causality lets a query see, from the first on.
    pub fn reach(&self, query: usize) -> usize {
        match self.causal {
            true => self.keys.min((query + 1).saturating_add_signed(self.shift)),
            false => self.keys,
        }
    }

    fn size(&self) -> usize {
        self.batch * self.heads * (self.queries + self.keys) * 2 * self.dim
    }
    fn products(&self, count: u64) -> u64 {
        count * 2 * (self.batch * self.heads * self.queries * self.keys * self.dim) as u64
    }
}

impl Plan for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }
    fn outputs(&self) -> Vec<Spec> {
        let stats = [self.batch, self.heads, self.queries, 2];
        vec![Spec::new(&self.output_shape(), self.dtype), Spec::new(&stats, self.dtype)]
    }
    fn flops(&self) -> u64 {
        self.products(2)
    }
    fn bytes(&self) -> u64 {
        bytes_of(self.size(), self.dtype)
    }
}

/// Its gradients. Inputs, contiguous: q, k, v (or qkv), o, stats, do, then the mask if there is one. Outputs: dq, dk, dv (or dqkv).
#[derive(Clone, Debug)]
pub struct AttentionBackward(pub Attention);

impl Plan for AttentionBackward {
    fn name(&self) -> &'static str {
        "attention_backward"
    }
    fn outputs(&self) -> Vec<Spec> {
        let p = &self.0;
        if p.packed {
            return vec![Spec::new(&[p.batch, p.queries, 3, p.heads, p.dim], p.dtype)];
        }
        let of = |rows| Spec::new(&[p.batch, p.heads, rows, p.dim], p.dtype);
        vec![of(p.queries), of(p.keys), of(p.keys)]
    }
    fn flops(&self) -> u64 {
        self.0.products(5)
    }
    fn bytes(&self) -> u64 {
        2 * bytes_of(self.0.size(), self.0.dtype)
    }
}
