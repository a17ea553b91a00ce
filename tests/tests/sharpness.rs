//! Sharpness: power iteration on matrices with known eigenvalues, and Hessian products through the program's models, over uneven batches and on
//! both devices.

use lethe::analysis::sharpness::{Landscape, Stopping, power_iteration};
use lethe::config::{Config, DataFacts};
use lethe::data::{Dataset, Loader, Preparation, digits};
use lethe::experiment;
use lethe::network::Network;
use lethe_autograd::{ParamLayout, Tags, hessian_vector_product};
use lethe_nn::loss::TaskLoss;
use lethe_nn::{Model, State, Theta};
use lethe_optim::random_direction;
use lethe_tensor::random::{Draw, Philox};
use lethe_tensor::{Device, Tensor};
use std::path::Path;
use std::sync::Arc;

const N: usize = 40;

/// A random orthogonal matrix times these eigenvalues: A = Σ λ_i q_i q_iᵀ.
fn matrix(eigenvalues: &[f64; N]) -> Vec<f32> {
    let mut random = Philox::new(Draw::new(5, [0; 3]));
    let mut basis: Vec<Vec<f64>> = Vec::new();
    while basis.len() < N {
        let mut q: Vec<f64> = (0..N).map(|_| random.uniform() - 0.5).collect();
        // Twice, to remove what rounding leaves of the others.
        for other in basis.iter().chain(&basis) {
            let along: f64 = q.iter().zip(other).map(|(a, b)| a * b).sum();
            q.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
        }
        let norm = q.iter().map(|a| a * a).sum::<f64>().sqrt();
        basis.push(q.into_iter().map(|a| a / norm).collect());
    }
    let entry = |i: usize, j: usize| (0..N).map(|k| eigenvalues[k] * basis[k][i] * basis[k][j]).sum::<f64>() as f32;
    (0..N * N).map(|at| entry(at / N, at % N)).collect()
}

/// The eigenvalue that power iteration finds for ½ θᵀ A θ, with a differentiated Hessian.
fn dominant_of(device: &Device, eigenvalues: &[f64; N]) -> f64 {
    let a = Tensor::from_slice(device, &matrix(eigenvalues), &[N, N]);
    let mut layout = ParamLayout::new();
    let id = layout.add("theta", &[N], Tags::default());
    let layout = Arc::new(layout);
    let theta = Tensor::zeros(device, lethe_tensor::DType::F32, &[layout.len()]);
    let start = random_direction(&Theta::new(theta.clone(), &layout), 3, 0, 0);
    let stopping = Stopping { most_iterations: 1000, tolerance: 1e-6 };
    let found = power_iteration(&start, stopping, |v| {
        let loss = |p: &lethe_autograd::Parameters| {
            let x = p.get(id).reshape(&[1, N]);
            let ax = x.matmul(&lethe_autograd::Var::constant(&a));
            (&ax * &x).sum().mul_scalar(0.5)
        };
        Ok(hessian_vector_product(&theta, &layout, v, loss).2)
    });
    let found = found.unwrap();
    assert!(found.converged && found.estimates.len() > 2, "{found:?}");
    assert_eq!(found.eigenvalue, found.estimates[found.estimates.len() - 2], "the last estimate but one");
    found.eigenvalue
}

#[test]
fn the_dominant_eigenvalue_of_a_quadratic_with_its_sign() {
    let spread = |top: f64| std::array::from_fn(|k| if k == 0 { top } else { (k as f64 / N as f64 - 0.5) * top.abs() });
    for device in Device::all_for_tests() {
        for top in [3.0, -7.0] {
            let found = dominant_of(&device, &spread(top));
            assert!((found - top).abs() < 1e-3 * top.abs(), "{found} for {top} on {device}");
        }
    }
}

#[test]
fn an_iteration_that_does_not_converge_gives_its_last_estimate() {
    let start = Tensor::from_slice(&Device::cpu(), &[1.0f32, 1.0], &[2]);
    let stopping = Stopping { most_iterations: 5, tolerance: 0.0 };
    let scale = Tensor::from_slice(&Device::cpu(), &[2.0f32, 1.0], &[2]);
    let found = power_iteration(&start, stopping, |v| Ok(v.mul(&scale))).unwrap();
    assert!(!found.converged && found.estimates.len() == 5 && found.eigenvalue == found.estimates[4], "{found:?}");
    let nothing = power_iteration(&start, Stopping::default(), |v| Ok(v.zeros_like())).unwrap();
    assert!(nothing.converged && nothing.eigenvalue == 0.0, "{nothing:?}");
    let error = power_iteration(&start, stopping, |v| Ok(v.mul_scalar(f64::INFINITY))).unwrap_err().to_string();
    assert!(error.contains("in iteration 1"), "{error}");
}

const VIT: &str = "kind = \"vit\"\npatch = 2\nwidth = 16\ndepth = 2\nheads = 2";
const RESNET: &str = "kind = \"resnet\"\nblock = \"basic\"\nblocks = [1, 1]\nwidth = 8\nstem = \"small\"";

struct Trained {
    config: Config,
    model: Box<dyn Model>,
    theta: Theta,
    state: State,
    data: Arc<Dataset>,
}

fn network(model: &str, loss: &str, samples: usize) -> Trained {
    let mut data = digits().train;
    data.truncate(samples);
    let text = format!(
        "[data]\ndataset = \"digits\"\n[model]\n{model}\n[loss]\nkind = \"{loss}\"\n[optim]\nkind = \"sgd\"\nlr = 1\n\
         [train]\nepochs = 1\nbatch = 8\n"
    );
    let config = Config::parse(&text, Path::new("x.toml"), &[]).unwrap();
    let facts = DataFacts { images: data.shape, classes: data.classes, train: data.len(), labels: vec![] };
    let config = config.resolve(&facts).unwrap();
    let model = experiment::model(&config, data.shape, data.classes);
    let (theta, state) = model.init(&Device::cpu(), 1);
    // Away from the initial values, where the head's zeros make half of the Hessian zero.
    let noise = random_direction(&theta, 9, 0, 0).mul_scalar(0.05);
    let theta = Theta::new(theta.values().add(&noise), theta.layout());
    Trained { config, model, theta, state, data: Arc::new(data) }
}

impl Trained {
    /// H v over batches of this size, on the device of `theta`.
    fn product(&self, theta: &Theta, state: &State, batch: usize, v: &Tensor) -> Tensor {
        let loader = Loader::evaluation(self.data.clone(), Preparation::of(&self.config.data), batch, 1);
        let loss = TaskLoss { smoothing: 0.0, ..experiment::task_loss(&self.config) };
        let network = Network { model: &*self.model, theta, state };
        Landscape { network, loss, loader: &loader }.hessian_product(v).unwrap()
    }
}

fn dot(a: &Tensor, b: &Tensor) -> f64 {
    let [a, b] = [a, b].map(|t| t.to_vec::<f32>().unwrap());
    a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

#[track_caller]
fn close(a: &Tensor, b: &Tensor, share: f64) {
    let difference = a.sub(b);
    let (off, norm) = (dot(&difference, &difference).sqrt(), dot(b, b).sqrt());
    assert!(off <= share * norm && norm > 0.0, "off by {off:e} of {norm:e}");
}

#[test]
fn products_are_symmetric_and_do_not_depend_on_batches() {
    for (device, (model, loss)) in
        Device::all_for_tests().iter().flat_map(|device| [(VIT, "bce"), (RESNET, "ce")].map(|of| (device, of)))
    {
        let t = network(model, loss, 20);
        let (theta, state) = (t.theta.to_device(device).unwrap(), t.state.to_device(device).unwrap());
        let [u, v] = [1, 2].map(|seed| random_direction(&t.theta, seed, 0, 0).to_device(device).unwrap());
        let product = |batch, v: &Tensor| t.product(&theta, &state, batch, v);
        let (hu, hv) = (product(20, &u), product(20, &v));
        let (a, b) = (dot(&u, &hv), dot(&v, &hu));
        let scale = (dot(&u, &u) * dot(&hv, &hv)).sqrt();
        assert!((a - b).abs() < 1e-5 * scale, "{model}: ⟨u, Hv⟩ = {a}, ⟨v, Hu⟩ = {b}");
        close(&product(8, &v), &hv, 1e-5); // 8, 8, 4
    }
}

#[cfg(feature = "gpu")]
#[test]
fn a_gpu_finds_what_the_cpu_finds() {
    use lethe_tensor::gpu::{GpuDevice, GpuOptions};
    let Some(gpu) = GpuDevice::for_tests(GpuOptions::default()).map(Device::Gpu) else { return };
    for (model, loss) in [(VIT, "bce"), (RESNET, "ce")] {
        let t = network(model, loss, 12);
        let v = random_direction(&t.theta, 2, 0, 0);
        let there = (t.theta.to_device(&gpu).unwrap(), t.state.to_device(&gpu).unwrap());
        let found = t.product(&there.0, &there.1, 8, &v.to_device(&gpu).unwrap());
        close(&found.to_device(&Device::cpu()).unwrap(), &t.product(&t.theta, &t.state, 8, &v), 1e-3);
    }
}
