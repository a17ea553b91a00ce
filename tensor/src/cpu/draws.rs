//! Uniform random numbers in vectors: the same bits as [`Draw::uniform`], a block of the Philox function for every four.

use super::simd::{Kernel, Simd};
use crate::random::Draw;

/// Blocks of Philox made side by side; plain loops over arrays, which LLVM turns into vectors.
const SIDE: usize = 16;

/// `out[i] = draw.uniform(at + i)`.
pub struct Uniform<'a> {
    /// What is drawn.
    pub draw: Draw,
    /// The place of the first number.
    pub at: usize,
    /// Where they go.
    pub out: &'a mut [f32],
}

impl Kernel for Uniform<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Uniform { draw, at, mut out } = self;
        let mut block = at / 4;
        let mut skip = at % 4; // numbers of the first block that are not wanted
        while !out.is_empty() {
            let words = blocks(draw, block as u32);
            let mut numbers = [0.0; 4 * SIDE];
            for (i, n) in numbers.iter_mut().enumerate() {
                // 23 bits and a half: exact in f32
                *n = ((words[i % 4][i / 4] >> 9) as f32 + 0.5) * (1.0 / (1 << 23) as f32);
            }
            let take = (4 * SIDE - skip).min(out.len());
            let (now, later) = out.split_at_mut(take);
            now.copy_from_slice(&numbers[skip..skip + take]);
            (out, skip, block) = (later, 0, block + SIDE);
        }
    }
}

/// Word w of the blocks with counters `first ..` is `[w][i]`: Philox 4×32-10 as in [`crate::random::philox`].
#[inline(always)]
fn blocks(draw: Draw, first: u32) -> [[u32; SIDE]; 4] {
    let [a, b, c] = draw.stream;
    let mut k = draw.key();
    let mut x = [[0; SIDE], [a; SIDE], [b; SIDE], [c; SIDE]];
    for i in 0..SIDE {
        x[0][i] = first.wrapping_add(i as u32);
    }
    for _ in 0..10 {
        for i in 0..SIDE {
            let p = u64::from(x[0][i]) * 0xD251_1F53;
            let q = u64::from(x[2][i]) * 0xCD9E_8D57;
            x[0][i] = (q >> 32) as u32 ^ x[1][i] ^ k[0];
            x[2][i] = (p >> 32) as u32 ^ x[3][i] ^ k[1];
            x[1][i] = q as u32;
            x[3][i] = p as u32;
        }
        k = [k[0].wrapping_add(0x9E37_79B9), k[1].wrapping_add(0xBB67_AE85)];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::super::levels::{dispatch_at, levels};
    use super::*;

    #[test]
    fn vectors_draw_the_same_bits_from_any_start() {
        let draw = Draw::new(0x1234_5678_9abc_def0, [7, u32::MAX, 1]);
        for level in levels() {
            for (at, n) in [(0, 1), (1, 2), (3, 300), (64, 64), (1021, 1024), (4 * (u32::MAX as usize) - 5, 40)] {
                let mut out = vec![0.0; n];
                dispatch_at(level, Uniform { draw, at, out: &mut out });
                let same = out.iter().enumerate().all(|(i, x)| *x == draw.uniform(at + i) as f32);
                assert!(same, "{level:?}, {n} from {at}");
            }
        }
    }
}
