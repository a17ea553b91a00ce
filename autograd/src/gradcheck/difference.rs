//! Central differences along a direction, and whether they can be trusted.

use lethe_tensor::{Device, Tensor};

/// A difference quotient.
pub(super) enum Slope {
    /// The derivative, and how far rounding may have moved it.
    Smooth { value: f64, noise: f64 },
    /// The slopes to the two sides disagree, and go on to do so as the step shrinks.
    Kink,
}

/// Slopes to the two sides that agree to this part of their size are those of a smooth function.
const AGREES: f64 = 1e-3;
/// The steps tried: a kink at some distance is left behind by a shorter one.
const HALVINGS: usize = 4;
/// Rounding of a value, in units of ε: a small multiple for what happens inside the function.
const ROUNDINGS: f64 = 32.0;

/// The derivative of `value` (which gives the number, and the sum of the magnitudes that it was added up from) in input `i` along `u`.
pub(super) fn slope(
    value: &dyn Fn(&[Tensor]) -> [f64; 2],
    inputs: &[Tensor],
    i: usize,
    u: &Tensor,
    step: f64,
) -> Slope {
    let largest = |t: &Tensor| read(t).iter().fold(0.0f64, |a, x| a.max(x.abs()));
    let length = largest(u);
    if length == 0.0 || inputs[i].numel() == 0 {
        return Slope::Smooth { value: 0.0, noise: 0.0 };
    }
    let at = |h: f64| {
        let mut moved = inputs.to_vec();
        moved[i] = inputs[i].add(&u.mul_scalar(h));
        value(&moved)
    };
    let mut h = step * largest(&inputs[i]).max(1.0) / length;
    let [middle, size] = value(inputs);
    let mut before: Option<f64> = None;
    for _ in 0..HALVINGS {
        let (ahead, behind) = (at(h)[0], at(-h)[0]);
        let noise = ROUNDINGS * f64::EPSILON * size.max(1.0) / h;
        let (right, left) = ((ahead - middle) / h, (middle - behind) / h);
        let gap = (right - left).abs();
        let smooth = gap <= AGREES * f64::max(right.abs(), left.abs()) + noise;
        // Curvature shrinks in proportion to the step; a kink does not. Either way a NaN ends here and is reported.
        let curved = before.is_some_and(|b| (0.4..0.6).contains(&(gap / b)));
        if smooth || curved || gap.is_nan() {
            return Slope::Smooth { value: (ahead - behind) / (2.0 * h), noise };
        }
        before = Some(gap);
        h /= 2.0;
    }
    Slope::Kink
}

/// The inner product, and the sum of its terms' magnitudes.
pub(super) fn dot(a: &Tensor, b: &Tensor) -> [f64; 2] {
    let terms = read(a).into_iter().zip(read(b)).map(|(x, y)| x * y);
    terms.fold([0.0; 2], |[sum, size], t| [sum + t, size + t.abs()])
}

/// 1 at one element, 0 elsewhere.
pub(super) fn one_hot(shape: &[usize], at: usize) -> Tensor {
    let mut data = vec![0.0; shape.iter().product()];
    data[at] = 1.0;
    Tensor::from_slice(&Device::cpu(), &data, shape)
}

/// The elements of a tensor of doubles.
fn read(t: &Tensor) -> Vec<f64> {
    t.to_vec().expect("the CPU does not fail")
}
