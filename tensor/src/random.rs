//! Counter-based random numbers: Philox 4×32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//!
//! A number is a pure function of (key, counter), so that every element of a tensor can be drawn on its own, on any device and
//! any thread, and drawn again instead of stored.

/// The Philox 4×32-10 block function: 128 random bits from a counter and a key.
pub fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let (mut c, mut k) = (counter, key);
    for _ in 0..10 {
        let a = u64::from(c[0]) * 0xD251_1F53;
        let b = u64::from(c[2]) * 0xCD9E_8D57;
        c = [(b >> 32) as u32 ^ c[1] ^ k[0], b as u32, (a >> 32) as u32 ^ c[3] ^ k[1], a as u32];
        k = [k[0].wrapping_add(0x9E37_79B9), k[1].wrapping_add(0xBB67_AE85)];
    }
    c
}

/// The identity of one random tensor: a seed, and a stream that tells apart what is drawn under that seed
/// (say: layer, update, slice).
///
/// # Examples
/// ```
/// use lethe_tensor::{DType, Device, Tensor, random::Draw};
/// let draw = Draw::new(7, [0, 0, 1]);
/// let numbers = || Tensor::uniform(&Device::cpu(), DType::F32, &[4], draw).to_vec::<f32>();
/// assert_eq!(numbers()?, numbers()?); // no draw is used up
/// assert_eq!(f64::from(numbers()?[2]), draw.uniform(2)); // element 2 without the others
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Draw {
    /// The run's seed.
    pub seed: u64,
    /// What is drawn; the counter's upper three words.
    pub stream: [u32; 3],
}

impl Draw {
    /// The draw of a seed and a stream.
    pub fn new(seed: u64, stream: [u32; 3]) -> Draw {
        Draw { seed, stream }
    }

    /// The key of Philox: the seed's two halves.
    pub fn key(self) -> [u32; 2] {
        [self.seed as u32, (self.seed >> 32) as u32]
    }

    /// The 32 random bits of element `index`: word `index % 4` of the block with counter `(index / 4, stream)`.
    pub fn bits(self, index: usize) -> u32 {
        let [a, b, c] = self.stream;
        philox([(index / 4) as u32, a, b, c], self.key())[index % 4]
    }

    /// A number in (0, 1): the middle of one of 2²³ equal cells, so that it is exact in f32 and never 0 or 1.
    pub fn uniform(self, index: usize) -> f64 {
        (f64::from(self.bits(index) >> 9) + 0.5) / f64::from(1 << 23)
    }
}

/// A sequence of random numbers for host code: shuffling, choosing shapes, drawing test cases.
#[derive(Clone, Debug)]
pub struct Philox {
    draw: Draw,
    next: usize,
}

impl Philox {
    /// The sequence of a draw, from its start.
    pub fn new(draw: Draw) -> Philox {
        Philox { draw, next: 0 }
    }

    /// 32 random bits.
    pub fn bits(&mut self) -> u32 {
        self.next += 1;
        self.draw.bits(self.next - 1)
    }

    /// Uniform in (0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.next += 1;
        self.draw.uniform(self.next - 1)
    }

    /// Uniform in 0..n, without bias.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: u32) -> u32 {
        assert!(n > 0, "no number lies below 0");
        loop {
            let wide = u64::from(self.bits()) * u64::from(n);
            if wide as u32 >= n.wrapping_neg() % n {
                return (wide >> 32) as u32;
            }
        }
    }

    /// Puts a slice into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
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
    fn below_reaches_every_number_evenly() {
        let mut rng = Philox::new(Draw::new(1, [0; 3]));
        let mut counts = [0; 7];
        (0..7000).for_each(|_| counts[rng.below(7) as usize] += 1);
        assert!(counts.iter().all(|c| (850..1150).contains(c)), "{counts:?}");
    }
}
