//! The layers of a transformer's encoder and decoder.

use super::{Activation, AttentionMask, Dropout, Layer, LayerNorm, Linear, MultiHeadAttention};
use crate::{Builder, Forward};
use lethe_autograd::Var;

/// Where a layer normalises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormOrder {
    /// Before each branch: `x + branch(norm(x))`. Trains without a warm-up, and needs a final norm after the last layer.
    Pre,
    /// After each sum: `norm(x + branch(x))`, as in the first transformer and by default in PyTorch.
    Post,
}

/// The sizes of a transformer's layer.
///
/// # Examples
/// ```
/// use lethe_nn::layers::{NormOrder, TransformerConfig};
/// let config = TransformerConfig { dropout: 0.1, norm: NormOrder::Post, ..TransformerConfig::new(64, 4) };
/// assert_eq!((config.hidden, config.heads), (256, 4));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TransformerConfig {
    /// The width of a token.
    pub width: usize,
    /// Heads, dividing the width.
    pub heads: usize,
    /// The hidden width of the perceptron.
    pub hidden: usize,
    /// The dropout probability after attention and after both layers of the perceptron.
    pub dropout: f64,
    /// The perceptron's activation.
    pub activation: Activation,
    /// Where the layer normalises.
    pub norm: NormOrder,
    /// The eps of the norms.
    pub eps: f64,
}

impl TransformerConfig {
    /// A hidden width of 4 · width, GELU, pre-norm with eps 10⁻⁵, no dropout.
    pub fn new(width: usize, heads: usize) -> TransformerConfig {
        TransformerConfig {
            width,
            heads,
            hidden: 4 * width,
            dropout: 0.0,
            activation: Activation::Gelu,
            norm: NormOrder::Pre,
            eps: 1e-5,
        }
    }
}

/// A layer of an encoder, or under a causal mask of a language model: self-attention, then a perceptron, each with a residual,
///
/// ```text
/// pre-norm    h = x + attn(norm1(x))      y = h + linear2(act(linear1(norm2(h))))
/// post-norm   h = norm1(x + attn(x))      y = norm2(h + linear2(act(linear1(h))))
/// ```
///
/// of x (n, tokens, width). Names are those of PyTorch's `TransformerEncoderLayer`: `self_attn.…`, `linear1.…`, `linear2.…`, `norm1.…`,
/// `norm2.…`. As a [`Layer`] it has no mask.
///
/// # Examples
/// ```
/// # use lethe_autograd::Var;
/// # use lethe_nn::layers::{AttentionMask, EncoderLayer, TransformerConfig};
/// # use lethe_nn::{Builder, Forward, Pass};
/// # use lethe_tensor::{Device, Tensor};
/// # let mut b = Builder::new();
/// let layer = EncoderLayer::new(&mut b, &TransformerConfig::new(16, 4)); // width 16, 4 heads
/// # let (theta, state) = b.finish().init(&Device::cpu(), 0);
/// # let params = theta.constants();
/// # let f = Forward::new(&params, &state, Pass::evaluate());
/// let x = Tensor::randn(&Device::cpu(), &[2, 5, 16], 0); // 2 sequences of 5 tokens
/// let y = |x: &Tensor| layer.masked(&f, &Var::constant(x), &AttentionMask::causal()).tensor().clone();
/// let (all, first) = (y(&x), y(&x.slice(1, 0, 1)));
/// assert_eq!(all.shape(), [2, 5, 16]);
/// // Under a causal mask the first token sees none of those after it.
/// assert!(all.slice(1, 0, 1).sub(&first).norm().item::<f32>()? < 1e-4);
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct EncoderLayer {
    self_attn: MultiHeadAttention,
    mlp: FeedForward,
    norms: [LayerNorm; 2],
    order: NormOrder,
}

impl EncoderLayer {
    /// Initialised as in PyTorch.
    ///
    /// # Panics
    /// If the heads do not divide the width, or dropout is not in [0, 1).
    #[track_caller]
    pub fn new(b: &mut Builder, config: &TransformerConfig) -> EncoderLayer {
        let c = config;
        EncoderLayer {
            self_attn: b.within("self_attn", |b| MultiHeadAttention::new(b, c.width, c.heads, c.dropout)),
            mlp: FeedForward::new(b, c),
            norms: ["norm1", "norm2"].map(|name| norm(b, name, c)),
            order: c.norm,
        }
    }

    /// The layer with a mask for its attention.
    ///
    /// # Panics
    /// If x is not (n, tokens, width), or the mask hides padding and its tokens are not (n, tokens).
    #[track_caller]
    pub fn masked(&self, f: &Forward<'_>, x: &Var, mask: &AttentionMask) -> Var {
        let [norm1, norm2] = &self.norms;
        match self.order {
            NormOrder::Pre => {
                let x = x + &self.self_attn.masked(f, &norm1.forward(f, x), mask);
                &x + &self.mlp.forward(f, &norm2.forward(f, &x))
            }
            NormOrder::Post => {
                let x = norm1.forward(f, &(x + &self.self_attn.masked(f, x, mask)));
                norm2.forward(f, &(&x + &self.mlp.forward(f, &x)))
            }
        }
    }
}

impl Layer for EncoderLayer {
    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        self.masked(f, x, &AttentionMask::none())
    }
}

/// A layer of a decoder: self-attention, attention to an encoder's output (the memory), then a perceptron, each with a residual and a norm as in
/// [`EncoderLayer`]. Names are those of PyTorch's `TransformerDecoderLayer`: `self_attn.…`, `multihead_attn.…`, `linear1.…`, `linear2.…`,
/// `norm1.…` to `norm3.…`.
///
/// # Examples
/// ```
/// # use lethe_autograd::Var;
/// # use lethe_nn::layers::{AttentionMask, DecoderLayer, TransformerConfig};
/// # use lethe_nn::{Builder, predict};
/// # use lethe_tensor::{Device, Tensor};
/// # let cpu = Device::cpu();
/// # let mut b = Builder::new();
/// let layer = DecoderLayer::new(&mut b, &TransformerConfig::new(16, 4)); // width 16, 4 heads
/// # let (theta, state) = b.finish().init(&cpu, 0);
/// // x is 3 tokens so far, the memory what an encoder made of 5 tokens and 2 of padding.
/// let [x, memory] = [3, 7].map(|tokens| Tensor::randn(&cpu, &[1, tokens, 16], 0));
/// let y = |memory: &Tensor, mask: &AttentionMask| {
///     let memory = Var::constant(memory);
///     predict(&theta, &state, &x, &|f, x| layer.forward(f, x, &memory, &AttentionMask::causal(), mask))
/// };
/// let masked = y(&memory, &AttentionMask::none().with_lengths(&cpu, &[5], 7));
/// let cut = y(&memory.slice(1, 0, 5), &AttentionMask::none());
/// assert_eq!(masked.shape(), [1, 3, 16]);
/// assert!(masked.sub(&cut).norm().item::<f32>()? < 1e-4); // what the mask hides is as if it were not there
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct DecoderLayer {
    self_attn: MultiHeadAttention,
    multihead_attn: MultiHeadAttention,
    mlp: FeedForward,
    norms: [LayerNorm; 3],
    order: NormOrder,
}

impl DecoderLayer {
    /// Initialised as in PyTorch.
    ///
    /// # Panics
    /// If the heads do not divide the width, or dropout is not in [0, 1).
    #[track_caller]
    pub fn new(b: &mut Builder, config: &TransformerConfig) -> DecoderLayer {
        let c = config;
        let attention = |b: &mut Builder| MultiHeadAttention::new(b, c.width, c.heads, c.dropout);
        DecoderLayer {
            self_attn: b.within("self_attn", attention),
            multihead_attn: b.within("multihead_attn", attention),
            mlp: FeedForward::new(b, c),
            norms: ["norm1", "norm2", "norm3"].map(|name| norm(b, name, c)),
            order: c.norm,
        }
    }

    /// x (n, tokens, width) attends to what `mask` (causal, as a rule) shows of itself, then to what `memory_mask` shows of `memory`
    /// (n, keys, width).
    ///
    /// # Panics
    /// If x or `memory` does not have this shape, or a mask hides padding and its tokens are not (n, tokens), or (n, keys) of `memory_mask`.
    #[track_caller]
    pub fn forward(
        &self,
        f: &Forward<'_>,
        x: &Var,
        memory: &Var,
        mask: &AttentionMask,
        memory_mask: &AttentionMask,
    ) -> Var {
        let [norm1, norm2, norm3] = &self.norms;
        match self.order {
            NormOrder::Pre => {
                let x = x + &self.self_attn.masked(f, &norm1.forward(f, x), mask);
                let x = &x + &self.multihead_attn.cross(f, &norm2.forward(f, &x), memory, memory_mask);
                &x + &self.mlp.forward(f, &norm3.forward(f, &x))
            }
            NormOrder::Post => {
                let x = norm1.forward(f, &(x + &self.self_attn.masked(f, x, mask)));
                let x = norm2.forward(f, &(&x + &self.multihead_attn.cross(f, &x, memory, memory_mask)));
                norm3.forward(f, &(&x + &self.mlp.forward(f, &x)))
            }
        }
    }
}

#[track_caller]
fn norm(b: &mut Builder, name: &str, c: &TransformerConfig) -> LayerNorm {
    b.within(name, |b| LayerNorm::new(b, c.width)).eps(c.eps)
}

/// `linear2(act(linear1(x)))` with dropout after each.
#[derive(Clone, Debug)]
struct FeedForward {
    linear1: Linear,
    linear2: Linear,
    activation: Activation,
    drops: [Dropout; 2],
}

impl FeedForward {
    #[track_caller]
    fn new(b: &mut Builder, c: &TransformerConfig) -> FeedForward {
        FeedForward {
            linear1: b.within("linear1", |b| Linear::new(b, c.width, c.hidden)),
            linear2: b.within("linear2", |b| Linear::new(b, c.hidden, c.width)),
            activation: c.activation,
            drops: [Dropout::new(b, c.dropout), Dropout::new(b, c.dropout)],
        }
    }

    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        let h = self.activation.apply(&self.linear1.forward(f, x));
        let h = self.linear2.forward(f, &self.drops[0].forward(f, &h));
        self.drops[1].forward(f, &h)
    }
}
