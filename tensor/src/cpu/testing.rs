//! For the tests of this back end: a plan run by its fast kernels, at every SIMD level and with several numbers of threads, against the
//! reference of the same plan in double precision.

use super::levels::{Level, levels};
use super::{CpuBuffer, CpuDevice, Input, Output};
use crate::dtype::{DType, Element};
use crate::layout::{Layout, numel};
use crate::plan::{Run, Spec};

/// Half of the distance between 1 and the next `f32`: the largest relative error of one rounding.
pub const EPS: f64 = f32::EPSILON as f64 / 2.0;

/// An input: real numbers that `f32` holds, or indices.
#[derive(Clone)]
pub enum Value {
    Real(Vec<f64>),
    Index(Vec<u32>),
}

impl Value {
    /// The numbers with their signs dropped: a reference run on these gives the sums of magnitudes that error bounds are made of.
    pub fn abs(&self) -> Value {
        match self {
            Value::Real(v) => Value::Real(v.iter().map(|x| x.abs()).collect()),
            index => index.clone(),
        }
    }
}

/// A generator of test numbers (SplitMix64).
pub struct Random(pub u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// A whole number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }
    /// `n` numbers in (−scale, scale), rounded to `f32`.
    pub fn reals(&mut self, n: usize, scale: f64) -> Vec<f64> {
        (0..n)
            .map(|_| f64::from(((self.bits() >> 11) as f64 / (1u64 << 52) as f64 - 1.0) as f32 * scale as f32))
            .collect()
    }
    /// The same as an input.
    pub fn real(&mut self, n: usize, scale: f64) -> Value {
        Value::Real(self.reals(n, scale))
    }
    /// `n` indices below `end`.
    pub fn index(&mut self, n: usize, end: usize) -> Value {
        Value::Index((0..n).map(|_| self.below(end) as u32).collect())
    }
}

fn buffer<T: Element>(device: &CpuDevice, values: impl ExactSizeIterator<Item = T>) -> CpuBuffer {
    let mut buffer = device.alloc(values.len() * T::DTYPE.size()).unwrap();
    for (at, v) in bytemuck::cast_slice_mut::<u8, T>(buffer.as_bytes_mut()).iter_mut().zip(values) {
        *at = v;
    }
    buffer
}

/// Runs `f` with inputs and outputs of `dtype` and returns the outputs. These hold NaNs before, or `base`, to be added to.
pub fn run(
    dtype: DType,
    threads: usize,
    specs: &[Spec],
    inputs: &[Value],
    base: Option<&[f64]>,
    f: impl FnOnce(&[Input<'_>], &mut [Output<'_>]) + Send,
) -> Vec<Vec<f64>> {
    let device = CpuDevice::with_threads(threads).expect("a few threads");
    let held: Vec<(CpuBuffer, DType, Layout)> = inputs
        .iter()
        .map(|v| match (v, dtype) {
            (Value::Index(v), _) => (buffer(&device, v.iter().copied()), DType::U32, Layout::contiguous(&[v.len()])),
            (Value::Real(v), DType::F64) => (buffer(&device, v.iter().copied()), dtype, Layout::contiguous(&[v.len()])),
            (Value::Real(v), _) => {
                (buffer(&device, v.iter().map(|x| *x as f32)), dtype, Layout::contiguous(&[v.len()]))
            }
        })
        .collect();
    let inputs: Vec<Input<'_>> = held.iter().map(|(b, d, l)| Input::new(b, *d, l)).collect();
    let mut held: Vec<CpuBuffer> =
        specs.iter().map(|s| device.alloc(numel(&s.shape) * s.dtype.size()).unwrap()).collect();
    held.iter_mut().for_each(|b| b.as_bytes_mut().fill(0xff));
    let mut outputs: Vec<Output<'_>> =
        held.iter_mut().zip(specs).map(|(b, s)| Output::new(b, s.dtype, 0, numel(&s.shape), base.is_some())).collect();
    if let Some(base) = base {
        match dtype {
            DType::F64 => outputs[0].values::<f64>().copy_from_slice(base),
            _ => outputs[0].values::<f32>().iter_mut().zip(base).for_each(|(o, b)| *o = *b as f32),
        }
    }
    device.scope(|| f(&inputs, &mut outputs));
    let read = |o: &mut Output<'_>| match o.dtype {
        DType::F64 => o.values::<f64>().to_vec(),
        DType::F32 => o.values::<f32>().iter().map(|x| f64::from(*x)).collect(),
        _ => o.values::<u32>().iter().map(|x| f64::from(*x)).collect(),
    };
    outputs.iter_mut().map(read).collect()
}

/// The outputs of a plan's reference in double precision.
pub fn expected<P: Run>(plan: &P, inputs: &[Value], base: Option<&[f64]>) -> Vec<Vec<f64>> {
    run(DType::F64, 1, &plan.outputs(), inputs, base, |i, o| plan.cpu(i, o))
}

/// Runs `fast` at every level with one, two and three threads: the bits must not depend on the threads, and no output may be further
/// from the reference than `bound(output, element, expected)`.
pub fn check_onto<P: Run>(
    plan: impl Fn(DType) -> P,
    inputs: &[Value],
    base: Option<&[f64]>,
    fast: impl Fn(Level, &P, &[Input<'_>], &mut [Output<'_>]) + Sync,
    bound: impl Fn(usize, usize, f64) -> f64,
) {
    let (single, want) = (plan(DType::F32), expected(&plan(DType::F64), inputs, base));
    for level in levels() {
        let got =
            |threads| run(DType::F32, threads, &single.outputs(), inputs, base, |i, o| fast(level, &single, i, o));
        let one = got(1);
        for threads in [2, 3] {
            let same = |a: &Vec<f64>, b: &Vec<f64>| a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(one.iter().zip(&got(threads)).all(|(a, b)| same(a, b)), "{level:?}, {threads} threads: {single:?}");
        }
        for (o, (got, want)) in one.iter().zip(&want).enumerate() {
            for (e, (&g, &w)) in got.iter().zip(want).enumerate() {
                let near = g == w || (g.is_nan() && w.is_nan()) || (g - w).abs() <= bound(o, e, w);
                assert!(near, "{level:?}, output {o}[{e}]: {g:e}, not {w:e} ± {:e}; {single:?}", bound(o, e, w));
            }
        }
    }
}

/// [`check_onto`] with fresh outputs.
pub fn check<P: Run>(
    plan: impl Fn(DType) -> P,
    inputs: &[Value],
    fast: impl Fn(Level, &P, &[Input<'_>], &mut [Output<'_>]) + Sync,
    bound: impl Fn(usize, usize, f64) -> f64,
) {
    check_onto(plan, inputs, None, fast, bound);
}
