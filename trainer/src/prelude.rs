//! What most programs need: `use lethe::prelude::*;`.

pub use lethe_autograd::gradcheck::{GradcheckOptions, gradcheck};
pub use lethe_autograd::{
    Functions, Gradients, Mode, ParamId, ParamLayout, Parameters, Tags, Tape, Var, gradient, hessian_vector_product,
    recompute,
};
pub use lethe_nn::layers::*;
pub use lethe_nn::loss::*;
pub use lethe_nn::models::{MlpClassifier, MlpConfig, Model, ResNet, ResNetConfig, Vit, VitConfig};
pub use lethe_nn::{Builder, Forward, Init, Pass, State, Theta, accuracy, predict, weights};
pub use lethe_optim::{
    Adam, AdamW, Adaptive, Batch, Decay, Descent, Direction, Extragradient, Geometry, Group, Lion, Optimizer,
    Perturbation, RhoSchedule, RmsProp, Samples, Scale, Schedule, Scope, Sgd, ShrinkPerturb, ShrinkScaling, SliceIndex,
    StepInputs, SurrogateGap, UpdateOn, UpdateRule, WeightAverage, random_direction,
};
pub use lethe_tensor::random::Draw;
pub use lethe_tensor::{
    ConvOptions, DType, Device, DeviceError, Ellipsis, INFER, NewAxis, Numeric, PoolOptions, Tensor,
};
