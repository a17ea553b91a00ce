//! Wrong rules on purpose, chosen at run time: the proof that the checks would notice. Only with the feature `mutation`.
//!
//! A *site* is a place in the rule of an operation where something can go wrong: one of the gradients that it gives, or one of the sums,
//! differences, products and factors by which it computes them. A *mutant* is a site and what is done there. While one is chosen, this
//! thread's sweeps are wrong in that one thing.

use crate::graph::Var;
use lethe_tensor::layout::broadcast;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

/// A place in a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Site {
    /// The gradient of this input.
    Gradient(usize),
    /// The n-th term of its computation, counted from 0, and what it is (`add`, `sub`, `mul`, `div`, `neg`, `add_scalar`, `mul_scalar`,
    /// `rsub_scalar`).
    Term(usize, &'static str),
}

/// What is done there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// The other sign: of the result, or of the second operand of a sum.
    Flip,
    /// Left out: the gradient, the second operand, or the factor.
    Drop,
}

/// One wrong thing in one rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mutant {
    /// The recorded operation whose rule it is.
    pub operation: &'static str,
    /// Where in the rule.
    pub site: Site,
    /// What is wrong.
    pub change: Change,
}

impl std::fmt::Display for Mutant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let change = match self.change {
            Change::Flip => "flipped",
            Change::Drop => "dropped",
        };
        match self.site {
            Site::Gradient(input) => write!(f, "{}: the gradient of input {input} {change}", self.operation),
            Site::Term(n, what) => write!(f, "{}: term {n} ({what}) {change}", self.operation),
        }
    }
}

#[derive(Default)]
struct State {
    /// Sites that were passed, while they are collected.
    seen: Option<BTreeSet<Mutant>>,
    active: Option<Mutant>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
    /// The rule that runs, and the next term's number.
    static RULE: Cell<Option<(&'static str, usize)>> = const { Cell::new(None) };
}

/// All mutants of the rules that run in `f`.
pub fn mutants_in(f: impl FnOnce()) -> BTreeSet<Mutant> {
    STATE.with_borrow_mut(|s| s.seen = Some(BTreeSet::new()));
    f();
    STATE.with_borrow_mut(|s| s.seen.take().unwrap_or_default())
}

/// Runs `f` with one rule wrong; also a panic in `f` ends that.
pub fn with_mutant<R>(mutant: &Mutant, f: impl FnOnce() -> R) -> R {
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            STATE.with_borrow_mut(|s| s.active = None);
            RULE.set(None);
        }
    }
    let _reset = Reset;
    STATE.with_borrow_mut(|s| s.active = Some(mutant.clone()));
    f()
}

/// Runs a rule; its terms are sites meanwhile, and so are the gradients that it gives.
pub(crate) fn rule(operation: &'static str, run: impl FnOnce() -> Vec<Option<Var>>) -> Vec<Option<Var>> {
    let outer = RULE.replace(Some((operation, 0)));
    let mut gradients = run();
    RULE.set(outer);
    for (input, gradient) in gradients.iter_mut().enumerate().filter(|(_, g)| g.is_some()) {
        match change_at(operation, &Site::Gradient(input)) {
            Some(Change::Flip) => *gradient = gradient.as_ref().map(Var::neg),
            Some(Change::Drop) => *gradient = None,
            None => {}
        }
    }
    gradients
}

/// What is done at a site, if its mutant is active. Where sites are collected, it is written down.
fn change_at(operation: &'static str, site: &Site) -> Option<Change> {
    STATE.with_borrow_mut(|s| {
        if let Some(seen) = &mut s.seen {
            // A sign left out is a sign flipped.
            let all = [Change::Flip, Change::Drop];
            for change in all.into_iter().take(if matches!(site, Site::Term(_, "neg")) { 1 } else { 2 }) {
                seen.insert(Mutant { operation, site: site.clone(), change });
            }
        }
        s.active.as_ref().filter(|m| m.operation == operation && m.site == *site).map(|m| m.change)
    })
}

/// The change at the next term of the rule that runs, if one runs.
/// Keeps terms right until the result is dropped.
pub(crate) fn unchanged() -> impl Drop {
    struct Reset(Option<(&'static str, usize)>);
    impl Drop for Reset {
        fn drop(&mut self) {
            RULE.set(self.0);
        }
    }
    Reset(RULE.take())
}

fn at_next_term(what: &'static str) -> Option<Change> {
    let (operation, n) = RULE.get()?;
    RULE.set(Some((operation, n + 1)));
    change_at(operation, &Site::Term(n, what))
}

/// A term of two operands, wrongly computed; `None` where it is to be right.
pub(crate) fn binary(what: &'static str, a: &Var, b: &Var) -> Option<Var> {
    if !matches!(what, "add" | "sub" | "mul" | "div") {
        return None;
    }
    let change = at_next_term(what)?;
    let outer = RULE.take();
    let wrong = match (what, change) {
        // In the result's shape, lest a shape that does not fit give it away.
        (_, Change::Drop) => a.expand(&broadcast(a.shape(), b.shape()).expect("the right term has a shape")),
        ("add", Change::Flip) => a.sub(b),
        ("sub", Change::Flip) => a.add(b),
        ("div", Change::Flip) => a.div(b).neg(),
        (_, Change::Flip) => a.mul(b).neg(),
    };
    RULE.set(outer);
    Some(wrong)
}

/// A negation, or a term with a number c, wrongly computed; `None` where it is to be right.
pub(crate) fn unary(what: &'static str, x: &Var, c: f64) -> Option<Var> {
    if !matches!(what, "neg" | "mul_scalar" | "add_scalar" | "rsub_scalar") {
        return None;
    }
    let change = at_next_term(what)?;
    let outer = RULE.take();
    let wrong = match (what, change) {
        ("mul_scalar", Change::Flip) => x.mul_scalar(-c),
        ("add_scalar", Change::Flip) => x.add_scalar(-c),
        ("rsub_scalar", Change::Flip) => x.add_scalar(c),
        ("rsub_scalar", Change::Drop) => x.neg(),
        _ => x.clone(),
    };
    RULE.set(outer);
    Some(wrong)
}
