//! What a device can do, as far as the code that plans dispatches must know: limits, windows over the binding limit,
//! and the folding of long one-dimensional grids.

/// The alignment in bytes of a binding's offset. 256 is the most that any WebGPU device demands.
pub const BINDING_ALIGNMENT: u64 = 256;

/// The most workgroups that one dimension of a dispatch may have, on every device.
pub const GROUPS_PER_DIMENSION: u32 = 65_535;

/// Words of parameters that a dispatch may carry: 64 bytes, below what every device with immediates has.
pub const PARAMS_WORDS: usize = 16;

/// The same in bytes.
pub const PARAMS_BYTES: u32 = 4 * PARAMS_WORDS as u32;

/// The abilities of an open device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caps {
    /// The largest storage binding in bytes: the adapter's limit or the pretended one of
    /// [`GpuOptions::binding_limit`](super::GpuOptions), a multiple of 256.
    pub max_binding: u64,
    /// The largest buffer in bytes.
    pub max_buffer: u64,
    /// Parameters travel as immediates; otherwise in a uniform buffer.
    pub immediates: bool,
    /// Kernels are compiled with wgpu's runtime checks.
    pub checked_shaders: bool,
}

impl Caps {
    /// Cuts a vector of `len` elements of `element_bytes` bytes (a power of two up to 256) into windows that a single
    /// binding can hold: `(offset, len)` in elements, offsets aligned to 256 bytes. One window where the whole fits;
    /// none for an empty vector.
    pub fn windows(&self, len: usize, element_bytes: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        debug_assert!(element_bytes.is_power_of_two() && element_bytes as u64 <= BINDING_ALIGNMENT);
        let most = usize::try_from(self.max_binding / element_bytes as u64).unwrap_or(usize::MAX);
        (0..len).step_by(most).map(move |offset| (offset, most.min(len - offset)))
    }
}

/// The grid for `groups` workgroups in a row, folded over y so that no dimension exceeds 65,535. A kernel finds its place
/// as `workgroup_id.y * num_workgroups.x + workgroup_id.x`; up to one row of the grid may lie past the end, so it must
/// compare with its element count.
pub fn fold_groups(groups: u64) -> [u32; 3] {
    let most = u64::from(GROUPS_PER_DIMENSION);
    let rows = groups.div_ceil(most).max(1);
    debug_assert!(rows <= most, "{groups} workgroups do not fit a two-dimensional grid");
    [groups.div_ceil(rows) as u32, rows as u32, 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(max_binding: u64) -> Caps {
        Caps { max_binding, max_buffer: 1 << 31, immediates: true, checked_shaders: true }
    }

    #[test]
    fn windows_tile_the_vector() {
        for (len, bytes, limit) in [(0, 4, 256), (1, 4, 256), (64, 4, 256), (65, 4, 256), (1000, 2, 512), (257, 8, 256)]
        {
            let mut next = 0;
            for (offset, part) in caps(limit).windows(len, bytes) {
                assert_eq!(offset, next);
                assert_eq!(offset * bytes % 256, 0);
                assert!(part > 0 && (part * bytes) as u64 <= limit);
                next = offset + part;
            }
            assert_eq!(next, len);
        }
    }

    #[test]
    fn folded_grids_cover_with_less_than_a_row_to_spare() {
        for groups in [1, 2, 65_535, 65_536, 131_070, 131_071, 1 << 24, 65_535 * 65_535] {
            let [x, y, z] = fold_groups(groups);
            assert!(x <= GROUPS_PER_DIMENSION && y <= GROUPS_PER_DIMENSION && z == 1);
            let covered = u64::from(x) * u64::from(y);
            assert!(covered >= groups && covered - groups < u64::from(y), "{groups}: {x} by {y}");
        }
        assert_eq!(fold_groups(0), [0, 1, 1]);
    }
}
