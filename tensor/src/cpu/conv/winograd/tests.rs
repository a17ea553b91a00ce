//! Both tiles, in all passes, against the definition, within the bound of the rounding errors that their transforms multiply.

use super::*;
use crate::cpu::conv::tests::{geometry, plain};
use crate::cpu::conv::{Form, fast, shifted};
use crate::cpu::levels::level;
use crate::cpu::simd_portable::Portable;
use crate::cpu::testing::{EPS, Random, Value, check_onto, expected, run};
use crate::cpu::{Input, Output};
use crate::dtype::DType;
use crate::plan::{Conv2d, ConvPass, Plan, Run};

type Matrix = Vec<Vec<f64>>;

/// The magnitudes of the matrices of a tile (`points`), by transforming unit vectors: Bᵀ, Aᵀ and G.
fn matrices<const T: usize>() -> [Matrix; 3] {
    use crate::cpu::simd::Simd;
    let s = Portable;
    let unit = |k: usize| std::array::from_fn::<_, T, _>(|i| s.splat(if i == k { 1.0 } else { 0.0 }));
    let column = |v: [<Portable as Simd>::F; T]| v.map(|v| f64::from(s.lanes(v)[0]).abs()).to_vec();
    let transposed = |columns: Vec<Vec<f64>>| -> Matrix {
        (0..columns[0].len()).map(|i| columns.iter().map(|c| c[i]).collect()).collect()
    };
    let b = transposed((0..T).map(|k| column(points::input(s, unit(k)))).collect());
    let mut a = transposed((0..T).map(|k| column(points::output(s, unit(k)))).collect());
    a.truncate(T - 2);
    let tap = |k: usize| std::array::from_fn(|i| s.splat(if i == k { 1.0 } else { 0.0 }));
    [b, a, transposed((0..3).map(|k| column(points::weight::<_, T>(s, tap(k)))).collect())]
}

/// L v Lᵀ.
fn both_sides(l: &Matrix, v: &Matrix) -> Matrix {
    let half: Matrix =
        l.iter().map(|l| (0..v[0].len()).map(|j| (0..v.len()).map(|i| l[i] * v[i][j]).sum()).collect()).collect();
    half.iter().map(|row| l.iter().map(|l| (0..row.len()).map(|j| l[j] * row[j]).sum()).collect()).collect()
}

fn transpose(m: &Matrix) -> Matrix {
    (0..m[0].len()).map(|j| m.iter().map(|row| row[j]).collect()).collect()
}

/// Of a pass, the sums of magnitudes at the points that each result is made of.
struct Magnitudes {
    m: usize,
    b: Matrix,
    a: Matrix,
    g: Matrix,
}

impl Magnitudes {
    fn of(tile: Tile) -> Magnitudes {
        let (m, [b, a, g]) = match tile {
            Tile::Two => (2, matrices::<4>()),
            Tile::Four => (4, matrices::<6>()),
        };
        Magnitudes { m, b, a, g }
    }

    /// An extract of a plane, zeros around it.
    fn window(plane: &[f64], [h, w]: [usize; 2], [y, x]: [isize; 2], n: usize) -> Matrix {
        let at = |y: isize, x: isize| {
            let inside = (0..h as isize).contains(&y) && (0..w as isize).contains(&x);
            if inside { plane[y as usize * w + x as usize].abs() } else { 0.0 }
        };
        (0..n as isize).map(|i| (0..n as isize).map(|j| at(y + i, x + j)).collect()).collect()
    }

    /// Calls `f(image, [row, column])` for every tile.
    fn each_tile(&self, g: &ConvGeometry, mut f: impl FnMut(usize, [usize; 2])) {
        let [rows, columns] = g.output.map(|n| n.div_ceil(self.m));
        for i in 0..g.batch * rows * columns {
            f(i / (rows * columns), [i / columns % rows * self.m, i % columns * self.m]);
        }
    }

    /// Those of the inputs of a tile at the points.
    fn input(&self, g: &ConvGeometry, x: &[f64], image: usize, channel: usize, at: [usize; 2]) -> Matrix {
        let start = (image * g.c_in + channel) * g.input[0] * g.input[1];
        let at = [0, 1].map(|k| at[k] as isize - g.padding[k][0] as isize);
        both_sides(&self.b, &Self::window(&x[start..start + g.input[0] * g.input[1]], g.input, at, self.m + 2))
    }

    fn forward(&self, g: &ConvGeometry, x: &[f64], w: &[f64]) -> Vec<f64> {
        let (ci, co, area) = (g.c_in / g.groups, g.c_out / g.groups, g.output[0] * g.output[1]);
        let taps = |i: usize| both_sides(&self.g, &Self::window(&w[9 * i..9 * i + 9], [3, 3], [0, 0], 3));
        let filters: Vec<Matrix> = (0..g.c_out * ci).map(taps).collect();
        let mut y = vec![0.0; g.batch * g.c_out * area];
        self.each_tile(g, |image, at| {
            let inputs: Vec<Matrix> = (0..g.c_in).map(|c| self.input(g, x, image, c, at)).collect();
            for o in 0..g.c_out {
                let t = self.m + 2;
                let mut sums = vec![vec![0.0; t]; t];
                for c in 0..ci {
                    let (u, v) = (&filters[o * ci + c], &inputs[o / co * ci + c]);
                    (0..t * t).for_each(|p| sums[p / t][p % t] += u[p / t][p % t] * v[p / t][p % t]);
                }
                for (i, row) in both_sides(&self.a, &sums).iter().enumerate() {
                    for (j, v) in row.iter().enumerate() {
                        if at[0] + i < g.output[0] && at[1] + j < g.output[1] {
                            y[(image * g.c_out + o) * area + (at[0] + i) * g.output[1] + at[1] + j] = *v;
                        }
                    }
                }
            }
        });
        y
    }

    fn weight_grad(&self, g: &ConvGeometry, x: &[f64], dy: &[f64]) -> Vec<f64> {
        let (ci, co, area, t) = (g.c_in / g.groups, g.c_out / g.groups, g.output[0] * g.output[1], self.m + 2);
        let mut sums = vec![vec![vec![0.0; t]; t]; g.c_out * ci];
        let expand = transpose(&self.a);
        self.each_tile(g, |image, at| {
            let inputs: Vec<Matrix> = (0..g.c_in).map(|c| self.input(g, x, image, c, at)).collect();
            for o in 0..g.c_out {
                let start = (image * g.c_out + o) * area;
                let own = Self::window(&dy[start..start + area], g.output, at.map(|a| a as isize), self.m);
                let d = both_sides(&expand, &own);
                for c in 0..ci {
                    let (v, sums) = (&inputs[o / co * ci + c], &mut sums[o * ci + c]);
                    (0..t * t).for_each(|p| sums[p / t][p % t] += d[p / t][p % t] * v[p / t][p % t]);
                }
            }
        });
        let back = transpose(&self.g);
        sums.iter().flat_map(|s| both_sides(&back, s).concat()).collect()
    }
}

/// Roundings of the transforms on a result's way, without fused operations: at most six, constants included, for each axis of three transforms, and
/// that of the bias.
const TRANSFORMS: usize = 6 * 2 * 3 + 1;

fn reals(v: &Value) -> &[f64] {
    let Value::Real(v) = v else { unreachable!("real numbers") };
    v
}

/// The kernels of the convolution that is the input gradient.
fn flipped(g: &ConvGeometry, w: &[f64]) -> Vec<f64> {
    let (ci, co) = (g.c_in / g.groups, g.c_out / g.groups);
    let of = |i: usize| {
        let (group, c, o) = (i / (ci * co), i / co % ci, i % co);
        let at = ((group * co + o) * ci + c) * 9;
        w[at..at + 9].iter().rev().copied()
    };
    (0..g.groups * ci * co).flat_map(of).collect()
}

fn geometries() -> Vec<ConvGeometry> {
    vec![
        plain([2, 1, 16, 16], [7, 9], 3, 1, 1),
        plain([1, 1, 20, 37], [7, 11], 3, 1, 1),
        plain([3, 1, 3, 40], [9, 5], 3, 1, 1),
        plain([5, 1, 33, 2], [1, 2], 3, 1, 1),
        plain([2, 2, 34, 48], [6, 4], 3, 1, 1),
        plain([1, 1, 100, 100], [8, 8], 3, 1, 1),
        plain([1, 1, 180, 175], [4, 5], 3, 1, 1),
        plain([2, 1, 16, 17], [11, 10], 3, 1, 0),
        plain([3, 1, 16, 20], [30, 26], 3, 1, 1),
        plain([2, 1, 40, 70], [14, 17], 3, 1, 1),
        geometry([2, 1, 17, 16], [9, 12], [3, 3], [1, 1], [[2, 1], [0, 2]], [1, 1]),
        geometry([1, 1, 16, 16], [3, 2], [3, 3], [1, 1], [[0, 2], [2, 1]], [1, 1]),
    ]
}

fn plan(pass: ConvPass, geometry: &ConvGeometry, bias: bool) -> impl Fn(DType) -> Conv2d {
    move |dtype| Conv2d { dtype, pass, geometry: geometry.clone(), bias }
}

#[test]
fn errors_of_both_tiles_are_within_what_their_transforms_allow() {
    let mut random = Random(17);
    for (g, tile) in geometries().iter().flat_map(|g| [(g, Tile::Two), (g, Tile::Four)]) {
        let size = |shape: [usize; 4]| shape.iter().product::<usize>();
        let [x, w, y] = [g.x_shape(), g.w_shape(), g.y_shape()].map(|s| random.real(size(s), 1.0));
        let (ci, co, all) = (g.c_in / g.groups, g.c_out / g.groups, Magnitudes::of(tile));
        let tiles = g.batch * g.output[0].div_ceil(all.m) * g.output[1].div_ceil(all.m);
        let run = |level, p: &Conv2d, i: &[Input<'_>], o: &mut [Output<'_>]| fast(level, Form::Tiles(tile), p, i, o);
        let bound = |terms: usize, sums: Vec<f64>| {
            move |_, e: usize, w: f64| EPS * ((terms + TRANSFORMS) as f64 * sums[e] + w.abs())
        };
        for bias in [false, true] {
            let inputs = |a: &Value, c: usize, random: &mut Random| {
                let more = bias.then(|| random.real(c, 1.0));
                [a.clone(), w.clone()].into_iter().chain(more).collect::<Vec<_>>()
            };
            let own = inputs(&x, g.c_out, &mut random);
            let sums = all.forward(g, reals(&x), reals(&w));
            check_onto(plan(ConvPass::Forward, g, bias), &own, None, run, bound(ci, sums));
            let own = inputs(&y, g.c_in, &mut random);
            let sums = all.forward(&shifted::transposed(g), reals(&y), &flipped(g, reals(&w)));
            check_onto(plan(ConvPass::InputGrad, g, bias), &own, None, run, bound(co, sums));
        }
        let base = random.reals(size(g.w_shape()), 1.0);
        for base in [None, Some(&base[..])] {
            let sums = all.weight_grad(g, reals(&x), reals(&y));
            let own = [x.clone(), y.clone()];
            check_onto(plan(ConvPass::WeightGrad, g, false), &own, base, run, bound(tiles, sums));
        }
    }
}

#[test]
fn what_is_not_finite_is_computed_directly() {
    // By parts and whole, in the forward pass and in the weight gradient.
    for channels in [[16, 20], [40, 70]] {
        check_what_is_not_finite(channels);
    }
}

fn check_what_is_not_finite([ci, co]: [usize; 2]) {
    let (g, mut random) = (plain([2, 1, ci, co], [9, 10], 3, 1, 1), Random(18));
    let x = random.reals(2 * ci * 90, 1.0);
    let w = random.real(co * ci * 9, 1.0);
    let dy = random.reals(2 * co * 90, 1.0);
    for odd in [f64::INFINITY, f64::NAN, f64::from(f32::MAX)] {
        let (mut x, mut dy) = (x.clone(), dy.clone());
        (x[1000], dy[1000]) = (odd, odd);
        let (x, dy) = (Value::Real(x), Value::Real(dy));
        let all = [
            (ConvPass::Forward, [x.clone(), w.clone()]),
            (ConvPass::InputGrad, [dy.clone(), w.clone()]),
            (ConvPass::WeightGrad, [x, dy]),
        ];
        for (pass, inputs) in all {
            let base = (pass == ConvPass::WeightGrad).then(|| vec![0.5; co * ci * 9]);
            let by = |form: Option<Form>, g: &ConvGeometry, inputs: &[Value]| {
                let p = plan(pass, g, false)(DType::F32);
                let form = form.unwrap_or(Form::direct(level(), &p));
                let f = |i: &[Input<'_>], o: &mut [Output<'_>]| fast(level(), form, &p, i, o);
                bits(&run(DType::F32, 2, &p.outputs(), inputs, base.as_deref(), f).swap_remove(0))
            };
            for tile in [Tile::Two, Tile::Four] {
                let tiled = by(Some(Form::Tiles(tile)), &g, &inputs);
                if pass == ConvPass::WeightGrad {
                    assert_eq!(tiled, by(None, &g, &inputs), "{pass:?} with {odd}");
                    continue;
                }
                // The first image has the odd number; the other one is as it is without it.
                let half =
                    |v: &Value, i: usize| Value::Real(reals(v).chunks(reals(v).len() / 2).nth(i).unwrap().to_vec());
                let one = ConvGeometry { batch: 1, ..g.clone() };
                let first = by(None, &one, &[half(&inputs[0], 0), inputs[1].clone()]);
                let second = by(Some(Form::Tiles(tile)), &one, &[half(&inputs[0], 1), inputs[1].clone()]);
                assert!(tiled == [first, second].concat(), "{pass:?} with {odd}");
            }
        }
    }
}

fn bits(v: &[f64]) -> Vec<u64> {
    v.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn sums_that_overflow_from_block_to_block_are_computed_directly() {
    // Each block's sum is finite, their sum is infinite.
    for channels in [[16, 16], [40, 40]] {
        let g = plain([4, 1, channels[0], channels[1]], [16, 16], 3, 1, 1);
        let values = |n: usize, x: f64| Value::Real(vec![f64::from(x as f32); n]);
        let inputs = [values(4 * channels[0] * 256, 1.0), values(4 * channels[1] * 256, 1e36)];
        let p = plan(ConvPass::WeightGrad, &g, false)(DType::F32);
        let by = |form: Form| {
            let f = |i: &[Input<'_>], o: &mut [Output<'_>]| fast(level(), form, &p, i, o);
            bits(&run(DType::F32, 2, &p.outputs(), &inputs, None, f).swap_remove(0))
        };
        assert_eq!(by(Form::Tiles(Tile::Four)), by(Form::direct(level(), &p)));
    }
}

#[test]
fn an_image_has_the_same_results_in_any_batch() {
    let mut random = Random(19);
    // Few filters, and many.
    for (size, [ci, co]) in [([8, 8], [24, 30]), ([13, 30], [24, 30]), ([9, 12], [40, 70])] {
        let [one, many] = [1, 5].map(|n| plain([n, 1, ci, co], size, 3, 1, 1));
        let (w, x) = (random.real(co * ci * 9, 1.0), random.reals(5 * ci * size[0] * size[1], 1.0));
        let y = |g: &ConvGeometry, x: &[f64]| {
            assert!(matches!(Form::of(level(), &plan(ConvPass::Forward, g, false)(DType::F32)), Form::Tiles(_)));
            let p = plan(ConvPass::Forward, g, false)(DType::F32);
            run(DType::F32, 2, &p.outputs(), &[Value::Real(x.to_vec()), w.clone()], None, |i, o| p.cpu(i, o)).concat()
        };
        let alone: Vec<f64> = x.chunks(x.len() / 5).flat_map(|x| y(&one, x)).collect();
        assert_eq!(alone, y(&many, &x));
    }
}

#[test]
fn tiles_are_chosen_where_they_save_products() {
    let tile = |sizes, input, padding| Tile::of(&plain(sizes, input, 3, 1, padding));
    assert_eq!(tile([8, 1, 64, 64], [56, 56], 1), Some(Tile::Four));
    assert_eq!(tile([1, 1, 64, 64], [56, 56], 1), Some(Tile::Four));
    assert_eq!(tile([32, 1, 512, 512], [4, 4], 1), Some(Tile::Four));
    assert_eq!(tile([32, 1, 512, 512], [6, 6], 1), Some(Tile::Two), "as many products, and more exact");
    assert_eq!(tile([32, 1, 512, 512], [2, 2], 1), Some(Tile::Two));
    assert_eq!(tile([32, 1, 512, 512], [1, 1], 1), None);
    assert_eq!(tile([8, 1, 3, 64], [32, 32], 1), None, "few channels");
    assert_eq!(tile([8, 4, 64, 64], [32, 32], 1), Some(Tile::Four), "16 channels a group");
    assert_eq!(tile([8, 8, 64, 64], [32, 32], 1), None, "8 channels a group");
    assert_eq!(tile([8, 1, 64, 17], [6, 6], 1), None, "17 channels have the tiles of 32");
    assert_eq!(Tile::of(&plain([8, 1, 64, 64], [32, 32], 3, 2, 1)), None);
}

#[test]
fn the_reference_of_the_bound_is_at_least_the_definitions() {
    // Magnitudes at the points are at least those of the definition, or the bound would be none.
    let (g, mut random) = (plain([1, 1, 4, 3], [6, 7], 3, 1, 1), Random(20));
    let (x, w) = (random.reals(4 * 42, 1.0), random.reals(3 * 4 * 9, 1.0));
    let inputs = [Value::Real(x.clone()).abs(), Value::Real(w.clone()).abs()];
    let direct = expected(&plan(ConvPass::Forward, &g, false)(DType::F64), &inputs, None).concat();
    for tile in [Tile::Two, Tile::Four] {
        let sums = Magnitudes::of(tile).forward(&g, &x, &w);
        assert!(sums.iter().zip(&direct).all(|(sum, direct)| sum > direct));
    }
}
