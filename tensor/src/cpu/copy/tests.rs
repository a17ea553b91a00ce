//! Copies of every kind of view and between all types, to the bit of the reference.

use super::super::testing::Random;
use super::super::{CpuBuffer, CpuDevice, reference};
use super::*;
use crate::dtype::{DType, Element};
use half::{bf16, f16};

fn views(base: &[usize; 3]) -> Vec<Layout> {
    let l = Layout::contiguous(base);
    let [a, b, c] = *base;
    vec![
        l.clone(),
        l.permute(&[2, 1, 0]),
        l.permute(&[0, 2, 1]),
        l.permute(&[1, 0, 2]),
        l.permute(&[2, 0, 1]),
        l.permute(&[1, 2, 0]),
        l.flip(2),
        l.flip(0).flip(1).permute(&[0, 2, 1]),
        l.slice(2, c / 2, c, 1),
        l.slice(2, 0, c, 3).permute(&[2, 0, 1]),
        l.slice(1, b / 3, b, 2),
        l.slice(0, 0, 1, 1).expand(&[4, b, c]).unwrap(),
        l.slice(2, c - 1, c, 1).expand(&[a, b, 5]).unwrap().permute(&[2, 1, 0]),
    ]
}

/// Values that conversions treat differently, among random ones.
fn numbers(random: &mut Random, n: usize) -> Vec<f64> {
    let care =
        [0.0, -0.0, 1e-8, -6e-5, 65504.0, 65520.0, -1e30, 3e9, -3e9, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 0.1];
    let random: Vec<f64> = random.reals(n, 300.0);
    random.iter().enumerate().map(|(i, x)| if i % 3 == 0 { care[i / 3 % care.len()] } else { *x }).collect()
}

fn fill(dtype: DType, bytes: &mut [u8], values: &[f64]) {
    fn typed<T: Element>(bytes: &mut [u8], values: &[f64]) {
        bytemuck::cast_slice_mut::<u8, T>(bytes).iter_mut().zip(values).for_each(|(o, v)| *o = T::from_f64(*v));
    }
    match dtype {
        DType::F32 => typed::<f32>(bytes, values),
        DType::F64 => typed::<f64>(bytes, values),
        DType::I32 => typed::<i32>(bytes, values),
        DType::U32 => typed::<u32>(bytes, values),
        DType::F16 => typed::<f16>(bytes, values),
        DType::BF16 => typed::<bf16>(bytes, values),
    }
}

/// What the plan leaves in an output that holds `base` before.
fn result(
    threads: usize,
    p: &Copy,
    layout: &Layout,
    values: &[f64],
    base: &[f64],
    add: bool,
    f: impl Fn(&Copy, &[Input<'_>], &mut [Output<'_>]) + Sync,
) -> Vec<u8> {
    let device = CpuDevice::with_threads(threads).unwrap();
    let mut input = device.alloc(values.len() * p.from.size()).unwrap();
    fill(p.from, input.as_bytes_mut(), values);
    let n = layout.numel();
    let mut output: CpuBuffer = device.alloc(n * p.to.size()).unwrap();
    fill(p.to, output.as_bytes_mut(), base);
    let mut outputs = [Output::new(&mut output, p.to, 0, n, add)];
    device.scope(|| f(p, &[Input::new(&input, p.from, layout)], &mut outputs));
    outputs[0].bytes_mut().to_vec()
}

fn by_reference(p: &Copy, i: &[Input<'_>], o: &mut [Output<'_>]) {
    macro_rules! to {
        ($from:ty) => {
            match p.to {
                DType::F32 => reference::copy::<$from, f32>(i, o),
                DType::F64 => reference::copy::<$from, f64>(i, o),
                DType::I32 => reference::copy::<$from, i32>(i, o),
                DType::U32 => reference::copy::<$from, u32>(i, o),
                DType::F16 => reference::copy::<$from, f16>(i, o),
                DType::BF16 => reference::copy::<$from, bf16>(i, o),
            }
        };
    }
    match p.from {
        DType::F32 => to!(f32),
        DType::F64 => to!(f64),
        DType::I32 => to!(i32),
        DType::U32 => to!(u32),
        DType::F16 => to!(f16),
        DType::BF16 => to!(bf16),
    }
}

fn check(from: DType, to: DType, base: [usize; 3], add: bool) {
    let mut random = Random(41);
    for layout in views(&base) {
        let n = layout.numel();
        let (values, old) = (numbers(&mut random, base.iter().product()), random.reals(n, 1.0));
        let p = Copy { from, to, shape: layout.shape.clone() };
        let want = result(1, &p, &layout, &values, &old, add, by_reference);
        for threads in [1, 3] {
            let got = result(threads, &p, &layout, &values, &old, add, run);
            let size = to.size();
            for (i, (g, w)) in got.chunks(size).zip(want.chunks(size)).enumerate() {
                // Of a NaN, which one it is does not matter.
                assert!(g == w || nan(to, g) && nan(to, w), "{from} to {to}, [{i}] of {layout:?}: {g:?}, not {w:?}");
            }
        }
    }
}

fn nan(dtype: DType, bytes: &[u8]) -> bool {
    match dtype {
        DType::F32 => bytemuck::pod_read_unaligned::<f32>(bytes).is_nan(),
        DType::F64 => bytemuck::pod_read_unaligned::<f64>(bytes).is_nan(),
        DType::F16 => bytemuck::pod_read_unaligned::<f16>(bytes).is_nan(),
        DType::BF16 => bytemuck::pod_read_unaligned::<bf16>(bytes).is_nan(),
        DType::I32 | DType::U32 => false,
    }
}

const TYPES: [DType; 6] = [DType::F32, DType::F64, DType::I32, DType::U32, DType::F16, DType::BF16];

#[test]
fn views_are_moved_whole() {
    for base in
        [[1, 1, 1], [3, 5, 2], [5, 37, 19], [2, 130, 70], [1, 300, 200], [40, 30, 50], [2, 1, 40_000], [3, 3, 16_385]]
    {
        for dtype in [DType::F32, DType::F64, DType::F16] {
            check(dtype, dtype, base, false);
        }
    }
}

#[test]
fn conversions_round_once() {
    for from in TYPES {
        for to in TYPES {
            check(from, to, [4, 9, 11], false);
            check(from, to, [3, 70, 90], false);
        }
    }
}

#[test]
fn floats_are_added_to_what_is_there() {
    for dtype in [DType::F32, DType::F64] {
        check(dtype, dtype, [3, 5, 2], true);
        check(dtype, dtype, [7, 90, 41], true);
    }
}
