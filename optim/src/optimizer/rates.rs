//! Scales of the learning rate and of the weight decay for groups of parameters.

use crate::blocks::table;
use lethe_nn::Theta;
use lethe_tensor::Tensor;

/// Factors of one parameter group.
///
/// # Examples
/// ```
/// # use lethe_autograd::{ParamId, Tags};
/// # use lethe_nn::{Builder, Init};
/// # use lethe_optim::{Descent, Group, Optimizer, Sgd};
/// # use lethe_tensor::Device;
/// let mut b = Builder::new();
/// let body = b.param("body", &[1], Init::Constant(1.0)); // in group 0
/// let head = b.param_tagged("head", &[1], Init::Constant(1.0), Tags { group: 1, ..Tags::default() });
/// let (mut theta, _) = b.finish().init(&Device::cpu(), 0);
/// let gradient = theta.values().clone();
/// let groups = [Group::FROZEN, Group { lr_scale: 2.0, ..Group::default() }];
/// Descent::with_groups(Sgd::default(), &theta, 0.0, &groups).step(&mut theta, &gradient, 0.25);
/// let at = |id: ParamId| theta.layout().view(theta.values(), id).item::<f32>();
/// assert_eq!((at(body)?, at(head)?), (1.0, 0.5)); // the head moved at twice the rate
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Group {
    /// The factor of the learning rate. At 0 the group is frozen: its parameters neither move nor decay, and what is kept beside them stays.
    pub lr_scale: f64,
    /// The factor of the weight decay.
    pub decay_scale: f64,
}

impl Default for Group {
    /// Learning rate and weight decay as they are: factors of 1.
    fn default() -> Group {
        Group { lr_scale: 1.0, decay_scale: 1.0 }
    }
}

impl Group {
    /// A group whose parameters stay as they are.
    pub const FROZEN: Group = Group { lr_scale: 0.0, decay_scale: 0.0 };
}

/// The (scale of the learning rate, weight decay) of each block, in θ's type. Frozen parameters have a scale of 0.
#[track_caller]
pub(super) fn rates(theta: &Theta, weight_decay: f64, groups: &[Group]) -> Tensor {
    let table = table(theta, |p| {
        let group = groups.get(p.tags.group).unwrap_or_else(|| {
            let (name, index) = (&p.name, p.tags.group);
            panic!(
                "{name} is in parameter group {index}, and {} were given; give one for each index from 0 to {index}",
                groups.len()
            )
        });
        let scale = if p.tags.frozen { 0.0 } else { group.lr_scale };
        let decay = if p.tags.decayed { weight_decay * group.decay_scale } else { 0.0 };
        move |_| [scale, decay]
    });
    if theta.values().dtype() == table.dtype() { table } else { table.to_dtype(theta.values().dtype()) }
}
