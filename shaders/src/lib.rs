//! The WGSL kernels of Lethe and the expander of their variants.
