//! The kernel files, built into the package, and what their text says about constants.

use std::collections::HashMap;
use std::sync::LazyLock;

macro_rules! text {
    ($name:literal) => {
        include_str!(concat!("../wgsl/", $name, ".wgsl"))
    };
}

/// Kernel files, each with the files of what it shares with others, which are put behind it.
macro_rules! kernel_files {
    ($([$name:literal $(+ $shared:literal)*])*) => { &[$(($name, concat!(text!($name) $(, text!($shared))*))),*] };
}

static FILES: &[(&str, &str)] = kernel_files! {
    ["attention_forward" + "attention_tiles" + "attention_shared"]
    ["attention_backward" + "attention_tiles" + "attention_shared"]
    ["attention_repair" + "attention_shared"]
    ["avg_pool"] ["batch_norm"] ["cast"] ["conv"] ["copy"] ["cumsum"] ["gather"] ["gemm"] ["layer_norm"] ["max_pool"]
    ["reduce"] ["softmax"]
};

/// Each kernel file: its name without `.wgsl`, and its text with all preprocessor lines, and of what it shares with others behind it.
pub fn files() -> &'static [(&'static str, &'static str)] {
    FILES
}

pub(crate) fn source(file: &str) -> Option<&'static str> {
    FILES.iter().find(|(name, _)| *name == file).map(|(_, text)| *text)
}

type Declared = Vec<(&'static str, f64)>;

static OVERRIDES: LazyLock<HashMap<&str, Declared>> = LazyLock::new(|| {
    FILES.iter().map(|(name, text)| (*name, text.lines().filter_map(override_of).collect())).collect()
});

/// The constants a file declares with `override`, and their values there.
pub(crate) fn overrides(file: &str) -> &'static [(&'static str, f64)] {
    OVERRIDES.get(file).map_or(&[], |declared| declared)
}

/// Name and value of a line `override NAME: u32 = 16u;`.
pub(crate) fn override_of(line: &str) -> Option<(&str, f64)> {
    let (name, rest) = line.strip_prefix("override ")?.split_once(':')?;
    let value = rest.split_once('=')?.1.split(';').next()?.trim().trim_end_matches('u');
    Some((name.trim(), value.parse().ok()?))
}

/// The functions of `functions.wgsl` that the flags name (`ERF`, `LOG`, `PHILOX`, …), as text for kernels that are generated.
pub fn functions(flags: &[&str]) -> String {
    let text = crate::expand(include_str!("../wgsl/functions.wgsl"), flags).unwrap_or_default();
    let from = text.find("\nfn ").unwrap_or(text.len());
    text[from..].to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_constants() {
        assert_eq!(override_of("override LANES: u32 = 256u;"), Some(("LANES", 256.0)));
        assert_eq!(override_of("// override LANES: u32 = 256u;"), None);
        assert_eq!(overrides("gemm"), [("ACT", 0.0)]);
    }

    #[test]
    fn functions_are_functions_only() {
        let text = functions(&["PHILOX"]);
        assert!(text.contains("fn philox(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32>") && !text.contains("erf_f"));
        assert!(!text.contains("@group") && !text.contains("@compute") && !text.contains("Params"));
    }
}
