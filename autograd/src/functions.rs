//! The operations that [`Var`] composes of others, for tensors under the same names.

use crate::graph::Var;
use lethe_tensor::random::Draw;
use lethe_tensor::{ConvOptions, PoolOptions, Tensor};

/// An argument's type, and the variable made of it: `t` a tensor, `o` perhaps one, `v` a value.
macro_rules! argument {
    (@type t) => { &Tensor };
    (@type o) => { Option<&Tensor> };
    (@type v $ty:ty) => { $ty };
    (@pass t $arg:ident) => { &Var::constant($arg) };
    (@pass o $arg:ident) => { $arg.map(Var::constant).as_ref() };
    (@pass v $arg:ident) => { $arg };
}

macro_rules! functions {
    ($($name:ident($($kind:ident $arg:ident $(: $ty:ty)?),*);)*) => {
        /// The operations of [`Var`] that [`Tensor`] itself does not have. [`Var`] composes them of others, so that they are written only once.
        /// Each does the same as the method of [`Var`] with its name, without a tape.
        ///
        /// ```
        /// use lethe_autograd::Functions;
        /// use lethe_tensor::{Device, Tensor};
        /// let x = Tensor::new(&Device::cpu(), [-1.0, 0.0, 1.0]);
        /// println!("{}", x.silu());
        /// ```
        pub trait Functions {
            /// This, as a constant.
            fn constant(&self) -> Var;

            $(
                #[doc = concat!("As [`Var::", stringify!($name), "`].")]
                ///
                /// # Panics
                /// As the method of [`Var`].
                #[track_caller]
                fn $name(&self, $($arg: argument!(@type $kind $($ty)?)),*) -> Tensor {
                    self.constant().$name($(argument!(@pass $kind $arg)),*).tensor().clone()
                }
            )*

            /// As [`Var::split`].
            ///
            /// # Panics
            /// As the method of [`Var`].
            #[track_caller]
            fn split(&self, size: usize, dim: isize) -> Vec<Tensor> {
                self.constant().split(size, dim).iter().map(|part| part.tensor().clone()).collect()
            }

            /// As [`Var::chunk`].
            ///
            /// # Panics
            /// As the method of [`Var`].
            #[track_caller]
            fn chunk(&self, pieces: usize, dim: isize) -> Vec<Tensor> {
                self.constant().chunk(pieces, dim).iter().map(|part| part.tensor().clone()).collect()
            }

            /// As [`Var::einsum`].
            ///
            /// # Panics
            /// As the method of [`Var`].
            #[track_caller]
            fn einsum(equation: &str, operands: &[&Tensor]) -> Tensor {
                let constants: Vec<Var> = operands.iter().copied().map(Var::constant).collect();
                Var::einsum(equation, &constants.iter().collect::<Vec<_>>()).tensor().clone()
            }
        }
    };
}

functions! {
    leaky_relu(v slope: f64);
    prelu(t slope);
    relu6();
    elu(v alpha: f64);
    celu(v alpha: f64);
    selu();
    silu();
    mish();
    gelu_tanh();
    log_sigmoid();
    softsign();
    hard_sigmoid();
    hard_swish();
    hard_tanh();
    glu(v dim: isize);
    roll(v shift: isize, v dim: isize);
    repeat(v times: &[usize]);
    repeat_interleave(v times: usize, v dim: isize);
    slice_assign(v dim: isize, v start: usize, t src);
    pad_reflect(v dim: isize, v before: usize, v after: usize);
    pad_edge(v dim: isize, v before: usize, v after: usize);
    attention(t k, t v, v mask: Option<&Tensor>, v scale: f64, v causal: bool);
    biased_attention(t k, t v, t bias, v scale: f64, v causal: bool);
    packed_attention(v scale: f64, v causal: bool);
    attention_composed(t k, t v, v mask: Option<&Tensor>, v scale: f64, v causal: bool);
    conv_transpose2d(t weight, o bias, v options: &ConvOptions, v output_padding: [usize; 2]);
    conv1d(t weight, o bias, v options: &ConvOptions<1>);
    conv_transpose1d(t weight, o bias, v options: &ConvOptions<1>, v output_padding: usize);
    conv3d(t weight, o bias, v options: &ConvOptions<3>);
    conv_transpose3d(t weight, o bias, v options: &ConvOptions<3>, v output_padding: [usize; 3]);
    sum_to(v shape: &[usize]);
    mse_loss(t target);
    l1_loss(t target);
    huber_loss(t target, v delta: f64);
    bce_loss(t target);
    bce_with_logits(t target);
    nll_loss(v labels: &Tensor);
    kl_div(t target);
    scatter(v dim: isize, v index: &Tensor, t src);
    embedding(v index: &Tensor);
    interpolate_nearest(v size: [usize; 2]);
    interpolate_bilinear(v size: [usize; 2], v align_corners: bool);
    dropout(v p: f64, v draw: Draw);
    masked_fill(v mask: &Tensor, v value: f64);
    masked_mean(v mask: &Tensor);
    tril(v diagonal: isize);
    triu(v diagonal: isize);
    rms_norm(t weight, v eps: f64);
    group_norm(v groups: usize, t weight, t bias, v eps: f64);
    instance_norm(t weight, t bias, v eps: f64);
    batch_norm_eval(t weight, t bias, v running: [&Tensor; 2], v eps: f64);
    max_pool1d(v options: &PoolOptions<1>);
    avg_pool1d(v options: &PoolOptions<1>, v count_pad: bool);
    max_pool3d(v options: &PoolOptions<3>);
    avg_pool3d(v options: &PoolOptions<3>, v count_pad: bool);
    adaptive_avg_pool1d(v output: usize);
    adaptive_avg_pool3d(v output: [usize; 3]);
    adaptive_max_pool1d(v output: usize);
    adaptive_max_pool2d(v output: [usize; 2]);
    adaptive_max_pool3d(v output: [usize; 3]);
    var_axes(v axes: &[isize], v correction: f64, v keepdim: bool);
    std_axes(v axes: &[isize], v correction: f64, v keepdim: bool);
    var();
    std();
    logsumexp_axes(v axes: &[isize], v keepdim: bool);
    logsumexp();
}

impl Functions for Tensor {
    fn constant(&self) -> Var {
        Var::constant(self)
    }
}
