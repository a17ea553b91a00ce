//! Where the rows of one head lie, packed or apart.

use crate::cpu::gemm::{Mat, copy_row, pack_all};
use crate::cpu::scratch::Scratch;
use crate::plan::Attention;
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

/// Where the rows of a part of one head lie: row r begins at `start + r · stride`.
#[derive(Clone, Copy)]
pub struct RowLayout {
    pub start: usize,
    pub stride: usize,
}

impl RowLayout {
    /// Those of a part of head `i` of batch · heads.
    pub fn of(p: &Attention, part: Part, i: usize) -> RowLayout {
        let (b, h) = (i / p.heads, i % p.heads);
        let (row, parts) = (p.heads * p.dim, if part == Part::O { 1 } else { 3 });
        match (p.packed, part) {
            (true, Part::O) => RowLayout { start: b * p.queries * row + h * p.dim, stride: row },
            (true, _) => {
                RowLayout { start: (b * p.queries * parts + part as usize) * row + h * p.dim, stride: parts * row }
            }
            (false, Part::K | Part::V) => RowLayout { start: i * p.keys * p.dim, stride: p.dim },
            (false, _) => RowLayout { start: i * p.queries * p.dim, stride: p.dim },
        }
    }

    /// Row `r` of `dim` elements.
    pub fn row(self, r: usize, dim: usize) -> Range<usize> {
        self.start + r * self.stride..self.start + r * self.stride + dim
    }
}

/// Rows of whole vectors: in their place, or copied together.
pub struct HeadRows<'a> {
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

impl<'a> HeadRows<'a> {
    /// `n` rows of `dim` elements, padded with zeros to `width`.
    pub fn new(x: &'a [f32], layout: RowLayout, n: usize, dim: usize, width: usize) -> HeadRows<'a> {
        let RowLayout { start, stride } = layout;
        if width == dim && (stride == dim || !stride.is_multiple_of(FEW_SETS)) {
            return HeadRows { held: Held::There(&x[start..][..(n - 1) * stride + dim]), stride };
        }
        let mut copy = Scratch::new(n * width);
        for (r, row) in copy.chunks_exact_mut(width).enumerate() {
            copy_row(&mut row[..dim], &x[layout.row(r, dim)]);
            row[dim..].fill(0.0);
        }
        HeadRows { held: Held::Copied(copy), stride: width }
    }

    /// What begins at row `r`.
    pub fn from(&self, r: usize) -> &[f32] {
        &self[r * self.stride..]
    }
}

impl Deref for HeadRows<'_> {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        match &self.held {
            Held::There(x) => x,
            Held::Copied(x) => x,
        }
    }
}

/// `n` rows transposed into panels of `nr` columns: panel q begins at q · nr · dim.
pub fn transposed(rows: &HeadRows<'_>, n: usize, dim: usize, nr: usize) -> Scratch {
    let mut panels = Scratch::new(n.div_ceil(nr) * nr * dim);
    pack_all(nr, Mat::rows(rows, rows.stride).t(), dim, n, &mut panels);
    panels
}
