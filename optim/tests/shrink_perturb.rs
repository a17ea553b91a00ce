//! Shrink and perturb (specification, section 5.2): θ and state go back to the run's own start.

mod common;

use common::*;
use lethe_nn::{Model, State, Theta};
use lethe_optim::{ShrinkPerturb, ShrinkScaling};
use lethe_tensor::Device;

/// A model's start, and what one step makes of another place.
fn stepped(factor: f64, scaling: ShrinkScaling, lr: f64) -> Vec<[Vec<f32>; 3]> {
    let model = resnet();
    let mut all = vec![];
    for device in Device::all_for_tests() {
        let (theta_0, state_0) = model.init(&device, 0);
        let shrink = ShrinkPerturb::new(factor, scaling, &theta_0, &state_0);
        let (mut theta, _) = started(&device, &model);
        let mut state = State::new(state_0.values().mul_scalar(3.0).add_scalar(0.5), state_0.layout());
        let before = [host(theta.values()), host(state.values())];
        shrink.apply(&mut theta, &mut state, lr);
        let [x, s] = before;
        all.push([host(theta_0.values()), x, host(theta.values())]);
        all.push([host(state_0.values()), s, host(state.values())]);
    }
    all
}

#[test]
fn a_factor_of_one_returns_to_the_start_and_of_zero_changes_nothing() {
    for [start, _, after] in stepped(1.0, ShrinkScaling::Constant, 0.1) {
        assert_eq!(after, start);
    }
    for [_, before, after] in stepped(0.0, ShrinkScaling::Constant, 0.1) {
        assert_eq!(after, before);
    }
}

#[test]
fn the_factor_follows_the_learning_rate_or_stays() {
    for (scaling, lr, f) in [
        (ShrinkScaling::Constant, 0.03, 0.2),
        (ShrinkScaling::Lr { max: 0.1 }, 0.03, 0.06),
        (ShrinkScaling::Lr { max: 0.1 }, 0.1, 0.2),
        (ShrinkScaling::Lr { max: 0.1 }, 0.0, 0.0),
    ] {
        for [start, before, after] in stepped(0.2, scaling, lr) {
            let expected: Vec<f32> = before
                .iter()
                .zip(&start)
                .map(|(x, s)| ((1.0 - f) * f64::from(*x) + f * f64::from(*s)) as f32)
                .collect();
            close(&after, &expected, 1e-6);
        }
    }
}

#[test]
fn what_is_at_the_start_stays_there_for_any_number_of_updates() {
    for device in Device::all_for_tests() {
        let (mut theta, mut state): (Theta, State) = started(&device, &resnet());
        let shrink = ShrinkPerturb::new(1e-5, ShrinkScaling::Lr { max: 1.0 }, &theta, &state);
        let start = host(theta.values());
        (0..50).for_each(|t| shrink.apply(&mut theta, &mut state, f64::from(t) / 50.0));
        assert_eq!(host(theta.values()), start);
    }
}
