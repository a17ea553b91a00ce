//! Fork and join over rayon. Every thread has a run of the chunks of its own, the same one kernel after kernel, so that it finds in its
//! caches what it left there; what others have not begun when it is done, it takes from them.
//!
//! Work is cut by shape alone, never by the number of threads, so that results are the same with any of them.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Threads that have runs of their own; more share them.
const RUNS: usize = 16;

/// The next chunk of a run, on a cache line (and its neighbour) of its own.
#[derive(Default)]
#[repr(align(128))]
struct Next(AtomicUsize);

/// `job(0) … job(chunks - 1)`, each once; returns when all are done.
pub fn parallel(chunks: usize, job: impl Fn(usize) + Sync) {
    let threads = rayon::current_num_threads().min(chunks);
    if threads < 2 {
        return (0..chunks).for_each(job);
    }
    let runs = threads.min(RUNS);
    let taken: [Next; RUNS] = std::array::from_fn(|_| Next::default());
    fan_out(threads, &|| {
        let own = rayon::current_thread_index().unwrap_or(0);
        for run in (0..runs).map(|i| (own + i) % runs) {
            let (start, end) = (chunks * run / runs, chunks * (run + 1) / runs);
            loop {
                match start + taken[run].0.fetch_add(1, Relaxed) {
                    i if i < end => job(i),
                    _ => break,
                }
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
        for threads in [1, 2, 3, RUNS + 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for chunks in [0, 1, 2, 3, RUNS - 1, RUNS + 1, 1000] {
                let counts: Vec<AtomicUsize> = (0..chunks).map(|_| AtomicUsize::new(0)).collect();
                pool.install(|| parallel(chunks, |i| _ = counts[i].fetch_add(1, Relaxed)));
                assert!(counts.iter().all(|c| c.load(Relaxed) == 1), "{chunks} chunks, {threads} threads");
            }
        }
    }
}
