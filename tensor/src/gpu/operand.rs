//! What a plan's GPU code is given: inputs as views of buffers, outputs as runs of elements; and [`Span`], the aligned range of
//! a buffer that a kernel binds. Where a view or a run does not start where a binding may, its elements are moved (`plans/copy.rs`), so
//! that kernels see whole operands only.

use std::ops::Range;

use super::bindings::Binding;
use super::buffer_pool::Buffer;
use super::caps::BINDING_ALIGNMENT;
use super::device::GpuDevice;
use crate::dtype::DType;
use crate::layout::Layout;

/// An operand: a view of a buffer.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The memory.
    pub buffer: &'a Buffer,
    /// The elements' type.
    pub dtype: DType,
    /// Where they lie.
    pub layout: &'a Layout,
}

/// A run of elements that a plan writes, or adds to.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a> {
    /// The memory.
    pub buffer: &'a Buffer,
    /// The elements' type.
    pub dtype: DType,
    /// The first element.
    pub start: usize,
    /// The number of elements.
    pub len: usize,
    /// Add to what is there instead of writing.
    pub add: bool,
}

/// A range of a buffer that can be bound.
#[derive(Clone, Debug)]
pub struct Span {
    /// The memory.
    pub buffer: Buffer,
    /// Where it starts, in bytes: a multiple of 256.
    pub offset: u64,
    /// How long it is, in bytes: a multiple of 4 above 0.
    pub size: u64,
}

impl Span {
    /// `len` elements from element `start` on, if a binding may start there.
    fn of(buffer: &Buffer, dtype: DType, start: usize, len: usize) -> Option<Span> {
        let offset = (start * dtype.size()) as u64;
        let size = ((len * dtype.size()) as u64).next_multiple_of(4).max(4);
        offset.is_multiple_of(BINDING_ALIGNMENT).then(|| Span { buffer: buffer.clone(), offset, size })
    }

    /// New memory for `len` elements.
    pub fn new(gpu: &GpuDevice, dtype: DType, len: usize) -> Span {
        let size = ((len * dtype.size()) as u64).next_multiple_of(4).max(4);
        Span { buffer: gpu.alloc(size), offset: 0, size }
    }

    /// `size` bytes from byte `offset` (a multiple of 256) of the span on.
    pub fn part(&self, offset: u64, size: u64) -> Span {
        Span { buffer: self.buffer.clone(), offset: self.offset + offset, size }
    }

    /// The 4-byte elements `range` of the span; the first must lie where a binding may start.
    pub fn words(&self, range: &Range<usize>) -> Span {
        let (offset, size) = (4 * range.start as u64, 4 * range.len().max(1) as u64);
        debug_assert!((self.offset + offset).is_multiple_of(BINDING_ALIGNMENT), "no binding may start at {range:?}");
        self.part(offset, size)
    }

    /// Bound to a slot that the kernel reads.
    pub fn read(&self, slot: u32) -> Binding<'_> {
        Binding { slot, buffer: &self.buffer, offset: self.offset, size: self.size, write: false }
    }

    /// Bound to a slot that the kernel declares `read_write`.
    pub fn write(&self, slot: u32) -> Binding<'_> {
        Binding { write: true, ..self.read(slot) }
    }

    /// The whole as an input of `layout`, whose offset counts from the span's start.
    pub fn input<'a>(&'a self, dtype: DType, layout: &'a Layout) -> Input<'a> {
        debug_assert!(self.offset == 0, "only fresh memory is read again");
        Input { buffer: &self.buffer, dtype, layout }
    }
}

impl Input<'_> {
    /// `len` elements of the buffer from the view's first one on, in place, whatever the strides: for kernels that take strides. `None`
    /// where a binding cannot start there.
    pub fn in_place(&self, len: usize) -> Option<Span> {
        Span::of(self.buffer, self.dtype, self.layout.offset, len)
    }
}

impl Output<'_> {
    /// The run in place; `None` where a binding cannot start there.
    pub fn in_place(&self) -> Option<Span> {
        Span::of(self.buffer, self.dtype, self.start, self.len)
    }

    /// The run in place, for a kernel that updates what it finds.
    ///
    /// # Panics
    /// If a binding cannot start there: plans that update in place are given whole tensors.
    pub fn whole(&self) -> Span {
        self.in_place().expect("a tensor that is updated in place starts at element 0")
    }
}
