//! A layer with random parameters, run on every device in every precision, against numbers of plain arithmetic in doubles.

use lethe_autograd::{Mode, ParamLayout, Tape, Var};
use lethe_nn::{Builder, Forward, Pass, State, Theta};
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, Tensor};
use std::sync::Arc;

/// `n` normal numbers that single precision holds.
pub fn normal(n: usize, seed: u64) -> Vec<f64> {
    let t = Tensor::normal(&Device::cpu(), DType::F32, &[n], Draw::new(seed, [5, 0, 0]));
    t.to_dtype(DType::F64).to_vec().unwrap()
}

/// Such an input, and its numbers.
pub fn input(shape: &[usize], seed: u64) -> (Tensor, Vec<f64>) {
    let numbers = normal(shape.iter().product(), seed);
    (Tensor::from_slice(&Device::cpu(), &numbers, shape), numbers)
}

/// A layer, its parameters away from their start, and its state.
pub struct Subject<L> {
    pub layer: L,
    layout: Arc<ParamLayout>,
    theta: Vec<f64>,
    state_layout: Arc<ParamLayout>,
    state: Vec<f64>,
}

/// What a run gives.
pub struct Output {
    pub y: Vec<f64>,
    pub shape: Vec<usize>,
    pub state: Vec<f64>,
}

impl<L> Subject<L> {
    pub fn new(build: impl FnOnce(&mut Builder) -> L) -> Subject<L> {
        let mut b = Builder::new();
        let layer = build(&mut b);
        let blueprint = b.finish();
        let (theta, state) = blueprint.init(&Device::cpu(), 3);
        let mut numbers: Vec<f64> = theta.values().to_dtype(DType::F64).to_vec().unwrap();
        for (id, p) in theta.layout().owned() {
            let noise = normal(p.numel(), 100 + id.0 as u64);
            numbers[p.range()].iter_mut().zip(noise).for_each(|(x, n)| *x = f64::from((*x + 0.3 * n) as f32));
        }
        let state_numbers = state.values().to_dtype(DType::F64).to_vec().unwrap();
        Subject {
            layer,
            layout: theta.layout().clone(),
            theta: numbers,
            state_layout: state.layout().clone(),
            state: state_numbers,
        }
    }

    pub fn names(&self) -> Vec<String> {
        self.layout.iter().map(|(_, p)| p.name.clone()).collect()
    }

    /// The numbers of a parameter.
    pub fn param(&self, name: &str) -> Vec<f64> {
        let id = self.layout.find(name).unwrap_or_else(|| panic!("no parameter {name} among {:?}", self.names()));
        self.theta[self.layout.get(id).range()].to_vec()
    }

    /// The numbers of a part of the state.
    pub fn state_of(&self, state: &[f64], name: &str) -> Vec<f64> {
        state[self.state_layout.get(self.state_layout.find(name).unwrap()).range()].to_vec()
    }

    /// Gives a part of the state other numbers.
    pub fn set_state(&mut self, name: &str, numbers: &[f64]) {
        let range = self.state_layout.get(self.state_layout.find(name).unwrap()).range();
        self.state[range].copy_from_slice(numbers);
    }

    fn on(&self, device: &Device, dtype: DType, theta: &[f64]) -> (Theta, State) {
        let vector =
            |v: &[f64]| Tensor::from_slice(&Device::cpu(), v, &[v.len()]).to_dtype(dtype).to_device(device).unwrap();
        (Theta::new(vector(theta), &self.layout), State::new(vector(&self.state), &self.state_layout))
    }

    pub fn run(
        &self,
        (device, dtype): (&Device, DType),
        pass: Pass,
        inputs: &[&Tensor],
        call: &dyn Fn(&L, &Forward<'_>, &[Var]) -> Var,
    ) -> Output {
        let (theta, state) = self.on(device, dtype, &self.theta);
        let (params, inputs) = (theta.constants(), on(inputs, device, dtype));
        let f = Forward::new(&params, &state, pass);
        let y = call(&self.layer, &f, &inputs);
        Output { y: numbers(y.tensor()), shape: y.shape().to_vec(), state: numbers(f.new_state().values()) }
    }

    /// Asserts the result on all devices, and that the gradient of all parameters and inputs is the slope of the result.
    #[track_caller]
    pub fn check(
        &self,
        pass: Pass,
        inputs: &[&Tensor],
        call: impl Fn(&L, &Forward<'_>, &[Var]) -> Var,
        (expected, shape): (Vec<f64>, &[usize]),
    ) -> Output {
        let exact = self.run((&Device::cpu(), DType::F64), pass, inputs, &call);
        assert_eq!(exact.shape, shape);
        near(&exact.y, &expected, 1e-11);
        for device in Device::all_for_tests() {
            near(&self.run((&device, DType::F32), pass, inputs, &call).y, &expected, 3e-5);
            self.check_gradients(&device, pass, inputs, &call);
        }
        exact
    }

    #[track_caller]
    fn check_gradients(
        &self,
        device: &Device,
        pass: Pass,
        inputs: &[&Tensor],
        call: &dyn Fn(&L, &Forward<'_>, &[Var]) -> Var,
    ) {
        let dtype = if device.is_cpu() { DType::F64 } else { DType::F32 };
        let (theta, state) = self.on(device, dtype, &self.theta);
        let tape = Tape::new();
        let params = tape.parameters(theta.values(), theta.layout());
        let leaf = |v: &Var| if v.dtype() == DType::U32 { v.clone() } else { tape.leaf(v.tensor()) };
        let leaves: Vec<Var> = on(inputs, device, dtype).iter().map(leaf).collect();
        let y = call(&self.layer, &Forward::new(&params, &state, pass), &leaves);
        let cotangent = Tensor::from_slice(&Device::cpu(), &normal(y.numel(), 77), y.shape());
        let on_device = Var::constant(&cotangent.to_dtype(dtype).to_device(device).unwrap());
        let g = tape.sweep(&y, &on_device, Mode::Free);
        assert!(g.unreached().is_empty(), "{:?}", g.unreached());
        let slope = numbers(g.vector(&params).tensor());
        for (_, p) in self.layout.owned() {
            assert!(slope[p.range()].iter().any(|g| *g != 0.0), "the gradient of {} is 0", p.name);
        }
        // Along one direction of θ and the inputs, against differences in doubles on the CPU.
        let along_theta = normal(slope.len(), 55);
        let mut product: f64 = slope.iter().zip(&along_theta).map(|(a, b)| a * b).sum();
        let floats = |t: &&Tensor| t.dtype() != DType::U32;
        let along: Vec<Vec<f64>> = inputs.iter().map(|t| normal(t.numel(), 56)).collect();
        for (i, leaf) in leaves.iter().enumerate().filter(|(_, l)| l.is_tracked()) {
            product += numbers(g.of(leaf).tensor()).iter().zip(&along[i]).map(|(a, b)| a * b).sum::<f64>();
        }
        let at = |h: f64| {
            let moved: Vec<f64> = self.theta.iter().zip(&along_theta).map(|(x, d)| x + h * d).collect();
            let (theta, state) = self.on(&Device::cpu(), DType::F64, &moved);
            let params = theta.constants();
            let moved: Vec<Tensor> = inputs
                .iter()
                .zip(&along)
                .map(|(t, d)| {
                    if floats(t) {
                        t.add(&Tensor::from_slice(&Device::cpu(), d, t.shape()).mul_scalar(h))
                    } else {
                        (*t).clone()
                    }
                })
                .collect();
            let moved: Vec<Var> = moved.iter().map(Var::constant).collect();
            let y = call(&self.layer, &Forward::new(&params, &state, pass), &moved);
            y.tensor().mul(&cotangent).sum().item::<f64>().unwrap()
        };
        let h = 1e-6;
        let difference = (at(h) - at(-h)) / (2.0 * h);
        let tolerance = if dtype == DType::F64 { 1e-6 } else { 1e-4 };
        let scale = slope.iter().map(|g| g.abs()).sum::<f64>().max(1.0);
        assert!((product - difference).abs() < tolerance * scale, "{device:?}: {product} {difference} of {scale}");
    }
}

fn on(inputs: &[&Tensor], device: &Device, dtype: DType) -> Vec<Var> {
    let float = |t: &Tensor| if t.dtype() == DType::U32 { t.clone() } else { t.to_dtype(dtype) };
    inputs.iter().map(|t| Var::constant(&float(t).to_device(device).unwrap())).collect()
}

fn numbers(t: &Tensor) -> Vec<f64> {
    t.to_device(&Device::cpu()).unwrap().to_dtype(DType::F64).to_vec().unwrap()
}

/// Asserts numbers to a part of the largest.
#[track_caller]
pub fn near(got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len());
    let scale = expected.iter().fold(1.0f64, |a, x| a.max(x.abs()));
    for (i, (a, b)) in got.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "element {i}: {a} for {b}");
    }
}
