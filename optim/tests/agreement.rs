//! The devices agree on ε and on the update of every combination, and each repeats itself to the bit.

mod common;

use common::*;
use lethe_optim::{Adaptive, Backup, Extragradient, Geometry, Scale, Scope, SurrogateGap, UpdateOn};
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
    rules
}

#[test]
fn devices_agree_and_repeat_themselves() {
    let (model, devices) = (vit(), Device::all_for_tests());
    for rule in rules() {
        let runs: Vec<_> = devices
            .iter()
            .map(|device| {
                let (at, samples) = (started(device, &model), batch(device, 8));
                let epsilon = host(&direction(&rule, &model, &at, &samples.slice(0, 4)).epsilon(0.1));
                let update = || update(&rule, &model, &at, &samples, 0.1);
                let (first, again) = (update(), update());
                assert_eq!(first, again, "{rule:?}");
                (epsilon, first)
            })
            .collect();
        for (epsilon, update) in &runs[1..] {
            let off = |a: &[f32], b: &[f32]| norm(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>()) / norm(b);
            let (e, g) = (off(epsilon, &runs[0].0), off(update, &runs[0].1));
            assert!(e < 1e-4 && g < 1e-4, "{rule:?}: ε is off by {e:e} of its norm, the update by {g:e}");
        }
    }
}
