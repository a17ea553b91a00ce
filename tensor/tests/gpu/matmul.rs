//! Matrix products in every form: transposed, strided, batched, broadcast, cut along the depth, into any destination.

use super::{assert_settles, check_by, devices, normal, open};
use lethe_tensor::gpu::GpuOptions;
use lethe_tensor::plan::{Matmul, MatrixStrides};
use lethe_tensor::{DType, Tensor, execute_one, store};

/// The rounding of a sum of k products of normal numbers that comes to `sum`: each of k additions rounds a partial sum, of the size of the
/// whole or of √k, by at most 2⁻²⁴ of it. The roundings walk at random, so √k of them count; several deviations are allowed.
pub fn rounding(k: usize, sum: f64) -> f64 {
    let walk = (k as f64).sqrt();
    1.2e-7 * (walk + 1.0) * (sum.abs() + 2.0 * walk)
}

fn check(what: &str, inputs: &[Tensor], k: usize, f: impl Fn(&[Tensor]) -> Vec<Tensor>) {
    check_by(what, inputs, f, |_, e| rounding(k, e));
}

/// `a · b` with either operand stored in either order; with `bias` and `wide` variants as the sizes say.
fn every_order(m: usize, n: usize, k: usize) {
    let (a, b) = (normal(&[m, k], 1), normal(&[k, n], 2));
    let (at, bt) = (normal(&[k, m], 3), normal(&[n, k], 4));
    let f = |t: &[Tensor]| {
        let [a, b, at, bt, bias] = t else { unreachable!() };
        vec![
            a.matmul(b),
            a.matmul(&bt.t()),
            at.t().matmul(b),
            at.t().matmul(&bt.t()),
            a.linear(bt, Some(bias)),
            a.linear(&b.t(), Some(bias)),
            at.t().linear(bt, Some(bias)),
        ]
    };
    check(&format!("{m} by {n} by {k}"), &[a, b, at, bt, normal(&[n], 5)], k, f);
}

#[test]
fn small_and_odd_sizes_are_right_in_every_order() {
    for (m, n, k) in [(1, 1, 1), (1, 7, 3), (7, 1, 3), (5, 3, 1), (33, 31, 17), (4, 4, 4), (36, 40, 20), (65, 130, 67)]
    {
        every_order(m, n, k);
    }
}

#[test]
fn long_sums_are_cut_in_every_order() {
    for (m, n, k) in [(1, 1, 1000), (3, 5, 1027), (68, 36, 1000), (64, 128, 513), (100, 200, 300)] {
        every_order(m, n, k);
    }
}

#[test]
fn every_tile_is_right_in_every_order() {
    // 128, then the two of 64, by the number of their workgroups; with whole vec4s and without.
    for (m, n, k) in
        [(2048, 1024, 20), (1999, 1027, 19), (1024, 1024, 12), (1021, 1023, 21), (640, 832, 8), (641, 800, 9)]
    {
        every_order(m, n, k);
    }
}

#[test]
fn batches_broadcast_and_lie_as_they_like() {
    let shapes: [(&[usize], &[usize]); 9] = [
        (&[3, 5, 7], &[3, 7, 4]),
        (&[3, 5, 7], &[7, 4]),
        (&[5, 7], &[3, 7, 4]),
        (&[2, 3, 8, 4], &[2, 3, 4, 8]),
        (&[2, 1, 5, 4], &[1, 3, 4, 6]),
        (&[2, 1, 3, 5, 4], &[1, 4, 1, 4, 6]),
        (&[2, 3, 2, 8, 8], &[3, 1, 8, 4]),
        (&[130, 100, 8], &[130, 8, 120]),
        (&[1, 1, 1, 1], &[5, 1, 1, 1]),
    ];
    for (a, b) in shapes {
        let k = a[a.len() - 1];
        let f = |t: &[Tensor]| vec![t[0].matmul(&t[1])];
        check(&format!("{a:?} by {b:?}"), &[normal(a, 1), normal(b, 2)], k, f);
    }
}

#[test]
fn views_are_read_in_place_or_copied() {
    // Heads of a packed projection [batch, time, 3, heads, dim], as attention takes them apart.
    let packed = normal(&[2, 9, 3, 4, 16], 1);
    let heads = |t: &Tensor, i: usize| t.slice(2, i, i + 1).squeeze(2).permute(&[0, 2, 1, 3]);
    let f = |t: &[Tensor]| {
        let [q, k, v] = [0, 1, 2].map(|i| heads(&t[0], i));
        let scores = q.matmul(&k.transpose(-1, -2));
        vec![scores.matmul(&v), scores, q.transpose(-1, -2).matmul(&v)]
    };
    check_by("heads", &[packed], f, |(output, _), e| rounding(16, e) * if output == 0 { 10.0 } else { 1.0 });
    // Windows at any place, rows apart, steps over rows, columns backwards.
    let (x, y) = (normal(&[70, 40], 2), normal(&[40, 60], 3));
    let f = |t: &[Tensor]| {
        let (x, y) = (&t[0], &t[1]);
        vec![
            x.slice(0, 3, 53).matmul(y),
            x.slice(0, 8, 58).slice(1, 5, 25).matmul(&y.slice(0, 7, 27).slice(1, 1, 34)),
            x.slice(0, 8, 56).slice(1, 0, 20).matmul(&y.slice(0, 16, 36).slice(1, 0, 32)),
            x.slice_step(0, 1, 60, 3).matmul(y),
            x.flip(&[1]).matmul(&y.flip(&[0])),
            y.t().slice(0, 2, 33).matmul(&x.t().slice(1, 1, 21)),
            x.slice(1, 3, 4).matmul(&y.slice(0, 3, 4)),
            x.slice(0, 3, 4).matmul(&y.slice(1, 3, 4)),
        ]
    };
    check("windows", &[x, y], 40, f);
    let f = |t: &[Tensor]| {
        let x = t[0].slice(1, 1, 4);
        vec![x.unsqueeze(1).expand(&[4, 2, 3, 5]).matmul(&t[1]), t[0].expand(&[2, 4, 6, 5]).matmul(&t[1].unsqueeze(1))]
    };
    check("expanded", &[normal(&[4, 6, 5], 4), normal(&[2, 5, 3], 5)], 5, f);
}

#[test]
fn more_items_than_a_grid_holds_are_recorded_in_parts() {
    let f = |t: &[Tensor]| vec![t[0].matmul(&t[1])];
    check("items", &[normal(&[2, 1, 2, 3], 1), normal(&[1, 32_801, 3, 1], 2)], 3, f);
}

#[test]
fn small_bindings_are_enough() {
    let options = GpuOptions { binding_limit: Some(1 << 16), checked_shaders: true, ..GpuOptions::default() };
    let Some(device) = open(options) else { return };
    for (a, b) in [(&[500, 60][..], &[500, 60][..]), (&[200, 40, 30], &[200, 30, 40]), (&[200, 40, 30], &[30, 40])] {
        let [a, b] = [normal(a, 1), normal(b, 2)];
        let product = |a: &Tensor, b: &Tensor| if b.shape()[0] == 500 { a.matmul(&b.t()) } else { a.matmul(b) };
        let expected: Vec<f64> = product(&a.to_dtype(DType::F64), &b.to_dtype(DType::F64)).to_vec().unwrap();
        let there = [&a, &b].map(|t| t.to_device(&device).unwrap());
        let got: Vec<f32> = product(&there[0], &there[1]).to_vec().unwrap();
        let close = got.iter().zip(&expected).all(|(g, e)| (f64::from(*g) - e).abs() < rounding(60, *e));
        assert!(close && got.len() == expected.len());
    }
}

#[test]
fn products_add_to_their_destination() {
    for device in devices().iter() {
        for (m, n, k) in [(3, 5, 7), (64, 8, 36), (5, 9, 1500), (8, 8, 1024)] {
            // Small whole numbers: sums are exact.
            let whole = |shape: &[usize], seed| {
                let x = normal(shape, seed).mul_scalar(3.0).to_dtype(DType::I32).to_dtype(DType::F32);
                x.to_device(device).unwrap()
            };
            let (a, b) = (whole(&[m, k], 1), whole(&[k, n], 2));
            let product: Vec<f32> = a.matmul(&b).to_vec().unwrap();
            for (start, add) in [(64, true), (64, false), (5, true), (5, false)] {
                let mut vector = Tensor::ones(device, DType::F32, &[1024]);
                lethe_tensor::defer(|| store(&a.matmul(&b), &mut vector, start, add));
                let got: Vec<f32> = vector.to_vec().unwrap();
                for (i, v) in got.iter().enumerate() {
                    let there = i.checked_sub(start).and_then(|i| product.get(i));
                    let expected = there.map_or(1.0, |p| p + f32::from(u8::from(add)));
                    assert_eq!(*v, expected, "{m} by {n} by {k} at {start}, add {add}: element {i}");
                }
            }
        }
    }
}

#[test]
fn sums_of_no_products_are_zero_or_the_bias() {
    let plan = |bias| Matmul {
        dtype: DType::F32,
        batch: vec![2],
        m: 3,
        n: 5,
        k: 0,
        a: MatrixStrides { row: 1, col: 1, batch: vec![0] },
        b: MatrixStrides { row: 5, col: 1, batch: vec![0] },
        bias,
        shape: vec![2, 3, 5],
    };
    for device in devices().iter() {
        let (a, b) = (Tensor::zeros(device, DType::F32, &[3, 0]), Tensor::zeros(device, DType::F32, &[0, 5]));
        let none = execute_one(plan(false), &[&a, &b]);
        assert_eq!(none.to_vec::<f32>().unwrap(), vec![0.0; 30]);
        let bias = normal(&[5], 1).to_device(device).unwrap();
        let biased: Vec<f32> = execute_one(plan(true), &[&a, &b, &bias]).to_vec().unwrap();
        let bias: Vec<f32> = bias.to_vec().unwrap();
        assert!(biased.chunks(5).all(|row| row == bias));
    }
}

#[test]
fn equal_steps_create_nothing() {
    assert_settles(&[normal(&[64, 50], 1), normal(&[30, 50], 2), normal(&[30], 3)], |t| {
        let y = t[0].linear(&t[1], Some(&t[2]));
        let dw = y.t().matmul(&t[0]);
        t[0].slice(0, 1, 8).matmul(&dw.t())
    });
}
