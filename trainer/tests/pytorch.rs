//! Weights under PyTorch's names give the logits that PyTorch gives, and go back as they came. `pytorch/make.py` made the files.

use lethe::Classes;
use lethe::config::{Config, DataFacts};
use lethe::data::ImageShape;
use lethe::run::Checkpoint;
use lethe::training::Session;
use lethe::weights;
use lethe_tensor::{Device, Tensor};
use std::path::{Path, PathBuf};

const CLASSES: usize = 7;
const VIT: &str = "kind = \"vit\"\npatch = 4\nwidth = 32\ndepth = 2\nheads = 4\nmlp_width = 64\n";
const RESNET: &str = "kind = \"resnet\"\nwidth = 4\nstem = \"large\"\n";

/// The fixtures, with the models that they are of.
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

/// A config that starts from a file.
fn config(model: &str, file: &Path, images: ImageShape) -> Config {
    let text = format!(
        "[data]\ndataset = \"digits\"\n[model]\n{model}[init]\nfrom = {:?}\n[optim]\nkind = \"adamw\"\nlr = 1e-3\n\
         [train]\nepochs = 1\nbatch = 8\n",
        file.display().to_string()
    );
    let config = Config::parse(&text, Path::new("x.toml"), &[]).unwrap();
    config.resolve(DataFacts { images, classes: CLASSES, train: 64 }).unwrap()
}

/// The images of a fixture, and PyTorch's logits of them.
fn expected(name: &str) -> (ImageShape, Tensor, Vec<f32>) {
    let file = Checkpoint::load(&fixture(&format!("{name}.logits.safetensors"))).unwrap();
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
        let [(original, _), (exported, others)] = [&file, &out].map(|f| Checkpoint::load_weights(f).unwrap());
        assert!(original.tensors == exported.tensors && others.is_empty(), "{name}");
        let bytes = std::fs::read(&out).unwrap();
        assert!(bytes.windows(13).any(|w| w == b"\"format\":\"pt\""), "{name}: not marked as PyTorch's");
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
    refused(VIT, &fixture("make.py"), &["make.py is no whole safetensors file"]);
    refused(VIT, &fixture("none"), &["cannot read the checkpoint"]);
}
