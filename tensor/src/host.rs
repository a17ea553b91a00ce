//! Memory of the host, of which there may not be enough.

/// `n` numbers, made one after the other. Where [`Iterator::collect`] would abort the process for want of memory, this panics.
///
/// # Panics
/// If there is not so much memory; the message begins with `op`.
#[track_caller]
pub fn collected<T>(op: &str, n: usize, numbers: impl Iterator<Item = T>) -> Vec<T> {
    let mut all = vec![];
    if all.try_reserve_exact(n).is_err() {
        panic!("{op}: the host has no memory of {} bytes for {n} numbers", n as u128 * size_of::<T>() as u128);
    }
    all.extend(numbers.take(n));
    all
}
