//! Central differences along a direction, and whether they can be trusted.

use lethe_tensor::{Device, Tensor};

/// A difference quotient.
pub(super) enum Slope {
    /// The derivative, and how far rounding may have moved it.
    Smooth { value: f64, noise: f64 },
    /// The slopes to the two sides disagree however short the step is, or grow as it shrinks (a jump).
    Kink,
}

/// Slopes of a smooth function, to the two sides or at two steps, agree to this part of their size.
const AGREES: f64 = 1e-3;
/// The steps tried: a kink at some distance is left behind by a shorter one.
const HALVINGS: usize = 5;
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
    let mut h = 2.0 * step * largest(&inputs[i]).max(1.0) / length;
    let [middle, size] = value(inputs);
    let mut before: Option<[f64; 2]> = None; // the quotient and the gap at the step before
    for _ in 0..HALVINGS {
        let (ahead, behind) = (at(h)[0], at(-h)[0]);
        let noise = ROUNDINGS * f64::EPSILON * size.max(1.0) / h;
        let (right, left, value) = ((ahead - middle) / h, (middle - behind) / h, (ahead - behind) / (2.0 * h));
        let gap = (right - left).abs();
        if gap.is_nan() {
            return Slope::Smooth { value, noise }; // the caller reports it
        }
        if let Some([last, wide]) = before {
            let agree = |a: f64, b: f64| (a - b).abs() <= AGREES * f64::max(a.abs(), b.abs()) + noise;
            // The gap of a curve shrinks with the step, that of a kink does not. At a jump the two sides may agree, but the quotient grows.
            let smooth = agree(right, left) || (0.4..0.6).contains(&(gap / wide));
            if smooth && agree(value, last) {
                // Richardson's extrapolation: the errors in h² of both steps cancel. Where the curvature jumps the error is one in h, as
                // large as what the last halving changed; elsewhere that is next to nothing.
                let moved = value - last;
                return Slope::Smooth { value: value + moved / 3.0, noise: 1.5 * (noise + moved.abs()) };
            }
        }
        before = Some([value, gap]);
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
