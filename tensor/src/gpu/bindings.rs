//! Bindings of a dispatch, and the caches of what wgpu makes of them: layouts by signature, bind groups by the buffers'
//! ids, offsets and sizes. In steady state every look-up hits. Kernels and their pipelines are not known here.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::num::NonZeroU64;
use std::sync::Arc;

use super::adapter::STORAGE_BUFFERS;
use super::buffer_pool::Buffer;
use super::caps::PARAMS_BYTES;
use super::counters::{Counts, add};

/// A range of a buffer, bound to a slot of bind group 0.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    /// The number in the kernel's `@binding(…)`, below 32.
    pub slot: u32,
    /// The buffer.
    pub buffer: &'a Buffer,
    /// The start in bytes, a multiple of 256.
    pub offset: u64,
    /// The length in bytes, a multiple of 4 above 0.
    pub size: u64,
    /// The kernel declares the slot `read_write` (else `read`). It must say exactly what the kernel says.
    pub write: bool,
}

/// Which slots a kernel binds and which of them it writes: two bits a slot. It determines the bind-group layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Signature(u64);

impl Signature {
    pub fn of(bindings: &[Binding<'_>]) -> Signature {
        Signature(bindings.iter().fold(0, |bits, b| bits | (1 + u64::from(b.write)) << (2 * b.slot)))
    }

    fn entries(self) -> Vec<wgpu::BindGroupLayoutEntry> {
        let slots = (0..32).map(|slot| (slot, self.0 >> (2 * slot) & 3)).filter(|(_, access)| *access > 0);
        let storage =
            |(slot, access)| layout_entry(slot, wgpu::BufferBindingType::Storage { read_only: access == 1 }, false);
        slots.map(storage).collect()
    }
}

/// A buffer's entry in a layout.
fn layout_entry(slot: u32, ty: wgpu::BufferBindingType, dynamic: bool) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding: slot,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: dynamic, min_binding_size: None },
        count: None,
    }
}

/// The layouts of one signature.
#[derive(Clone)]
pub(super) struct Layout {
    pub group: wgpu::BindGroupLayout,
    pub pipeline: wgpu::PipelineLayout,
}

/// The layouts of all signatures met so far. There are few, and they are kept.
pub(super) struct Layouts {
    device: wgpu::Device,
    /// The layout of bind group 1, where parameters travel in a uniform buffer; `None` where they are immediates.
    pub uniform: Option<wgpu::BindGroupLayout>,
    known: HashMap<Signature, Layout>,
}

impl Layouts {
    pub fn new(device: &wgpu::Device, immediates: bool) -> Layouts {
        let uniform = (!immediates).then(|| {
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some("parameters"),
                entries: &[layout_entry(0, wgpu::BufferBindingType::Uniform, true)],
            })
        });
        Layouts { device: device.clone(), uniform, known: HashMap::new() }
    }

    pub fn get(&mut self, signature: Signature) -> &Layout {
        let (device, uniform) = (&self.device, &self.uniform);
        self.known.entry(signature).or_insert_with(|| {
            let descriptor = wgpu::BindGroupLayoutDescriptor { label: None, entries: &signature.entries() };
            let group = device.create_bind_group_layout(&descriptor);
            let groups = [Some(&group), uniform.as_ref()];
            let pipeline = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: None,
                bind_group_layouts: &groups[..if uniform.is_some() { 2 } else { 1 }],
                immediate_size: if uniform.is_some() { 0 } else { PARAMS_BYTES },
            });
            Layout { group, pipeline }
        })
    }
}

/// What identifies a bind group: its signature, and id, offset and size of each buffer, in the order of the call.
#[derive(Clone, PartialEq, Eq)]
struct Key {
    signature: Signature,
    len: usize,
    parts: [(u64, u64, u64); STORAGE_BUFFERS as usize],
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.signature.hash(state);
        self.parts[..self.len].hash(state);
    }
}

/// A cached bind group, with a serial number to compare by.
pub(super) struct Group {
    pub serial: u64,
    pub raw: wgpu::BindGroup,
}

/// Bind groups of living buffers.
pub(super) struct BindGroups {
    device: wgpu::Device,
    counts: Arc<Counts>,
    known: HashMap<Key, Group, BuildHasherDefault<WordHasher>>,
    next_serial: u64,
}

/// More bind groups than this means a program whose shapes never repeat: start again rather than grow for ever.
const MAX_GROUPS: usize = 1 << 14;

impl BindGroups {
    pub fn new(device: &wgpu::Device, counts: &Arc<Counts>) -> BindGroups {
        BindGroups { device: device.clone(), counts: counts.clone(), known: HashMap::default(), next_serial: 1 }
    }

    /// The bind group of these bindings, at most 8.
    pub fn get(&mut self, signature: Signature, bindings: &[Binding<'_>], layout: &wgpu::BindGroupLayout) -> &Group {
        let mut key = Key { signature, len: bindings.len(), parts: Default::default() };
        for (part, b) in key.parts.iter_mut().zip(bindings) {
            *part = (b.buffer.id(), b.offset, b.size);
        }
        if self.known.len() >= MAX_GROUPS && !self.known.contains_key(&key) {
            self.known.clear();
        }
        self.known.entry(key).or_insert_with(|| {
            self.next_serial += 1;
            add(&self.counts.bind_groups_created, 1);
            Group { serial: self.next_serial, raw: create(&self.device, bindings, layout) }
        })
    }

    /// Forgets the bind groups of destroyed buffers, which would keep their memory.
    pub fn evict(&mut self, ids: &[u64]) {
        let gone: std::collections::HashSet<u64> = ids.iter().copied().collect();
        self.known.retain(|key, _| !key.parts[..key.len].iter().any(|part| gone.contains(&part.0)));
    }
}

fn create(device: &wgpu::Device, bindings: &[Binding<'_>], layout: &wgpu::BindGroupLayout) -> wgpu::BindGroup {
    let entries: Vec<_> = bindings.iter().map(|b| entry(*b)).collect();
    device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries })
}

fn entry(b: Binding<'_>) -> wgpu::BindGroupEntry<'_> {
    let range = wgpu::BufferBinding { buffer: b.buffer.raw(), offset: b.offset, size: NonZeroU64::new(b.size) };
    wgpu::BindGroupEntry { binding: b.slot, resource: wgpu::BindingResource::Buffer(range) }
}

/// A hasher for keys of a few dozen words that no adversary chooses: a multiplication a word, where the standard one
/// costs as much as the rest of a recorded dispatch.
#[derive(Default)]
struct WordHasher(u64);

impl Hasher for WordHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x9e37_79b9_7f4a_7c15_u128;
        self.0 = (product as u64).rotate_left(23) ^ (product >> 64) as u64;
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
