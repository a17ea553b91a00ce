//! What attention may see.

use lethe_tensor::{DType, Device, Tensor};

/// Which keys each query sees: all, those up to its own place, and of those only tokens that are not padding.
///
/// ```
/// use lethe_nn::layers::AttentionMask;
/// use lethe_tensor::Device;
///
/// // Two sequences of at most four tokens, the second of three; no token sees a later one.
/// let mask = AttentionMask::causal().with_lengths(&Device::cpu(), &[4, 3], 4);
/// ```
#[derive(Clone, Default)]
pub struct AttentionMask {
    causal: bool,
    tokens: Option<Tensor>,
}

impl AttentionMask {
    /// Every query sees every key.
    pub fn none() -> AttentionMask {
        AttentionMask::default()
    }

    /// Query i sees keys j ≤ i.
    pub fn causal() -> AttentionMask {
        AttentionMask { causal: true, tokens: None }
    }

    /// Padding is hidden: `tokens` (n, keys) of `u32` is 1 at a token and 0 at padding. (PyTorch's `key_padding_mask` is the opposite.) A query
    /// that sees no key gives 0.
    ///
    /// # Panics
    /// If `tokens` does not have two axes, or is not of `u32`.
    #[track_caller]
    pub fn with_tokens(self, tokens: &Tensor) -> AttentionMask {
        let (shape, dtype) = (tokens.shape(), tokens.dtype());
        let fits = tokens.rank() == 2 && dtype == DType::U32;
        assert!(fits, "AttentionMask: tokens {shape:?} of {dtype} are not (n, keys) of u32");
        AttentionMask { tokens: Some(tokens.clone()), ..self }
    }

    /// The same for sequences of these lengths, padded at the end to this many keys.
    ///
    /// # Panics
    /// If a sequence is longer.
    #[track_caller]
    pub fn with_lengths(self, device: &Device, lengths: &[usize], keys: usize) -> AttentionMask {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        assert!(longest <= keys, "AttentionMask: a sequence of {longest} tokens is longer than {keys} keys");
        let row = |length: &usize| (0..keys).map(|j| u32::from(j < *length)).collect::<Vec<u32>>();
        let tokens: Vec<u32> = lengths.iter().flat_map(row).collect();
        self.with_tokens(&Tensor::from_slice(device, &tokens, &[lengths.len(), keys]))
    }

    pub(super) fn is_causal(&self) -> bool {
        self.causal
    }

    /// The mask of keys as (n, 1, 1, keys), to broadcast over heads and queries.
    #[track_caller]
    pub(super) fn of_keys(&self, n: usize, keys: usize) -> Option<Tensor> {
        let tokens = self.tokens.as_ref()?;
        assert!(
            tokens.shape() == [n, keys],
            "attention: a padding mask {:?} for {n} sequences of {keys} keys",
            tokens.shape()
        );
        Some(tokens.reshape(&[n, 1, 1, keys]))
    }
}
