//! Mutants: every rule made wrong in every way that [`lethe_autograd::mutation`] knows, and the checks that must detect it.

use super::{cases, derivatives};
use lethe_autograd::mutation::{Mutant, mutants_in, with_mutant};
use lethe_autograd::registry::{Case, Operation, operations};
use lethe_autograd::{Mode, Tape, Var};
use lethe_tensor::{DType, Tensor};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The number of cases per operation that are searched for sites and then tried on mutants.
const CASES: u64 = 24;

/// The mutants of all rules, each with the operations (by number) whose cases run it.
pub struct Mutants {
    operations: Vec<Operation>,
    all: BTreeMap<Mutant, Vec<usize>>,
}

/// The result of trying mutants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caught {
    /// The number that a check detected.
    pub caught: usize,
    /// Those that no check detected.
    pub survived: Vec<String>,
}

impl Mutants {
    /// Runs cases of all operations and records the sites in their backward passes.
    pub fn find() -> Mutants {
        let operations: Vec<Operation> = operations().collect();
        let mut all: BTreeMap<Mutant, Vec<usize>> = BTreeMap::new();
        for (i, op) in operations.iter().enumerate() {
            let right =
                |case: Case| assert!(fused_and_recorded(&case), "{}, unchanged:\n{}", op.name, case.description);
            for mutant in mutants_in(|| cases(op, CASES).for_each(right)) {
                all.entry(mutant).or_default().push(i);
            }
        }
        Mutants { operations, all }
    }

    /// Their number.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Their number by owner.
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        self.all.keys().for_each(|mutant| *counts.entry(self.owner(mutant)).or_default() += 1);
        counts
    }

    /// The name of the registered operation that owns a rule: its own, or the first one that runs it.
    pub fn owner(&self, mutant: &Mutant) -> &'static str {
        let users = &self.all[mutant];
        let own = users.iter().map(|i| self.operations[*i].name).find(|name| *name == mutant.operation);
        own.unwrap_or(self.operations[users[0]].name)
    }

    /// Tries every `stride`-th mutant, and counts by owner.
    pub fn try_all(&self, stride: usize) -> BTreeMap<&'static str, Caught> {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {})); // a wrong rule may panic, which also counts as detected
        let mut found: BTreeMap<&'static str, Caught> = BTreeMap::new();
        for mutant in self.all.keys().step_by(stride) {
            let of_owner = found.entry(self.owner(mutant)).or_default();
            match self.is_caught(mutant) {
                true => of_owner.caught += 1,
                false => of_owner.survived.push(mutant.to_string()),
            }
        }
        std::panic::set_hook(hook);
        found
    }

    /// Whether a check of an operation that runs the rule detects it; the owner is tried first.
    fn is_caught(&self, mutant: &Mutant) -> bool {
        let mut users = self.all[mutant].clone();
        users.sort_by_key(|i| self.operations[*i].name != mutant.operation);
        users.iter().any(|i| cases(&self.operations[*i], CASES).any(|case| is_noticed(mutant, &case)))
    }
}

fn is_noticed(mutant: &Mutant, case: &Case) -> bool {
    let checks = || derivatives(case).is_err() || !fused_and_recorded(case);
    with_mutant(mutant, || catch_unwind(AssertUnwindSafe(checks)).unwrap_or(true))
}

/// Whether a recorded backward pass gives the same gradients as one that is not recorded.
fn fused_and_recorded(case: &Case) -> bool {
    let gradients = |mode: Mode| -> Vec<Vec<f64>> {
        let tape = Tape::new();
        let x = case.on(&tape, &case.inputs);
        let y = (case.run)(&x);
        if !y.is_tracked() {
            return vec![];
        }
        let cotangent = Tensor::normal(y.device(), DType::F64, y.shape(), lethe_tensor::random::Draw::new(2, [0; 3]));
        let cotangent = if mode == Mode::Record { tape.leaf(&cotangent) } else { Var::constant(&cotangent) };
        let grads = tape.sweep(&y, &cotangent, mode);
        let tracked = x.iter().filter(|v| v.is_tracked());
        tracked.map(|v| grads.of(v).tensor().to_vec().expect("the CPU does not fail")).collect()
    };
    let close = |a: &f64, b: &f64| (a - b).abs() <= 1e-9 * f64::max(1.0, b.abs());
    let (fused, recorded) = (gradients(Mode::Free), gradients(Mode::Record));
    fused.iter().flatten().zip(recorded.iter().flatten()).all(|(a, b)| close(a, b))
}
