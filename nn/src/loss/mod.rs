//! Losses on logits: the task's, and the objective of output bias forgetting.

mod obf;
mod task;

pub use lethe_tensor::plan::Likelihood;
pub use obf::Obf;
pub use task::TaskLoss;
