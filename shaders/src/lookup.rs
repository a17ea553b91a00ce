//! The lookup of a variant in the list.

use crate::list;
use crate::variant::{Variant, given};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

/// Independent of the order of flags and constants: their hashes are added.
fn key(file: &str, entry: &str, flags: &[&str], constants: &[(&str, f64)]) -> u64 {
    fn hash(value: impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        hasher.finish()
    }
    let mut sum = hash((file, entry));
    for flag in flags.iter().filter(|flag| !flag.is_empty()) {
        sum = sum.wrapping_add(hash(flag));
    }
    for (name, value) in given(file, constants) {
        sum = sum.wrapping_add(hash((name, value.to_bits())));
    }
    sum
}

struct Index {
    all: Vec<Variant>,
    by_key: HashMap<u64, Vec<usize>>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let all = list::all();
    let mut by_key: HashMap<u64, Vec<usize>> = HashMap::new();
    for (at, v) in all.iter().enumerate() {
        by_key.entry(key(v.file, v.entry, &v.flags, &v.constants)).or_default().push(at);
    }
    Index { all, by_key }
});

/// Every variant that a runtime can ask for. Checks over all of them take seconds.
pub fn variants() -> &'static [Variant] {
    &INDEX.all
}

/// The variant of `file` (with or without `.wgsl`) with this entry point, these flags and these constants, if the list has it.
///
/// The order of flags and of constants is irrelevant, empty flags are skipped (so that `if wide { "VEC4" } else { "" }` can stand
/// in place), and a constant at the value that the file declares may be left out.
pub fn get(file: &str, entry: &str, flags: &[&str], constants: &[(&str, f64)]) -> Option<&'static Variant> {
    let file = file.strip_suffix(".wgsl").unwrap_or(file);
    let found = INDEX.by_key.get(&key(file, entry, flags, constants))?;
    found.iter().map(|at| &INDEX.all[*at]).find(|variant| variant.is(file, entry, flags, constants))
}

/// [`get`], for callers that know the variant to exist.
///
/// # Panics
/// If the list has no such variant, naming what was asked for and the variants of that entry point that come nearest.
#[track_caller]
pub fn find(file: &str, entry: &str, flags: &[&str], constants: &[(&str, f64)]) -> &'static Variant {
    match get(file, entry, flags, constants) {
        Some(variant) => variant,
        None => panic!("{}", missing(file, entry, flags, constants)),
    }
}

fn missing(file: &str, entry: &str, flags: &[&str], constants: &[(&str, f64)]) -> String {
    let file = file.strip_suffix(".wgsl").unwrap_or(file);
    let shared = |v: &&Variant| {
        let flags = 2 * v.flags.iter().filter(|f| flags.contains(f)).count() as i32 - v.flags.len() as i32;
        -(flags + v.constants.iter().filter(|c| constants.contains(c)).count() as i32)
    };
    let mut near: Vec<&Variant> = variants().iter().filter(|v| v.file == file && v.entry == entry).collect();
    near.sort_by_key(shared);
    let near: Vec<String> =
        near.iter().take(4).map(|v| format!("flags {:?} constants {:?}", v.flags, v.constants)).collect();
    let asked = format!("no shader variant {file}.wgsl, entry {entry}, flags {flags:?}, constants {constants:?}");
    match near.is_empty() {
        true => format!("{asked}: the list has no such entry point in such a file"),
        false => format!("{asked}; the nearest of the list: {}", near.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::ParamsForm;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_plain() {
        let mut seen = HashSet::new();
        for variant in variants() {
            let name = variant.name();
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)), "{name}");
            assert!(seen.insert(name.clone()), "{name} stands twice");
        }
    }

    #[test]
    fn finds_each_whatever_the_order() {
        for variant in variants() {
            let mut flags = variant.flags.clone();
            flags.reverse();
            flags.push("");
            assert!(std::ptr::eq(find(variant.file, variant.entry, &flags, &variant.constants), variant));
        }
    }

    #[test]
    fn a_declared_value_may_be_left_out() {
        let flags = ["VEC4", "TILE_64", "BIAS"];
        let plain = find("gemm", "gemm", &flags, &[]);
        assert!(std::ptr::eq(plain, find("gemm.wgsl", "gemm", &flags, &[("ACT", 0.0)])));
        assert_ne!(plain, find("gemm", "gemm", &flags, &[("ACT", 1.0)]));
    }

    #[test]
    fn standalone_writes_constants_in() {
        let text = find("layer_norm", "layer_norm", &["FORWARD"], &[("LANES", 16.0)]).standalone(ParamsForm::Immediate);
        assert!(text.contains("override LANES: u32 = 16u;"), "{text}");
    }

    #[test]
    #[should_panic(expected = "no shader variant gemm.wgsl, entry gemm, flags [\"TILE_64\", \"SIDEWAYS\"]")]
    fn names_what_is_missing() {
        find("gemm", "gemm", &["TILE_64", "SIDEWAYS"], &[]);
    }
}
