//! Every differentiable operation, registered once with a generator of random cases: from these come the gradient checks, the
//! comparisons of devices, and whatever a program wants to try on all operations. Cases are drawn with Philox from (seed, size), so
//! that a case can be named, made again and shrunk. It checks nothing itself.

mod activation;
mod arrange;
mod attention;
mod case;
mod convolution;
mod convolution_nd;
mod draws;
mod einsum;
mod elementwise;
mod error_loss;
mod index;
mod interpolate;
mod join;
mod large;
mod mask;
mod matmul;
mod norm;
mod operation;
mod reduce;
mod softmax;
mod view;
mod views;

pub use case::Case;
pub use operation::Operation;

/// Those each element of whose result depends on one element of each input alone, and whose inputs may have any one shape.
pub fn pointwise_operations() -> impl Iterator<Item = Operation> {
    let families = [elementwise::OPERATIONS, activation::OPERATIONS];
    families.into_iter().flatten().copied().filter(|op| !["sum_to", "glu"].contains(&op.name))
}

/// A case of each kernel family that is large enough for its large tiles, long lines and second passes; for devices, since finite
/// differences would take long.
pub fn large_operations() -> impl Iterator<Item = Operation> {
    large::OPERATIONS.iter().copied()
}

/// All of them.
pub fn operations() -> impl Iterator<Item = Operation> {
    let families = [
        elementwise::OPERATIONS,
        activation::OPERATIONS,
        reduce::OPERATIONS,
        softmax::OPERATIONS,
        view::OPERATIONS,
        join::OPERATIONS,
        arrange::OPERATIONS,
        mask::OPERATIONS,
        index::OPERATIONS,
        matmul::OPERATIONS,
        einsum::OPERATIONS,
        convolution::OPERATIONS,
        convolution_nd::OPERATIONS,
        interpolate::OPERATIONS,
        norm::OPERATIONS,
        attention::OPERATIONS,
        error_loss::OPERATIONS,
    ];
    families.into_iter().flatten().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Tape;
    use crate::tape::Mode;
    use std::collections::BTreeSet;

    /// What the sources of the operations record and offer.
    #[derive(Default)]
    struct Sources {
        recorded: BTreeSet<String>,
        methods: BTreeSet<String>,
    }

    /// The string literals that follow `opening`.
    fn literals<'a>(text: &'a str, opening: &'a str) -> impl Iterator<Item = String> + 'a {
        text.split(opening)
            .skip(1)
            .filter_map(|t| Some(t.trim_start().strip_prefix('"')?.split_once('"')?.0.to_string()))
    }

    impl Sources {
        fn read() -> Sources {
            let mut sources = Sources::default();
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ops");
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                assert!(path.is_file(), "{path:?}: the scan expects one file a family");
                sources.scan(&std::fs::read_to_string(&path).unwrap());
            }
            assert!(sources.recorded.len() > 50 && sources.methods.len() > 60, "the scan lost its way");
            sources
        }

        fn scan(&mut self, text: &str) {
            for call in ["Var::record(", "Var::record_with_result("] {
                self.recorded.extend(literals(text, call));
                for argument in text.split(call).skip(1).map(str::trim_start) {
                    let known = ["\"", "stringify!($name)", "op,"].iter().any(|k| argument.starts_with(k));
                    assert!(known, "an operation's name is neither literal nor passed on: {:.40}", argument);
                }
            }
            // Private helpers that record under the name they are given.
            for helper in ["self.average(", "self.extreme("] {
                self.recorded.extend(literals(text, helper));
            }
            for line in text.lines().map(str::trim_start) {
                let name = |s: &str| s.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_string();
                if let Some(rest) = line.strip_prefix("pub fn ").filter(|r| !r.starts_with('$')) {
                    // A reduction's common form and its form over axes are one operation.
                    let method = name(rest);
                    self.methods.insert(method.trim_end_matches("_axes").trim_end_matches('_').to_string());
                }
                // An entry of a macro: `name: |dy, x| …`.
                if let Some((entry, _)) = line.split_once(": |dy, ").filter(|(e, _)| *e == name(e)) {
                    self.methods.insert(entry.to_string());
                    self.recorded.insert(entry.to_string());
                }
            }
        }
    }

    #[test]
    fn every_operation_that_is_offered_or_recorded_is_registered() {
        let sources = Sources::read();
        let mut recorded = BTreeSet::new();
        for op in operations() {
            for seed in 0..40 {
                let case = op.case(seed, 3);
                let tape = Tape::new();
                let y = (case.run)(&case.on(&tape, &case.inputs));
                if y.is_tracked() {
                    tape.sweep(&y, &tape.leaf(&y.tensor().zeros_like()), Mode::Record);
                }
                recorded.extend(tape.operations().into_iter().map(String::from));
            }
        }
        let missing: Vec<_> = sources.recorded.difference(&recorded).collect();
        assert!(missing.is_empty(), "no registered case records {missing:?}");
        let names: Vec<&str> = operations().map(|o| o.name).collect();
        let unique: BTreeSet<String> = names.iter().map(|n| n.to_string()).collect();
        assert!(unique.len() == names.len(), "a name is registered twice");
        let missing: Vec<_> = sources.methods.difference(&unique).collect();
        assert!(missing.is_empty(), "public methods of src/ops are not registered: {missing:?}");
        let gone: Vec<_> = unique.difference(&sources.methods).collect();
        assert!(gone.is_empty(), "registered, but no public method of src/ops: {gone:?}");
    }

    #[test]
    fn every_recorded_operation_knows_the_line_of_calling_code() {
        let mut lost = BTreeSet::new();
        for op in operations() {
            for seed in 0..20 {
                let case = op.case(seed, 3);
                let tape = Tape::new();
                (case.run)(&case.on(&tape, &case.inputs));
                let inside = |at: &&std::panic::Location<'_>| at.file().contains("ops");
                lost.extend(tape.0.nodes().iter().map(|n| n.location).filter(inside).map(ToString::to_string));
            }
        }
        assert!(lost.is_empty(), "operations recorded with lines of the library: {lost:#?}");
    }

    #[test]
    fn cases_are_functions_of_seed_and_size_and_do_not_panic() {
        let (mut empty, mut strided) = (0, 0);
        for op in operations() {
            for (seed, size) in (0..60).zip([1, 2, 4, 7].into_iter().cycle()) {
                let (a, b) = (op.case(seed, size), op.case(seed, size));
                assert_eq!(a.description, b.description);
                assert_eq!(a.inputs.len(), a.differentiable.len(), "{}", op.name);
                empty += usize::from(a.inputs.iter().any(|t| t.numel() == 0));
                strided += usize::from(a.inputs.iter().any(|t| !t.layout().is_contiguous()));
                let run = || a.value(&a.inputs).force().shape().to_vec();
                let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
                assert!(done.is_ok(), "{} {seed} {size}:\n{}", op.name, a.description);
            }
        }
        assert!(empty > 200 && strided > 1000, "{empty} cases with empty inputs, {strided} with strided ones");
    }
}
