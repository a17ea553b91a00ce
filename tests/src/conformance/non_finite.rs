//! Whether a device keeps NaN and infinity. A shader compiler may assume that there are none; one that does gives away reference cases of them
//! (tag `nonfinite`), and no other adapter may.

use lethe_tensor::{DType, Device, DeviceError, Tensor};

/// Whether arithmetic, comparisons and selections of numbers that the compiler cannot know follow IEEE 754 here.
///
/// # Errors
/// If the device fails.
pub fn keeps_non_finite(device: &Device) -> Result<bool, DeviceError> {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    // Operands are apart: that x − x is 0 and x · 0 is 0 is what compilers assume most readily, of what they can see to be so.
    let [x, y] = [(); 2].map(|()| Tensor::from_slice(device, &[1.0f32, inf, -inf, nan], &[4]));
    let zero = Tensor::from_slice(device, &[0.0f32; 4], &[4]);
    let same = |t: Tensor, expected: [f32; 4]| -> Result<bool, DeviceError> {
        let got: Vec<f32> = t.to_vec()?;
        Ok(got.iter().zip(expected).all(|(a, b)| *a == b || a.is_nan() && b.is_nan()))
    };
    Ok(same(x.add_scalar(1.0), [2.0, inf, -inf, nan])?
        && same(x.sub(&y), [0.0, nan, nan, nan])?
        && same(x.mul(&zero), [0.0, nan, nan, nan])?
        && same(x.lt(&zero).where_(&x, &y.neg()), [-1.0, -inf, -inf, nan])?
        && same(x.recip(), [1.0, 0.0, -0.0, nan])?
        && same(x.le(&y).to_dtype(DType::F32), [1.0, 1.0, 1.0, 0.0])?)
}
