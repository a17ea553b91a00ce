//! A step is the mean of its slices' steps, and leaves θ and the second pass's statistics alone (specification, section 12, invariants 6 and 7).

mod common;

use common::*;
use lethe_autograd::Var;
use lethe_nn::{Forward, Model};
use lethe_optim::{Extragradient, Perturbation, SliceIndex, UpdateOn};
use lethe_tensor::Device;

fn mean(parts: &[Vec<f32>]) -> Vec<f32> {
    (0..parts[0].len()).map(|i| parts.iter().map(|p| p[i]).sum::<f32>() / parts.len() as f32).collect()
}

#[test]
fn slices_average_and_a_radius_of_zero_is_the_plain_gradient() {
    let model = vit();
    for device in Device::all_for_tests() {
        let (at, batch) = (started(&device, &model), batch(&device, 8));
        let before = host(at.0.values());
        let plain = update(&Extragradient::none(CE), &model, &at, &batch, 0.0);
        for kind in [Perturbation::None].into_iter().chain(kinds()) {
            for m in [1, 2, 8] {
                close(&update(&Extragradient::sam(kind, CE).slices_of(m), &model, &at, &batch, 0.0), &plain, 1e-5);
            }
            let whole = Extragradient::sam(kind, CE);
            let one = update(&whole.slices_of(8), &model, &at, &batch, 0.1);
            assert_eq!(update(&whole, &model, &at, &batch, 0.1), one);
        }
        for kind in [Perturbation::Steepest, obf(1.0)] {
            let parts =
                [0, 2, 4, 6].map(|i| update(&Extragradient::sam(kind, CE), &model, &at, &batch.slice(i, i + 2), 0.1));
            close(&update(&Extragradient::sam(kind, CE).slices_of(2), &model, &at, &batch, 0.1), &mean(&parts), 1e-5);
        }
        assert_eq!(host(at.0.values()), before);
    }
}

#[test]
fn on_the_whole_batch_the_update_is_the_mean_over_all_perturbations() {
    let model = vit();
    for device in Device::all_for_tests() {
        let (at, batch) = (started(&device, &model), batch(&device, 8));
        for kind in kinds() {
            let rule = Extragradient { update_on: UpdateOn::Batch, ..Extragradient::sam(kind, CE).slices_of(4) };
            let parts = [0, 1].map(|slice| {
                let (samples, index) = (batch.slice(4 * slice, 4 * slice + 4), SliceIndex { update: 0, slice });
                let f = |f: &Forward<'_>, x: &Var| model.forward(f, x);
                let moved = rule.perturbed(&at.0, &at.1, &samples, 0.1, index, &f);
                update(&Extragradient::none(CE), &model, &(moved, at.1.clone()), &batch, 0.0)
            });
            close(&update(&rule, &model, &at, &batch, 0.1), &mean(&parts), 1e-5);
            let slicewise = Extragradient { update_on: UpdateOn::Slice, ..rule };
            assert_ne!(update(&slicewise, &model, &at, &batch, 0.1), update(&rule, &model, &at, &batch, 0.1));
        }
    }
}

#[test]
fn perturbed_parameters_can_be_had_without_the_gradient_there() {
    let model = vit();
    let f = |f: &Forward<'_>, x: &Var| model.forward(f, x);
    for device in Device::all_for_tests() {
        let (at, batch) = (started(&device, &model), batch(&device, 4));
        for kind in kinds() {
            let rule = Extragradient::sam(kind, CE);
            let moved = rule.perturbed(&at.0, &at.1, &batch, 0.1, SliceIndex::default(), &f);
            let loss = step(&Extragradient::none(CE), &model, &(moved, at.1.clone()), &batch, 0.0).loss;
            assert_eq!(host(&loss), host(&step(&rule, &model, &at, &batch, 0.1).perturbed_loss), "{kind:?}");
        }
        let still = Extragradient::none(CE).perturbed(&at.0, &at.1, &batch, 0.1, SliceIndex::default(), &f);
        assert_eq!(host(still.values()), host(at.0.values()));
    }
}

#[test]
fn ascent_raises_the_loss_and_forgetting_lowers_the_labels_likelihood() {
    let model = vit();
    for device in Device::all_for_tests() {
        let (at, batch) = (started(&device, &model), batch(&device, 8));
        for kind in [Perturbation::Steepest, Perturbation::obf(0.0, 0.0, CE.likelihood)] {
            let out = step(&Extragradient::sam(kind, CE), &model, &at, &batch, 0.05);
            let (before, after) = (host(&out.loss)[0], host(&out.perturbed_loss)[0]);
            assert!(after > before, "{kind:?}: {before} {after}");
        }
    }
}

#[test]
fn running_statistics_move_in_the_first_pass_alone() {
    let model = resnet();
    for device in Device::all_for_tests() {
        let (batch, at) = (batch(&device, 8), started(&device, &model));
        let state = |kind, update_on| {
            let rule = Extragradient { update_on, ..Extragradient::sam(kind, CE).slices_of(4) };
            host(step(&rule, &model, &at, &batch, 0.5).state.values())
        };
        // The second pass normalises by its batch as the first does, though it leaves the running statistics: at a radius of 0 it gives the same
        // gradient.
        let gradient = |kind| update(&Extragradient::sam(kind, CE).slices_of(4), &model, &at, &batch, 0.0);
        close(&gradient(Perturbation::Steepest), &gradient(Perturbation::None), 1e-5);
        let plain = state(Perturbation::None, UpdateOn::Slice);
        for kind in kinds() {
            assert_eq!(plain, state(kind, UpdateOn::Slice), "{kind:?}");
            assert_eq!(plain, state(kind, UpdateOn::Batch), "{kind:?}");
        }
        assert_ne!(plain, host(at.1.values()));
        // r ← 0.9 r + 0.1 μ: means that start at 0 are 1.9 times as large after the same batch once more.
        let whole = |at: &_| step(&Extragradient::none(CE), &model, at, &batch, 0.0).state;
        let first = whole(&at);
        let second = whole(&(at.0.clone(), first.clone()));
        let [first, second] = [first, second].map(|state| host(state.values()));
        for (_, p) in at.1.layout().owned().filter(|(_, p)| p.name.ends_with("running_mean")) {
            close(&second[p.range()], &first[p.range()].iter().map(|r| 1.9 * r).collect::<Vec<_>>(), 1e-5);
        }
    }
}
