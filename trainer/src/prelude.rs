//! What most programs need: `use lethe::prelude::*;`.

pub use lethe_autograd::gradcheck::{GradcheckOptions, gradcheck};
pub use lethe_autograd::{
    Functions, Gradients, Mode, ParamId, Parameters, Tape, Var, gradient, hessian_vector_product,
};
pub use lethe_nn::layers::*;
pub use lethe_nn::loss::*;
pub use lethe_nn::models::{MlpClassifier, MlpConfig, Model, ResNet, ResNetConfig, Vit, VitConfig};
pub use lethe_nn::{Builder, Forward, Init, Pass, State, Theta, accuracy, predict, weights};
pub use lethe_optim::*;
pub use lethe_tensor::random::Draw;
pub use lethe_tensor::{
    ConvOptions, DType, Device, DeviceError, Ellipsis, INFER, NewAxis, Numeric, PoolOptions, Tensor,
};
