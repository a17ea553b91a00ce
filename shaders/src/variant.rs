//! A variant of a kernel file. Which of them there are is decided in `list`.

use crate::bindings::{Binding, bindings};
use crate::expand::{ExpandError, expand};
use crate::params::ParamsForm;
use crate::sources;

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

    pub(crate) fn is(&self, file: &str, entry: &str, flags: &[&str], constants: &[(&str, f64)]) -> bool {
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
pub(crate) fn given<'a>(file: &str, constants: &'a [(&'a str, f64)]) -> impl Iterator<Item = (&'a str, f64)> {
    let declared = sources::overrides(file);
    constants.iter().copied().filter(move |c| !declared.iter().any(|(name, value)| *name == c.0 && *value == c.1))
}
