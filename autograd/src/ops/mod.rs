//! The differentiable operations, a file per family. Each rule stands beside the formula it implements, takes and returns `Var`s, and is
//! itself made of the operations here. A fused kernel has a fused first derivative; where the sweep is recorded, its rule takes the
//! compositional form instead, which can be differentiated again.

mod activation;
mod arrange;
mod attention;
mod conv;
mod conv_nd;
mod einsum;
mod elementwise;
mod error_loss;
mod index;
mod interpolate;
mod join;
mod loss;
mod mask;
mod matmul;
pub(crate) mod norm;
mod pool;
mod pool_nd;
mod reduce;
mod softmax;
mod view;
mod with_tensors;
