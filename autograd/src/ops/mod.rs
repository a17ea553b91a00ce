//! The differentiable operations, a file per family. Each rule stands beside the formula it implements, takes and returns `Var`s, and is
//! itself made of the operations here. A fused kernel has a fused first derivative; where the sweep is recorded, its rule takes the
//! compositional form instead, which can be differentiated again.

mod attention;
mod conv;
mod elementwise;
mod index;
mod join;
mod loss;
mod matmul;
pub(crate) mod norm;
mod pool;
mod reduce;
mod softmax;
mod view;
