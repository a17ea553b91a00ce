//! Weights saved by the library, and by other programs. A file of the target's own network is the first one.
#![no_main]

use lethe::nn::layers::{BatchNorm1d, Linear};
use lethe::nn::weights::{from_bytes, to_bytes};
use lethe::nn::{Builder, State, Theta};
use lethe::tensor::Device;
use lethe_fuzz as _; // for its limit of memory
use libfuzzer_sys::fuzz_target;

fn network() -> (Theta, State) {
    let mut builder = Builder::new();
    builder.within("fc", |b| Linear::new(b, 2, 3));
    builder.within("norm", |b| BatchNorm1d::new(b, 3));
    builder.finish().init(&Device::cpu(), 0)
}

fn numbers(theta: &Theta, state: &State) -> Vec<f32> {
    [theta.values(), state.values()].iter().flat_map(|v| v.to_vec::<f32>().expect("the CPU does not fail")).collect()
}

fuzz_target!(
    init: {
        let (theta, state) = network();
        let bytes = to_bytes(&theta, &state).expect("the CPU does not fail");
        // Where the script has its seeds; elsewhere there is no such folder.
        let _ = std::fs::write("seeds.d/weights/own", bytes);
    },
    |data: &[u8]| {
        let (mut theta, mut state) = network();
        let before = numbers(&theta, &state);
        if from_bytes(data, &mut theta, &mut state).is_err() {
            assert_eq!(numbers(&theta, &state), before, "an error changes nothing");
        }
    }
);
