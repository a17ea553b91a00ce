//! The CPU back end: a pool of buffers, a budget of threads, and one file for each plan family. `reference` holds a plain scalar
//! form of every plan, generic over `f32` and `f64`: the oracle of gradient checks, against which the fast kernels are tested.

pub mod buffer;
pub mod device;
pub mod reference;
pub mod threads;

pub(crate) mod attention;
pub(crate) mod batch_norm;
mod batch_norm_rows;
pub(crate) mod concat;
pub(crate) mod conv;
pub(crate) mod copy;
pub(crate) mod cumsum;
mod draws;
pub(crate) mod elementwise;
pub(crate) mod gather;
pub(crate) mod gemm;
pub(crate) mod gemm_tile;
mod interp;
mod lanes;
pub(crate) mod layer_norm;
pub(crate) mod levels;
mod long_sums;
pub(crate) mod loss;
mod loss_rows;
pub(crate) mod math;
pub(crate) mod matmul;
pub(crate) mod pad;
pub(crate) mod pool;
mod program;
pub(crate) mod reduce;
mod regions;
mod rows;
mod scratch;
pub(crate) mod simd;
#[cfg(target_arch = "aarch64")]
mod simd_neon;
mod simd_portable;
pub(crate) mod simd_x2;
#[cfg(target_arch = "x86_64")]
mod simd_x86;
pub(crate) mod softmax;
mod strided;
mod tasks;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod update;
mod wide;

pub use buffer::CpuBuffer;
pub use device::CpuDevice;

use crate::dtype::{DType, Element};
use crate::layout::Layout;

/// An input of a plan: a storage and how the elements lie in it.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    buffer: &'a CpuBuffer,
    /// The elements' type.
    pub dtype: DType,
    /// Where they lie.
    pub layout: &'a Layout,
}

impl<'a> Input<'a> {
    /// An input in a buffer of `dtype`.
    pub fn new(buffer: &'a CpuBuffer, dtype: DType, layout: &'a Layout) -> Input<'a> {
        Input { buffer, dtype, layout }
    }

    /// The whole storage; `layout` says where the elements are.
    pub fn storage<T: Element>(&self) -> &'a [T] {
        assert!(self.dtype == T::DTYPE, "an operand is {}, where its plan takes {}", self.dtype, T::DTYPE);
        self.buffer.as_slice()
    }

    /// The storage from the view's offset on.
    pub fn from_offset<T: Element>(&self) -> &'a [T] {
        &self.storage()[self.layout.offset..]
    }

    /// The elements of a contiguous view.
    pub fn values<T: Element>(&self) -> &'a [T] {
        assert!(self.layout.is_contiguous(), "an operand has gaps, where its plan takes row-major elements");
        match self.layout.numel() {
            0 => &[],
            n => &self.from_offset()[..n],
        }
    }

    /// The storage from the view's offset on, or nothing if the view is empty.
    pub fn from_offset_or_empty<T: Element>(&self) -> &'a [T] {
        if self.layout.numel() == 0 { &[] } else { self.from_offset() }
    }

    /// The bytes of the whole storage.
    pub fn storage_bytes(&self) -> &'a [u8] {
        self.buffer.as_bytes()
    }

    /// The bytes of a contiguous view.
    pub fn bytes(&self) -> &'a [u8] {
        assert!(self.layout.is_contiguous(), "an operand has gaps, where its plan takes row-major elements");
        let (size, n) = (self.dtype.size(), self.layout.numel());
        if n == 0 { &[] } else { &self.buffer.as_bytes()[self.layout.offset * size..][..n * size] }
    }
}

/// An output of a plan: a run of elements, to be overwritten or (`add`) added to.
pub struct Output<'a> {
    bytes: &'a mut [u8],
    /// The elements' type.
    pub dtype: DType,
    /// Whether the result is added to what is there.
    pub add: bool,
}

impl<'a> Output<'a> {
    /// Elements `start .. start + len` of a buffer.
    pub fn new(buffer: &'a mut CpuBuffer, dtype: DType, start: usize, len: usize, add: bool) -> Output<'a> {
        let size = dtype.size();
        Output { bytes: &mut buffer.as_bytes_mut()[start * size..(start + len) * size], dtype, add }
    }

    /// The elements, row-major.
    pub fn values<T: Element>(&mut self) -> &mut [T] {
        assert!(self.dtype == T::DTYPE, "an operand is {}, where its plan takes {}", self.dtype, T::DTYPE);
        bytemuck::cast_slice_mut(self.bytes)
    }

    /// The bytes of the elements.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes
    }

    /// Stores `v` at place `i`, or adds it.
    pub(crate) fn put<T: crate::dtype::Float>(&mut self, i: usize, v: T) {
        let add = self.add;
        let at = &mut self.values::<T>()[i];
        *at = if add { *at + v } else { v };
    }
}
