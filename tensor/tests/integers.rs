//! Arithmetic of integers, on every device: it wraps, a / 0 is a, and a number beside integers is one of them.

use lethe_tensor::{DType, Device, Tensor};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn whole<T: lethe_tensor::Element>(device: &Device, values: &[T]) -> Tensor {
    Tensor::from_slice(device, values, &[values.len()])
}

#[test]
fn results_wrap_and_quotients_are_cut_off() {
    for device in Device::all_for_tests() {
        let (a, b) = ([u32::MAX, 5, 7, 65_537], [u32::MAX, 0, 2, 65_537]);
        let [x, y] = [a, b].map(|v| whole(&device, &v));
        let results = [x.mul(&y), x.div(&y), x.add(&y), x.sub(&y)].map(|r| r.to_vec::<u32>().unwrap());
        assert_eq!(results[0], [1, 0, 14, 131_073], "{device:?}");
        assert_eq!(results[1], [1, 5, 3, 1], "{device:?}");
        assert_eq!(results[2], [u32::MAX - 1, 5, 9, 131_074], "{device:?}");
        assert_eq!(results[3], [0, 5, 5, 0], "{device:?}");
        let (a, b) = ([i32::MAX, -7, i32::MIN, 3], [i32::MAX, 2, -1, 0]);
        let [x, y] = [a, b].map(|v| whole(&device, &v));
        let results = [x.mul(&y), x.div(&y), x.sub(&y)].map(|r| r.to_vec::<i32>().unwrap());
        assert_eq!(results[0], [1, -14, i32::MIN, 0], "{device:?}");
        assert_eq!(results[1], [1, -3, i32::MIN, 3], "{device:?}");
        assert_eq!(results[2], [0, -9, i32::MIN + 1, 3], "{device:?}");
        let x = whole(&device, &[3u32, 0]);
        assert_eq!(x.add_scalar(-1.0).to_vec::<u32>().unwrap(), [2, u32::MAX], "{device:?}");
    }
}

#[test]
fn numbers_that_the_type_does_not_hold_are_refused() {
    let device = Device::cpu();
    let (u, i) = (whole(&device, &[5u32]), whole(&device, &[5i32]));
    let refuses = |words: &str, act: &dyn Fn() -> Tensor| {
        let message = *catch_unwind(AssertUnwindSafe(act)).unwrap_err().downcast::<String>().unwrap();
        assert!(message.starts_with(words), "{words}: {message}");
    };
    refuses("mul_scalar: 0.5", &|| i.mul_scalar(0.5));
    refuses("eq_scalar: 0.5", &|| u.eq_scalar(0.5));
    refuses("gt_scalar: -1", &|| u.gt_scalar(-1.0));
    refuses("lt_scalar: 4294967296", &|| u.lt_scalar(4_294_967_296.0));
    refuses("add_scalar: NaN", &|| i.add_scalar(f64::NAN));
    refuses("full: 3000000000", &|| Tensor::full(&device, DType::I32, &[1], 3e9));
    refuses("pow: needs floats", &|| u.pow(&u));
    refuses("pow_scalar: needs floats", &|| i.pow_scalar(2.0));
}
