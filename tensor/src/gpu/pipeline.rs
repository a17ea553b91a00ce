//! From a kernel's text to a compute pipeline, once: the cache by variant or key, and the one call that creates shaders
//! without wgpu's runtime checks.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::sync::Arc;

use lethe_shaders::{ParamsForm, Variant};

use super::bindings::{Layouts, Signature};
use super::counters::{Counts, add};

/// What a dispatch runs.
#[derive(Clone, Copy)]
pub enum Kernel<'a> {
    /// A hand-written kernel of the finite list.
    Variant(&'static Variant),
    /// A kernel generated from an expression.
    Generated {
        /// Tells the kernel from all others of this device; equal keys mean equal text and bindings.
        key: &'a str,
        /// The entry point's name.
        entry: &'a str,
        /// Writes the WGSL text, called only for a key not met before. Parameters, if there are any, are declared as
        /// `var<immediate> NAME: TYPE;`, which is changed to a uniform where the device lacks immediates.
        source: &'a dyn Fn() -> String,
    },
}

impl Kernel<'_> {
    /// The name for labels and error messages.
    pub(super) fn name(&self) -> String {
        match self {
            Kernel::Variant(variant) => variant.name().to_string(),
            Kernel::Generated { key, .. } => key.to_string(),
        }
    }
}

/// A cached pipeline, with a serial number to compare by and the signature it was made for.
pub(super) struct Pipeline {
    pub serial: u64,
    pub signature: Signature,
    pub raw: wgpu::ComputePipeline,
}

/// The pipelines of a device. They are kept: the list of variants is finite, and so are a program's expressions.
pub(super) struct Pipelines {
    device: wgpu::Device,
    counts: Arc<Counts>,
    checked: bool,
    /// By the variant's address, which is static.
    variants: HashMap<usize, Pipeline>,
    generated: HashMap<String, Pipeline>,
    next_serial: u64,
}

impl Pipelines {
    pub fn new(device: &wgpu::Device, counts: &Arc<Counts>, checked: bool) -> Pipelines {
        Pipelines {
            device: device.clone(),
            counts: counts.clone(),
            checked,
            variants: HashMap::new(),
            generated: HashMap::new(),
            next_serial: 1,
        }
    }

    /// The pipeline of a kernel, made for `signature` if it is new. A kernel that does not compile poisons the device
    /// through wgpu's error callback.
    pub fn get(&mut self, kernel: Kernel<'_>, signature: Signature, layouts: &mut Layouts) -> &Pipeline {
        match kernel {
            Kernel::Variant(variant) => {
                let address = std::ptr::from_ref(variant) as usize;
                if !self.variants.contains_key(&address) {
                    let pipeline = self.create(kernel, signature, layouts);
                    self.variants.insert(address, pipeline);
                }
                &self.variants[&address]
            }
            Kernel::Generated { key, .. } => {
                if !self.generated.contains_key(key) {
                    let pipeline = self.create(kernel, signature, layouts);
                    self.generated.insert(key.to_string(), pipeline);
                }
                &self.generated[key]
            }
        }
    }

    fn create(&mut self, kernel: Kernel<'_>, signature: Signature, layouts: &mut Layouts) -> Pipeline {
        let uniform = layouts.uniform.is_some();
        let name = kernel.name();
        let (source, entry, constants) = match kernel {
            Kernel::Variant(variant) => {
                let form = if uniform { ParamsForm::Uniform } else { ParamsForm::Immediate };
                (variant.source(form), variant.entry, &variant.constants[..])
            }
            Kernel::Generated { entry, source, .. } => {
                (if uniform { with_uniform(&source()) } else { source() }, entry, &[][..])
            }
        };
        let descriptor =
            wgpu::ShaderModuleDescriptor { label: Some(&name), source: wgpu::ShaderSource::Wgsl(source.into()) };
        let module = create_module(&self.device, descriptor, self.checked);
        self.next_serial += 1;
        add(&self.counts.pipelines_created, 1);
        let raw = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&name),
            layout: Some(&layouts.get(signature).pipeline),
            module: &module,
            entry_point: Some(entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants,
                zero_initialize_workgroup_memory: self.checked,
            },
            cache: None,
        });
        Pipeline { serial: self.next_serial, signature, raw }
    }
}

fn create_module(
    device: &wgpu::Device,
    descriptor: wgpu::ShaderModuleDescriptor<'_>,
    checked: bool,
) -> wgpu::ShaderModule {
    if checked {
        return device.create_shader_module(descriptor);
    }
    // SAFETY: the text comes from this workspace alone, never from a user. Its kernels guard every index by the sizes in
    // their parameters, their loops end, and they divide by no zero; the tests run each of them with wgpu's checks and
    // without, and compare.
    unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
}

/// The text with its parameters in a uniform buffer at group 1.
fn with_uniform(source: &str) -> String {
    source.replace("var<immediate>", "@group(1) @binding(0) var<uniform>")
}
