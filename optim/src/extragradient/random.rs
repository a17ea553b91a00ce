//! A random direction (specification, section 2.1): after normalisation, uniform on the sphere.

use crate::blocks::table;
use lethe_autograd::ALIGNMENT;
use lethe_nn::Theta;
use lethe_tensor::Tensor;
use lethe_tensor::random::Draw;

/// `p ~ N(0, I)` over all parameters but the frozen ones, in θ's layout; padding is 0. An element is a function of the seed, the update, the slice
/// and its place in the vector, so a run that is resumed draws what it would have drawn.
pub fn random_direction(theta: &Theta, seed: u64, update: u32, slice: u32) -> Tensor {
    /// Tells directions apart from whatever else is drawn under the seed.
    const STREAM: u32 = 0xD12E;
    let values = theta.values();
    let drawn = table(theta, |p| {
        let frozen = p.tags.frozen;
        move |real| [if frozen { 0.0 } else { real as f64 }]
    });
    let offsets: Vec<f64> = (0..ALIGNMENT).map(|i| i as f64).collect();
    let shape = [drawn.shape()[0], ALIGNMENT];
    let noise =
        Tensor::normal(values.device(), values.computed_type(), &shape, Draw::new(seed, [STREAM, update, slice]));
    let inside = values.constant_like(&offsets, &[1, ALIGNMENT]).lt(&drawn);
    inside.where_(&noise, &noise.scalar_like(0.0)).reshape(values.shape())
}
