//! Operators of owned and borrowed tensors and numbers.

use lethe_tensor::{Device, Tensor};

fn values(t: &Tensor) -> Vec<f32> {
    t.to_vec().unwrap()
}

#[test]
fn tensors_and_numbers_mix_owned_and_borrowed() {
    for device in Device::all_for_tests() {
        let (a, b) = (Tensor::new(&device, [1.0, 2.0]), Tensor::new(&device, [4.0, 8.0]));
        assert_eq!(values(&(&a + &b)), [5.0, 10.0]);
        assert_eq!(values(&(a.clone() - &b)), [-3.0, -6.0]);
        assert_eq!(values(&(&a * b.clone())), [4.0, 16.0]);
        assert_eq!(values(&(b.clone() / a.clone())), [4.0, 4.0]);
        assert_eq!(values(&(2.0 * &a + 1.0 - 0.5)), [2.5, 4.5]);
        assert_eq!(values(&(1.0 - a.clone())), [0.0, -1.0]);
        assert_eq!(values(&(1.0 / &a / 2.0)), [0.5, 0.25]);
        assert_eq!(values(&-(&a)), [-1.0, -2.0]);
        let mut c = a.clone();
        c += &b;
        c *= 2.0;
        c -= a.clone();
        c /= &b;
        assert_eq!(values(&c), [9.0 / 4.0, 18.0 / 8.0]);
        let mut words = Tensor::new(&device, [3usize, 5]);
        words -= 1.0;
        assert_eq!(words.to_vec::<u32>().unwrap(), [2, 4], "{device:?}");
    }
}
