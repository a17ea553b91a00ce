//! The devices agree on ε and on the update of every combination, and each repeats itself to the bit.

mod common;

use common::*;
use lethe_nn::Model;
use lethe_nn::loss::Likelihood;
use lethe_optim::{Adaptive, Backup, Extragradient, Geometry, Perturbation, Scale, Scope, SurrogateGap, UpdateOn};
use lethe_tensor::Device;

/// Combinations that touch every choice.
fn rules() -> Vec<Extragradient> {
    let adaptive = |scale, scope| Geometry::Adaptive(Adaptive { scale, eta: 0.01, scope });
    let geometries = [
        Geometry::Euclidean,
        adaptive(Scale::Before, Scope::All),
        adaptive(Scale::After, Scope::Matrices),
        adaptive(Scale::Both, Scope::Matrices),
    ];
    let gaps = [Backup::Raw, Backup::Normalised].map(|backup| Some(SurrogateGap { xi: 0.4, backup }));
    let mut rules = vec![];
    for (kind, geometry) in kinds().into_iter().flat_map(|k| geometries.map(|g| (k, g))) {
        for surrogate_gap in [None, gaps[0], gaps[1]] {
            let update_on = if rules.len() % 5 == 4 { UpdateOn::Batch } else { UpdateOn::Slice };
            rules.push(Extragradient {
                geometry,
                surrogate_gap,
                update_on,
                ..Extragradient::sam(kind, CE).slices_of(4)
            });
        }
    }
    // As the paper's ViTs are trained.
    rules.extend(
        [Perturbation::Steepest, Perturbation::obf(0.1, 1.0, Likelihood::Sigmoid)]
            .map(|kind| Extragradient { surrogate_gap: gaps[1], ..Extragradient::sam(kind, BCE).slices_of(4) }),
    );
    rules
}

#[test]
fn devices_agree_and_repeat_themselves() {
    agree(&vit(), &rules());
}

#[test]
fn devices_agree_on_a_network_with_batch_norm() {
    let kinds = [Perturbation::Steepest, obf(0.0), obf(1.0)];
    agree(&resnet(), &kinds.map(|kind| Extragradient::sam(kind, CE).slices_of(4)));
}

fn agree(model: &dyn Model, rules: &[Extragradient]) {
    let devices = Device::all_for_tests();
    for rule in rules {
        let runs: Vec<_> = devices
            .iter()
            .map(|device| {
                let (at, samples) = (started(device, model), batch(device, 8));
                let epsilon = host(&direction(rule, model, &at, &samples.slice(0, 4)).epsilon(0.1));
                let update = || update(rule, model, &at, &samples, 0.1);
                let (first, again) = (update(), update());
                assert_eq!(first, again, "{rule:?}");
                (epsilon, first)
            })
            .collect();
        for (epsilon, update) in &runs[1..] {
            let (e, g) = (distance(epsilon, &runs[0].0), distance(update, &runs[0].1));
            assert!(e < 1e-4 && g < 1e-4, "{rule:?}: ε is off by {e:e} of its norm, the update by {g:e}");
        }
    }
}
