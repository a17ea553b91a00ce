//! Working memory of kernels, kept by each thread between calls.
//!
//! A buffer is taken out and put back, never lent to a closure: vector code must not run in a function that is not compiled for its
//! instructions.

use bytemuck::{Pod, Zeroable};
use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Floats in a cache line.
const LINE: usize = 16;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

thread_local! {
    static IDLE: RefCell<Vec<Vec<Line>>> = const { RefCell::new(vec![]) };
}

/// Floats of unspecified (but initialised) contents that begin at a cache line.
pub struct Scratch {
    lines: Vec<Line>,
    len: usize,
}

impl Scratch {
    /// `len` floats.
    pub fn new(len: usize) -> Scratch {
        let mut lines = IDLE.with_borrow_mut(Vec::pop).unwrap_or_default();
        let need = len.div_ceil(LINE);
        if lines.len() < need {
            lines.clear(); // nothing of the old contents is to be moved
            lines.resize(need, Line([0.0; LINE]));
        }
        Scratch { lines, len }
    }

    /// `len` zeros.
    pub fn zeros(len: usize) -> Scratch {
        let mut scratch = Scratch::new(len);
        scratch.fill(0.0);
        scratch
    }
}

impl Deref for Scratch {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        // At the end of a thread there may be nowhere to keep it.
        let _ = IDLE.try_with(|idle| idle.borrow_mut().push(lines));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_kept_and_distinct() {
        let (mut a, b) = (Scratch::zeros(100), Scratch::zeros(7));
        a[99] = 1.0;
        assert_eq!((a.len(), b.len()), (100, 7));
        assert!(a.as_ptr().addr().is_multiple_of(64) && a.as_ptr() != b.as_ptr());
        let at = a.as_ptr();
        drop(a);
        let again = Scratch::new(50);
        assert_eq!((again.as_ptr(), again.len()), (at, 50));
    }
}
