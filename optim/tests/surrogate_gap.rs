//! GSAM's decomposition (specification, sections 3.3 and 12, invariant 5).

mod common;

use common::*;
use lethe_optim::{Adaptive, Backup, Extragradient, Geometry, Perturbation, Scale, Scope, SurrogateGap};
use lethe_tensor::Device;

#[test]
fn both_backups_have_their_golden_values() {
    for device in Device::all_for_tests() {
        let (c, g) = (padded(&device, &[3.0, -1.0, 2.0]), padded(&device, &[1.0, 2.0, 2.0]));
        let direction = Geometry::Euclidean.direction(&theta(&device, &[1.0; 3]), c);
        for (backup, perpendicular, update) in [
            (Backup::Raw, [2.444444, -2.111111, 0.888889], [0.022222, 2.844444, 1.644444]),
            (Backup::Normalised, [0.653305, -0.564218, 0.237566], [0.738678, 2.225687, 1.904974]),
        ] {
            let gap = SurrogateGap { xi: 0.4, backup };
            let c = gap.backup(&direction);
            golden(&SurrogateGap::perpendicular(&c, &g), &perpendicular);
            golden(&gap.close(&c, &g), &update);
        }
    }
}

#[test]
fn the_perturbing_gradient_falls_into_a_part_along_the_update_and_one_across() {
    let model = vit();
    for device in Device::all_for_tests() {
        let (at, batch) = (started(&device, &model), batch(&device, 8));
        for kind in [Perturbation::Steepest, obf(1.0)] {
            let sam = Extragradient::sam(kind, CE);
            let direction = direction(&sam, &model, &at, &batch);
            let g = step(&sam, &model, &at, &batch, 0.1).update;
            let across = |backup| {
                let c = SurrogateGap { xi: 1.0, backup }.backup(&direction);
                (host(&c), host(&SurrogateGap::perpendicular(&c, &g)))
            };
            let ((raw, a), (unit, b)) = (across(Backup::Raw), across(Backup::Normalised));
            let g = host(&g);
            for (c, across) in [(&raw, &a), (&unit, &b)] {
                assert!(dot(across, &g).abs() / (norm(across) * norm(&g)) < 1e-5, "{kind:?}");
                // What is left of c is its projection on g: c = c∥ + c⊥.
                let share = dot(c, &g) / dot(&g, &g);
                let sum: Vec<f32> =
                    across.iter().zip(&g).map(|(a, g)| (f64::from(*a) + share * f64::from(*g)) as f32).collect();
                let off = distance(&sum, c);
                assert!(off < 1e-6, "{kind:?}: off by {off:e} of its length");
            }
            let size = norm(&raw) as f32;
            close(&b.iter().map(|x| x * size).collect::<Vec<_>>(), &a, 1e-5);
        }
    }
}

#[test]
fn without_a_share_it_is_sam_and_with_one_every_slice_is_corrected() {
    let model = vit();
    for device in Device::all_for_tests() {
        let (at, samples) = (started(&device, &model), batch(&device, 8));
        let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let asam = Geometry::Adaptive(Adaptive { scale: Scale::Both, eta: 0.01, scope: Scope::All });
        for (kind, geometry, backup) in [
            (obf(1.0), Geometry::Euclidean, Backup::Normalised),
            (Perturbation::Steepest, asam, Backup::Raw),
            (obf(0.0), asam, Backup::Normalised),
        ] {
            let plain = Extragradient { geometry, ..Extragradient::sam(kind, CE).slices_of(4) };
            let gsam = Extragradient { surrogate_gap: Some(SurrogateGap { xi: 0.0, backup }), ..plain };
            let of = |rule| bits(&update(rule, &model, &at, &samples, 0.1));
            assert_eq!(of(&gsam), of(&plain), "{kind:?} {geometry:?} {backup:?}");
        }
        let sam = Extragradient::sam(Perturbation::Steepest, CE).slices_of(4);
        let with = |xi| Extragradient { surrogate_gap: Some(SurrogateGap { xi, backup: Backup::Raw }), ..sam };
        let plain = update(&sam, &model, &at, &samples, 0.1);
        assert_eq!(bits(&update(&with(0.0), &model, &at, &samples, 0.1)), bits(&plain));
        let whole = update(&with(0.4), &model, &at, &samples, 0.1);
        let halves = [0, 4].map(|i| update(&with(0.4).slices_of(4), &model, &at, &samples.slice(i, i + 4), 0.1));
        close(&whole, &halves[0].iter().zip(&halves[1]).map(|(a, b)| (a + b) / 2.0).collect::<Vec<_>>(), 1e-5);
        assert_ne!(whole, plain);
    }
}
