//! Functions of one number with what every back end is held to on them.

use lethe_tensor::Tensor;

/// A name and the function.
pub type Op = (&'static str, fn(&Tensor) -> Tensor);

/// Functions of any number.
pub const ANY: [Op; 17] = [
    ("neg", Tensor::neg),
    ("abs", Tensor::abs),
    ("sign", Tensor::sign),
    ("square", Tensor::square),
    ("sin", Tensor::sin),
    ("cos", Tensor::cos),
    ("tanh", Tensor::tanh),
    ("sigmoid", Tensor::sigmoid),
    ("softplus", Tensor::softplus),
    ("erf", Tensor::erf),
    ("relu", Tensor::relu),
    ("gelu", Tensor::gelu),
    ("gelu_grad", Tensor::gelu_grad),
    ("recip", Tensor::recip),
    ("expm1", |t| t.clamp_max(80.0).expm1()),
    ("exp", |t| t.clamp_max(80.0).exp()),
    ("pow 3", |t| t.pow_scalar(3.0)),
];

/// Functions of positive numbers.
pub const OF_POSITIVE: [Op; 5] = [
    ("log", Tensor::log),
    ("log1p", Tensor::log1p),
    ("sqrt", Tensor::sqrt),
    ("rsqrt", Tensor::rsqrt),
    ("pow", |t| t.pow_scalar(0.37)),
];
