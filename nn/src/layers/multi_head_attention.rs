//! Multi-head attention, of a sequence to itself or to another.

use super::{AttentionMask, Dropout, Layer, Linear};
use crate::{Builder, Forward, Init};
use lethe_autograd::{ParamId, Var};

/// `proj(concat_h softmax(Q_h K_hᵀ / √d + mask) V_h)` with Q, K, V the projections of x and of a memory, d = width / heads. Names and shapes are
/// PyTorch's: `in_proj_weight` (3 width, width), the rows of Q, K and V one after the other, `in_proj_bias` (3 width), `out_proj.weight`
/// (width, width), `out_proj.bias` (width). Dropout acts on the result, not on the softmax's weights as PyTorch's does.
///
/// As a [`Layer`], x (n, tokens, width) attends to itself without a mask.
///
/// ```
/// use lethe_autograd::Var;
/// use lethe_nn::layers::{AttentionMask, MultiHeadAttention};
/// use lethe_nn::{Builder, Forward, Pass};
/// use lethe_tensor::{DType, Device, Tensor};
///
/// let cpu = Device::cpu();
/// let mut b = Builder::new();
/// let layer = MultiHeadAttention::new(&mut b, 8, 2, 0.0);
/// let (theta, state) = b.finish().init(&cpu, 0);
/// let params = theta.constants();
/// let f = Forward::new(&params, &state, Pass::evaluate());
/// let x = Var::constant(&Tensor::ones(&cpu, DType::F32, &[2, 4, 8]));
/// let memory = Var::constant(&Tensor::ones(&cpu, DType::F32, &[2, 6, 8]));
/// assert_eq!(layer.masked(&f, &x, &AttentionMask::causal()).shape(), [2, 4, 8]);
/// let padded = AttentionMask::none().with_lengths(&cpu, &[6, 5], 6);
/// assert_eq!(layer.cross(&f, &x, &memory, &padded).shape(), [2, 4, 8]);
/// ```
#[derive(Clone, Debug)]
pub struct MultiHeadAttention {
    in_weight: ParamId,
    in_bias: ParamId,
    out_proj: Linear,
    drop: Dropout,
    width: usize,
    heads: usize,
}

impl MultiHeadAttention {
    /// Initialised as in PyTorch: Xavier-uniform over the whole of `in_proj_weight`, U(±1/√width) for `out_proj.weight`, biases 0.
    ///
    /// # Panics
    /// If the heads do not divide the width, or dropout is not in [0, 1).
    #[track_caller]
    pub fn new(b: &mut Builder, width: usize, heads: usize, dropout: f64) -> MultiHeadAttention {
        let divides = heads > 0 && width.is_multiple_of(heads);
        assert!(divides, "MultiHeadAttention: {heads} heads do not divide a width of {width}");
        let (xavier, zero) = (Init::XavierUniform { fan_in: width, fan_out: 3 * width }, Init::Constant(0.0));
        let out = Init::FanIn { fan_in: width };
        MultiHeadAttention {
            in_weight: b.param("in_proj_weight", &[3 * width, width], xavier),
            in_bias: b.param("in_proj_bias", &[3 * width], zero),
            out_proj: b.within("out_proj", |b| Linear::with(b, width, width, out, Some(zero))),
            drop: Dropout::new(b, dropout),
            width,
            heads,
        }
    }

    /// x (n, tokens, width) attends to what the mask shows of itself.
    ///
    /// # Panics
    /// If x is not (n, tokens, width), or the mask hides padding and its tokens are not (n, tokens).
    #[track_caller]
    pub fn masked(&self, f: &Forward<'_>, x: &Var, mask: &AttentionMask) -> Var {
        let [n, tokens] = self.extents("x", x);
        let qkv = self.project(f, x, [0, 3]);
        let o = match mask.of_keys(n, tokens) {
            None => qkv.packed_attention(self.scale(), mask.is_causal()),
            Some(keys) => {
                let [q, k, v] = [0, 1, 2].map(|i| heads_first(&qkv, i));
                q.attention(&k, &v, Some(&keys), self.scale(), mask.is_causal()).transpose(1, 2)
            }
        };
        self.finish(f, &o)
    }

    /// x (n, tokens, width) attends to what the mask shows of `memory` (n, keys, width).
    ///
    /// # Panics
    /// If x is not (n, tokens, width), `memory` is not (n, keys, width), or the mask hides padding and its tokens are not (n, keys).
    #[track_caller]
    pub fn cross(&self, f: &Forward<'_>, x: &Var, memory: &Var, mask: &AttentionMask) -> Var {
        let ([n, _], [of_memory, keys]) = (self.extents("x", x), self.extents("the memory", memory));
        assert!(n == of_memory, "MultiHeadAttention: x has {n} sequences, the memory {of_memory}");
        let (q, kv) = (self.project(f, x, [0, 1]), self.project(f, memory, [1, 3]));
        let [q, k, v] = [heads_first(&q, 0), heads_first(&kv, 0), heads_first(&kv, 1)];
        let o = q.attention(&k, &v, mask.of_keys(n, keys).as_ref(), self.scale(), mask.is_causal());
        self.finish(f, &o.transpose(1, 2))
    }

    /// Sequences and their length.
    #[track_caller]
    fn extents(&self, what: &str, x: &Var) -> [usize; 2] {
        match x.shape() {
            &[n, tokens, width] if width == self.width => [n, tokens],
            other => panic!("MultiHeadAttention: {what} {other:?} is not (n, tokens, {})", self.width),
        }
    }

    fn scale(&self) -> f64 {
        1.0 / ((self.width / self.heads) as f64).sqrt()
    }

    /// The projections `from` to `to` (of Q, K, V) as (n, tokens, projections, heads, dim).
    #[track_caller]
    fn project(&self, f: &Forward<'_>, x: &Var, [from, to]: [usize; 2]) -> Var {
        let (mut weight, mut bias) = (f.param(self.in_weight), f.param(self.in_bias));
        if to - from < 3 {
            let rows = |v: &Var| v.slice(0, from * self.width, to * self.width);
            (weight, bias) = (rows(&weight), rows(&bias));
        }
        let shape = [x.shape()[0], x.shape()[1], to - from, self.heads, self.width / self.heads];
        x.linear(&weight, Some(&bias)).reshape(&shape)
    }

    /// (n, tokens, heads, dim) put together again.
    #[track_caller]
    fn finish(&self, f: &Forward<'_>, o: &Var) -> Var {
        let o = o.reshape(&[o.shape()[0], o.shape()[1], self.width]);
        self.drop.forward(f, &self.out_proj.forward(f, &o))
    }
}

impl Layer for MultiHeadAttention {
    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        self.masked(f, x, &AttentionMask::none())
    }
}

/// One of the projections as (n, heads, tokens, dim).
#[track_caller]
fn heads_first(projections: &Var, i: usize) -> Var {
    projections.slice(2, i, i + 1).squeeze(2).transpose(1, 2)
}
