//! The storage buffers that an expanded kernel declares, read off its text.

/// A storage buffer of group 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Binding {
    /// The number in `@binding(…)`.
    pub index: u32,
    /// Whether the kernel only reads it.
    pub read_only: bool,
}

/// The storage buffers of group 0 that an expanded `source` declares, by number.
///
/// It reads lines of the form `@group(0) @binding(N) var<storage, read> …` and `… var<storage, read_write> …`, which is how
/// every kernel of this package declares them (a test compares this with what naga sees); a kernel that writes its declarations
/// otherwise is not understood.
pub fn bindings(source: &str) -> Vec<Binding> {
    let mut found: Vec<Binding> = source.lines().filter_map(binding).collect();
    found.sort_by_key(|binding| binding.index);
    found
}

fn binding(line: &str) -> Option<Binding> {
    let (index, rest) = line.trim_start().strip_prefix("@group(0) @binding(")?.split_once(')')?;
    let access = rest.trim_start().strip_prefix("var<storage, ")?;
    Some(Binding { index: index.parse().ok()?, read_only: access.starts_with("read>") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_declarations() {
        let source = "@group(0) @binding(12) var<storage, read_write> Y: array<f32>;\n\
                      @group(0) @binding(3) var<storage, read> X: array<f32>;\n\
                      @group(1) @binding(0) var<uniform> p: Params;\n";
        let want = [Binding { index: 3, read_only: true }, Binding { index: 12, read_only: false }];
        assert_eq!(bindings(source), want);
    }
}
