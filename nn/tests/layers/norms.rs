//! Normalisation layers.

use crate::harness::{Subject, input, near};
use crate::reference::{layer_norm, per_channel, standardise};
use lethe_nn::layers::{BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d, GroupNorm, InstanceNorm, LayerNorm, RmsNorm};
use lethe_nn::{Layer, Pass};
use lethe_tensor::{DType, Device};

const BOTH: [fn() -> Pass; 2] = [|| Pass::train(1, 0, 0), Pass::evaluate];

#[test]
fn layer_and_rms_norm() {
    let (x, numbers) = input(&[2, 3, 6], 1);
    for pass in BOTH {
        let s = Subject::new(|b| LayerNorm::new(b, 6).eps(0.1));
        assert_eq!(s.names(), ["weight", "bias"]);
        let y = layer_norm(&numbers, &s.param("weight"), &s.param("bias"), 0.1);
        s.check(pass(), &[&x], |l, f, x| l.forward(f, &x[0]), (y, &[2, 3, 6]));
        let s = Subject::new(|b| RmsNorm::new(b, 6));
        assert_eq!(s.names(), ["weight"]);
        let w = s.param("weight");
        let row = |r: &[f64]| {
            let mean = r.iter().map(|x| x * x).sum::<f64>() / 6.0;
            r.iter().zip(&w).map(|(x, w)| x / (mean + f64::from(f32::EPSILON)).sqrt() * w).collect::<Vec<f64>>()
        };
        let y = numbers.chunks(6).flat_map(row).collect();
        s.check(pass(), &[&x], |l, f, x| l.forward(f, &x[0]), (y, &[2, 3, 6]));
    }
}

#[test]
fn group_and_instance_norm() {
    let (x, numbers) = input(&[2, 6, 3, 2], 2);
    for pass in BOTH {
        let s = Subject::new(|b| GroupNorm::new(b, 2, 6));
        assert_eq!(s.names(), ["weight", "bias"]);
        let y = per_channel(&standardise(&numbers, 18, 1e-5), &s.param("weight"), &s.param("bias"), 6);
        s.check(pass(), &[&x], |l, f, x| l.forward(f, &x[0]), (y, &[2, 6, 3, 2]));
        let s = Subject::new(|b| InstanceNorm::affine(b, 6).eps(0.01));
        assert_eq!(s.names(), ["weight", "bias"]);
        let hat = standardise(&numbers, 6, 0.01);
        let y = per_channel(&hat, &s.param("weight"), &s.param("bias"), 6);
        s.check(pass(), &[&x], |l, f, x| l.forward(f, &x[0]), (y, &[2, 6, 3, 2]));
        let s = Subject::new(|_| InstanceNorm::new(6).eps(0.01));
        assert!(s.names().is_empty());
        s.check(pass(), &[&x], |l, f, x| l.forward(f, &x[0]), (hat, &[2, 6, 3, 2]));
    }
}

/// Channel by channel: the batch's mean, its variance, and the number of elements.
fn statistics(x: &[f64], channels: usize, area: usize) -> Vec<(f64, f64, f64)> {
    let one = |c: usize| {
        let own: Vec<f64> =
            x.chunks(area).enumerate().filter(|(i, _)| i % channels == c).flat_map(|(_, r)| r.to_vec()).collect();
        let n = own.len() as f64;
        let mean = own.iter().sum::<f64>() / n;
        (mean, own.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n, n)
    };
    (0..channels).map(one).collect()
}

fn batch_norm<const N: usize>(shape: &[usize])
where
    BatchNorm<N>: Layer,
{
    let (x, numbers) = input(shape, 3);
    let (c, area): (usize, usize) = (shape[1], shape[2..].iter().product());
    let mut s = Subject::new(|b| BatchNorm::<N>::new(b, c).momentum(0.25).eps(0.01));
    assert_eq!(s.names(), ["weight", "bias"]);
    let running: Vec<(f64, f64)> = (0..c).map(|i| (0.5 * i as f64, 1.0 + i as f64)).collect();
    s.set_state("running_mean", &running.iter().map(|r| r.0).collect::<Vec<_>>());
    s.set_state("running_var", &running.iter().map(|r| r.1).collect::<Vec<_>>());
    let with = |mean_var: &[(f64, f64)]| {
        let at = |(i, x): (usize, &f64)| -> f64 {
            let (mean, var) = mean_var[i / area % c];
            (x - mean) / f64::sqrt(var + 0.01)
        };
        let hat: Vec<f64> = numbers.iter().enumerate().map(at).collect();
        per_channel(&hat, &s.param("weight"), &s.param("bias"), area)
    };
    let batch = statistics(&numbers, c, area);
    let of_batch = with(&batch.iter().map(|b| (b.0, b.1)).collect::<Vec<_>>());

    let call = |l: &BatchNorm<N>, f: &lethe_nn::Forward<'_>, x: &[lethe_autograd::Var]| l.forward(f, &x[0]);
    let trained = s.check(Pass::train(0, 0, 0), &[&x], call, (of_batch.clone(), shape));
    let moved = |i: usize| -> (f64, f64) {
        let ((mean, var), (batch_mean, batch_var, n)) = (running[i], batch[i]);
        (0.75 * mean + 0.25 * batch_mean, 0.75 * var + 0.25 * batch_var * n / (n - 1.0))
    };
    near(&s.state_of(&trained.state, "running_mean"), &(0..c).map(|i| moved(i).0).collect::<Vec<_>>(), 1e-12);
    near(&s.state_of(&trained.state, "running_var"), &(0..c).map(|i| moved(i).1).collect::<Vec<_>>(), 1e-12);

    let frozen = s.check(Pass::train(0, 0, 0).frozen(), &[&x], call, (of_batch, shape));
    let evaluated = s.check(Pass::evaluate(), &[&x], call, (with(&running), shape));
    for state in [&frozen.state, &evaluated.state] {
        assert_eq!(s.state_of(state, "running_mean"), running.iter().map(|r| r.0).collect::<Vec<_>>());
        assert_eq!(s.state_of(state, "running_var"), running.iter().map(|r| r.1).collect::<Vec<_>>());
    }
}

#[test]
fn batch_norm_of_vectors_sequences_images_and_volumes() {
    batch_norm::<1>(&[6, 3]);
    batch_norm::<1>(&[4, 3, 5]);
    batch_norm::<2>(&[3, 2, 3, 2]);
    batch_norm::<3>(&[2, 2, 2, 3, 2]);
}

#[test]
fn the_state_moves_on_every_device() {
    let (x, numbers) = input(&[3, 2, 3, 2], 4);
    let s = Subject::new(|b| BatchNorm2d::new(b, 2));
    let batch = statistics(&numbers, 2, 6);
    for device in Device::all_for_tests() {
        let out = s.run((&device, DType::F32), Pass::train(0, 0, 0), &[&x], &|l, f, x| l.forward(f, &x[0]));
        near(&s.state_of(&out.state, "running_mean"), &batch.iter().map(|b| 0.1 * b.0).collect::<Vec<_>>(), 1e-6);
    }
    let _: (BatchNorm1d, BatchNorm3d) =
        (Subject::new(|b| BatchNorm::new(b, 1)).layer, Subject::new(|b| BatchNorm::new(b, 1)).layer);
}
