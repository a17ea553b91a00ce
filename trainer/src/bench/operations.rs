//! Cases of single operations, with or without their gradients.

use super::work::Work;
use lethe_autograd::{Mode, Tape, Var};
use lethe_tensor::random::Draw;
use lethe_tensor::{ConvOptions, DType, Device, DeviceError, Tensor};

/// The size of an element in bytes.
const F32: f64 = 4.0;
const EPS: f64 = 1e-6;

/// The `i`-th fixed input of a case: standard normal numbers.
fn normal(device: &Device, i: u32, shape: &[usize]) -> Tensor {
    Tensor::normal(device, DType::F32, shape, Draw::new(0, [i, 0, 0])).force().clone()
}

fn elements(shape: &[usize]) -> f64 {
    shape.iter().map(|n| *n as f64).product()
}

/// A call that computes one tensor eagerly.
fn one(f: impl Fn() -> Tensor) -> impl FnMut() -> Result<Vec<Tensor>, DeviceError> {
    move || Ok(vec![f().force().clone()])
}

/// A call that computes `f` of the inputs, and the gradients with respect to the first `tracked` of them, for a fixed cotangent of the result.
fn with_gradients(
    inputs: Vec<Tensor>,
    tracked: std::ops::Range<usize>,
    cotangent: Tensor,
    f: impl Fn(&[Var]) -> Var,
) -> impl FnMut() -> Result<Vec<Tensor>, DeviceError> {
    move || {
        let tape = Tape::new();
        let var = |(i, x): (usize, &Tensor)| if tracked.contains(&i) { tape.leaf(x) } else { Var::constant(x) };
        let vars: Vec<Var> = inputs.iter().enumerate().map(var).collect();
        let y = f(&vars);
        let gradients = tape.sweep(&y, &Var::constant(&cotangent), Mode::Free);
        let all = vars[tracked.clone()].iter().map(|x| gradients.of(x)).chain([y]);
        Ok(all.map(|v| v.tensor().force().clone()).collect())
    }
}

pub fn matmul(device: &Device, n: usize) -> Result<Work, DeviceError> {
    let (a, b) = (normal(device, 0, &[n, n]), normal(device, 1, &[n, n]));
    Ok(Work::arithmetic(2.0 * (n as f64).powi(3), one(move || a.matmul(&b))))
}

pub fn bmm(device: &Device) -> Result<Work, DeviceError> {
    let (a, b) = (normal(device, 0, &[64, 197, 64]), normal(device, 1, &[64, 64, 197]));
    Ok(Work::arithmetic(2.0 * 64.0 * 197.0 * 64.0 * 197.0, one(move || a.matmul(&b))))
}

/// A convolution of `[batch, channels, height, width]` with 64 square filters.
pub struct Conv {
    x: [usize; 4],
    kernel: usize,
    stride: usize,
    /// Whether the input's gradient is computed; a first layer does not need it.
    input_grad: bool,
}

pub const CONV_56: Conv = Conv { x: [8, 64, 56, 56], kernel: 3, stride: 1, input_grad: true };
pub const CONV_224: Conv = Conv { x: [8, 3, 224, 224], kernel: 7, stride: 2, input_grad: false };
pub const CONV_28: Conv = Conv { x: [1, 64, 28, 28], kernel: 3, stride: 1, input_grad: true };

const FILTERS: usize = 64;

impl Conv {
    fn options(&self) -> ConvOptions {
        ConvOptions::new(self.stride, self.kernel / 2)
    }

    /// x, weight, bias.
    fn inputs(&self, device: &Device) -> Vec<Tensor> {
        let weight = [FILTERS, self.x[1], self.kernel, self.kernel];
        vec![normal(device, 0, &self.x), normal(device, 1, &weight), normal(device, 2, &[FILTERS])]
    }

    fn y_shape(&self) -> [usize; 4] {
        let extent = |n: usize| (n + 2 * (self.kernel / 2) - self.kernel) / self.stride + 1;
        [self.x[0], FILTERS, extent(self.x[2]), extent(self.x[3])]
    }

    fn flops(&self) -> f64 {
        2.0 * elements(&self.y_shape()) * (self.x[1] * self.kernel * self.kernel) as f64
    }

    pub fn forward(&self, device: &Device) -> Result<Work, DeviceError> {
        let (inputs, options) = (self.inputs(device), self.options());
        let call = one(move || inputs[0].conv2d(&inputs[1], Some(&inputs[2]), &options));
        Ok(Work::arithmetic(self.flops(), call))
    }

    pub fn with_gradients(&self, device: &Device) -> Result<Work, DeviceError> {
        let (inputs, options) = (self.inputs(device), self.options());
        let tracked = if self.input_grad { 0..3 } else { 1..3 };
        let passes = if self.input_grad { 3.0 } else { 2.0 };
        let f = move |v: &[Var]| v[0].conv2d(&v[1], Some(&v[2]), &options);
        let cotangent = normal(device, 3, &self.y_shape());
        Ok(Work::arithmetic(passes * self.flops(), with_gradients(inputs, tracked, cotangent, f)))
    }
}

// Row-wise and elementwise cases count one read and one write; with a gradient, two more reads and one more write.

const SOFTMAX: [usize; 2] = [4096, 1024];

pub fn softmax(device: &Device) -> Result<Work, DeviceError> {
    let x = normal(device, 0, &SOFTMAX);
    Ok(Work::memory(2.0 * F32 * elements(&SOFTMAX), one(move || x.softmax(-1))))
}

pub fn softmax_with_gradient(device: &Device) -> Result<Work, DeviceError> {
    let (x, dy) = (normal(device, 0, &SOFTMAX), normal(device, 1, &SOFTMAX));
    let call = with_gradients(vec![x], 0..1, dy, |v| v[0].softmax(-1));
    Ok(Work::memory(5.0 * F32 * elements(&SOFTMAX), call))
}

const LAYER_NORM: [usize; 2] = [4096, 384];

fn layer_norm_inputs(device: &Device) -> Vec<Tensor> {
    let width = LAYER_NORM[1];
    vec![normal(device, 0, &LAYER_NORM), normal(device, 1, &[width]), normal(device, 2, &[width])]
}

pub fn layer_norm(device: &Device) -> Result<Work, DeviceError> {
    let inputs = layer_norm_inputs(device);
    let call = one(move || inputs[0].layer_norm(&inputs[1], &inputs[2], EPS));
    Ok(Work::memory(2.0 * F32 * elements(&LAYER_NORM), call))
}

pub fn layer_norm_with_gradients(device: &Device) -> Result<Work, DeviceError> {
    let (inputs, dy) = (layer_norm_inputs(device), normal(device, 3, &LAYER_NORM));
    let call = with_gradients(inputs, 0..3, dy, |v| v[0].layer_norm(&v[1], &v[2], EPS));
    Ok(Work::memory(5.0 * F32 * elements(&LAYER_NORM), call))
}

const GELU: [usize; 2] = [4096, 1536];

pub fn gelu(device: &Device) -> Result<Work, DeviceError> {
    let x = normal(device, 0, &GELU);
    Ok(Work::memory(2.0 * F32 * elements(&GELU), one(move || x.gelu())))
}

pub fn gelu_with_gradient(device: &Device) -> Result<Work, DeviceError> {
    let (x, dy) = (normal(device, 0, &GELU), normal(device, 1, &GELU));
    let call = with_gradients(vec![x], 0..1, dy, |v| v[0].gelu());
    Ok(Work::memory(5.0 * F32 * elements(&GELU), call))
}

/// A sum over axes (all if none is given).
pub fn sum(device: &Device, shape: &[usize], axes: &'static [isize]) -> Result<Work, DeviceError> {
    let x = normal(device, 0, shape);
    Ok(Work::memory(F32 * elements(shape), one(move || x.sum_axes(axes, false))))
}

/// A contiguous copy with permuted axes.
pub fn permuted_copy(device: &Device, shape: &[usize], axes: &'static [usize]) -> Result<Work, DeviceError> {
    let x = normal(device, 0, shape);
    Ok(Work::memory(2.0 * F32 * elements(shape), one(move || x.permute(axes).contiguous())))
}

const ATTENTION: [usize; 4] = [8, 6, 197, 64];

/// q, k, v and the cotangent of the output; and the number of operations of the two products.
fn attention_inputs(device: &Device) -> ([Tensor; 4], f64) {
    let [batch, heads, tokens, dim] = ATTENTION;
    let flops = 4.0 * (batch * heads * tokens * tokens * dim) as f64;
    ([0, 1, 2, 3].map(|i| normal(device, i, &ATTENTION)), flops)
}

pub fn attention(device: &Device) -> Result<Work, DeviceError> {
    let ([q, k, v, _], flops) = attention_inputs(device);
    let call = one(move || {
        let [q, k, v] = [&q, &k, &v].map(Var::constant);
        q.attention(&k, &v, None, 0.125, false).tensor().clone()
    });
    Ok(Work::arithmetic(flops, call))
}

pub fn attention_with_gradients(device: &Device) -> Result<Work, DeviceError> {
    let ([q, k, v, dy], flops) = attention_inputs(device);
    let call = with_gradients(vec![q, k, v], 0..3, dy, |x| x[0].attention(&x[1], &x[2], None, 0.125, false));
    Ok(Work::arithmetic(3.0 * flops, call))
}

/// A chain of ten elementwise operations. The bytes are those of all their operands and results, as if each were a separate kernel.
pub fn chain(device: &Device) -> Result<Work, DeviceError> {
    const N: usize = 1 << 24;
    let x = Tensor::uniform(device, DType::F32, &[N], Draw::new(0, [0; 3])).force().clone();
    let call = one(move || {
        let y = x.mul_scalar(1.0001).add_scalar(0.5).add(&x).relu().mul(&x);
        y.neg().abs().sqrt().sub(&x).exp()
    });
    Ok(Work::memory(23.0 * F32 * N as f64, call))
}
