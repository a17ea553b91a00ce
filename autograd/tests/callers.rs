//! A mistake in calling code is reported at the line of calling code, never at one of this workspace.

use lethe_autograd::registry::operations;
use lethe_autograd::{Tape, Var};
use lethe_tensor::plan::{Likelihood, PoolKind};
use lethe_tensor::random::Draw;
use lethe_tensor::{ConvOptions, DType, Device, PoolOptions, Tensor};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::{Mutex, PoisonError};

/// Where the last panic was, and what it said.
static LAST: Mutex<(String, String)> = Mutex::new((String::new(), String::new()));
/// The hook belongs to the process.
static ALONE: Mutex<()> = Mutex::new(());

/// The panics of some calls, one for each line; those in `files` are where they belong, and only counted.
fn misplaced(files: &str, calls: impl FnOnce(&mut dyn FnMut(&str, &dyn Fn()))) -> (BTreeMap<String, String>, usize) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut wrong, mut right) = (BTreeMap::new(), 0);
    let old = take_hook();
    set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let text = info.payload_as_str().unwrap_or_default().to_string();
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = (place, text);
    }));
    calls(&mut |what, call| {
        if catch_unwind(AssertUnwindSafe(call)).is_ok() {
            return;
        }
        let (place, text) = LAST.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match place.contains(files) {
            true => right += 1,
            false => _ = wrong.entry(place).or_insert(format!("{what}: {text}")),
        }
    });
    set_hook(old);
    (wrong, right)
}

/// The input made unfit in some ways: an axis more, an axis less, an element less or more along an axis, nothing, another type.
fn distorted(t: &Tensor) -> Vec<Tensor> {
    let mut all = vec![t.unsqueeze(0), Tensor::concat(&[t.unsqueeze(0), t.unsqueeze(0)].each_ref(), 0)];
    match t.dtype() {
        DType::U32 => all.push(t.to_dtype(DType::F64)),
        _ => all.extend([t.zeros_like().to_dtype(DType::U32), t.to_dtype(DType::F32)]),
    }
    for axis in 0..t.rank() as isize {
        let n = t.shape()[axis as usize];
        if n > 0 {
            all.extend([t.slice(axis, 0, n - 1), t.slice(axis, 0, 0), t.slice(axis, 0, 1).squeeze(axis)]);
            all.push(Tensor::concat(&[t, &t.slice(axis, 0, 1)], axis));
        }
    }
    all
}

#[test]
fn unfit_inputs_of_any_operation_are_reported_at_the_calling_line() {
    let (wrong, right) = misplaced("registry/", |attempt| {
        for op in operations() {
            for seed in 0..12 {
                let case = op.case(seed, 3);
                for (i, input) in case.inputs.iter().enumerate() {
                    for unfit in distorted(input) {
                        let mut inputs = case.inputs.clone();
                        inputs[i] = unfit;
                        let call = || {
                            let tape = Tape::new();
                            let mut vars = case.on(&tape, &inputs);
                            if inputs[i].dtype() == DType::U32 {
                                vars[i] = Var::constant(&inputs[i]);
                            }
                            (case.run)(&vars).tensor().force();
                        };
                        attempt(op.name, &call);
                    }
                }
            }
        }
    });
    assert!(right > 1000, "only {right} calls were refused");
    assert!(wrong.is_empty(), "{right} panics name calling code, {} do not: {wrong:#?}", wrong.len());
}

/// Calls that are to be refused, with their names.
type Calls<'a> = Vec<(&'static str, Box<dyn Fn() + 'a>)>;

macro_rules! calls {
    ($($what:literal => $call:expr;)*) => { vec![$(($what, Box::new(move || _ = $call))),*] };
}

fn ones(shape: &[usize]) -> Var {
    Var::constant(&Tensor::ones(&Device::cpu(), DType::F32, shape))
}

fn index(of: u32, shape: &[usize]) -> Tensor {
    Tensor::full(&Device::cpu(), DType::U32, shape, f64::from(of))
}

/// Reductions, views, joins and arithmetic of a matrix (2, 3).
fn of_matrices<'a>(x: &'a Var, image: &'a Var) -> Calls<'a> {
    calls! {
        "sum" => x.sum_axes(&[7], false);
        "mean" => x.mean_axes(&[-3], true);
        "max" => x.max_axes(&[2], false);
        "var" => x.var_axes(&[5], 1.0, false);
        "softmax" => x.softmax(4);
        "log_softmax" => x.log_softmax(-4);
        "logsumexp" => x.logsumexp_axes(&[3], false);
        "cumsum" => x.cumsum(2, false);
        "reshape" => x.reshape(&[4]);
        "permute" => x.permute(&[0, 0]);
        "transpose" => x.transpose(0, 2);
        "expand" => x.expand(&[3, 3]);
        "squeeze" => x.squeeze(0);
        "unsqueeze" => x.unsqueeze(9);
        "slice" => x.slice(1, 2, 9);
        "flip" => x.flip(&[2]);
        "roll" => x.roll(1, 2);
        "pad" => x.pad(2, 1, 1, 0.0);
        "pad_edge" => x.pad_edge(0, 0, usize::MAX);
        "pad_reflect" => x.pad_reflect(0, usize::MAX, 0);
        "repeat_interleave" => x.repeat_interleave(2, 5);
        "concat" => Var::concat(&[x, image], 0);
        "concat of nothing" => Var::concat(&[], 0);
        "stack" => Var::stack(&[x, image], 0);
        "stack axis" => Var::stack(&[x], 9);
        "einsum" => Var::einsum("ij,jk->iz", &[x, &x.t()]);
        "einsum extents" => Var::einsum("ij,jk->ik", &[x, x]);
        "matmul" => x.matmul(x);
        "linear" => x.linear(&ones(&[4, 4]), None);
        "add" => x.add(&ones(&[4]));
        "operator" => x + &ones(&[4]);
        "where_" => x.where_(&ones(&[4]), x);
    }
}

/// Operations of images (1, 2, 5, 5) and volumes.
fn of_images<'a>(x: &'a Var, image: &'a Var, volume: &'a Var) -> Calls<'a> {
    let (plane_weight, volume_weight) = (|| ones(&[2, 2, 3, 3]), || ones(&[2, 2, 3, 3, 3]));
    let still = ConvOptions::<2> { stride: [0, 1], ..ConvOptions::default() };
    let parted = ConvOptions::<2> { groups: 3, ..ConvOptions::default() };
    let parted_volume = ConvOptions::<3> { groups: 3, ..ConvOptions::default() };
    let window = |size, padding| PoolOptions::<2>::new(size, 1, padding);
    calls! {
        "conv2d" => image.conv2d(&plane_weight(), None, &still);
        "conv2d groups" => image.conv2d(&plane_weight(), None, &parted);
        "conv2d bias" => image.conv2d(&plane_weight(), Some(&ones(&[5])), &ConvOptions::default());
        "conv3d groups" => volume.conv3d(&volume_weight(), None, &parted_volume);
        "conv3d bias" => volume.conv3d(&volume_weight(), Some(&ones(&[5])), &ConvOptions::default());
        "conv1d rank" => x.conv1d(&ones(&[1, 1, 1]), None, &ConvOptions::default());
        "conv_transpose2d" => image.conv_transpose2d(&plane_weight(), None, &ConvOptions::default(), [1, 1]);
        "conv_transpose3d" => volume.conv_transpose3d(&volume_weight(), None, &ConvOptions::default(), [1; 3]);
        "max_pool2d" => image.max_pool2d(&window(2, 2));
        "avg_pool2d" => image.avg_pool2d(&window(0, 0), true);
        "adaptive_avg_pool2d" => x.adaptive_avg_pool2d([1, 1]);
        "adaptive_max_pool2d" => image.adaptive_max_pool2d([1 << 50, 1]);
        "interpolate_nearest" => image.interpolate_nearest([1 << 50, 1]);
        "interpolate_bilinear" => image.interpolate_bilinear([1 << 50, 1], true);
        "layer_norm" => x.layer_norm(&ones(&[4]), &ones(&[4]), 1e-5);
        "cross_entropy" => x.cross_entropy(&index(0, &[5]), Likelihood::Softmax, 0.0);
        "attention" => image.attention(&ones(&[1, 2, 5, 4]), image, None, 1.0, false);
        "gather beyond" => x.gather(1, &index(3, &[2, 1]));
        "index_select beyond" => x.index_select(0, &index(2, &[1]));
        "scatter beyond" => x.scatter(1, &index(u32::MAX, &[2, 1]), &ones(&[2, 1]));
        "scatter_add beyond" => x.scatter_add(0, &index(2, &[1, 3]), &ones(&[1, 3]));
        "index_add beyond" => x.index_add(1, &index(9, &[1]), &ones(&[2, 1]));
        "embedding beyond" => x.embedding(&index(u32::MAX, &[4]));
    }
}

/// Operations of tensors, without variables.
fn of_tensors<'a>(x: &'a Tensor, image: &'a Tensor) -> Calls<'a> {
    let plan = || PoolOptions::<2>::new(2, 1, 0).plan(PoolKind::Max, image);
    let dy = || Tensor::ones(&Device::cpu(), DType::F32, &[1, 2, 4, 4]);
    let one = || Tensor::ones(&Device::cpu(), DType::F32, &[3]);
    let draw = || Draw::new(1, [0; 3]);
    calls! {
        "tensor item" => x.item::<f32>();
        "tensor to_vec" => x.to_vec::<u32>();
        "from_slice" => Tensor::from_slice(&Device::cpu(), &[1.0f32], &[2]);
        "linspace" => Tensor::linspace(&Device::cpu(), 0.0, 1.0, 1 << 50);
        "arange" => Tensor::arange(&Device::cpu(), 1 << 50);
        "tensor sum" => x.sum_axes(&[7], false);
        "tensor add" => x.add(image);
        "tensor slice" => x.slice(1, 2, 9);
        "tensor pad" => x.pad(2, 1, 1, 0.0);
        "tensor concat" => Tensor::concat(&[x, image], 0);
        "tensor stack" => Tensor::stack(&[x, image], 0);
        "tensor stack axis" => Tensor::stack(&[x], 9);
        "tensor matmul" => x.matmul(x);
        "tensor gather" => x.gather(1, &index(3, &[2, 1]));
        "one_hot beyond" => index(3, &[2]).one_hot(3, DType::F32);
        "argsort" => x.argsort(2, false);
        "multinomial" => x.multinomial(4, false, draw());
        "multinomial of nothing" => x.zeros_like().multinomial(1, true, draw());
        "pool2d_backward index" => dy().pool2d_backward(&plan(), Some(&index(25, &[1, 2, 4, 4])));
        "pool2d_backward shape" => dy().pool2d_backward(&plan(), Some(&index(0, &[1, 2, 4])));
        "pool2d_backward none" => dy().pool2d_backward(&plan(), None);
        "layer_norm_backward" => x.layer_norm_backward(&one(), x, &one(), 1e-5);
        "batch_norm_backward" => x.batch_norm_backward(&one(), x, &one(), 1e-5);
    }
}

#[test]
fn unfit_arguments_are_reported_at_the_calling_line() {
    let (x, image, volume) = (ones(&[2, 3]), ones(&[1, 2, 5, 5]), ones(&[1, 2, 4, 4, 4]));
    let mut calls = of_matrices(&x, &image);
    calls.extend(of_images(&x, &image, &volume));
    calls.extend(of_tensors(x.tensor(), image.tensor()));
    let mut quiet = vec![];
    let (wrong, _) = misplaced("tests/callers.rs", |attempt| {
        for (what, call) in &calls {
            *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Default::default();
            attempt(what, call);
            if LAST.lock().unwrap_or_else(PoisonError::into_inner).0.is_empty() {
                quiet.push(*what);
            }
        }
    });
    assert!(quiet.is_empty(), "these should have been refused: {quiet:?}");
    assert!(wrong.is_empty(), "{} panics do not name calling code: {wrong:#?}", wrong.len());
}
