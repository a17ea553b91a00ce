//! Fork and join over rayon: chunks of work are taken from one counter, by as many threads as the pool has.
//!
//! Work is cut by shape alone, never by the number of threads, so that results are the same with any of them.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// `job(0) … job(chunks - 1)`, each once; returns when all are done.
pub fn parallel(chunks: usize, job: impl Fn(usize) + Sync) {
    let threads = rayon::current_num_threads().min(chunks);
    if threads < 2 {
        return (0..chunks).for_each(job);
    }
    let next = AtomicUsize::new(0);
    fan_out(threads, &|| {
        loop {
            match next.fetch_add(1, Relaxed) {
                i if i < chunks => job(i),
                _ => return,
            }
        }
    });
}

/// Runs `work` on up to `threads` threads at once.
fn fan_out(threads: usize, work: &(impl Fn() + Sync)) {
    match threads {
        1 => work(),
        n => {
            rayon::join(|| fan_out(n - n / 2, work), || fan_out(n / 2, work));
        }
    }
}

/// A slice whose disjoint parts the chunks of one [`parallel`] call write.
#[derive(Clone, Copy)]
pub struct Parts<T>(*mut T, usize);
// SAFETY: `range` and `ptr` are the only access, and their callers promise disjointness.
unsafe impl<T: Send> Sync for Parts<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Parts<T> {}

impl<T> Parts<T> {
    /// The parts of a slice.
    pub fn new(slice: &mut [T]) -> Self {
        Parts(slice.as_mut_ptr(), slice.len())
    }

    /// The same from element `n` on.
    ///
    /// # Panics
    /// If there are fewer elements.
    pub fn skip(self, n: usize) -> Self {
        assert!(n <= self.1);
        Parts(self.0.wrapping_add(n), self.1 - n)
    }

    /// The start of a range, bounds checked; for parts that interleave (columns), where no two slices would be disjoint.
    ///
    /// # Panics
    /// If the range is out of bounds.
    #[inline(always)]
    pub fn ptr(self, range: std::ops::Range<usize>) -> *mut T {
        assert!(range.start <= range.end && range.end <= self.1);
        self.0.wrapping_add(range.start)
    }

    /// One part.
    ///
    /// # Safety
    /// No other live range overlaps this one, and the slice outlives it.
    ///
    /// # Panics
    /// If the range is out of bounds.
    #[inline(always)]
    pub unsafe fn range<'a>(self, range: std::ops::Range<usize>) -> &'a mut [T] {
        assert!(range.start <= range.end && range.end <= self.1);
        // SAFETY: in bounds; disjoint by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(range.start), range.end - range.start) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_runs_once() {
        let counts: Vec<AtomicUsize> = (0..1000).map(|_| AtomicUsize::new(0)).collect();
        parallel(counts.len(), |i| {
            counts[i].fetch_add(1, Relaxed);
        });
        assert!(counts.iter().all(|c| c.load(Relaxed) == 1));
    }
}
