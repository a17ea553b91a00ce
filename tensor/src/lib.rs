//! Tensors on CPU and GPU.
