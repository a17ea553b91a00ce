//! Weights saved by the library, and by other programs.
#![no_main]

use lethe::nn::weights::from_bytes;
use lethe::nn::layers::{BatchNorm1d, Linear};
use lethe::nn::Builder;
use lethe::tensor::Device;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut builder = Builder::new();
    builder.within("fc", |b| Linear::new(b, 2, 3));
    builder.within("norm", |b| BatchNorm1d::new(b, 3));
    let (mut theta, mut state) = builder.finish().init(&Device::cpu(), 0);
    let before = theta.values().to_vec::<f32>().expect("the CPU does not fail");
    if from_bytes(data, &mut theta, &mut state).is_err() {
        assert_eq!(theta.values().to_vec::<f32>().expect("the CPU does not fail"), before, "an error changes nothing");
    }
});
