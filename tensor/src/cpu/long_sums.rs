//! How long sums keep their digits. A chain of additions in single precision loses them, and equal terms are all rounded the same way: a
//! hundred are off by one in a million, a million by one in a hundred. So chains end after some terms, and what they made is added in double.

use std::ops::Range;

/// Terms that are added in single precision, one after the other: equal ones are off by at most 1e-6 of their sum.
pub const CHAIN: usize = 64;

/// Rows of more elements are cut into blocks: at usual lengths a vector's lanes have short chains anyway, and a loop about the loop costs time.
pub const SHORT: usize = 4096;
/// Elements of the blocks of longer rows, whole vectors of any instruction set: at most [`CHAIN`] terms in each of sixteen lanes.
const BLOCK: usize = 1024;

/// The blocks of a row.
pub struct Blocks {
    at: usize,
    len: usize,
    block: usize,
}

/// How a row of `len` elements is cut before it is summed. Whether it is `long` ([`SHORT`]) is a constant where this is inlined, so that nothing
/// is left of it for short rows.
#[inline(always)]
pub fn blocks(len: usize, long: bool) -> Blocks {
    Blocks { at: 0, len, block: if long { BLOCK } else { len } }
}

// By hand: the standard library's chunks divide by the block first, which a short row would feel.
impl Iterator for Blocks {
    type Item = Range<usize>;
    #[inline(always)]
    fn next(&mut self) -> Option<Range<usize>> {
        if self.at >= self.len {
            return None;
        }
        let start = self.at;
        self.at = self.len.min(start + self.block);
        Some(start..self.at)
    }
}

/// Many sums side by side, in the caller's memory and, if there are so many terms, in double precision.
pub struct LongSums<'a> {
    some: &'a mut [f32],
    /// Nothing before the first chain ends.
    all: Vec<f64>,
    /// Terms of the present chain.
    terms: usize,
}

impl<'a> LongSums<'a> {
    /// Sums that start with what is in `some`.
    pub fn new(some: &'a mut [f32]) -> LongSums<'a> {
        LongSums { some, all: vec![], terms: 0 }
    }

    /// Where at most so many more terms are to be added to every sum.
    pub fn room_for(&mut self, terms: usize) -> &mut [f32] {
        if self.terms > 0 && self.terms + terms > CHAIN {
            self.all.resize(self.some.len(), 0.0);
            flush(self.some, &mut self.all);
            self.terms = 0;
        }
        self.terms += terms;
        self.some
    }

    /// Leaves the sums of all terms in the caller's memory.
    pub fn finish(mut self) {
        if !self.all.is_empty() {
            flush(self.some, &mut self.all);
            self.some.iter_mut().zip(&self.all).for_each(|(some, all)| *some = *all as f32);
        }
    }
}

/// Moves sums in single precision into those in double.
pub fn flush(some: &mut [f32], all: &mut [f64]) {
    for (all, some) in all.iter_mut().zip(some) {
        *all += f64::from(std::mem::take(some));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_a_row_once() {
        for len in [0, 1, 4096, 4097, 5120, 10_000] {
            let mut end = 0;
            for block in blocks(len, len > SHORT) {
                assert!(block.start == end && !block.is_empty(), "{block:?} of {len}");
                assert!(block.end == len || block.len().is_multiple_of(BLOCK), "{block:?} of {len}");
                end = block.end;
            }
            assert_eq!(end, len);
        }
    }

    #[test]
    fn chains_end_in_double_precision() {
        let mut sums = [0.1f32, 0.2];
        let mut long = LongSums::new(&mut sums);
        for _ in 0..100_000 {
            long.room_for(3).iter_mut().for_each(|sum| (0..3).for_each(|_| *sum += 0.1));
        }
        long.finish();
        for (sum, start) in sums.iter().zip([0.1f32, 0.2]) {
            let exact = f64::from(start) + 300_000.0 * f64::from(0.1f32);
            assert!((f64::from(*sum) / exact - 1.0).abs() < 1e-6, "{sum}, expected {exact}");
        }
    }
}
