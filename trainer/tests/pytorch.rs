//! Weights with PyTorch's names give PyTorch's logits, and are exported unchanged. `pytorch/make.py` made the files.

#![cfg(feature = "program")]

use lethe::Classes;
use lethe::config::{Config, DataFacts};
use lethe::run::{Checkpoint, NamedTensor};
use lethe::shape::ImageShape;
use lethe::training::Session;
use lethe::weights;
use lethe_tensor::{Device, Tensor};
use safetensors::tensor::{Dtype, TensorView};
use std::path::{Path, PathBuf};

const CLASSES: usize = 7;
const VIT: &str = "kind = \"vit\"\npatch = 4\nwidth = 32\ndepth = 2\nheads = 4\nmlp_width = 64\n";
const RESNET: &str = "kind = \"resnet\"\nwidth = 4\nstem = \"large\"\n";

/// The fixtures, with their models.
fn fixtures() -> [(&'static str, String); 5] {
    [
        ("vit_mean", VIT.to_owned()),
        ("vit_mean_normed_tokens", format!("{VIT}norm = \"before-pool\"\n")),
        ("vit_token", format!("{VIT}class_token = true\nnorm = \"before-pool\"\n")),
        ("resnet_bottleneck", format!("{RESNET}block = \"bottleneck\"\nblocks = [1, 1, 1, 1]\n")),
        ("resnet_basic", format!("{RESNET}block = \"basic\"\nblocks = [2, 1, 1, 1]\n")),
    ]
}

fn fixture(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pytorch").join(file)
}

/// A config with initial weights from a file.
fn config(model: &str, file: &Path, images: ImageShape) -> Config {
    let text = format!(
        "[data]\ndataset = \"digits\"\n[model]\n{model}[init]\nfrom = {:?}\n[optim]\nkind = \"adamw\"\nlr = 1e-3\n\
         [train]\nepochs = 1\nbatch = 8\n",
        file.display().to_string()
    );
    let config = Config::parse(&text, Path::new("x.toml"), &[]).unwrap();
    config.resolve(&DataFacts { images, classes: CLASSES, train: 64, labels: vec![] }).unwrap()
}

/// The images of a fixture, and PyTorch's logits for them.
fn expected(name: &str) -> (ImageShape, Tensor, Vec<f32>) {
    let file = Checkpoint::load_weights(&fixture(&format!("{name}.logits.safetensors"))).unwrap().tensors;
    let [images, logits] =
        ["images", "logits"].map(|name| file.tensors.iter().find(|t| t.name == name).unwrap().clone());
    let &[_, channels, height, width] = &images.shape[..] else { panic!("{:?}", images.shape) };
    let tensor = Tensor::from_slice(&Device::cpu(), &images.data, &images.shape);
    (ImageShape { channels, height, width }, tensor, logits.data)
}

#[test]
fn logits_are_pytorchs_on_every_device() {
    for (name, model) in fixtures() {
        let (shape, images, logits) = expected(name);
        let config = config(&model, &fixture(&format!("{name}.safetensors")), shape);
        for device in Device::all_for_tests() {
            let session = Session::new(&config, shape, &Classes::numbered(CLASSES), &device, 8).unwrap();
            let origin = session.origin().unwrap();
            assert!(origin.new.is_empty() && origin.unused.is_empty() && origin.interpolated.is_none(), "{origin}");
            let found = session.network().logits(&images.to_device(&device).unwrap());
            for (a, b) in found.tensor().to_vec::<f32>().unwrap().iter().zip(&logits) {
                assert!((a - b).abs() < 1e-4, "{name} on {device}: {a} {b}");
            }
        }
    }
}

#[test]
fn what_is_exported_is_what_pytorch_wrote() {
    let folder = tempfile::tempdir().unwrap();
    for (name, model) in fixtures() {
        let (shape, ..) = expected(name);
        let file = fixture(&format!("{name}.safetensors"));
        let config = config(&model, &file, shape);
        let session = Session::new(&config, shape, &Classes::numbered(CLASSES), &Device::cpu(), 8).unwrap();
        let out = folder.path().join(name);
        weights::export(&config, &session.checkpoint().unwrap(), &out).unwrap();
        let [original, exported] = [&file, &out].map(|f| Checkpoint::load_weights(f).unwrap());
        assert!(original.tensors.tensors == exported.tensors.tensors && exported.others.is_empty(), "{name}");
        let bytes = std::fs::read(&out).unwrap();
        assert!(bytes.windows(13).any(|w| w == b"\"format\":\"pt\""), "{name}: not marked as PyTorch's");
    }
}

/// Named tensors of a type, as another program writes them.
fn write(path: &Path, tensors: &[(String, Dtype, Vec<usize>, Vec<u8>)]) {
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// The tensors of the small ViT, with other names and of another type.
fn rewritten(name: impl Fn(&str) -> String, dtype: Dtype) -> Vec<(String, Dtype, Vec<usize>, Vec<u8>)> {
    let file = Checkpoint::load_weights(&fixture("vit_mean.safetensors")).unwrap().tensors;
    let bytes = |v: f32| match dtype {
        Dtype::F64 => f64::from(v).to_le_bytes().to_vec(),
        Dtype::BF16 => half::bf16::from_f32(v).to_le_bytes().to_vec(),
        Dtype::F16 => half::f16::from_f32(v).to_le_bytes().to_vec(),
        _ => v.to_le_bytes().to_vec(),
    };
    let part = |t: NamedTensor| (name(&t.name), dtype, t.shape, t.data.into_iter().flat_map(bytes).collect());
    file.tensors.into_iter().map(part).collect()
}

#[test]
fn prefixes_of_wrappers_are_taken_off_and_other_widths_converted_and_both_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.safetensors");
    let (shape, ..) = expected("vit_mean");
    let config = config(VIT, &file, shape);
    let start =
        || Session::new(&config, shape, &Classes::numbered(CLASSES), &Device::cpu(), 8).map_err(|e| e.to_string());
    let tensors = |session: &Session<'_>| session.checkpoint().unwrap().tensors;
    write(&file, &rewritten(str::to_owned, Dtype::F32));
    let plain = tensors(&start().unwrap());
    for prefix in ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.model.", "backbone.encoder."] {
        for (dtype, said) in [(Dtype::F32, ""), (Dtype::F64, "of F64 rounded to f32")] {
            let mut all = rewritten(|name| format!("{prefix}{name}"), dtype);
            all.push(("loss.weight".to_owned(), Dtype::F32, vec![1], vec![0; 4]));
            write(&file, &all);
            let session = start().unwrap();
            let origin = session.origin().unwrap();
            let text = origin.to_string();
            let count = plain.len() / 3;
            assert!(text.contains(&format!("`{prefix}` removed from the names of {count} tensors")), "{text}");
            assert!(text.contains(said) && origin.unused == ["loss.weight"] && tensors(&session) == plain, "{text}");
        }
    }
    for (dtype, said) in [(Dtype::F16, "of F16 widened to f32"), (Dtype::BF16, "of BF16 widened to f32")] {
        write(&file, &rewritten(str::to_owned, dtype));
        let text = start().unwrap().origin().unwrap().to_string();
        assert!(text.contains(said) && !text.contains("removed from"), "{text}");
    }
    // An unknown prefix is named in the error.
    write(&file, &rewritten(|name| format!("teacher.{name}"), Dtype::F32));
    let error = start().err().unwrap();
    assert!(error.contains("found no such tensor (but there is `teacher."), "{error}");
}

#[test]
fn tensors_that_hold_no_weights_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.safetensors");
    let (shape, ..) = expected("vit_mean");
    let config = config(VIT, &file, shape);
    let start =
        || Session::new(&config, shape, &Classes::numbered(CLASSES), &Device::cpu(), 8).map_err(|e| e.to_string());
    let mut all = rewritten(str::to_owned, Dtype::F32);
    all.push(("norm.num_batches_tracked".to_owned(), Dtype::I64, vec![], vec![0; 8]));
    all.push(("queue.place".to_owned(), Dtype::I64, vec![1], vec![0; 8]));
    write(&file, &all);
    assert_eq!(start().unwrap().origin().unwrap().unused, ["queue.place"]);
    let weight = all.iter_mut().find(|t| t.0 == "blocks.0.attn.qkv.weight").unwrap();
    (weight.1, weight.3) = (Dtype::I8, vec![1; weight.3.len() / 4]);
    write(&file, &all);
    let error = start().err().unwrap();
    assert!(
        error.contains("`blocks.0.attn.qkv.weight`: expected numbers of type F64") && error.contains("found I8"),
        "{error}"
    );
    let mut all = rewritten(str::to_owned, Dtype::F64);
    all[0].3[..8].copy_from_slice(&1e200f64.to_le_bytes());
    write(&file, &all);
    let error = start().err().unwrap();
    assert!(error.contains("expected numbers within the range of f32"), "{error}");
    let mut all = rewritten(str::to_owned, Dtype::F32);
    all[0].3[4..8].copy_from_slice(&f32::NAN.to_le_bytes());
    write(&file, &all);
    let error = start().err().unwrap();
    assert!(error.contains(&all[0].0) && error.contains("expected finite numbers, found NaN at element 1"), "{error}");
}

#[test]
fn files_of_other_formats_are_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let (shape, ..) = expected("vit_mean");
    let whole = std::fs::read(fixture("vit_mean.safetensors")).unwrap();
    for (name, bytes, parts) in [
        ("w.pth", &b"PK\x03\x04\0\0\x08\x08\0\0archive/data.pkl"[..], ["a Python pickle", "torch.load("]),
        ("w.bin", b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 99\n", ["Git LFS", "git lfs pull"]),
        ("w.html", b"<!DOCTYPE html>\n<html lang=\"en\">", ["an HTML page", "download the file itself"]),
        ("w.gz", b"\x1f\x8b\x08\x08abcdefgh", ["a gzip archive", "gunzip"]),
        ("empty", b"", ["an empty file", "repeat it"]),
        ("cut", &whole[..whole.len() - 100], ["not a complete safetensors file", "truncated"]),
        ("header", &whole[..100], ["not a complete safetensors file", "ends within its header"]),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        let config = config(VIT, &file, shape);
        let error =
            Session::new(&config, shape, &Classes::numbered(CLASSES), &Device::cpu(), 8).err().unwrap().to_string();
        parts.iter().for_each(|part| assert!(error.contains(part) && error.contains(name), "`{part}`: {error}"));
    }
}

#[test]
fn a_model_that_the_file_is_not_of_is_refused_with_both_shapes() {
    let (shape, ..) = expected("vit_mean");
    let file = fixture("vit_mean.safetensors");
    let refused = |model: &str, file: &Path, parts: &[&str]| {
        let config = config(model, file, shape);
        let Err(error) = Session::new(&config, shape, &Classes::numbered(CLASSES), &Device::cpu(), 8) else {
            panic!("{parts:?}")
        };
        let message = error.to_string();
        parts.iter().for_each(|part| assert!(message.contains(part), "`{part}` not in: {message}"));
    };
    let wide = VIT.replace("mlp_width = 64", "mlp_width = 128");
    refused(&wide, &file, &["`blocks.0.mlp.fc1.weight`: expected shape [128, 32]", "found shape [64, 32]"]);
    let deep = VIT.replace("depth = 2", "depth = 3");
    refused(&deep, &file, &["`blocks.2.norm1.weight`: expected shape [32], found no such tensor"]);
    let normed = format!("{VIT}norm = \"before-pool\"\n");
    refused(&normed, &file, &["`norm.weight`", "found no such tensor (but there is `fc_norm.weight`)"]);
    let token = fixture("vit_token.safetensors");
    refused(VIT, &token, &["`pos_embed`: expected shape [1, 16, 32], or a square grid", "found shape [1, 17, 32]"]);
    refused(VIT, &fixture("make.py"), &["make.py is not a complete safetensors file"]);
    refused(VIT, &fixture("none"), &["init.from = ", "there is no such file"]);
}
