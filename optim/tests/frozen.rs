//! Frozen parameters: no perturbation, no gradient and no way back to the start touches them, and nothing is measured along them.

mod common;

use common::*;
use lethe_autograd::{ParamId, Var};
use lethe_nn::models::Vit;
use lethe_nn::{Forward, Model, State, Theta};
use lethe_optim::{
    Adaptive, Backup, Extragradient, Geometry, Scale, Scope, ShrinkPerturb, ShrinkScaling, SliceIndex, SurrogateGap,
};
use lethe_tensor::Device;

/// A ViT whose first block and positions are frozen.
fn partly_frozen() -> Vit {
    let mut model = vit();
    let layout = model.blueprint_mut().layout_mut();
    let held = |name: &str| name.starts_with("blocks.0.") || name == "pos_embed";
    let ids: Vec<ParamId> = layout.iter().filter(|(_, p)| held(&p.name)).map(|(id, _)| id).collect();
    ids.into_iter().for_each(|id| layout.retag(id, |tags| tags.frozen = true));
    model
}

/// Whether frozen parameters have the same bits in both vectors, and all others different ones.
#[track_caller]
fn only_free_differ(theta: &Theta, a: &[f32], b: &[f32]) {
    for (_, p) in theta.layout().owned() {
        let same = p.range().all(|i| a[i].to_bits() == b[i].to_bits());
        assert_eq!(same, p.tags.frozen, "{}", p.name);
    }
}

#[test]
fn no_perturbation_moves_frozen_parameters_and_no_update_has_a_part_along_them() {
    let model = partly_frozen();
    let forward = |f: &Forward<'_>, x: &Var| model.forward(f, x);
    for device in Device::all_for_tests() {
        let (at, batch) = (started(&device, &model), batch(&device, 8));
        let both = Adaptive { scale: Scale::Both, eta: 0.01, scope: Scope::Weights };
        for geometry in [Geometry::Euclidean, Geometry::Adaptive(both)] {
            for (kind, xi) in kinds().into_iter().flat_map(|kind| [(kind, 0.0), (kind, 0.4)]) {
                let gap = SurrogateGap { xi, backup: Backup::Normalised };
                let rule = Extragradient { geometry, surrogate_gap: Some(gap), ..Extragradient::sam(kind, CE) };
                let perturbed = rule.perturbed(&at.0, &at.1, &batch, 0.1, SliceIndex::default(), &forward);
                only_free_differ(&at.0, &host(at.0.values()), &host(perturbed.values()));
                let update = update(&rule, &model, &at, &batch, 0.1);
                only_free_differ(&at.0, &update, &vec![0.0; update.len()]);
            }
        }
    }
}

#[test]
fn the_way_back_to_the_start_leaves_frozen_parameters_where_they_are() {
    let model = partly_frozen();
    for device in Device::all_for_tests() {
        let (start, state_0) = model.init(&device, 0);
        let shrink = ShrinkPerturb::new(0.5, ShrinkScaling::Constant, &start, &state_0);
        // Elsewhere in all places, as after weights were loaded into θ; −0 is a number of its own bits.
        let (mut theta, mut state): (Theta, State) = started(&device, &model);
        let moved = theta.values().add_scalar(0.5).mul_scalar(-1.0);
        theta =
            Theta::new(moved.ge_scalar(-0.5).where_(&moved.scalar_like(-0.0), &moved).force().clone(), theta.layout());
        let before = host(theta.values());
        shrink.apply(&mut theta, &mut state, 0.1);
        only_free_differ(&theta, &before, &host(theta.values()));
    }
}
