//! Wrong rules are detected: a sample of all mutants; `prove` tries every one.

use lethe_autograd::mutation::{Change, Mutant, Site, with_mutant};
use lethe_autograd::registry::operations;
use lethe_tests::proof::{Mutants, cases, derivatives};

/// One of this number of mutants is tried; it is prime, so that flips and drops, gradients and terms are all included.
const STRIDE: usize = 5;

#[test]
fn a_sample_of_wrong_rules_is_noticed() {
    let mutants = Mutants::find();
    assert!(mutants.count() > 300, "only {} mutants were found", mutants.count());
    let found = mutants.try_all(STRIDE);
    let survived: Vec<String> = found.values().flat_map(|c| c.survived.clone()).collect();
    let caught: usize = found.values().map(|c| c.caught).sum();
    assert!(survived.is_empty(), "{survived:#?}");
    assert_eq!(caught, mutants.count().div_ceil(STRIDE));
}

#[test]
fn a_mutant_of_a_place_that_no_rule_passes_changes_nothing() {
    for op in operations() {
        let mutant = Mutant { operation: op.name, site: Site::Gradient(99), change: Change::Flip };
        for case in cases(&op, 2) {
            with_mutant(&mutant, || derivatives(&case)).unwrap_or_else(|e| panic!("{}: {e}", op.name));
        }
    }
}
