//! Tensors shared between threads, and operands of the wrong type: what must neither hang nor give numbers.

use lethe_tensor::cpu::CpuDevice;
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, PoolOptions, Tensor};
use std::sync::mpsc::channel;
use std::time::Duration;

#[test]
fn two_threads_may_read_one_unevaluated_tensor() {
    let (done, wait) = channel();
    std::thread::spawn(move || {
        let device = Device::Cpu(CpuDevice::with_threads(4).unwrap());
        for round in 0..400u64 {
            let x = Tensor::uniform(&device, DType::F32, &[400_000], Draw::new(round, [0; 3]));
            let y = x.add_scalar(1.0);
            std::thread::scope(|s| {
                for reader in 0..12u64 {
                    let (y, device) = (&y, &device);
                    s.spawn(move || {
                        std::thread::sleep(Duration::from_micros(reader * (round % 20) * 10));
                        device.scope(|| assert_eq!(y.to_vec::<f32>().unwrap().len(), 400_000));
                    });
                }
            });
        }
        done.send(()).unwrap();
    });
    wait.recv_timeout(Duration::from_secs(60)).expect("a thread waits for itself");
}

fn refused(f: impl FnOnce() -> Tensor + std::panic::UnwindSafe) {
    assert!(
        std::panic::catch_unwind(|| f().to_vec::<f32>().unwrap()).is_err(),
        "operands of the wrong kind gave numbers"
    );
}

#[test]
fn operands_of_another_type_are_refused() {
    let t = |d, shape: &[usize]| Tensor::ones(&Device::cpu(), d, shape).force().clone();
    let (f, w) = (DType::F32, DType::F64);
    refused(|| t(f, &[2, 3]).linear(&t(f, &[4, 3]), Some(&t(w, &[4]))));
    refused(|| {
        t(f, &[1, 1, 3, 3]).conv2d(&t(f, &[2, 1, 2, 2]), Some(&t(w, &[2])), &lethe_tensor::ConvOptions::default())
    });
    refused(|| t(f, &[2, 4]).layer_norm(&t(w, &[4]), &t(w, &[4]), 1e-5));
    refused(|| t(f, &[2, 4]).softmax_backward(&t(w, &[2, 4]), -1, false));
}

#[test]
fn signed_zeros_are_two_numbers() {
    let x = Tensor::ones(&Device::cpu(), DType::F32, &[1]).force().clone();
    let y = x.clamp_min(0.0).mul_scalar(-0.0).rdiv_scalar(1.0);
    assert_eq!(y.to_vec::<f32>().unwrap(), [f32::NEG_INFINITY]);
}

#[test]
#[should_panic(expected = "pool2d")]
fn pooling_of_images_without_pixels_is_named() {
    Tensor::ones(&Device::cpu(), DType::F32, &[1, 1, 0, 4]).max_pool2d(&PoolOptions::new(2, 1, 1));
}

#[test]
fn keys_under_a_mask_may_hold_anything() {
    use lethe_tensor::attention::{forward, plan};
    let cpu = Device::cpu();
    let of = |bad: f32| {
        let q = Tensor::ones(&cpu, DType::F32, &[1, 1, 2, 16]);
        let mut keys = vec![0.5f32; 3 * 16];
        keys[16..32].fill(bad);
        let (k, v) = (Tensor::from_slice(&cpu, &keys, &[1, 1, 3, 16]), Tensor::ones(&cpu, DType::F32, &[1, 1, 3, 16]));
        let mask = Tensor::from_slice(&cpu, &[1u32, 0, 1], &[1, 1, 1, 3]);
        let p = plan(&q, &k, &v, Some(&mask), 0.25, false);
        forward(&p, &[&q, &k, &v], Some(&mask)).0.to_vec::<f32>().unwrap()
    };
    let expected = of(0.0);
    for bad in [f32::NAN, f32::INFINITY] {
        assert_eq!(of(bad), expected);
    }
}
