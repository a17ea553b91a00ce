//! Stochastic depth in a step of two passes.

mod common;

use common::*;
use lethe_autograd::Var;
use lethe_nn::layers::{DropPath, Linear};
use lethe_nn::{Builder, Forward, Layer};
use lethe_optim::{Extragradient, Perturbation};
use lethe_tensor::Device;
use std::cell::RefCell;

#[test]
fn samples_skip_the_same_branches_in_both_passes_of_a_step() {
    for device in Device::all_for_tests() {
        let mut b = Builder::new();
        let (linear, skip) = (Linear::new(&mut b, 16, 10), DropPath::new(&mut b, 0.5));
        let (theta, state) = b.finish().init(&device, 0);
        let seen = RefCell::new(vec![]);
        let model = |f: &Forward<'_>, x: &Var| {
            let y = skip.forward(f, &linear.forward(f, &x.reshape(&[x.shape()[0], 16])));
            seen.borrow_mut()
                .push(host(y.tensor()).chunks(10).map(|y| y.iter().any(|y| *y != 0.0)).collect::<Vec<_>>());
            y
        };
        let rule = Extragradient::sam(Perturbation::Steepest, CE).slices_of(16);
        rule.gradient(&theta, &state, &batch(&device, 32), 0.1, 0, &model);
        let seen = seen.into_inner();
        assert_eq!(seen.len(), 4);
        assert!(seen[0] == seen[1] && seen[2] == seen[3] && seen[0] != seen[2], "{seen:?}");
        assert!(seen[0].contains(&true) && seen[0].contains(&false));
    }
}
