//! What masks hide from the rows of one head.

use crate::cpu::Input;
use crate::cpu::simd::Simd;
use crate::plan::{Attention, MaskKind};
use std::ops::Range;

/// The mask of one head.
#[derive(Clone, Copy)]
pub enum HeadMask<'a> {
    None,
    Bool(&'a [u32], usize),
    Additive(&'a [f32], usize),
}

impl<'a> HeadMask<'a> {
    /// That of head `i`.
    pub fn of(p: &Attention, input: Option<&Input<'a>>, i: usize) -> HeadMask<'a> {
        let (Some(mask), Some(input)) = (&p.mask, input) else { return HeadMask::None };
        let start = i / p.heads * mask.strides[0] + i % p.heads * mask.strides[1];
        match mask.kind {
            MaskKind::Bool => HeadMask::Bool(&input.from_offset()[start..], mask.strides[2]),
            MaskKind::Additive => HeadMask::Additive(&input.from_offset()[start..], mask.strides[2]),
        }
    }

    /// What it adds to the scores of query `r` with some keys.
    pub fn row(self, r: usize, keys: Range<usize>) -> Bias<'a> {
        match self {
            HeadMask::None => Bias::None,
            HeadMask::Bool(mask, stride) => Bias::Bool(&mask[r * stride..][keys]),
            HeadMask::Additive(mask, stride) => Bias::Additive(&mask[r * stride..][keys]),
        }
    }

    /// Whether query `r` sees one of some keys.
    pub fn shows(self, r: usize, keys: Range<usize>) -> bool {
        match self.row(r, keys.clone()) {
            Bias::None => !keys.is_empty(),
            Bias::Bool(mask) => mask.iter().any(|m| *m != 0),
            Bias::Additive(mask) => mask.iter().any(|m| *m != f32::NEG_INFINITY),
        }
    }
}

/// What a mask adds to a row of scores.
#[derive(Clone, Copy)]
pub enum Bias<'a> {
    None,
    /// Nothing; where the mask is 0, the score becomes −∞.
    Bool(&'a [u32]),
    Additive(&'a [f32]),
}

impl Bias<'_> {
    /// `row = factor · row + bias`; what is hidden becomes −∞.
    #[inline(always)]
    pub fn apply<S: Simd>(self, s: S, factor: f32, row: &mut [f32]) {
        if matches!(self, Bias::None) && factor == 1.0 {
            return;
        }
        let factor = s.splat(factor);
        for (i, x) in row.chunks_mut(S::N).enumerate() {
            let own = i * S::N..i * S::N + x.len();
            let score = s.load_part(x, 0.0);
            let v = match self {
                Bias::None => s.mul(score, factor),
                Bias::Additive(bias) => s.fma(score, factor, s.load_part(&bias[own], 0.0)),
                Bias::Bool(mask) => {
                    let mut seen = [0.0; 32];
                    for (seen, mask) in seen.iter_mut().zip(&mask[own]) {
                        *seen = f32::from(u8::from(*mask != 0));
                    }
                    // Chosen, not added: a hidden score may be anything, also NaN.
                    let seen = s.load_part(&seen, 0.0);
                    s.select_lt(s.splat(0.0), seen, s.mul(score, factor), s.splat(f32::NEG_INFINITY))
                }
            };
            s.store_part(x, v);
        }
    }
}
