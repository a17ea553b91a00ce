//! A config that trains in a moment.

/// A perceptron of eight hidden units on 64 digits: two epochs of two updates with SAM.
pub const SMALL: &str = "
[data]
dataset = \"digits\"
train_limit = 64
[model]
kind = \"mlp\"
widths = [8]
[optim]
kind = \"sgd\"
lr = 0.1
[perturb]
kind = \"steepest\"
rho = 0.05
m = 32
[train]
epochs = 2
batch = 32
";
