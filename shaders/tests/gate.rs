//! Every variant of the list through the gate, in both forms of parameters; and what holds for the kernel files themselves.

use lethe_shaders::{Binding, ParamsForm, Variant, expand, files, gate, variants};
use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs `job` for every variant, over threads, and fails with all that it found wrong.
fn for_all(job: impl Fn(&'static Variant) -> Result<(), String> + Sync) {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(variant) = variants().get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = job(variant) {
                        wrong.lock().unwrap().push(format!("{}: {error}", variant.name()));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} variants:\n{}", wrong.len(), variants().len(), wrong.join("\n"));
}

#[test]
fn every_variant_passes_in_both_forms() {
    for_all(|variant| {
        let mut reports = Vec::new();
        for form in [ParamsForm::Immediate, ParamsForm::Uniform] {
            let source = variant.source(form);
            let report =
                gate::check(&source, variant.entry, &variant.constants).map_err(|e| format!("{form:?}: {e}"))?;
            if report.params_bytes == 0 {
                return Err(format!("{form:?}: has no Params"));
            }
            reports.push(gate::Report { spirv_words: 0, ..report });
        }
        if reports[0] == reports[1] { Ok(()) } else { Err(format!("the forms differ: {reports:?}")) }
    });
}

/// A variant whose constants are written into its text is the same kernel.
#[test]
fn every_standalone_text_passes() {
    for_all(|variant| {
        let text = variant.standalone(ParamsForm::Immediate);
        let alone = gate::check(&text, variant.entry, &[]).map_err(|e| e.to_string())?;
        let source = variant.source(ParamsForm::Immediate);
        let given = gate::check(&source, variant.entry, &variant.constants).map_err(|e| e.to_string())?;
        let same = gate::Report { spirv_words: alone.spirv_words, ..given } == alone;
        if same { Ok(()) } else { Err(format!("{alone:?} against {given:?}")) }
    });
}

/// The declarations that `bindings` reads off the text are those that naga sees.
#[test]
fn bindings_are_what_naga_sees() {
    for_all(|variant| {
        let module = naga::front::wgsl::parse_str(&variant.source(ParamsForm::Immediate)).map_err(|e| e.to_string())?;
        let mut seen: Vec<Binding> = module
            .global_variables
            .iter()
            .filter_map(|(_, variable)| {
                let naga::AddressSpace::Storage { access } = variable.space else { return None };
                let read_only = !access.contains(naga::StorageAccess::STORE);
                variable.binding.map(|binding| Binding { index: binding.binding, read_only })
            })
            .collect();
        seen.sort_by_key(|binding| binding.index);
        if seen == variant.bindings() { Ok(()) } else { Err(format!("{seen:?} against {:?}", variant.bindings())) }
    });
}

#[test]
fn the_list_stays_small() {
    assert!(variants().len() <= 500, "{} variants", variants().len());
}

/// A file begins with its header, and its lines can be read without horizontal scrolling.
#[test]
fn files_have_a_header_and_short_lines() {
    for (name, text) in files() {
        assert!(text.starts_with(&format!("// {name}.wgsl: ")), "{name}.wgsl does not say what it is");
        let header: Vec<&str> = text.lines().take_while(|line| line.starts_with("//")).collect();
        for word in ["binding", "grid"] {
            let said = header.iter().any(|line| line.to_lowercase().contains(word));
            assert!(said, "{name}.wgsl: the header says nothing of the {word}");
        }
        for (line, text) in (1..).zip(text.lines()) {
            assert!(text.chars().count() <= 140, "{name}.wgsl:{line} has more than 140 characters");
            assert!(!text.ends_with(' ') && !text.contains('\t'), "{name}.wgsl:{line} has a tab or ends in a space");
        }
    }
}

/// No file, no flag and no constant that the list does not use; no flag that a file does not know. Files of one family (what is before the
/// `_`) may share text, whose flags are used if one of them uses them.
#[test]
fn files_and_list_agree() {
    let family = |file: &'static str| file.split('_').next().unwrap();
    let (mut used, mut used_by_family) = (HashMap::<&str, HashSet<&str>>::new(), HashMap::<&str, HashSet<&str>>::new());
    for variant in variants() {
        let names = variant.flags.iter().chain(variant.constants.iter().map(|(name, _)| name));
        used.entry(variant.file).or_default().extend(names.clone());
        used_by_family.entry(family(variant.file)).or_default().extend(names);
    }
    for (name, text) in files() {
        let mut known: HashSet<&str> = HashSet::new();
        for line in text.lines() {
            if let Some(flags) = line.trim().strip_prefix("//#if ") {
                known.extend(flags.split_whitespace());
            }
            if let Some(rest) = line.strip_prefix("override ") {
                known.insert(rest.split(':').next().unwrap());
            }
        }
        let unknown: Vec<_> = used.remove(name).unwrap_or_default().difference(&known).copied().collect();
        assert!(unknown.is_empty(), "{name}.wgsl does not know {unknown:?}, which the list uses");
        let idle: Vec<_> = known.difference(&used_by_family[family(name)]).collect();
        assert!(idle.is_empty(), "{name}.wgsl: the list does not use {idle:?}");
    }
    assert!(used.is_empty(), "the list names files that are not there: {used:?}");
}

/// Two variants with the same text and constants would be one.
#[test]
fn no_variant_stands_twice() {
    let mut seen: HashMap<(String, &str, String), String> = HashMap::new();
    for variant in variants() {
        let key = (variant.source(ParamsForm::Immediate), variant.entry, format!("{:?}", variant.constants));
        if let Some(other) = seen.insert(key, variant.name()) {
            panic!("{} and {other} are the same", variant.name());
        }
    }
}

#[test]
fn functions_make_a_kernel() {
    let kernel = format!(
        "{}@group(0) @binding(0) var<storage, read_write> Y: array<u32>;\n@compute @workgroup_size(1)\n\
         fn main() {{ let r = philox(vec4<u32>(), vec2<u32>()); Y[0] = r.x; }}\n",
        lethe_shaders::functions(&["PHILOX"])
    );
    gate::check(&kernel, "main", &[]).unwrap();
    assert_eq!(expand(&kernel, &[]).unwrap(), kernel);
}
