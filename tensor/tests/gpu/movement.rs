//! Indices, joins, padding, running sums.

use super::{check, devices, normal};
use lethe_tensor::plan::Assemble;
use lethe_tensor::random::{Draw, Philox};
use lethe_tensor::{DType, Device, Tensor, execute_one};

fn indices(shape: &[usize], below: u32, seed: u64) -> Tensor {
    let mut random = Philox::new(Draw::new(seed, [1; 3]));
    let data: Vec<u32> = (0..shape.iter().product()).map(|_| random.below(below)).collect();
    Tensor::from_slice(&Device::cpu(), &data, shape)
}

#[test]
fn places_are_read_by_index() {
    for (shape, k) in [([1, 1, 1], 1), ([3, 5, 7], 4), ([2, 40, 64], 300), ([7, 9, 1], 9)] {
        for dim in 0..3isize {
            let n = shape[dim as usize];
            let mut of = shape;
            of[dim as usize] = k;
            let inputs = [normal(&shape, 1), indices(&of, n as u32, 2), indices(&[k], n as u32, 3)];
            let f = |t: &[Tensor]| vec![t[0].gather(dim, &t[1]), t[0].index_select(dim, &t[2])];
            check(&format!("{shape:?} along {dim}"), &inputs, f, 0.0);
        }
    }
}

#[test]
fn places_are_added_to_by_index() {
    for (shape, k) in [([1, 1, 1], 1), ([3, 5, 7], 4), ([2, 40, 300], 30), ([1, 10, 64], 3000), ([7, 9, 1], 9)] {
        for dim in 0..3isize {
            let n = shape[dim as usize];
            let mut of = shape;
            of[dim as usize] = k;
            let inputs = [normal(&shape, 1), indices(&of, n as u32, 2), indices(&[k], n as u32, 3), normal(&of, 4)];
            let f = |t: &[Tensor]| vec![t[0].scatter_add(dim, &t[1], &t[3]), t[0].index_add(dim, &t[2], &t[3])];
            // k roundings of partial sums that grow as √k, added in the same order.
            check(&format!("{shape:?} along {dim}"), &inputs, f, 3e-7 + 6e-8 * k as f64);
        }
    }
}

#[test]
fn an_index_beyond_the_axis_gives_no_number() {
    let bad = |below: u32, n: usize| -> Vec<u32> { (0..n as u32).map(|i| if i == 1 { below } else { 0 }).collect() };
    for device in devices().iter() {
        for beyond in [5, 6, u32::MAX] {
            let x = Tensor::ones(device, DType::F32, &[5, 4]);
            let index = Tensor::from_slice(device, &bad(beyond, 3), &[3]);
            let of_each = Tensor::from_slice(device, &bad(beyond, 12), &[3, 4]);
            let src = Tensor::ones(device, DType::F32, &[3, 4]);
            let nan = |t: &Tensor| t.to_vec::<f32>().unwrap().iter().map(|v| v.is_nan()).collect::<Vec<_>>();
            let second = |i: usize| (4..8).contains(&i);
            assert_eq!(nan(&x.index_select(0, &index)), (0..12).map(second).collect::<Vec<_>>());
            assert_eq!(nan(&x.gather(0, &of_each)), (0..12).map(|i| i == 1).collect::<Vec<_>>());
            assert_eq!(nan(&x.scatter_add(0, &of_each, &src)), (0..20).map(|i| i % 4 == 1).collect::<Vec<_>>());
            assert_eq!(nan(&x.index_add(0, &index, &src)), [true; 20]);
            let numbers = Tensor::from_slice(device, &[1u32, 2, 3, 4, 5], &[5]);
            assert_eq!(numbers.index_select(0, &index).to_vec::<u32>().unwrap(), [1, u32::MAX, 1]);
            let hot = nan(&index.one_hot(5, DType::F32));
            let ignored = beyond == u32::MAX;
            assert_eq!(hot, (0..15).map(|i| !ignored && (5..10).contains(&i)).collect::<Vec<_>>());
        }
    }
}

#[test]
fn tensors_join_and_pad_along_any_axis() {
    let parts = [normal(&[3, 5, 4], 1), normal(&[3, 1, 4], 2), normal(&[3, 0, 4], 3), normal(&[3, 70, 4], 4)];
    check("concat", &parts, |t| vec![Tensor::concat(&t.iter().collect::<Vec<_>>(), 1)], 0.0);
    let pair = [normal(&[5, 3], 1), normal(&[5, 3], 2)];
    for dim in 0..3isize {
        let f = |t: &[Tensor]| vec![Tensor::stack(&[&t[0], &t[1].flip(&[0])], dim)];
        check(&format!("stack along {dim}"), &pair, f, 0.0);
    }
    for dim in 0..3isize {
        let f = |t: &[Tensor]| vec![t[0].pad(dim, 2, 3, -1.5), t[0].pad(dim, 0, 1, 0.0), t[0].pad(dim, 70, 0, 7.0)];
        check(&format!("pad along {dim}"), &[normal(&[2, 5, 3], 1)], f, 0.0);
    }
}

#[test]
fn vectors_are_assembled_with_zeros_between() {
    let plan = Assemble { dtype: DType::F32, len: 300, ranges: vec![(64, 10), (128, 64), (200, 3)] };
    for device in devices().iter() {
        let parts = [normal(&[10], 1), normal(&[8, 8], 2), normal(&[3], 3)];
        let on = |d: &Device| {
            let parts: Vec<Tensor> = parts.iter().map(|p| p.to_device(d).unwrap()).collect();
            execute_one(plan.clone(), &parts.iter().collect::<Vec<_>>()).to_vec::<f32>().unwrap()
        };
        assert_eq!(on(device), on(&Device::cpu()));
    }
}

#[test]
fn running_sums_go_both_ways() {
    for shape in [[1, 1, 1], [3, 70, 1], [2, 3000, 1], [4, 30, 5], [1, 2, 300], [2, 1025, 3]] {
        for dim in 0..3isize {
            let bound = 3e-7 * (shape[dim as usize] as f64).sqrt() * 4.0;
            let f = |t: &[Tensor]| vec![t[0].cumsum(dim, false), t[0].cumsum(dim, true)];
            check(&format!("{shape:?} along {dim}"), &[normal(&shape, 1)], f, bound);
        }
    }
}
