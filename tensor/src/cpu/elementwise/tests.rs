//! The block interpreter against the reference in double precision: random expressions over inputs of every kind of layout, with an error
//! bound that is carried through each expression, at every SIMD level and with several numbers of threads.

use super::super::levels::levels;
use super::super::reference::elementwise as reference;
use super::super::testing::{EPS, Random};
use super::super::{CpuBuffer, CpuDevice};
use super::*;
use crate::expr::{Expr, Node, UnaryOp};
use crate::random::Draw;

/// An input: numbers that `f32` holds, and how they lie in their storage.
struct Leaf {
    data: Vec<f64>,
    dtype: DType,
    layout: Layout,
}

fn leaf(random: &mut Random, dtype: DType, base: &[usize], view: impl Fn(&Layout) -> Layout) -> Leaf {
    let layout = view(&Layout::contiguous(base));
    let data = match dtype {
        DType::F32 => random.reals(numel(base), 2.0),
        _ => (0..numel(base)).map(|_| random.below(3) as f64).collect(),
    };
    Leaf { data, dtype, layout }
}

fn buffer(device: &CpuDevice, leaf: &Leaf, dtype: DType) -> CpuBuffer {
    fn fill<T: Element>(device: &CpuDevice, data: &[f64]) -> CpuBuffer {
        let mut buffer = device.alloc(data.len() * size_of::<T>()).unwrap();
        bytemuck::cast_slice_mut(buffer.as_bytes_mut()).iter_mut().zip(data).for_each(|(o, v)| *o = T::from_f64(*v));
        buffer
    }
    match dtype {
        DType::F32 => fill::<f32>(device, &leaf.data),
        DType::F64 => fill::<f64>(device, &leaf.data),
        DType::I32 => fill::<i32>(device, &leaf.data),
        _ => fill::<u32>(device, &leaf.data),
    }
}

/// Runs `f` on an output that holds 0.5 everywhere (0 for booleans), and returns what it holds then.
fn run_with(
    p: &Elementwise,
    leaves: &[Leaf],
    add: bool,
    threads: usize,
    f: impl Fn(&Elementwise, &[Input<'_>], &mut [Output<'_>]) + Sync,
) -> Vec<f64> {
    let device = CpuDevice::with_threads(threads).unwrap();
    let held: Vec<CpuBuffer> = leaves.iter().zip(&p.dtypes).map(|(l, d)| buffer(&device, l, *d)).collect();
    let inputs: Vec<Input<'_>> =
        held.iter().zip(leaves).zip(&p.dtypes).map(|((b, l), d)| Input::new(b, *d, &l.layout)).collect();
    let n = numel(&p.shape);
    let mut held = device.alloc(n * p.dtype.size()).unwrap();
    let mut outputs = [Output::new(&mut held, p.dtype, 0, n, add)];
    match p.dtype {
        DType::F32 => outputs[0].values::<f32>().fill(0.5),
        DType::F64 => outputs[0].values::<f64>().fill(0.5),
        DType::I32 => outputs[0].values::<i32>().fill(0),
        _ => outputs[0].values::<u32>().fill(0),
    }
    device.scope(|| f(p, &inputs, &mut outputs));
    match p.dtype {
        DType::F32 => outputs[0].values::<f32>().iter().map(|v| f64::from(*v)).collect(),
        DType::F64 => outputs[0].values::<f64>().to_vec(),
        DType::I32 => outputs[0].values::<i32>().iter().map(|v| f64::from(*v)).collect(),
        _ => outputs[0].values::<u32>().iter().map(|v| f64::from(*v)).collect(),
    }
}

/// The plan of an expression, computed in `f32` or, `wide`, in `f64` on the same numbers.
fn plan(expr: &Expr, shape: &[usize], leaves: &[Leaf], boolean: bool, wide: bool) -> Elementwise {
    let compute = if wide { DType::F64 } else { DType::F32 };
    let of = |d: DType| if d == DType::F32 { compute } else { d };
    Elementwise {
        expr: Expr { nodes: expr.nodes.clone(), compute },
        shape: shape.to_vec(),
        dtype: if boolean { DType::U32 } else { compute },
        dtypes: leaves.iter().map(|l| of(l.dtype)).collect(),
        distinct: leaves.iter().map(|l| l.data.len()).collect(),
    }
}

/// For every element, how far from exact the result in `f32` may be: each function passes its operands' errors on, times its slope, and adds
/// its own.
fn bounds(expr: &Expr, leaves: &[Leaf], len: usize) -> Vec<f64> {
    let offsets: Vec<Vec<usize>> = leaves.iter().map(|l| l.layout.offsets().collect()).collect();
    let element = |i: usize| {
        let mut v: Vec<(f64, f64)> = vec![];
        for node in &expr.nodes {
            v.push(match *node {
                Node::Input(l) => (leaves[l].data[offsets[l][i]], 0.0),
                Node::Const(c) => (c, EPS * c.abs()),
                Node::Uniform(d) => (d.uniform(i), 0.0),
                Node::Unary(op, a) => {
                    let (x, e) = v[a];
                    let y = op.exact(x);
                    let slope = if op == UnaryOp::Square { 2.0 * x.abs() + e } else { 1.2 };
                    (y, slope * e + 30.0 * EPS * y.abs())
                }
                Node::Binary(op, a, b) => {
                    let ((x, e), (y, f)) = (v[a], v[b]);
                    let z = op.exact(x, y);
                    let passed = if op == BinaryOp::Mul { x.abs() * f + y.abs() * e + e * f } else { e + f };
                    (z, passed + EPS * (z.abs() + passed))
                }
                Node::Select(c, a, b) => v[if v[c].0 != 0.0 { a } else { b }],
            });
        }
        let (y, e) = v[v.len() - 1];
        e + EPS * (y.abs() + e + 0.5) // the sum with what the output held
    };
    (0..len).map(element).collect()
}

fn check(expr: &Expr, shape: &[usize], leaves: &[Leaf], boolean: bool) {
    let bounds = bounds(expr, leaves, numel(shape));
    for add in [false, true] {
        let want = run_with(&plan(expr, shape, leaves, boolean, true), leaves, add, 1, reference::run);
        let narrow = plan(expr, shape, leaves, boolean, false);
        for level in levels() {
            let got = |threads| run_with(&narrow, leaves, add, threads, |p, i, o| run_at(level, p, i, o));
            let one = got(1);
            assert!(one == got(2), "{level:?}: threads change the result of {expr:?}");
            for (i, ((g, w), bound)) in one.iter().zip(&want).zip(&bounds).enumerate() {
                assert!(
                    (g - w).abs() <= *bound,
                    "{level:?}[{i}]: {g}, not {w} ± {bound:e}, of {expr:?} over {shape:?}"
                );
            }
        }
    }
}

/// Leaves of every kind for an output of rows and columns.
fn leaves(random: &mut Random, [rows, columns]: [usize; 2]) -> Vec<Leaf> {
    let shape = [rows, columns];
    let to = |l: &Layout| l.expand(&shape).unwrap();
    let mut r = |dtype, base: &[usize], view: &dyn Fn(&Layout) -> Layout| leaf(random, dtype, base, view);
    vec![
        r(DType::F32, &shape, &Layout::clone),
        r(DType::F32, &[columns], &to),
        r(DType::F32, &[rows, 1], &to),
        r(DType::F32, &[1], &to),
        r(DType::F32, &[columns, rows], &|l| l.permute(&[1, 0])),
        r(DType::F32, &[rows, 2 * columns], &|l| l.slice(1, 1, 2 * columns, 2)),
        r(DType::F32, &shape, &|l| l.flip(0).flip(1)),
        r(DType::U32, &shape, &Layout::clone),
        r(DType::I32, &[columns, rows], &|l| l.permute(&[1, 0])),
        r(DType::U32, &[1, 1], &to),
    ]
}

/// A random expression whose values stay small; conditions compare inputs, so that rounding decides nothing.
fn random_expr(random: &mut Random, inputs: usize) -> Expr {
    let mut e = Expr { nodes: vec![], compute: DType::F32 };
    let mut values: Vec<usize> = (0..inputs).map(|i| e.push(Node::Input(i))).collect();
    values.push(e.push(Node::Const(-0.37)));
    values.push(e.push(Node::Const(1.5)));
    values.push(e.push(Node::Uniform(Draw::new(random.below(1 << 20) as u64, [1, 2, 3]))));
    for _ in 0..3 + random.below(12) {
        let mut any = || values[random.below(values.len())];
        let (a, b, c, d) = (any(), any(), random.below(inputs), random.below(inputs));
        let node = match random.below(12) {
            0 | 1 => Node::Binary(BinaryOp::Add, a, b),
            2 => Node::Binary(BinaryOp::Sub, a, b),
            3 | 4 => Node::Binary(BinaryOp::Mul, a, b),
            5 => Node::Binary(BinaryOp::Max, a, b),
            6 => Node::Unary(UnaryOp::Abs, a),
            7 => Node::Unary(UnaryOp::Erf, a),
            8 => Node::Unary(UnaryOp::Sigmoid, a),
            9 => Node::Unary(UnaryOp::Square, a),
            10 => Node::Select(e.push(Node::Binary(BinaryOp::Lt, c, d)), a, b),
            _ => Node::Unary(UnaryOp::Neg, a),
        };
        values.push(e.push(node));
        let small = e.push(Node::Unary(UnaryOp::Tanh, e.nodes.len() - 1));
        values.push(small);
    }
    let (a, b) = (values[values.len() - 1], values[values.len() - 2]);
    let root = e.push(Node::Binary(BinaryOp::Add, a, b));
    e.rooted(root)
}

#[test]
fn random_expressions_over_every_kind_of_input() {
    let mut random = Random(11);
    for shape in [[1, 1], [3, 5], [1, 1024], [7, 300], [2, 1025], [70, 1024], [600, 3], [35, 2000], [0, 4]] {
        for _ in 0..6 {
            let expr = random_expr(&mut random, 10);
            let leaves = leaves(&mut random, shape);
            check(&expr, &shape, &leaves, false);
        }
    }
}

#[test]
fn inputs_pass_through_alone() {
    let mut random = Random(12);
    let shape = [9, 400];
    let all = leaves(&mut random, shape);
    for i in 0..all.len() {
        let expr = Expr { nodes: (0..=i).map(Node::Input).collect(), compute: DType::F32 };
        check(&expr, &shape, &all, false);
    }
    let constant = Expr { nodes: vec![Node::Const(2.25)], compute: DType::F32 };
    check(&constant, &shape, &[], false);
}

#[test]
fn comparisons_are_stored_as_integers() {
    let mut random = Random(13);
    let shape = [40, 1700];
    let all = leaves(&mut random, shape);
    for op in [BinaryOp::Eq, BinaryOp::Ne, BinaryOp::Lt, BinaryOp::Le] {
        for (a, b) in [(7, 8), (0, 1), (4, 6), (7, 9)] {
            let nodes = (0..10).map(Node::Input).chain([Node::Binary(op, a, b)]).collect();
            check(&Expr { nodes, compute: DType::F32 }, &shape, &all, true);
        }
    }
}

#[test]
fn whole_powers_are_products() {
    let mut random = Random(14);
    let leaves = [leaf(&mut random, DType::F32, &[2000], Layout::clone)];
    for e in [-8.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 5.0, 7.0, 8.0, 9.0, 0.5, -1.5] {
        let expr = Expr {
            nodes: vec![Node::Input(0), Node::Const(e), Node::Binary(BinaryOp::Pow, 0, 1)],
            compute: DType::F32,
        };
        let want = run_with(&plan(&expr, &[2000], &leaves, false, true), &leaves, false, 1, reference::run);
        for level in levels() {
            let narrow = plan(&expr, &[2000], &leaves, false, false);
            let got = run_with(&narrow, &leaves, false, 1, |p, i, o| run_at(level, p, i, o));
            for (g, w) in got.iter().zip(&want) {
                // One rounding for each product, and for the reciprocal one that its power multiplies.
                let near = (g - w).abs() <= (2.0 * e.abs() + 1.0) * EPS * w.abs();
                assert!(near || g.is_nan() && w.is_nan() || *g == *w, "{level:?}: power {e} is {g}, not {w}");
            }
        }
    }
}

#[test]
fn large_outputs_are_streamed_and_whole() {
    let mut random = Random(15);
    let n = STREAM / 4 + 12_345;
    let leaves = [leaf(&mut random, DType::F32, &[n], Layout::clone)];
    let expr = Expr { nodes: vec![Node::Input(0), Node::Unary(UnaryOp::Neg, 0)], compute: DType::F32 };
    for level in levels() {
        let narrow = plan(&expr, &[n], &leaves, false, false);
        let got = run_with(&narrow, &leaves, false, 2, |p, i, o| run_at(level, p, i, o));
        assert!(got.iter().zip(&leaves[0].data).all(|(g, x)| *g == -x), "{level:?}");
    }
}

#[test]
fn double_precision_and_integers_follow_the_reference_to_the_bit() {
    let mut random = Random(16);
    for shape in [[1, 1], [5, 700], [100, 90]] {
        for compute in [DType::F64, DType::I32, DType::U32] {
            let all = leaves(&mut random, shape);
            let expr = random_expr(&mut random, 10);
            let mut p = plan(&expr, &shape, &all, false, true);
            p.expr.compute = compute;
            p.dtype = compute;
            for add in [false, compute == DType::F64] {
                let want = run_with(&p, &all, add, 1, reference::run);
                assert!(want == run_with(&p, &all, add, 1, run) && want == run_with(&p, &all, add, 3, run), "{p:?}");
            }
        }
    }
}
