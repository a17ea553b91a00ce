//! Where the rows of one head lie, packed or apart, and what masks hide from them.

use super::rows::Bias;
use crate::cpu::Input;
use crate::cpu::gemm::{Mat, copy_row, pack_all};
use crate::cpu::scratch::Scratch;
use crate::plan::{Attention, MaskKind};
use std::ops::{Deref, Range};

/// The part of an input that a row belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Q = 0,
    K = 1,
    V = 2,
    O = 3,
}

impl Part {
    /// Whether it has a row for each key, and not for each query.
    pub fn is_of_keys(self) -> bool {
        matches!(self, Part::K | Part::V)
    }
}

/// The rows of a part of one head: row r begins at `start + r · stride`.
#[derive(Clone, Copy)]
pub struct Places {
    pub start: usize,
    pub stride: usize,
}

impl Places {
    /// Those of a part of head `i` of batch · heads.
    pub fn of(p: &Attention, part: Part, i: usize) -> Places {
        let (b, h) = (i / p.heads, i % p.heads);
        let (row, parts) = (p.heads * p.dim, if part == Part::O { 1 } else { 3 });
        match (p.packed, part) {
            (true, Part::O) => Places { start: b * p.queries * row + h * p.dim, stride: row },
            (true, _) => {
                Places { start: (b * p.queries * parts + part as usize) * row + h * p.dim, stride: parts * row }
            }
            (false, Part::K | Part::V) => Places { start: i * p.keys * p.dim, stride: p.dim },
            (false, _) => Places { start: i * p.queries * p.dim, stride: p.dim },
        }
    }

    /// Row `r` of `dim` elements.
    pub fn row(self, r: usize, dim: usize) -> Range<usize> {
        self.start + r * self.stride..self.start + r * self.stride + dim
    }
}

/// Rows of whole vectors: in their place, or copied together.
pub struct Rows<'a> {
    held: Held<'a>,
    /// From one row to the next.
    pub stride: usize,
}

enum Held<'a> {
    There(&'a [f32]),
    Copied(Scratch),
}

/// Rows that lie a multiple of this apart fall into few sets of the first cache, and are copied together.
const FEW_SETS: usize = 128;

impl<'a> Rows<'a> {
    /// `n` rows of `dim` elements, padded with zeros to `width`.
    pub fn new(x: &'a [f32], places: Places, n: usize, dim: usize, width: usize) -> Rows<'a> {
        let Places { start, stride } = places;
        if width == dim && (stride == dim || !stride.is_multiple_of(FEW_SETS)) {
            return Rows { held: Held::There(&x[start..][..(n - 1) * stride + dim]), stride };
        }
        let mut copy = Scratch::new(n * width);
        for (r, row) in copy.chunks_exact_mut(width).enumerate() {
            copy_row(&mut row[..dim], &x[places.row(r, dim)]);
            row[dim..].fill(0.0);
        }
        Rows { held: Held::Copied(copy), stride: width }
    }

    /// What begins at row `r`.
    pub fn from(&self, r: usize) -> &[f32] {
        &self[r * self.stride..]
    }
}

impl Deref for Rows<'_> {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        match &self.held {
            Held::There(x) => x,
            Held::Copied(x) => x,
        }
    }
}

/// `n` rows transposed into panels of `nr` columns: panel q begins at q · nr · dim.
pub fn transposed(rows: &Rows<'_>, n: usize, dim: usize, nr: usize) -> Scratch {
    let mut panels = Scratch::new(n.div_ceil(nr) * nr * dim);
    pack_all(nr, Mat::rows(rows, rows.stride).t(), dim, n, &mut panels);
    panels
}

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
