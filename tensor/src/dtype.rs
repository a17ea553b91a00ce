//! Element types, and the traits by which generic code speaks of them.

use half::{bf16, f16};
use std::fmt;

/// The type of a tensor's elements. Booleans are `U32` tensors that hold 0 and 1, on every device.
///
/// # Examples
/// ```
/// use lethe_tensor::{DType, Device, Tensor};
/// let x = Tensor::new(&Device::cpu(), [0.125, 0.5]);
/// let half = x.to_dtype(DType::F16);
/// assert_eq!((half.dtype(), half.dtype().size()), (DType::F16, 2));
/// assert_eq!(half.add(&half).dtype(), DType::F32); // stored in 16 bits, computed in 32
/// assert_eq!(x.gt_scalar(0.25).to_vec::<u32>()?, [0, 1]); // false and true
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// 32-bit float: what everything is computed in.
    F32,
    /// 64-bit float: the oracle of gradient checks; on the CPU only.
    F64,
    /// Signed 32-bit integer.
    I32,
    /// Unsigned 32-bit integer: indices, labels, booleans.
    U32,
    /// IEEE half precision: storage only.
    F16,
    /// The upper half of an `F32`: storage only.
    BF16,
}

impl DType {
    /// Bytes an element takes.
    pub const fn size(self) -> usize {
        match self {
            DType::F64 => 8,
            DType::F32 | DType::I32 | DType::U32 => 4,
            DType::F16 | DType::BF16 => 2,
        }
    }

    /// The type in which elements of this type are computed with: `F32` for the 16-bit floats, which are for storage, else the type itself.
    pub const fn computed_as(self) -> DType {
        match self {
            DType::F16 | DType::BF16 => DType::F32,
            own => own,
        }
    }

    /// Whether a number keeps its value, or for floats rounds to a neighbour, in this type: integers hold whole numbers of their range.
    pub fn holds(self, number: f64) -> bool {
        match self {
            DType::I32 => number.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number),
            DType::U32 => number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number),
            _ => true,
        }
    }

    /// Whether arithmetic of real numbers is done in this type.
    pub const fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::F64 => "f64",
            DType::I32 => "i32",
            DType::U32 => "u32",
            DType::F16 => "f16",
            DType::BF16 => "bf16",
        })
    }
}

/// A Rust type that tensors can hold.
pub trait Element: bytemuck::Pod + Send + Sync + Default + PartialEq + fmt::Debug + 'static {
    /// The matching [`DType`].
    const DTYPE: DType;
    /// The nearest value of this type; integers truncate towards zero and saturate.
    fn from_f64(x: f64) -> Self;
    /// The value as a double: exact for every element type.
    fn to_f64(self) -> f64;
}

/// An inexact value becomes the neighbour in `f32` whose last bit is set. That bit remembers what was cut off, so that a second rounding to 16
/// bits comes out as if it were the only one.
fn rounded_to_odd(x: f64) -> f32 {
    let near = x as f32;
    let (exact, bits) = (f64::from(near), near.to_bits());
    if exact == x || x.is_nan() || bits & 1 == 1 {
        return near;
    }
    f32::from_bits(if exact.abs() < x.abs() { bits + 1 } else { bits - 1 })
}

macro_rules! element {
    ($($t:ty, $dtype:ident, $from:expr, $to:expr;)*) => { $(
        impl Element for $t {
            const DTYPE: DType = DType::$dtype;
            fn from_f64(x: f64) -> Self { ($from)(x) }
            fn to_f64(self) -> f64 { ($to)(self) }
        }
    )* };
}
element! {
    f32, F32, |x| x as f32, |x: f32| x as f64;
    f64, F64, |x| x, |x| x;
    i32, I32, |x| x as i32, |x: i32| x as f64;
    u32, U32, |x| x as u32, |x: u32| x as f64;
    f16, F16, |x| f16::from_f32(rounded_to_odd(x)), |x: f16| x.to_f64();
    bf16, BF16, |x| bf16::from_f32(rounded_to_odd(x)), |x: bf16| x.to_f64();
}

/// A type that the reference kernels compute in: `f32` or `f64`.
pub trait Float:
    Element
    + PartialOrd
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Neg<Output = Self>
    + std::ops::AddAssign
    + std::ops::MulAssign
    + std::iter::Sum
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// e^x.
    fn exp(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Whether the value is not a number.
    fn is_nan(self) -> bool;
}

macro_rules! float {
    ($($t:ty)*) => { $(
        impl Float for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            fn exp(self) -> Self { self.exp() }
            fn ln(self) -> Self { self.ln() }
            fn sqrt(self) -> Self { self.sqrt() }
            fn is_nan(self) -> bool { self.is_nan() }
        }
    )* };
}
float!(f32 f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_are_rounded_once() {
        // A little more than halfway between two neighbours, by less than f32 can tell at that size.
        let step = 1.0 / 1024.0;
        assert_eq!(<f16 as Element>::from_f64(1.0 + step / 2.0).to_f64(), 1.0); // halfway, to even
        assert_eq!(<f16 as Element>::from_f64(1.0 + step / 2.0 + 1e-12).to_f64(), 1.0 + step);
        assert_eq!(<f16 as Element>::from_f64(-1.0 - step / 2.0 - 1e-12).to_f64(), -1.0 - step);
        assert_eq!(<f16 as Element>::from_f64(1.0 + step * 1.5 - 1e-12).to_f64(), 1.0 + step);
        let step = 1.0 / 128.0;
        assert_eq!(<bf16 as Element>::from_f64(1.0 + step / 2.0).to_f64(), 1.0);
        assert_eq!(<bf16 as Element>::from_f64(1.0 + step / 2.0 + 1e-12).to_f64(), 1.0 + step);
        assert_eq!(<bf16 as Element>::from_f64(1e39).to_f64(), f64::INFINITY);
        assert_eq!(<bf16 as Element>::from_f64(-1e-50).to_f64(), 0.0);
        assert!(<bf16 as Element>::from_f64(f64::NAN).is_nan());
    }
}
