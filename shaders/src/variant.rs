//! A variant of a kernel file, and the lookup of one in the list. What is in the list is decided in `list`.

use crate::{Binding, ExpandError, ParamsForm, bindings, expand, list, sources};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

/// The values that the constant `LANES` (threads that share a row, plane or line) takes in the list.
pub const LANES: [u32; 3] = [16, 64, 256];

/// One compute pipeline's worth of a kernel file: an entry point, the flags it is expanded with, the values of its constants.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// The file's name without `.wgsl`.
    pub file: &'static str,
    /// The entry point. An expanded variant has no other.
    pub entry: &'static str,
    /// The flags set, as the list gives them.
    pub flags: Vec<&'static str>,
    /// Pipeline-overridable constants. One that is left out keeps the value that the file declares.
    pub constants: Vec<(&'static str, f64)>,
}

impl Variant {
    /// A name that no other variant of the list has and every file system takes: `gemm-gemm-tile_64-b_t-vec4`.
    pub fn name(&self) -> String {
        let mut name = format!("{}-{}", self.file, self.entry);
        for flag in &self.flags {
            name += &format!("-{}", flag.to_lowercase());
        }
        for (constant, value) in &self.constants {
            name += &format!("-{}_{value}", constant.to_lowercase());
        }
        name
    }

    /// The WGSL, with its constants overridable.
    ///
    /// # Panics
    /// Never for a variant of the list.
    #[track_caller]
    pub fn source(&self, form: ParamsForm) -> String {
        form.apply(&self.expanded().unwrap_or_else(|error| panic!("{}.wgsl: {error}", self.file)))
    }

    /// The WGSL with the constants' values written in as their defaults: a text that stands alone, for reading and for
    /// compilers that take no constants.
    #[track_caller]
    pub fn standalone(&self, form: ParamsForm) -> String {
        let mut out = String::new();
        for line in self.source(form).lines() {
            match sources::override_of(line).and_then(|(name, _)| self.constants.iter().find(|c| c.0 == name)) {
                Some((_, value)) => {
                    let declared = line.split('=').next().unwrap_or(line).trim_end();
                    let suffix = if declared.ends_with("u32") { "u" } else { "" };
                    out += &format!("{declared} = {value}{suffix};\n");
                }
                None => out = out + line + "\n",
            }
        }
        out
    }

    /// The storage buffers it binds, by number.
    pub fn bindings(&self) -> Vec<Binding> {
        bindings(&self.source(ParamsForm::Immediate))
    }

    fn expanded(&self) -> Result<String, ExpandError> {
        expand(sources::source(self.file).unwrap_or_default(), &self.flags)
    }

    fn is(&self, file: &str, entry: &str, flags: &[&str], constants: &[(&str, f64)]) -> bool {
        let set = |flags: &[&str]| flags.iter().filter(|f| !f.is_empty()).count();
        let same_constants = |a: &[(&str, f64)], b: &[(&str, f64)]| {
            given(file, a).all(|(name, value)| b.iter().any(|c| c.0 == name && c.1 == value))
        };
        self.file == file
            && self.entry == entry
            && set(&self.flags) == set(flags)
            && flags.iter().all(|flag| flag.is_empty() || self.flags.contains(flag))
            && same_constants(&self.constants, constants)
            && same_constants(constants, &self.constants)
    }
}

/// The constants that differ from what the file declares.
fn given<'a>(file: &str, constants: &'a [(&'a str, f64)]) -> impl Iterator<Item = (&'a str, f64)> {
    let declared = sources::overrides(file);
    constants.iter().copied().filter(move |c| !declared.iter().any(|(name, value)| *name == c.0 && *value == c.1))
}

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
    let places = INDEX.by_key.get(&key(file, entry, flags, constants))?;
    places.iter().map(|at| &INDEX.all[*at]).find(|variant| variant.is(file, entry, flags, constants))
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
