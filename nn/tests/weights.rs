//! θ and state in safetensors files: what is written is read, what does not fit is listed, nothing is half done.

use lethe_nn::layers::{BatchNorm2d, Conv2d, Embedding, Linear};
use lethe_nn::weights::{Difference, from_bytes, load, save, to_bytes};
use lethe_nn::{Blueprint, Builder, State, Theta, WeightsError};
use lethe_tensor::{ConvOptions, DType, Device, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::fs;

fn blueprint() -> Blueprint {
    let mut b = Builder::new();
    b.within("conv", |b| Conv2d::new(b, [2, 3], [3, 3], ConvOptions::new(1, 1)));
    b.within("bn", |b| BatchNorm2d::new(b, 3));
    b.within("fc", |b| Linear::new(b, 3, 5));
    b.finish()
}

fn numbers(t: &Tensor) -> Vec<f64> {
    t.to_device(&Device::cpu()).unwrap().to_dtype(DType::F64).to_vec().unwrap()
}

#[test]
fn what_is_saved_is_loaded_on_every_device_and_the_old_file_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    for device in Device::all_for_tests() {
        let (theta, state) = blueprint().init(&device, 1);
        let state = State::new(state.values().add_scalar(0.5), state.layout());
        save(&path, &theta, &state).unwrap();
        let (mut other, mut other_state) = blueprint().init(&device, 2);
        assert_ne!(numbers(other.values()), numbers(theta.values()));
        load(&path, &mut other, &mut other_state).unwrap();
        assert_eq!(numbers(other.values()), numbers(theta.values()));
        let parts = state.layout().iter().map(|(_, p)| p.range());
        let (got, expected) = (numbers(other_state.values()), numbers(state.values()));
        parts.for_each(|r| assert_eq!(got[r.clone()], expected[r]));
        assert!(other.values().device().same(&device));

        theta.save(&path).unwrap();
        other = blueprint().init(&device, 3).0;
        other.load(&path).unwrap();
        assert_eq!(numbers(other.values()), numbers(theta.values()));
        state.save(&path).unwrap();
        other_state.load(&path).unwrap();
    }
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(files, ["model.safetensors"]);
}

#[test]
fn names_and_shapes_are_those_of_the_layout_and_padding_is_not_saved() {
    let (theta, state) = blueprint().init(&Device::cpu(), 1);
    let bytes = to_bytes(&theta, &state).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut all: Vec<(String, Vec<usize>)> = file.iter().map(|(n, t)| (n.to_owned(), t.shape().to_vec())).collect();
    all.sort();
    let expected: [(&str, &[usize]); 8] = [
        ("bn.bias", &[3]),
        ("bn.running_mean", &[3]),
        ("bn.running_var", &[3]),
        ("bn.weight", &[3]),
        ("conv.bias", &[3]),
        ("conv.weight", &[3, 2, 3, 3]),
        ("fc.bias", &[5]),
        ("fc.weight", &[5, 3]),
    ];
    assert_eq!(all, expected.map(|(n, s)| (n.to_owned(), s.to_vec())));
    assert!(file.iter().all(|(_, t)| t.dtype() == Dtype::F32));
    assert_eq!(to_bytes(&theta, &state).unwrap(), bytes, "the same numbers give the same bytes");
}

/// A file with tensors of these types and shapes, all 1, as another program might write it.
fn foreign(tensors: &[(&str, Dtype, &[usize])]) -> Vec<u8> {
    let data: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, dtype, shape)| {
            let one: Vec<u8> = match dtype {
                Dtype::F64 => 1f64.to_le_bytes().to_vec(),
                Dtype::F16 => half::f16::ONE.to_le_bytes().to_vec(),
                Dtype::BF16 => half::bf16::ONE.to_le_bytes().to_vec(),
                Dtype::I64 => 1i64.to_le_bytes().to_vec(),
                _ => 1f32.to_le_bytes().to_vec(),
            };
            one.repeat(shape.iter().product())
        })
        .collect();
    let view = |((name, dtype, shape), data): (&(&str, Dtype, &[usize]), &Vec<u8>)| {
        (name.to_string(), TensorView::new(*dtype, shape.to_vec(), data).unwrap().shape().to_vec(), *dtype)
    };
    let all: Vec<_> = tensors.iter().zip(&data).map(view).collect();
    let views = all.iter().zip(&data).map(|((n, s, t), d)| (n.clone(), TensorView::new(*t, s.clone(), d).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

const PYTORCH: [(&str, Dtype, &[usize]); 9] = [
    ("conv.weight", Dtype::F32, &[3, 2, 3, 3]),
    ("conv.bias", Dtype::F16, &[3]),
    ("bn.weight", Dtype::BF16, &[3]),
    ("bn.bias", Dtype::F32, &[3]),
    ("bn.running_mean", Dtype::F32, &[3]),
    ("bn.running_var", Dtype::F32, &[3]),
    ("bn.num_batches_tracked", Dtype::I64, &[]),
    ("fc.weight", Dtype::F64, &[5, 3]),
    ("fc.bias", Dtype::F32, &[5]),
];

#[test]
fn a_state_dict_of_other_float_types_loads_as_it_is() {
    let (mut theta, mut state) = blueprint().init(&Device::cpu(), 1);
    from_bytes(&foreign(&PYTORCH), &mut theta, &mut state).unwrap();
    for (values, layout) in [(theta.values(), theta.layout()), (state.values(), state.layout())] {
        let mut expected = vec![0.0; layout.len()];
        layout.iter().for_each(|(_, p)| expected[p.range()].fill(1.0));
        assert_eq!(numbers(values), expected);
    }
    // In doubles too, and those are saved as such.
    let double = Theta::new(theta.values().to_dtype(DType::F64).add_scalar(1e-12), theta.layout());
    let bytes = to_bytes(&double, &state).unwrap();
    let mut again = Theta::new(double.values().zeros_like(), theta.layout());
    from_bytes(&bytes, &mut again, &mut state).unwrap();
    assert_eq!(numbers(again.values())[..10], numbers(double.values())[..10]);
}

#[test]
fn all_differences_are_listed_and_nothing_is_changed() {
    let mut tensors = PYTORCH.to_vec();
    tensors[0].2 = &[3, 2, 9];
    tensors[4].1 = Dtype::I64; // the running mean
    tensors.remove(8);
    tensors.push(("fc.scale", Dtype::F32, &[1]));
    let (mut theta, mut state) = blueprint().init(&Device::cpu(), 1);
    let before = (numbers(theta.values()), numbers(state.values()));
    let error = from_bytes(&foreign(&tensors), &mut theta, &mut state).unwrap_err();
    let WeightsError::Mismatch { differences } = &error else { panic!("{error}") };
    let name = |s: &str| s.to_owned();
    assert_eq!(
        differences[..],
        [
            Difference::Shape { name: name("conv.weight"), expected: vec![3, 2, 3, 3], found: vec![3, 2, 9] },
            Difference::Missing { name: name("fc.bias"), shape: vec![5] },
            Difference::Type { name: name("bn.running_mean"), found: name("I64") },
            Difference::Unexpected { name: name("fc.scale"), shape: vec![1] },
        ]
    );
    let text = error.to_string();
    for part in
        ["missing: `fc.bias` [5]", "unexpected: `fc.scale` [1]", "should be [3, 2, 3, 3] and is [3, 2, 9]", "is of I64"]
    {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!((numbers(theta.values()), numbers(state.values())), before);
}

#[test]
fn tied_parameters_need_one_name_and_must_agree() {
    let mut b = Builder::new();
    let table = b.within("embed", |b| Embedding::new(b, 4, 2)).weight();
    b.within("head", |b| b.tie("weight", &[4, 2], table));
    let (mut theta, mut state) = b.finish().init(&Device::cpu(), 1);
    let bytes = to_bytes(&theta, &state).unwrap();
    assert_eq!(SafeTensors::deserialize(&bytes).unwrap().len(), 2, "PyTorch wants both names");
    from_bytes(&bytes, &mut theta, &mut state).unwrap();
    for name in ["embed.weight", "head.weight"] {
        from_bytes(&foreign(&[(name, Dtype::F32, &[4, 2])]), &mut theta, &mut state).unwrap();
        assert_eq!(numbers(theta.values())[..8], [1.0; 8]);
    }
    let [one, two] =
        [vec![1f32; 8], vec![2f32; 8]].map(|v| v.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>());
    let view = |d| TensorView::new(Dtype::F32, vec![4, 2], d).unwrap();
    let bytes = safetensors::serialize([("embed.weight", view(&one)), ("head.weight", view(&two))], None).unwrap();
    let error = from_bytes(&bytes, &mut theta, &mut state).unwrap_err().to_string();
    assert!(error.contains("different numbers: `head.weight` should have those of `embed.weight`"), "{error}");
    let error = from_bytes(&foreign(&[]), &mut theta, &mut state).unwrap_err().to_string();
    assert_eq!(error.matches("missing").count(), 1, "{error}");
}

#[test]
fn files_that_cannot_be_read_or_written_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (mut theta, _) = blueprint().init(&Device::cpu(), 1);
    let path = folder.path().join("none.safetensors");
    let error = theta.load(&path).unwrap_err().to_string();
    assert!(error.contains("none.safetensors cannot be read"), "{error}");
    let broken = folder.path().join("broken.safetensors");
    theta.save(&broken).unwrap();
    let bytes = fs::read(&broken).unwrap();
    for length in [0, 5, 100, bytes.len() - 1] {
        fs::write(&broken, &bytes[..length]).unwrap();
        let error = theta.load(&broken).unwrap_err().to_string();
        assert!(error.contains("broken.safetensors: truncated or invalid safetensors file"), "{error}");
    }
    // A folder cannot be replaced by a file; what was written beside it goes.
    let folder_at = folder.path().join("taken");
    fs::create_dir(&folder_at).unwrap();
    fs::write(folder_at.join("inside"), "kept").unwrap();
    let error = theta.save(&folder_at).unwrap_err().to_string();
    assert!(error.contains("taken cannot be written"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn doubles_beyond_single_precision_are_refused_and_not_made_infinite() {
    let mut b = Builder::new();
    b.within("fc", |b| Linear::without_bias(b, 1, 1));
    let (mut theta, mut state) = b.finish().init(&Device::cpu(), 1);
    let mut load = |x: f64| {
        let bytes = x.to_le_bytes();
        let view = TensorView::new(Dtype::F64, vec![1, 1], &bytes).unwrap();
        let bytes = safetensors::serialize([("fc.weight", view)], None).unwrap();
        from_bytes(&bytes, &mut theta, &mut state).map(|()| numbers(theta.values())[0])
    };
    assert_eq!(load(f64::INFINITY).unwrap(), f64::INFINITY);
    assert_eq!(load(1e-300).unwrap(), 0.0);
    let error = load(1e39).unwrap_err().to_string();
    assert!(error.contains("`fc.weight` is of F64"), "{error}");
}
