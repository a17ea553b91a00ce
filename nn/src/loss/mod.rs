//! Objectives, each in a file of its own: losses of classes, of numbers and of tokens, and output bias forgetting.

mod class_weighted;
mod huber;
mod l1;
mod mse;
mod next_token;
mod obf;
mod objective;
mod task;

pub use class_weighted::ClassWeighted;
pub use huber::Huber;
pub use l1::L1;
pub use lethe_tensor::plan::Likelihood;
pub use mse::Mse;
pub use next_token::NextToken;
pub use obf::Obf;
pub use objective::Objective;
pub use task::TaskLoss;
