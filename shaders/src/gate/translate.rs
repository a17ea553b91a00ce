//! Translation to the other shading languages, as wgpu would do it. A failure means that a language lacks something.

use super::kernel::{GateError, Kernel};
use naga::{ShaderStage, back, proc};

/// Translates to all four and returns the length of the SPIR-V in words.
pub fn all(kernel: &Kernel) -> Result<usize, GateError> {
    let words = spirv(kernel).map_err(|error| failed("SPIR-V", error))?;
    metal(kernel).map_err(|error| failed("Metal", error))?;
    hlsl(kernel).map_err(|error| failed("HLSL", error))?;
    glsl(kernel).map_err(|error| failed("GLSL", error))?;
    Ok(words)
}

fn failed(language: &str, error: impl std::fmt::Display) -> GateError {
    GateError::new(format!("does not translate to {language}: {error}"))
}

fn spirv(kernel: &Kernel) -> Result<usize, back::spv::Error> {
    let unchecked = proc::BoundsCheckPolicy::Unchecked;
    let options = back::spv::Options {
        lang_version: (1, 3),
        bounds_check_policies: proc::BoundsCheckPolicies {
            index: unchecked,
            buffer: unchecked,
            image_load: unchecked,
            binding_array: unchecked,
        },
        zero_initialize_workgroup_memory: back::spv::ZeroInitializeWorkgroupMemoryMode::None,
        ..Default::default()
    };
    let pipeline =
        back::spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: kernel.entry.to_string() };
    Ok(back::spv::write_vec(kernel.module, kernel.info, &options, Some(&pipeline))?.len())
}

fn metal(kernel: &Kernel) -> Result<(), back::msl::Error> {
    let options = back::msl::Options { lang_version: (2, 4), ..Default::default() };
    let pipeline = back::msl::PipelineOptions { entry_point: Some(named(kernel)), ..Default::default() };
    back::msl::write_string(kernel.module, kernel.info, &options, &pipeline).map(|_| ())
}

fn hlsl(kernel: &Kernel) -> Result<(), back::hlsl::Error> {
    let options = back::hlsl::Options {
        shader_model: back::hlsl::ShaderModel::V6_0,
        immediates_target: Some(back::hlsl::BindTarget::default()), // naga panics without one where there are immediates
        special_constants_binding: Some(back::hlsl::BindTarget::default()),
        ..Default::default()
    };
    let pipeline = back::hlsl::PipelineOptions { entry_point: Some(named(kernel)) };
    let mut text = String::new();
    back::hlsl::Writer::new(&mut text, &options, &pipeline).write(kernel.module, kernel.info, None).map(|_| ())
}

fn glsl(kernel: &Kernel) -> Result<(), back::glsl::Error> {
    let options = back::glsl::Options::default(); // ES 3.1
    let pipeline = back::glsl::PipelineOptions {
        shader_stage: ShaderStage::Compute,
        entry_point: kernel.entry.to_string(),
        multiview: None,
    };
    let mut text = String::new();
    let policies = proc::BoundsCheckPolicies::default();
    back::glsl::Writer::new(&mut text, kernel.module, kernel.info, &options, &pipeline, policies)?.write().map(|_| ())
}

fn named(kernel: &Kernel) -> (ShaderStage, String) {
    (ShaderStage::Compute, kernel.entry.to_string())
}
