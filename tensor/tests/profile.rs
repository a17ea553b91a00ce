//! What a profiler records, on every device. A file of its own, as there is one profiler in a process.

use lethe_tensor::{DType, Device, Profiler, Tensor};
use std::time::Duration;

/// One test, as there is one profiler.
#[test]
fn a_profiler_records_the_operations_of_its_device() {
    for device in Device::all_for_tests() {
        records_operations(&device);
        if !device.is_cpu() {
            times_more_dispatches_than_a_query_set_holds(&device);
        }
    }
}

fn records_operations(device: &Device) {
    let x = Tensor::from_slice(device, &vec![0.5f32; 300 * 200], &[300, 200]);
    let profiler = Profiler::new(device).expect("the only one");
    assert!(Profiler::new(device).is_none(), "there is one");
    let y = x.matmul(&x.transpose(0, 1)).softmax(1).force().clone();
    let operations = profiler.finish().unwrap();
    assert_eq!(operations.iter().map(|o| o.name).collect::<Vec<_>>(), ["matmul", "softmax"], "{device}");
    let product = &operations[0];
    assert_eq!((&product.inputs[0], &product.output), (&vec![300, 200], &vec![300, 300]));
    assert_eq!((product.flops, product.dtype), (2 * 300 * 300 * 200, DType::F32));
    assert!(product.host > Duration::ZERO && operations[1].start >= product.start + product.host);
    assert!(product.memory >= 4 * (300 * 200 + 300 * 300) as u64, "{}", product.memory);
    // Timestamps are optional, but Mesa's software driver has them.
    if device.is_cpu() {
        assert!(operations.iter().all(|o| o.device.is_none() && o.time() == o.host));
    } else {
        assert!(operations.iter().all(|o| o.time() > Duration::ZERO && o.device == Some(o.time())), "{operations:?}");
    }
    drop(Profiler::new(device).expect("the first one is finished"));
    y.sum_axes(&[0, 1], false).force();
    assert!(Profiler::new(device).expect("dropped").finish().unwrap().is_empty());
}

fn times_more_dispatches_than_a_query_set_holds(device: &Device) {
    let profiler = Profiler::new(device).expect("the only one");
    let mut x = Tensor::from_slice(device, &[1.0f32; 64], &[8, 8]);
    for _ in 0..3000 {
        x = x.matmul(&x);
    }
    x.force();
    let operations = profiler.finish().unwrap();
    assert_eq!(operations.len(), 3000);
    assert!(operations.iter().all(|o| o.device.is_some()));
}
