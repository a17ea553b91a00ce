//! The tensor's own behaviour: laziness, views, sharing. Kernels are tested against their references elsewhere.

use lethe_tensor::{DType, Device, Tensor, defer, store};

fn iota(shape: &[usize]) -> Tensor {
    let n = shape.iter().product::<usize>();
    Tensor::from_slice(&Device::cpu(), &(0..n).map(|i| i as f32).collect::<Vec<_>>(), shape)
}

fn values(t: &Tensor) -> Vec<f32> {
    t.to_vec().unwrap()
}

#[test]
fn a_chain_of_elementwise_operations_is_evaluated_once_and_broadcasts() {
    let (a, b) = (iota(&[2, 3]), iota(&[3]));
    let y = &(&a + &b) * &a.mul_scalar(2.0);
    assert_eq!(values(&y), [0.0, 4.0, 16.0, 18.0, 40.0, 70.0]);
    assert_eq!(values(&y.relu().neg().slice(1, 1, 3).flip(&[0])), [-40.0, -70.0, -4.0, -16.0]);
}

#[test]
fn comparisons_are_booleans_and_select_ignores_the_other_side() {
    let a = iota(&[4]);
    let mask = a.gt_scalar(1.0);
    assert_eq!(mask.dtype(), DType::U32);
    let picked = mask.where_(&a, &a.mul_scalar(f64::NAN));
    let picked = picked.lt_scalar(5.0).where_(&picked, &a);
    assert_eq!(values(&picked), [0.0, 1.0, 2.0, 3.0]);
    assert_eq!(mask.logical_not().to_vec::<u32>().unwrap(), [1, 1, 0, 0]);
}

#[test]
fn long_chains_are_cut_and_still_right() {
    let x = iota(&[5]);
    let mut y = x.clone();
    for i in 0..200 {
        y = if i % 2 == 0 { &y + &x } else { &y - &x };
    }
    assert_eq!(values(&y), values(&x));
}

#[test]
fn reductions_take_any_axes() {
    let x = iota(&[2, 3, 4]).permute(&[2, 0, 1]);
    assert_eq!(values(&x.sum_axes(&[0, 2], false)), [66.0, 210.0]);
    assert_eq!(x.sum_axes(&[1], true).shape(), [4, 1, 3]);
    assert_eq!(values(&x.max()), [23.0]);
    assert_eq!(values(&x.sum_squares_axes(&[0, 2], false)), [506.0, 3818.0]);
    assert_eq!(values(&iota(&[0, 2]).sum_axes(&[0], false)), [0.0, 0.0]);
}

#[test]
fn matmul_takes_transposed_and_broadcast_operands() {
    let (a, b) = (iota(&[2, 1, 3]), iota(&[4, 3]));
    let y = a.matmul(&b.t());
    assert_eq!(y.shape(), [2, 1, 4]);
    assert_eq!(values(&y), [5.0, 14.0, 23.0, 32.0, 14.0, 50.0, 86.0, 122.0]);
    assert_eq!(values(&iota(&[2, 0]).matmul(&iota(&[0, 2]))), [0.0; 4]);
}

#[test]
fn put_off_work_goes_straight_to_its_place_and_leaves_shared_vectors_alone() {
    let mut vector = Tensor::zeros(&Device::cpu(), DType::F32, &[8]);
    let product = defer(|| iota(&[1, 2]).matmul(&iota(&[2, 2])));
    store(&product, &mut vector, 4, false);
    let before = vector.clone();
    store(&product, &mut vector, 4, true);
    store(&iota(&[2]).mul_scalar(3.0), &mut vector, 0, true);
    assert_eq!(values(&before), [0.0, 0.0, 0.0, 0.0, 2.0, 3.0, 0.0, 0.0]);
    assert_eq!(values(&vector), [0.0, 3.0, 0.0, 0.0, 4.0, 6.0, 0.0, 0.0]);
}

#[test]
#[should_panic(expected = "shapes [2, 3] and [2] do not broadcast")]
fn shapes_that_do_not_broadcast_are_named() {
    let _ = &iota(&[2, 3]) + &iota(&[2]);
}
