//! Tensors from Rust's numbers, arrays and vectors, and the usual ready-made ones.

use super::create::check_type;
use crate::device::Device;
use crate::dtype::{DType, Element};
use crate::host::collected;
use crate::random::Draw;
use crate::tensor::Tensor;

/// A number that [`Tensor::new`] takes, and the element that stands for it: `f32` for both kinds of floats.
pub trait Number: Copy {
    /// The element's type.
    type Element: Element;
    /// The element.
    fn element(self) -> Self::Element;
}

macro_rules! numbers {
    ($($t:ty => $e:ty, |$x:ident| $convert:expr;)*) => { $(
        impl Number for $t {
            type Element = $e;
            #[track_caller]
            fn element(self) -> $e {
                let $x = self;
                $convert
            }
        }
    )* };
}
numbers! {
    f32 => f32, |x| x;
    f64 => f32, |x| x as f32;
    i32 => i32, |x| x;
    u32 => u32, |x| x;
    u8 => u32, |x| u32::from(x);
    usize => u32, |x| u32::try_from(x).unwrap_or_else(|_| panic!("new: {x} is more than a u32 holds"));
    bool => u32, |x| u32::from(x);
}

/// A number, or nested arrays, vectors or slices of numbers, all of one length on a level.
pub trait Array {
    /// The elements' type.
    type Element: Element;

    /// The extent of each level, as the first of each has it.
    fn extents(&self) -> Vec<usize>;

    /// Appends the elements to `out`, row-major.
    ///
    /// # Panics
    /// If `shape` is not the shape of this array.
    fn append(&self, shape: &[usize], out: &mut Vec<Self::Element>);
}

impl<N: Number> Array for N {
    type Element = N::Element;

    fn extents(&self) -> Vec<usize> {
        vec![]
    }

    #[track_caller]
    fn append(&self, _: &[usize], out: &mut Vec<N::Element>) {
        out.push(self.element());
    }
}

impl<A: Array> Array for [A] {
    type Element = A::Element;

    fn extents(&self) -> Vec<usize> {
        [vec![self.len()], self.first().map_or(vec![], A::extents)].concat()
    }

    #[track_caller]
    fn append(&self, shape: &[usize], out: &mut Vec<A::Element>) {
        let expected = shape[0];
        assert!(self.len() == expected, "new: a row of {} elements among rows of {expected}", self.len());
        for part in self {
            part.append(&shape[1..], out);
        }
    }
}

macro_rules! rows {
    ($($({$($g:tt)*})? $t:ty;)*) => { $(
        impl<A: Array $(, $($g)*)?> Array for $t {
            type Element = A::Element;

            fn extents(&self) -> Vec<usize> {
                self[..].extents()
            }

            #[track_caller]
            fn append(&self, shape: &[usize], out: &mut Vec<A::Element>) {
                self[..].append(shape, out);
            }
        }
    )* };
}
rows! { Vec<A>; &[A]; {const N: usize} [A; N]; {const N: usize} &[A; N]; }

impl Tensor {
    /// A tensor of a number, or of nested arrays or vectors of numbers. Floats of both kinds are stored as `F32`, the type that everything is
    /// computed in; signed integers as `I32`; unsigned ones and booleans as `U32`. For doubles as they are, use [`Tensor::from_slice`].
    ///
    /// ```
    /// use lethe_tensor::{Device, Tensor};
    /// let x = Tensor::new(&Device::cpu(), [[1.0, 2.0], [3.0, 4.5]]);
    /// assert_eq!(x.shape(), [2, 2]);
    /// println!("{x}");
    /// ```
    ///
    /// # Panics
    /// If the rows of a level differ in length, or the device cannot hold that many elements.
    #[track_caller]
    pub fn new<A: Array>(device: &Device, values: A) -> Tensor {
        let shape = values.extents();
        let mut elements = Vec::new();
        values.append(&shape, &mut elements);
        Tensor::from_slice(device, &elements, &shape)
    }

    /// The identity matrix (n, n).
    ///
    /// # Panics
    /// If the device cannot hold the type, or that many elements.
    #[track_caller]
    pub fn eye(device: &Device, dtype: DType, n: usize) -> Tensor {
        Tensor::arange(device, n).one_hot(n, dtype)
    }

    /// `n` numbers (`F32`) at equal distances from `start` to `end`, both among them; of one, `start`.
    ///
    /// # Panics
    /// If the device cannot hold that many elements.
    #[track_caller]
    pub fn linspace(device: &Device, start: f64, end: f64, n: usize) -> Tensor {
        check_type(device, DType::F32);
        device.check_room("linspace", DType::F32, &[n]);
        let last = n.saturating_sub(1).max(1) as f64;
        // From both ends, so that both are exact.
        let at = |i: usize| start * ((last - i as f64) / last) + end * (i as f64 / last);
        Tensor::from_slice(device, &collected("linspace", n, (0..n).map(|i| at(i) as f32)), &[n])
    }

    /// Uniform in (0, 1), `F32`: a function of the seed and the element's position alone, on every device. ([`Tensor::uniform`] draws other
    /// types and streams.)
    ///
    /// # Panics
    /// If the device cannot hold that many elements.
    #[track_caller]
    pub fn rand(device: &Device, shape: &[usize], seed: u64) -> Tensor {
        Tensor::uniform(device, DType::F32, shape, Draw::new(seed, RAND))
    }

    /// Standard normal, `F32`: a function of the seed and the element's position alone. ([`Tensor::normal`] draws other types and streams.)
    ///
    /// # Panics
    /// If the device cannot hold that many elements.
    #[track_caller]
    pub fn randn(device: &Device, shape: &[usize], seed: u64) -> Tensor {
        Tensor::normal(device, DType::F32, shape, Draw::new(seed, RANDN))
    }
}

/// The streams of [`Tensor::rand`] and [`Tensor::randn`], so that one seed gives both independent numbers.
const RAND: [u32; 3] = [0x52_414E44, 0, 0];
const RANDN: [u32; 3] = [0x52_414E45, 0, 0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_rows_become_axes() {
        let cpu = Device::cpu();
        let x = Tensor::new(&cpu, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        assert_eq!((x.shape(), x.dtype()), (&[2, 3][..], DType::F32));
        assert_eq!(x.to_vec::<f32>().unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let y = Tensor::new(&cpu, vec![vec![1usize, 2], vec![3, 4]]);
        assert_eq!((y.shape(), y.to_vec::<u32>().unwrap()), (&[2, 2][..], vec![1, 2, 3, 4]));
        assert_eq!(Tensor::new(&cpu, -3).item::<i32>().unwrap(), -3);
        assert_eq!(Tensor::new(&cpu, &[true, false][..]).to_vec::<u32>().unwrap(), [1, 0]);
        assert_eq!(Tensor::new(&cpu, Vec::<f32>::new()).shape(), [0]);
        let ragged = std::panic::catch_unwind(|| Tensor::new(&Device::cpu(), vec![vec![1.0], vec![2.0, 3.0]]));
        assert!(ragged.unwrap_err().downcast_ref::<String>().unwrap().contains("a row of 2 elements among rows of 1"));
    }

    #[test]
    fn ready_made_tensors_hold_what_they_say() {
        let cpu = Device::cpu();
        assert_eq!(Tensor::eye(&cpu, DType::F64, 2).to_vec::<f64>().unwrap(), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(Tensor::linspace(&cpu, -1.0, 1.0, 5).to_vec::<f32>().unwrap(), [-1.0, -0.5, 0.0, 0.5, 1.0]);
        assert_eq!(Tensor::linspace(&cpu, 0.1, 0.7, 1).to_vec::<f32>().unwrap(), [0.1]);
        let (u, z) = (Tensor::rand(&cpu, &[10_000], 1), Tensor::randn(&cpu, &[10_000], 1));
        assert!((u.mean().item::<f32>().unwrap() - 0.5).abs() < 0.02 && z.mean().item::<f32>().unwrap().abs() < 0.05);
        assert!((z.square().mean().item::<f32>().unwrap() - 1.0).abs() < 0.05);
        let together = u.sub(&u.mean()).mul(&z).mean().item::<f32>().unwrap();
        assert!(together.abs() < 0.02, "rand and randn of one seed are correlated: {together}");
    }
}
