//! A mistake in calling code is reported at the line of calling code, never at one of this workspace.

use lethe_autograd::registry::operations;
use lethe_autograd::{Tape, Var};
use lethe_tensor::plan::Likelihood;
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

#[test]
fn unfit_arguments_are_reported_at_the_calling_line() {
    let t = |shape: &[usize]| Var::constant(&Tensor::ones(&Device::cpu(), DType::F32, shape));
    let (x, image, volume) = (t(&[2, 3]), t(&[1, 2, 5, 5]), t(&[1, 2, 4, 4, 4]));
    let (plane_weight, volume_weight) = (t(&[2, 2, 3, 3]), t(&[2, 2, 3, 3, 3]));
    let still = ConvOptions::<2> { stride: [0, 1], ..ConvOptions::default() };
    let parted = ConvOptions::<2> { groups: 3, ..ConvOptions::default() };
    let parted_volume = ConvOptions::<3> { groups: 3, ..ConvOptions::default() };
    let index = |of: u32, shape: &[usize]| Tensor::full(&Device::cpu(), DType::U32, shape, f64::from(of));
    let window = |size, padding| PoolOptions::<2>::new(size, 1, padding);
    let calls: Vec<(&str, Box<dyn Fn() + '_>)> = vec![
        ("sum", Box::new(|| _ = x.sum_axes(&[7], false))),
        ("mean", Box::new(|| _ = x.mean_axes(&[-3], true))),
        ("max", Box::new(|| _ = x.max_axes(&[2], false))),
        ("var", Box::new(|| _ = x.var_axes(&[5], 1.0, false))),
        ("softmax", Box::new(|| _ = x.softmax(4))),
        ("log_softmax", Box::new(|| _ = x.log_softmax(-4))),
        ("logsumexp", Box::new(|| _ = x.logsumexp_axes(&[3], false))),
        ("cumsum", Box::new(|| _ = x.cumsum(2, false))),
        ("reshape", Box::new(|| _ = x.reshape(&[4]))),
        ("permute", Box::new(|| _ = x.permute(&[0, 0]))),
        ("transpose", Box::new(|| _ = x.transpose(0, 2))),
        ("expand", Box::new(|| _ = x.expand(&[3, 3]))),
        ("squeeze", Box::new(|| _ = x.squeeze(0))),
        ("unsqueeze", Box::new(|| _ = x.unsqueeze(9))),
        ("slice", Box::new(|| _ = x.slice(1, 2, 9))),
        ("flip", Box::new(|| _ = x.flip(&[2]))),
        ("roll", Box::new(|| _ = x.roll(1, 2))),
        ("pad", Box::new(|| _ = x.pad(2, 1, 1, 0.0))),
        ("repeat_interleave", Box::new(|| _ = x.repeat_interleave(2, 5))),
        ("concat", Box::new(|| _ = Var::concat(&[&x, &image], 0))),
        ("concat of nothing", Box::new(|| _ = Var::concat(&[], 0))),
        ("stack", Box::new(|| _ = Var::stack(&[&x, &image], 0))),
        ("einsum", Box::new(|| _ = Var::einsum("ij,jk->iz", &[&x, &x.t()]))),
        ("einsum extents", Box::new(|| _ = Var::einsum("ij,jk->ik", &[&x, &x]))),
        ("matmul", Box::new(|| _ = x.matmul(&x))),
        ("linear", Box::new(|| _ = x.linear(&t(&[4, 4]), None))),
        ("add", Box::new(|| _ = x.add(&t(&[4])))),
        ("operator", Box::new(|| _ = &x + &t(&[4]))),
        ("conv2d", Box::new(|| _ = image.conv2d(&plane_weight, None, &still))),
        ("conv2d groups", Box::new(|| _ = image.conv2d(&plane_weight, None, &parted))),
        ("conv2d bias", Box::new(|| _ = image.conv2d(&plane_weight, Some(&t(&[5])), &ConvOptions::default()))),
        ("conv3d groups", Box::new(|| _ = volume.conv3d(&volume_weight, None, &parted_volume))),
        ("conv3d bias", Box::new(|| _ = volume.conv3d(&volume_weight, Some(&t(&[5])), &ConvOptions::default()))),
        ("conv1d rank", Box::new(|| _ = x.conv1d(&t(&[1, 1, 1]), None, &ConvOptions::default()))),
        (
            "conv_transpose2d",
            Box::new(|| _ = image.conv_transpose2d(&plane_weight, None, &ConvOptions::default(), [1, 1])),
        ),
        (
            "conv_transpose3d",
            Box::new(|| _ = volume.conv_transpose3d(&volume_weight, None, &ConvOptions::default(), [1; 3])),
        ),
        ("max_pool2d", Box::new(|| _ = image.max_pool2d(&window(2, 2)))),
        ("avg_pool2d", Box::new(|| _ = image.avg_pool2d(&window(0, 0), true))),
        ("adaptive_avg_pool2d", Box::new(|| _ = x.adaptive_avg_pool2d([1, 1]))),
        ("layer_norm", Box::new(|| _ = x.layer_norm(&t(&[4]), &t(&[4]), 1e-5))),
        (
            "cross_entropy",
            Box::new(|| {
                _ = x.cross_entropy(&Tensor::zeros(&Device::cpu(), DType::U32, &[5]), Likelihood::Softmax, 0.0)
            }),
        ),
        ("attention", Box::new(|| _ = image.attention(&t(&[1, 2, 5, 4]), &image, None, 1.0, false))),
        ("gather beyond", Box::new(|| _ = x.gather(1, &index(3, &[2, 1])))),
        ("index_select beyond", Box::new(|| _ = x.index_select(0, &index(2, &[1])))),
        ("scatter beyond", Box::new(|| _ = x.scatter(1, &index(u32::MAX, &[2, 1]), &t(&[2, 1])))),
        ("scatter_add beyond", Box::new(|| _ = x.scatter_add(0, &index(2, &[1, 3]), &t(&[1, 3])))),
        ("index_add beyond", Box::new(|| _ = x.index_add(1, &index(9, &[1]), &t(&[2, 1])))),
        ("embedding beyond", Box::new(|| _ = x.embedding(&index(u32::MAX, &[4])))),
        ("one_hot beyond", Box::new(|| _ = index(3, &[2]).one_hot(3, DType::F32))),
        ("where_", Box::new(|| _ = x.where_(&t(&[4]), &x))),
        ("tensor item", Box::new(|| _ = x.tensor().item::<f32>())),
        ("tensor to_vec", Box::new(|| _ = x.tensor().to_vec::<u32>())),
        ("from_slice", Box::new(|| _ = Tensor::from_slice(&Device::cpu(), &[1.0f32], &[2]))),
    ];
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
