//! The cases that can be measured, by name and shape.

use super::work::Work;
use super::{operations, steps};
use lethe_optim::{AdamW, Sgd};
use lethe_tensor::{Device, DeviceError};

/// How expensive a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Any device does it many times a minute.
    Usual,
    /// Too expensive for a quick run on a software GPU.
    Large,
    /// A training step of the paper at full size: run once, and only if it is requested by name.
    Whole,
}

/// A case at one shape.
pub struct Case {
    /// The name of the case.
    pub name: &'static str,
    /// Its shape, as it is printed.
    pub shape: &'static str,
    /// How expensive it is.
    pub extent: Extent,
    pub(super) work: Build,
}

type Build = fn(&Device) -> Result<Work, DeviceError>;

const fn case(name: &'static str, shape: &'static str, work: Build) -> Case {
    Case { name, shape, extent: Extent::Usual, work }
}

const fn large(name: &'static str, shape: &'static str, work: Build) -> Case {
    Case { name, shape, extent: Extent::Large, work }
}

const fn whole(name: &'static str, shape: &'static str, work: Build) -> Case {
    Case { name, shape, extent: Extent::Whole, work }
}

/// All cases, in the order in which they run.
pub static CASES: &[Case] = &[
    case("matmul", "512x512x512", |d| operations::matmul(d, 512)),
    case("matmul", "1024x1024x1024", |d| operations::matmul(d, 1024)),
    large("matmul", "2048x2048x2048", |d| operations::matmul(d, 2048)),
    case("bmm", "64x(197x64x197)", operations::bmm),
    case("conv2d_fwd", "8x64x56x56_k3", |d| operations::CONV_56.forward(d)),
    case("conv2d_fwd", "8x3x224x224_k7s2", |d| operations::CONV_224.forward(d)),
    case("conv2d_fwd", "1x64x28x28_k3", |d| operations::CONV_28.forward(d)),
    case("conv2d_fwd_bwd", "8x64x56x56_k3", |d| operations::CONV_56.with_gradients(d)),
    case("conv2d_fwd_bwd", "8x3x224x224_k7s2", |d| operations::CONV_224.with_gradients(d)),
    case("conv2d_fwd_bwd", "1x64x28x28_k3", |d| operations::CONV_28.with_gradients(d)),
    case("softmax_fwd", "4096x1024", operations::softmax),
    case("softmax_fwd_bwd", "4096x1024", operations::softmax_with_gradient),
    case("layernorm_fwd", "4096x384", operations::layer_norm),
    case("layernorm_fwd_bwd", "4096x384", operations::layer_norm_with_gradients),
    case("gelu_fwd", "4096x1536", operations::gelu),
    case("gelu_fwd_bwd", "4096x1536", operations::gelu_with_gradient),
    case("sum_axis0", "4096x1024", |d| operations::sum(d, &[4096, 1024], &[0])),
    case("sum_axis1", "4096x1024", |d| operations::sum(d, &[4096, 1024], &[1])),
    case("transpose_copy", "4096x1024", |d| operations::permuted_copy(d, &[4096, 1024], &[1, 0])),
    case("permute_copy", "8x197x6x64", |d| operations::permuted_copy(d, &[8, 197, 6, 64], &[0, 2, 1, 3])),
    case("attention_fwd", "8x6x197x64", operations::attention),
    case("attention_fwd_bwd", "8x6x197x64", operations::attention_with_gradients),
    case("train_mlp", "b128", steps::mlp),
    case("train_vit_small", "b128", |d| steps::vit_small(d, steps::TrainedStep::None)),
    large("train_vit_s32", "b16", steps::vit_s32),
    large("train_resnet18", "b32", steps::resnet18),
    case("sam_vit_small", "b128", |d| steps::vit_small(d, steps::TrainedStep::Sam)),
    large("adamw", "10000064", |d| steps::optimizer(d, AdamW::default())),
    large("sgd", "10000064", |d| steps::optimizer(d, Sgd { momentum: 0.9, nesterov: false })),
    case("obf_vit_small", "b128", |d| steps::vit_small(d, steps::TrainedStep::Obf)),
    case("chain10", "16Mi", operations::chain),
    case("sum_all", "16Mi", |d| operations::sum(d, &[1 << 24], &[])),
    whole("step_vit_s32", "b64_m64_224", steps::vit_s32_whole),
    whole("step_vit_s32_recompute", "b64_m64_224", steps::vit_s32_recompute),
    whole("step_resnet50", "b8_m8_224", steps::resnet50_whole),
];

/// A selection of cases; empty lists select all but the full-size steps.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The names of cases.
    pub cases: Vec<String>,
    /// The shapes.
    pub shapes: Vec<String>,
    /// Skip cases that take too long on a software GPU.
    pub small: bool,
}

/// An error: no selected case has this shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--shape {shape}: {what} no such shape; choose from {}", choices.join(", "))]
pub struct UnknownShape {
    shape: String,
    what: &'static str,
    choices: Vec<&'static str>,
}

/// The names of all cases, each once.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = CASES.iter().map(|c| c.name).collect();
    names.dedup();
    names
}

/// The cases of a selection.
///
/// # Errors
/// If a requested shape does not exist among the cases.
pub fn select(selection: &Selection) -> Result<Vec<&'static Case>, UnknownShape> {
    let wanted = |list: &[String], text: &str| list.is_empty() || list.iter().any(|t| t == text);
    let left = |c: &&Case| {
        let fit = match c.extent {
            Extent::Usual => true,
            Extent::Large => !selection.small,
            Extent::Whole => !selection.cases.is_empty(),
        };
        fit && wanted(&selection.cases, c.name)
    };
    let named: Vec<&Case> = CASES.iter().filter(left).collect();
    for shape in &selection.shapes {
        if !named.iter().any(|c| c.shape == shape) {
            let mut choices: Vec<&str> = named.iter().map(|c| c.shape).collect();
            choices.sort_unstable();
            choices.dedup();
            let what = if selection.small { "without the large cases there is" } else { "there is" };
            return Err(UnknownShape { shape: shape.clone(), what, choices });
        }
    }
    Ok(named.into_iter().filter(|c| wanted(&selection.shapes, c.shape)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn chosen(cases: &[&str], shapes: &[&str], small: bool) -> Result<Vec<String>, UnknownShape> {
        let list = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect();
        let cases = select(&Selection { cases: list(cases), shapes: list(shapes), small })?;
        Ok(cases.iter().map(|c| format!("{} {}", c.name, c.shape)).collect())
    }

    #[test]
    fn a_case_and_its_shape_name_one_line() {
        let pairs: HashSet<_> = CASES.iter().map(|c| (c.name, c.shape)).collect();
        assert_eq!(pairs.len(), CASES.len());
        assert_eq!(names().len(), names().iter().collect::<HashSet<_>>().len(), "the shapes of a case stand together");
    }

    #[test]
    fn selections() {
        assert_eq!(chosen(&[], &[], false).unwrap().len(), CASES.len() - 3);
        assert_eq!(chosen(&["step_vit_s32"], &[], true).unwrap(), ["step_vit_s32 b64_m64_224"]);
        assert_eq!(chosen(&["bmm"], &[], true).unwrap(), ["bmm 64x(197x64x197)"]);
        assert_eq!(chosen(&["matmul"], &[], true).unwrap().len(), 2);
        assert_eq!(chosen(&["conv2d_fwd"], &["8x64x56x56_k3"], false).unwrap(), ["conv2d_fwd 8x64x56x56_k3"]);
        assert_eq!(chosen(&[], &["4096x384"], false).unwrap().len(), 2);
        let error = chosen(&["matmul"], &["3x3"], true).unwrap_err().to_string();
        assert!(error.contains("--shape 3x3") && error.contains("choose from 1024x1024x1024, 512x512x512"), "{error}");
    }
}
