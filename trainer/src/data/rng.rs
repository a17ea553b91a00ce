//! Random numbers for order and augmentation: each a pure function of what it is for, so that no worker needs another.
//!
//! Philox 4×32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).

/// The Philox 4×32-10 block function: 128 random bits from a counter and a key.
fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let (mut c, mut k) = (counter, key);
    for _ in 0..10 {
        let a = u64::from(c[0]) * 0xD251_1F53;
        let b = u64::from(c[2]) * 0xCD9E_8D57;
        c = [(b >> 32) as u32 ^ c[1] ^ k[0], b as u32, (a >> 32) as u32 ^ c[3] ^ k[1], a as u32];
        k = [k[0].wrapping_add(0x9E37_79B9), k[1].wrapping_add(0xBB67_AE85)];
    }
    c
}

/// A sequence of random numbers, told apart from others under the same seed by its stream.
pub(super) struct Sequence {
    seed: u64,
    stream: [u32; 3],
    next: u32,
}

impl Sequence {
    /// The sequence of a seed and a stream, from its start.
    pub(super) fn new(seed: u64, stream: [u32; 3]) -> Sequence {
        Sequence { seed, stream, next: 0 }
    }

    /// 32 random bits: word `next % 4` of the block with counter `(next / 4, stream)`.
    pub(super) fn bits(&mut self) -> u32 {
        let [a, b, c] = self.stream;
        let key = [self.seed as u32, (self.seed >> 32) as u32];
        let block = philox([self.next / 4, a, b, c], key);
        self.next += 1;
        block[((self.next - 1) % 4) as usize]
    }

    /// Uniform in 0..n, without bias; n must not be 0.
    pub(super) fn below(&mut self, n: u32) -> u32 {
        loop {
            let wide = u64::from(self.bits()) * u64::from(n);
            if wide as u32 >= n.wrapping_neg() % n {
                return (wide >> 32) as u32;
            }
        }
    }

    /// Puts a slice into a random order (Fisher and Yates).
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u32 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_gives_the_published_vectors() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    }

    #[test]
    fn a_shuffle_is_a_permutation_that_its_stream_decides() {
        let order = |seed, stream| {
            let mut items: Vec<u32> = (0..1000).collect();
            Sequence::new(seed, stream).shuffle(&mut items);
            items
        };
        let first = order(1, [0, 0, 0]);
        assert_eq!(first, order(1, [0, 0, 0]));
        assert!(first != order(2, [0, 0, 0]) && first != order(1 << 32 | 1, [0, 0, 0]) && first != order(1, [0, 1, 0]));
        let mut sorted = first;
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..1000));
    }

    #[test]
    fn every_place_of_a_shuffle_is_equally_likely() {
        let mut counts = [0u32; 5];
        for stream in 0..5000 {
            let mut items = [0, 1, 2, 3, 4];
            Sequence::new(7, [stream, 0, 0]).shuffle(&mut items);
            counts[items.iter().position(|i| *i == 0).unwrap()] += 1;
        }
        // A binomial of 5000 draws at 1/5 has standard deviation 28; five of them.
        assert!(counts.iter().all(|c| c.abs_diff(1000) < 141), "{counts:?}");
    }
}
