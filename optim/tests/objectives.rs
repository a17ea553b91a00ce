//! Steps for objectives other than a classifier's: a regression, a language model and closures go the way that a step in doubles, written out
//! here, goes.

mod common;

use common::{distance, host};
use lethe_autograd::{ParamId, Tape, Var};
use lethe_nn::loss::{Huber, L1, Likelihood, Mse, NextToken, Objective, TaskLoss};
use lethe_nn::{Blueprint, Builder, Forward, Init, Pass, State, Theta};
use lethe_optim::{
    Adaptive, Backup, Batch, Extragradient, Geometry, Perturbation, Scale, Scope, SliceIndex, SurrogateGap, UpdateOn,
    random_direction,
};
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, Tensor};

const SAMPLES: usize = 8;
const SLICE: usize = 4;
const STEPS: u64 = 4;
const RHO: f64 = 0.3;
const LR: f64 = 0.2;
const ETA: f64 = 0.05;
const XI: f64 = 0.4;

/// A small model: how its output comes from parameters and inputs.
type Net = fn(&Forward<'_>, &Var) -> Var;

/// A model with data, in doubles on the CPU.
struct Problem {
    blueprint: Blueprint,
    net: Net,
    inputs: Tensor,
    targets: Tensor,
}

fn noise(shape: &[usize], stream: u32) -> Tensor {
    Tensor::normal(&Device::cpu(), DType::F64, shape, Draw::new(5, [stream, 0, 0])).force().clone()
}

/// tanh(x A + a) B of three numbers, to two.
fn regression() -> Problem {
    let mut b = Builder::new();
    let start = Init::Normal { std: 0.7 };
    for (name, shape) in [("a", &[3, 5][..]), ("bias", &[5]), ("b", &[5, 2])] {
        b.param(name, shape, start);
    }
    let net: Net = |f, x| {
        let [a, bias, b] = [0, 1, 2].map(|i| f.param(ParamId(i)));
        (&x.matmul(&a) + &bias).tanh().matmul(&b)
    };
    Problem { blueprint: b.finish(), net, inputs: noise(&[SAMPLES, 3], 1), targets: noise(&[SAMPLES, 2], 2) }
}

const TOKENS: usize = 7;
const PLACES: usize = 5;

/// An embedding of tokens and a linear layer over it; the last places of some sequences are padding.
fn language() -> Problem {
    let mut b = Builder::new();
    let start = Init::Normal { std: 0.7 };
    for (name, shape) in [("table", &[TOKENS, 4][..]), ("weight", &[4, TOKENS]), ("bias", &[TOKENS])] {
        b.param(name, shape, start);
    }
    let net: Net = |f, x| {
        let [table, weight, bias] = [0, 1, 2].map(|i| f.param(ParamId(i)));
        &table.embedding(x.tensor()).matmul(&weight) + &bias
    };
    let token = |i: usize| ((i * i + 3 * i) % 11 % TOKENS) as u32;
    let places = SAMPLES * PLACES;
    let left_out = |i: usize| i % PLACES >= PLACES - i / PLACES % 3;
    let inputs: Vec<u32> = (0..places).map(token).collect();
    let labels: Vec<u32> = (0..places).map(|i| if left_out(i) { u32::MAX } else { token(i + 1) }).collect();
    let tensor = |v: &[u32]| Tensor::from_slice(&Device::cpu(), v, &[SAMPLES, PLACES]);
    Problem { blueprint: b.finish(), net, inputs: tensor(&inputs), targets: tensor(&labels) }
}

/// As it is if it is whole numbers, else in this type; on this device.
fn given(t: &Tensor, dtype: DType, device: &Device) -> Tensor {
    let t = if t.dtype() == DType::U32 { t.clone() } else { t.to_dtype(dtype).force().clone() };
    t.to_device(device).unwrap()
}

impl Problem {
    /// Where training starts: θ in this type, and the empty state.
    fn start(&self, dtype: DType, device: &Device) -> (Theta, State) {
        let (theta, state) = self.blueprint.init(&Device::cpu(), 3);
        (Theta::new(given(theta.values(), dtype, device), theta.layout()), state.to_device(device).unwrap())
    }

    fn batch(&self, dtype: DType, device: &Device) -> Batch {
        Batch { inputs: given(&self.inputs, dtype, device), targets: given(&self.targets, dtype, device) }
    }

    /// The gradient in doubles of an objective, written as a formula, over some samples at θ.
    fn gradient(&self, theta: &[f64], (start, end): (usize, usize), formula: Formula) -> Vec<f64> {
        let (tape, layout) = (Tape::new(), self.blueprint.layout());
        let (_, state) = self.start(DType::F64, &Device::cpu());
        let params = tape.parameters(&Tensor::from_slice(&Device::cpu(), theta, &[theta.len()]), layout);
        let forward = Forward::new(&params, &state, Pass::evaluate());
        let output = (self.net)(&forward, &Var::constant(&self.inputs.slice(0, start, end)));
        let value = formula(&output, &self.targets.slice(0, start, end));
        tape.backward(&value).into_vector(&params).to_vec().unwrap()
    }
}

/// An objective as a formula.
type Formula = fn(&Var, &Tensor) -> Var;

fn squares(z: &Var, y: &Tensor) -> Var {
    let error = z - &Var::constant(y);
    (&error * &error).sum().mul_scalar(1.0 / z.numel() as f64)
}

/// ln(1 + e²), Cauchy's loss.
fn cauchy(z: &Var, y: &Tensor) -> Var {
    (z - &Var::constant(y)).square().add_scalar(1.0).log().mean()
}

/// −Σ ln p / the number of places that count, place by place.
fn surprise(z: &Var, y: &Tensor) -> Var {
    let labels: Vec<u32> = y.to_vec().unwrap();
    let log_p = (z - &z.logsumexp_axes(&[-1], true)).reshape(&[labels.len(), TOKENS]);
    let chosen: Vec<f64> = labels.iter().flat_map(|y| (0..TOKENS as u32).map(|t| f64::from(t == *y))).collect();
    let counted = labels.iter().filter(|y| **y != u32::MAX).count() as f64;
    let chosen = Tensor::from_slice(&Device::cpu(), &chosen, &[labels.len(), TOKENS]);
    (&log_p * &Var::constant(&chosen)).sum().mul_scalar(-1.0 / counted)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn zip(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| f(*a, *b)).collect()
}

/// How a step is perturbed, in doubles.
enum Ascended {
    Steepest,
    Own(Formula),
    Random,
}

/// The update gradient as the equations have it.
fn reference<L, P>(
    problem: &Problem,
    rule: &Extragradient<L, P>,
    (loss, ascended): (Formula, &Ascended),
    theta: &[f64],
    update: u64,
) -> Vec<f64> {
    let layout = problem.blueprint.layout();
    let m = rule.slice.unwrap_or(SAMPLES);
    let slices = SAMPLES / m;
    let mut sum = vec![0.0; theta.len()];
    for slice in 0..slices {
        let samples = (slice * m, (slice + 1) * m);
        let p = match ascended {
            Ascended::Steepest => problem.gradient(theta, samples, loss),
            Ascended::Own(formula) => problem.gradient(theta, samples, *formula),
            Ascended::Random => {
                let at = Theta::new(Tensor::from_slice(&Device::cpu(), theta, &[theta.len()]), layout);
                random_direction(&at, rule.seed, update as u32, slice as u32).to_vec().unwrap()
            }
        };
        let (measured, epsilon) = match rule.geometry {
            Geometry::Euclidean => (p.clone(), p),
            Geometry::Adaptive(_) => {
                let t: Vec<f64> = theta.iter().map(|x| x.abs() + ETA).collect();
                let scaled = zip(&t, &p, |t, p| t * p);
                let twice = zip(&t, &scaled, |t, p| t * p);
                (scaled, twice)
            }
        };
        let length = dot(&measured, &measured).sqrt() + 1e-12;
        let there = zip(theta, &epsilon, |x, e| x + RHO * e / length);
        let g = match rule.update_on {
            UpdateOn::Slice => problem.gradient(&there, samples, loss),
            UpdateOn::Batch => {
                let mut mean = vec![0.0; theta.len()];
                for other in 0..slices {
                    let g = problem.gradient(&there, (other * m, (other + 1) * m), loss);
                    mean = zip(&mean, &g, |s, g| s + g / slices as f64);
                }
                mean
            }
        };
        let g = match rule.surrogate_gap {
            None => g,
            Some(gap) => {
                let size = dot(&g, &g).sqrt();
                let along = dot(&measured, &g) / (size * size);
                let perpendicular = zip(&measured, &g, |c, g| c - along * g);
                zip(&g, &perpendicular, |g, c| g - gap.xi * c)
            }
        };
        sum = zip(&sum, &g, |s, g| s + g / slices as f64);
    }
    sum
}

/// Trains for a few steps on every device, and compares each update gradient and the last θ.
fn trains<L: Objective + Copy, P: Objective + Copy>(
    what: &str,
    problem: &Problem,
    rule: Extragradient<L, P>,
    formulas: (Formula, &Ascended),
) {
    let runs = Device::all_for_tests().into_iter().map(|device| (device, DType::F32, 3e-5));
    for (device, dtype, tolerance) in runs.chain([(Device::cpu(), DType::F64, 1e-10)]) {
        let (mut theta, mut state) = problem.start(dtype, &device);
        let batch = problem.batch(dtype, &device);
        let mut expected: Vec<f64> = problem.start(DType::F64, &Device::cpu()).0.values().to_vec().unwrap();
        for t in 0..STEPS {
            let out = rule.gradient(&theta, &state, &batch, RHO, t, &problem.net);
            theta = theta.step_along(&out.update, &out.update.scalar_like(-LR));
            state = out.state;
            let g = reference(problem, &rule, formulas, &expected, t);
            assert!(dot(&g, &g) > 1e-6, "{what}: there is something to descend");
            let off = far(&out.update, &g);
            assert!(
                off < tolerance,
                "{what} on {device:?} in {dtype}, step {t}: the update is off by {off:e} of its norm"
            );
            expected = zip(&expected, &g, |x, g| x - LR * g);
        }
        let off = far(theta.values(), &expected);
        assert!(off < tolerance, "{what} on {device:?} in {dtype}: θ is off by {off:e} of its norm");
    }
}

/// The distance as a share of the expected vector's length.
fn far(got: &Tensor, expected: &[f64]) -> f64 {
    let got: Vec<f64> = got.to_device(&Device::cpu()).unwrap().to_dtype(DType::F64).to_vec().unwrap();
    let off = zip(&got, expected, |a, b| a - b);
    assert!(got.len() == expected.len() && got.iter().all(|x| x.is_finite()));
    (dot(&off, &off) / dot(expected, expected)).sqrt()
}

/// SAM, ASAM, GSAM, both together and an update on the whole batch.
fn variants<L: Objective + Copy, P: Objective + Copy>(
    sam: Extragradient<L, P>,
) -> Vec<(&'static str, Extragradient<L, P>)> {
    let sam = sam.slices_of(SLICE);
    let geometry = Geometry::Adaptive(Adaptive { scale: Scale::Both, eta: ETA, scope: Scope::All });
    let surrogate_gap = Some(SurrogateGap { xi: XI, backup: Backup::Raw });
    vec![
        ("SAM", sam),
        ("SAM without slices", sam.slices_of(SAMPLES)),
        ("ASAM", Extragradient { geometry, ..sam }),
        ("GSAM", Extragradient { surrogate_gap, ..sam }),
        ("ASAM and GSAM", Extragradient { geometry, surrogate_gap, ..sam }),
        ("SAM on the whole batch", Extragradient { update_on: UpdateOn::Batch, ..sam }),
    ]
}

/// Steepest, random and own ascent, in all variants.
fn all_ways<L: Objective + Copy>(problem: &Problem, objective: L, formula: Formula, own: Formula) {
    for (perturbation, ascended) in
        [(Perturbation::Steepest, Ascended::Steepest), (Perturbation::Random, Ascended::Random)]
    {
        let rule = Extragradient { seed: 3, ..Extragradient::sam(perturbation, objective) };
        for (name, rule) in variants(rule) {
            trains(&format!("{name}, {perturbation:?}"), problem, rule, (formula, &ascended));
        }
    }
    for (name, rule) in variants(Extragradient::ascending(own, objective)) {
        trains(&format!("{name}, own ascent"), problem, rule, (formula, &Ascended::Own(own)));
    }
}

#[test]
fn a_regression_trains_as_in_doubles() {
    all_ways(&regression(), Mse, squares, cauchy);
}

#[test]
fn a_language_model_trains_as_in_doubles() {
    // An ascent of one's own: what makes the model sure of anything, whatever it is.
    let certain: Formula = |z, _| z.square().mean();
    all_ways(&language(), NextToken::default(), surprise, certain);
}

#[test]
fn a_closure_trains_as_in_doubles() {
    let closure = |z: &Var, y: &Tensor| (z - &Var::constant(y)).square().add_scalar(1.0).log().mean();
    all_ways(&regression(), closure, cauchy, squares);
}

#[test]
fn every_loss_of_numbers_goes_down() {
    let problem = regression();
    fn descends(problem: &Problem, loss: impl Objective + Copy) {
        for device in Device::all_for_tests() {
            let (mut theta, state) = problem.start(DType::F32, &device);
            let batch = problem.batch(DType::F32, &device);
            let rule = Extragradient::sam(Perturbation::Steepest, loss).slices_of(SLICE);
            let losses: Vec<f32> = (0..20)
                .map(|t| {
                    let out = rule.gradient(&theta, &state, &batch, 0.02, t, &problem.net);
                    assert!(out.correct.is_none(), "a regression has nothing that is correct");
                    theta = theta.step_along(&out.update, &out.update.scalar_like(-0.1));
                    host(&out.loss)[0]
                })
                .collect();
            assert!(losses[19] < 0.8 * losses[0], "{losses:?}");
        }
    }
    descends(&problem, Mse);
    descends(&problem, L1);
    descends(&problem, Huber { delta: 0.5 });
}

#[test]
fn plain_gradients_and_perturbed_parameters_know_the_objective_too() {
    let problem = regression();
    for device in Device::all_for_tests() {
        let (theta, state) = problem.start(DType::F32, &device);
        let batch = problem.batch(DType::F32, &device);
        let values: Vec<f64> = problem.start(DType::F64, &Device::cpu()).0.values().to_vec().unwrap();
        let g = problem.gradient(&values, (0, SAMPLES), squares);
        let plain = Extragradient::none(Mse).slices_of(SLICE).gradient(&theta, &state, &batch, 0.0, 0, &problem.net);
        assert!(far(&plain.update, &g) < 1e-5);
        let rule = Extragradient::sam(Perturbation::Steepest, Mse);
        let moved = rule.perturbed(&theta, &state, &batch, RHO, SliceIndex::default(), &problem.net);
        let length = dot(&g, &g).sqrt();
        assert!(far(moved.values(), &zip(&values, &g, |x, g| x + RHO * g / length)) < 1e-5);
    }
}

#[test]
fn correct_tokens_are_counted_where_a_token_comes_next() {
    let problem = language();
    for device in Device::all_for_tests() {
        let (theta, state) = problem.start(DType::F32, &device);
        let batch = problem.batch(DType::F32, &device);
        let rule = Extragradient::sam(Perturbation::Steepest, NextToken::default()).slices_of(SLICE);
        let out = rule.gradient(&theta, &state, &batch, RHO, 0, &problem.net);
        let params = theta.constants();
        let forward = Forward::new(&params, &state, Pass::evaluate());
        let logits = host((problem.net)(&forward, &Var::constant(&batch.inputs)).tensor());
        let labels: Vec<u32> = batch.targets.to_vec().unwrap();
        let right = |(row, y): (&[f32], &u32)| *y != u32::MAX && row.iter().all(|z| *z <= row[*y as usize]);
        let expected = logits.chunks_exact(TOKENS).zip(&labels).filter(|pair| right(*pair)).count();
        assert!(expected > 0);
        assert_eq!(host(&out.correct.expect("tokens can be right")), [expected as f32]);
    }
}

#[test]
#[should_panic(
    expected = "OBF: row 0 of the targets is no distribution over the classes: shares of 0 or more whose sum is 1"
)]
fn forgetting_asks_for_classes() {
    let problem = regression();
    let (theta, state) = problem.start(DType::F32, &Device::cpu());
    let batch = problem.batch(DType::F32, &Device::cpu());
    let rule = Extragradient::sam(Perturbation::obf(0.1, 1.0, Likelihood::Softmax), Mse);
    rule.gradient(&theta, &state, &batch, RHO, 0, &problem.net);
}

#[test]
#[should_panic(
    expected = "a batch has as many targets as inputs along the first axis; these are inputs [8, 3] and targets [4, 2]"
)]
fn a_batch_has_a_target_for_each_input() {
    let problem = regression();
    let (theta, state) = problem.start(DType::F32, &Device::cpu());
    let batch = problem.batch(DType::F32, &Device::cpu());
    let batch = Batch { targets: batch.targets.slice(0, 0, 4), ..batch };
    Extragradient::none(Mse).gradient(&theta, &state, &batch, RHO, 0, &problem.net);
}

#[test]
fn a_loss_of_classes_and_its_formula_as_a_closure_take_the_same_step() {
    let problem = regression();
    for device in Device::all_for_tests() {
        let (theta, state) = problem.start(DType::F32, &device);
        let labels = Tensor::from_slice(&device, &[0u32, 1, 1, 0, u32::MAX, 1, 0, 0], &[SAMPLES]);
        let batch = Batch { inputs: given(&problem.inputs, DType::F32, &device), targets: labels };
        for likelihood in [Likelihood::Softmax, Likelihood::Sigmoid] {
            let task = TaskLoss { likelihood, smoothing: 0.1 };
            let kernel = Extragradient::sam(Perturbation::obf(0.1, 1.0, likelihood), task).slices_of(SLICE);
            let formula = Extragradient::sam(kernel.perturbation, |z: &Var, y: &Tensor| task.mean(z, y));
            let [a, b] = [
                kernel.gradient(&theta, &state, &batch, RHO, 0, &problem.net).update,
                formula.slices_of(SLICE).gradient(&theta, &state, &batch, RHO, 0, &problem.net).update,
            ];
            assert!(distance(&host(&a), &host(&b)) < 1e-6, "{likelihood:?}");
        }
    }
}

#[test]
fn batches_hold_every_sample_once_in_an_order_of_their_own() {
    for device in Device::all_for_tests() {
        let numbers: Vec<f32> = (0..50).map(|i| i as f32).collect();
        let targets: Vec<u32> = (0..50).collect();
        let all = Batch {
            inputs: Tensor::from_slice(&device, &numbers, &[50, 1]),
            targets: Tensor::from_slice(&device, &targets, &[50]),
        };
        let order = |seed| -> Vec<u32> {
            let batches: Vec<Batch> = all.shuffled(seed).batches(16).collect();
            assert_eq!(batches.iter().map(Batch::len).collect::<Vec<_>>(), [16, 16, 16, 2]);
            batches.iter().for_each(|b| {
                let same = host(&b.inputs).iter().zip(b.targets.to_vec::<u32>().unwrap()).all(|(x, y)| *x == y as f32);
                assert!(same, "inputs and targets stay together");
            });
            batches.iter().flat_map(|b| b.targets.to_vec::<u32>().unwrap()).collect()
        };
        let (first, second) = (order(1), order(2));
        assert!(first != second && first == order(1) && first != targets);
        let mut sorted = first;
        sorted.sort_unstable();
        assert_eq!(sorted, targets);
    }
}
