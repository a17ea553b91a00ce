//! How kernels that share each row among some threads of a workgroup are dispatched.

use super::lanes;
use crate::gpu::fold_groups;

/// The form of such a kernel for rows of one length.
pub struct RowKernel {
    /// `VEC4` where a row is whole vectors of four.
    pub vec4: &'static str,
    /// Threads of a row.
    pub lanes: (&'static str, f64),
    /// The grid.
    pub groups: [u32; 3],
}

impl RowKernel {
    /// For `rows` rows of `n` elements.
    pub fn new(rows: usize, n: usize) -> RowKernel {
        // Empty rows have buffers too small for a vector.
        let vec4 = n > 0 && n.is_multiple_of(4);
        let lanes = lanes(if vec4 { n / 4 } else { n });
        let groups = fold_groups(rows.div_ceil(256 / lanes.1 as usize) as u64);
        RowKernel { vec4: if vec4 { "VEC4" } else { "" }, lanes, groups }
    }
}
