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
pub struct Kernel<'a>(Origin<'a>);

/// Where a kernel's text comes from.
#[derive(Clone, Copy)]
enum Origin<'a> {
    /// A hand-written kernel of the finite list.
    Variant(&'static Variant),
    /// A kernel generated from an expression.
    Generated { key: &'a str, entry: &'a str, source: &'a dyn Fn() -> String },
    /// A text from outside this workspace.
    Custom { entry: &'a str, source: &'a str },
}

impl<'a> Kernel<'a> {
    /// A WGSL text of a program's own. Parameters, if there are any, are declared as `var<immediate> NAME: TYPE;`, which is changed to a
    /// uniform where the device lacks immediates. It is compiled with wgpu's checks in every build: an index out of bounds does no harm.
    /// Equal texts are compiled once.
    pub fn custom(entry: &'a str, source: &'a str) -> Kernel<'a> {
        Kernel(Origin::Custom { entry, source })
    }

    /// A kernel of the finite list.
    pub(crate) fn variant(variant: &'static Variant) -> Kernel<'a> {
        Kernel(Origin::Variant(variant))
    }

    /// A kernel that `source` writes, called only for a key not met before: equal keys mean equal text and bindings. Its text must keep
    /// what unchecked shaders promise.
    pub(crate) fn generated(key: &'a str, entry: &'a str, source: &'a dyn Fn() -> String) -> Kernel<'a> {
        Kernel(Origin::Generated { key, entry, source })
    }

    /// The name for labels and error messages.
    pub(super) fn name(&self) -> String {
        match self.0 {
            Origin::Variant(variant) => variant.name().to_string(),
            Origin::Generated { key, .. } => key.to_string(),
            Origin::Custom { entry, .. } => entry.to_string(),
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
    /// By the text, and in it by the entry point.
    custom: HashMap<String, Vec<(String, Pipeline)>>,
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
            custom: HashMap::new(),
            next_serial: 1,
        }
    }

    /// The pipeline of a kernel, made for `signature` if it is new. A kernel that does not compile poisons the device
    /// through wgpu's error callback.
    pub fn get(&mut self, kernel: Kernel<'_>, signature: Signature, layouts: &mut Layouts) -> &Pipeline {
        match kernel.0 {
            Origin::Variant(variant) => {
                let address = std::ptr::from_ref(variant) as usize;
                if !self.variants.contains_key(&address) {
                    let pipeline = self.create(kernel, signature, layouts);
                    self.variants.insert(address, pipeline);
                }
                &self.variants[&address]
            }
            Origin::Generated { key, .. } => {
                if !self.generated.contains_key(key) {
                    let pipeline = self.create(kernel, signature, layouts);
                    self.generated.insert(key.to_string(), pipeline);
                }
                &self.generated[key]
            }
            Origin::Custom { source, entry } => {
                let position = |all: &Vec<(String, Pipeline)>| all.iter().position(|(known, _)| known == entry);
                let known = self.custom.get(source).and_then(position);
                let at = known.unwrap_or_else(|| {
                    let pipeline = self.create(kernel, signature, layouts);
                    let all = self.custom.entry(source.to_string()).or_default();
                    all.push((entry.to_string(), pipeline));
                    all.len() - 1
                });
                &self.custom[source][at].1
            }
        }
    }

    fn create(&mut self, kernel: Kernel<'_>, signature: Signature, layouts: &mut Layouts) -> Pipeline {
        let uniform = layouts.uniform.is_some();
        let name = kernel.name();
        let placed = |text: String| if uniform { with_uniform(&text) } else { text };
        let (source, entry, constants) = match kernel.0 {
            Origin::Variant(variant) => {
                let form = if uniform { ParamsForm::Uniform } else { ParamsForm::Immediate };
                (variant.source(form), variant.entry, &variant.constants[..])
            }
            Origin::Generated { entry, source, .. } => (placed(source()), entry, &[][..]),
            Origin::Custom { entry, source } => (placed(source.to_string()), entry, &[][..]),
        };
        let checked = self.checked || matches!(kernel.0, Origin::Custom { .. });
        let descriptor =
            wgpu::ShaderModuleDescriptor { label: Some(&name), source: wgpu::ShaderSource::Wgsl(source.into()) };
        let module = create_module(&self.device, descriptor, checked);
        self.next_serial += 1;
        add(&self.counts.pipelines_created, 1);
        let raw = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&name),
            layout: Some(&layouts.get(signature).pipeline),
            module: &module,
            entry_point: Some(entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants,
                zero_initialize_workgroup_memory: checked,
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
    // SAFETY: the text comes from this workspace alone: a program's own is always checked. Its kernels guard every index by the sizes in
    // their parameters, their loops end, and they divide by no zero; the tests run each of them with wgpu's checks and
    // without, and compare.
    unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
}

/// The text with its parameters in a uniform buffer at group 1.
fn with_uniform(source: &str) -> String {
    source.replace("var<immediate>", "@group(1) @binding(0) var<uniform>")
}
