//! Helpers that have no derivative: numbers, one-hot rows, any and all, the largest k, options of windows.

use lethe_tensor::{ConvOptions, DType, Device, Tensor};

fn floats(data: &[f32], shape: &[usize]) -> Tensor {
    Tensor::from_slice(&Device::cpu(), data, shape)
}

fn integers(data: &[u32], shape: &[usize]) -> Tensor {
    Tensor::from_slice(&Device::cpu(), data, shape)
}

#[test]
fn labels_become_rows() {
    let rows = integers(&[2, 0, u32::MAX], &[3]).one_hot(3, DType::F32);
    assert_eq!(rows.to_vec::<f32>().unwrap(), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(rows.shape(), [3, 3]);
    assert_eq!(Tensor::arange(&Device::cpu(), 4).to_vec::<u32>().unwrap(), [0, 1, 2, 3]);
    assert_eq!(floats(&[0.0], &[1]).constant_like(&[1.5, -2.0], &[2]).to_vec::<f32>().unwrap(), [1.5, -2.0]);
}

#[test]
fn any_and_all_count_what_is_not_zero() {
    let x = floats(&[0.0, -0.0, 0.0, 1.0, f32::NAN, 2.0], &[3, 2]);
    assert_eq!(x.any_axes(&[1], false).to_vec::<u32>().unwrap(), [0, 1, 1]);
    assert_eq!(x.all_axes(&[1], true).to_vec::<u32>().unwrap(), [0, 0, 1]);
    assert_eq!(x.any_axes(&[0], false).to_vec::<u32>().unwrap(), [1, 1]);
    let masks = integers(&[1, 1, 0, 1], &[2, 2]);
    assert_eq!(masks.all().to_vec::<u32>().unwrap(), [0]);
    let none = floats(&[], &[0, 2]);
    assert_eq!(none.any_axes(&[0], false).to_vec::<u32>().unwrap(), [0, 0]);
    assert_eq!(none.all_axes(&[0], false).to_vec::<u32>().unwrap(), [1, 1]);
}

#[test]
fn the_largest_come_in_order_and_the_first_of_equals_first() {
    let top = |data: &[f32], k: usize| {
        let (values, index) = floats(data, &[data.len()]).topk(k, -1);
        (values.to_vec::<f32>().unwrap(), index.to_vec::<u32>().unwrap())
    };
    assert_eq!(top(&[1.0, 3.0, 2.0, 3.0], 3), (vec![3.0, 3.0, 2.0], vec![1, 3, 2]));
    let low = f32::NEG_INFINITY;
    assert_eq!(top(&[low, low, 5.0, low], 4), (vec![5.0, low, low, low], vec![2, 0, 1, 3]));
    let (values, index) = top(&[f32::INFINITY, f32::NAN, 0.0, f32::NAN], 3);
    assert!(values[0].is_nan() && values[1].is_nan() && values[2] == f32::INFINITY && index == [1, 3, 0]);
    assert_eq!(top(&[1.0, 2.0], 0), (vec![], vec![]));
    let (values, index) = floats(&[1.0, 4.0, 3.0, 2.0], &[2, 2]).topk(1, 0);
    assert_eq!((values.to_vec::<f32>().unwrap(), index.to_vec::<u32>().unwrap()), (vec![3.0, 4.0], vec![1, 0]));
}

#[test]
fn the_same_padding_keeps_extents() {
    for (kernel, dilation) in [([3, 3], 1), ([2, 5], 1), ([4, 1], 2), ([3, 6], 3)] {
        let options = ConvOptions { dilation: [dilation; 2], ..ConvOptions::default() }.same(kernel);
        assert_eq!(options.geometry(&[1, 1, 9, 7], &[1, 1, kernel[0], kernel[1]]).output, [9, 7]);
    }
}
