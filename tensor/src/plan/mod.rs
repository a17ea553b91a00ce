//! Operations as data. A plan is a small plain struct that a public method on `Tensor` builds after it has checked shapes,
//! dtypes and devices; back ends execute it and check nothing again. It knows its outputs, its FLOPs and the least bytes it must
//! move, so that profiler, benchmark and roofline read their figures from it. Programs outside this package add operations by
//! filling in a [`Custom`] plan, or by implementing [`Plan`] and [`Run`].

mod attention;
mod batch_norm;
mod concat;
mod conv;
mod copy;
mod cumsum;
mod custom;
mod elementwise;
mod gather;
mod layer_norm;
mod loss;
mod matmul;
mod pad;
mod pool;
mod reduce;
mod run;
mod softmax;
mod update;

pub use attention::{Attention, AttentionBackward, Mask, MaskKind};
pub use batch_norm::{BatchNorm, BatchNormBackward};
pub use concat::{Assemble, Concat};
pub use conv::{Conv2d, ConvGeometry, ConvPass};
pub use copy::Copy;
pub use cumsum::Cumsum;
pub use custom::{CpuClosure, Custom, CustomKernel};
pub use elementwise::Elementwise;
pub use gather::{Gather, ScatterAdd};
pub use layer_norm::{LayerNorm, LayerNormBackward};
pub use loss::{CrossEntropy, Likelihood, Target};
pub use matmul::{Matmul, MatrixStrides};
pub use pad::Pad;
pub use pool::{Pool2d, PoolKind, PoolPass};
pub use reduce::{Reduce, ReduceOp, ScaledSquares};
pub use run::Run;
pub use softmax::{Softmax, SoftmaxBackward};
pub(crate) use update::BLOCK;
pub use update::{StepInputs, Update, UpdateRule};

use crate::dtype::DType;

/// The shape and type of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its shape; outputs are always row-major.
    pub shape: Vec<usize>,
    /// Its type.
    pub dtype: DType,
}

impl Spec {
    /// A shape and a type.
    pub fn new(shape: &[usize], dtype: DType) -> Spec {
        Spec { shape: shape.to_vec(), dtype }
    }
}

/// How a plan is split into plans of fewer items (rows, images, slices before an axis), for devices that can see only a part of an
/// operand at once.
pub struct Items<'a> {
    /// How many there are.
    pub count: usize,
    /// Elements of an item in each input; 0 where every item reads the whole input.
    pub inputs: Vec<usize>,
    /// Elements of an item in each output; 0 where the output is a sum over all items.
    pub outputs: Vec<usize>,
    /// The same plan for this number of items.
    pub of: Box<dyn Fn(usize) -> Box<dyn Run> + 'a>,
}

/// The description of one operation. Inputs are given by the caller of [`crate::execute`] in the order that the plan documents.
pub trait Plan: std::fmt::Debug + Send + Sync + 'static {
    /// The operation's name, as messages and profiles show it.
    fn name(&self) -> &'static str;

    /// What it makes.
    fn outputs(&self) -> Vec<Spec>;

    /// Floating-point operations; a multiply-add counts as two.
    fn flops(&self) -> u64;

    /// The least bytes to move: every input read and every output written once.
    fn bytes(&self) -> u64;

    /// Whether the first output can be added to what its destination holds (`Output::add`).
    fn accumulates(&self) -> bool {
        false
    }

    /// Whether it takes inputs of 16-bit types as they are. Others are given them in f32.
    fn takes_halves(&self) -> bool {
        false
    }

    /// How it is split into items, if it can be. A plan that cannot be runs whole, and cuts its work itself.
    fn items(&self) -> Option<Items<'_>> {
        None
    }
}

/// Bytes of `n` elements of a type.
fn bytes_of(n: usize, dtype: DType) -> u64 {
    (n * dtype.size()) as u64
}
