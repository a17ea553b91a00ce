//! The GPU back end, through wgpu.
