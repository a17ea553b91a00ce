//! Work recorded in parts, where a grid or a binding would be too large: where a part may start, and how a range of items is cut.

use std::ops::Range;

use crate::gpu::caps::BINDING_ALIGNMENT;

/// Words between two places where a binding may start.
pub const GRAIN: usize = BINDING_ALIGNMENT as usize / 4;

/// The least number of steps after which all of `strides` (in words) come to where a binding may start again.
pub fn grain(strides: &[usize]) -> usize {
    strides.iter().map(|s| GRAIN >> s.trailing_zeros().min(GRAIN.ilog2())).max().unwrap_or(1)
}

/// Two parts of a range longer than `grain`; the second starts at a multiple of it from the first's start.
pub fn halves(range: &Range<usize>, grain: usize) -> [Range<usize>; 2] {
    let middle = range.start + (range.len() / 2).next_multiple_of(grain);
    [range.start..middle, middle..range.end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_start_where_a_binding_may() {
        assert_eq!([grain(&[64]), grain(&[0, 128]), grain(&[3]), grain(&[16, 8])], [1, 1, 64, 8]);
        assert_eq!(halves(&(3..68), 64), [3..67, 67..68]);
    }
}
