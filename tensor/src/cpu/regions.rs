//! Rows put together from parts of others and from equal elements, whatever these mean: what joining and padding come down to.

#![allow(unsafe_code)]

use super::threads::{Parts, parallel};

/// Bytes that are worth a task.
const PIECE: usize = 128 * 1024;

/// Neighbouring bytes of every row.
pub struct Region<'a> {
    /// How many.
    pub len: usize,
    /// What they are.
    pub source: Source<'a>,
}

/// Where the bytes of a region come from.
pub enum Source<'a> {
    /// Row by row, as many as the region has for each.
    Rows(&'a [u8]),
    /// One element, again and again.
    Element(&'a [u8]),
}

impl Region<'_> {
    /// Bytes `skip ..` of the region in one row.
    fn fill(&self, row: usize, skip: usize, out: &mut [u8]) {
        match self.source {
            Source::Rows(from) => out.copy_from_slice(&from[row * self.len + skip..][..out.len()]),
            Source::Element(e) if e.iter().all(|b| *b == 0) => out.fill(0),
            Source::Element(e) => out.chunks_exact_mut(e.len()).for_each(|o| o.copy_from_slice(e)),
        }
    }
}

/// Fills `out`, rows of these regions one after the other. It is cut into pieces of one size, however long its rows are.
pub fn fill(regions: &[Region<'_>], out: &mut [u8]) {
    let len = out.len();
    let parts = Parts::new(out);
    parallel(len.div_ceil(PIECE), |i| {
        let range = i * PIECE..len.min((i + 1) * PIECE);
        // SAFETY: one piece each.
        fill_piece(regions, unsafe { parts.range(range.clone()) }, range.start);
    });
}

/// Bytes `at ..` of the rows.
fn fill_piece(regions: &[Region<'_>], out: &mut [u8], at: usize) {
    let pitch: usize = regions.iter().map(|r| r.len).sum();
    let mut rest = out;
    let (mut row, mut skip) = (at / pitch, at % pitch);
    while !rest.is_empty() {
        for region in regions {
            // `skip`: how much of the row, from this region on, stands before the piece
            let here = region.len.saturating_sub(skip).min(rest.len());
            let (now, later) = rest.split_at_mut(here);
            if here > 0 {
                region.fill(row, skip, now);
            }
            skip = skip.saturating_sub(region.len);
            rest = later;
        }
        (row, skip) = (row + 1, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_meet_inside_rows_and_regions() {
        // Rows of 3 + 4 + 0 + 5 elements, long enough for several pieces.
        let rows = 9000;
        let data: Vec<Vec<u32>> =
            [3, 0, 5].iter().map(|n| (0..rows * n).map(|i| i as u32 * 7 + *n as u32).collect()).collect();
        let element = 0xdead_beefu32.to_ne_bytes();
        let of = |i: usize| Source::Rows(bytemuck::cast_slice(&data[i]));
        let regions = [
            Region { len: 12, source: of(0) },
            Region { len: 16, source: Source::Element(&element) },
            Region { len: 0, source: of(1) },
            Region { len: 20, source: of(2) },
        ];
        let mut out = vec![0u32; rows * 12];
        fill(&regions, bytemuck::cast_slice_mut(&mut out));
        for (r, row) in out.chunks_exact(12).enumerate() {
            assert_eq!(row[..3], data[0][r * 3..r * 3 + 3]);
            assert!(row[3..7].iter().all(|x| *x == 0xdead_beef));
            assert_eq!(row[7..], data[2][r * 5..r * 5 + 5]);
        }
    }
}
