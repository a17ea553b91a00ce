//! Drawing shapes, values and views, and writing down as code what was drawn. What a case means is the families' business.

use super::case::{Case, Input};
use super::views::View;
use crate::graph::Var;
use lethe_tensor::random::{Draw, Philox};
use lethe_tensor::{Device, Tensor};

/// Where the elements of an input lie. All are multiples of 2⁻¹⁰, so that they are the same in f32 and short to print.
#[derive(Clone, Copy, Debug)]
pub(super) enum Domain {
    /// About normal.
    Normal,
    /// The same with exact zeros among them.
    Sparse,
    /// In [0.25, 2.25).
    Positive,
    /// Of magnitude [0.25, 2.25), of either sign.
    Away,
    /// In this interval.
    Within(f64, f64),
}

/// The state of drawing one case.
pub(super) struct Draws {
    rng: Philox,
    size: usize,
    inputs: Vec<Input>,
    differentiable: Vec<bool>,
    code: Vec<String>,
}

impl Draws {
    pub(super) fn new(seed: u64, size: usize) -> Draws {
        let rng = Philox::new(Draw::new(seed, [0; 3]));
        Draws { rng, size: size.max(1), inputs: vec![], differentiable: vec![], code: vec![] }
    }

    /// Uniform in 0..n.
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.rng.below(n as u32) as usize
    }

    /// True once in `n`.
    pub(super) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// True half of the time.
    pub(super) fn coin(&mut self) -> bool {
        self.once_in(2)
    }

    /// One of these.
    pub(super) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// A random stream of a random seed.
    pub(super) fn draw(&mut self) -> Draw {
        Draw::new(self.rng.bits().into(), [self.rng.bits(), 0, 0])
    }

    /// An extent from 1 to the size; 1 more often than others.
    pub(super) fn positive(&mut self) -> usize {
        if self.once_in(6) { 1 } else { 1 + self.below(self.size) }
    }

    /// An extent from 0 to the size.
    pub(super) fn extent(&mut self) -> usize {
        if self.once_in(12) { 0 } else { self.positive() }
    }

    /// A shape of a rank in this range; no extent is 0.
    pub(super) fn full_shape(&mut self, least: usize, most: usize) -> Vec<usize> {
        let rank = least + self.below(most - least + 1);
        (0..rank).map(|_| self.positive()).collect()
    }

    /// A shape of a rank in this range.
    pub(super) fn shape(&mut self, least: usize, most: usize) -> Vec<usize> {
        let rank = least + self.below(most - least + 1);
        (0..rank).map(|_| self.extent()).collect()
    }

    /// A shape that broadcasts to `shape`: leading axes are left out, others are 1.
    pub(super) fn broadcasts_to(&mut self, shape: &[usize]) -> Vec<usize> {
        if self.coin() {
            return shape.to_vec();
        }
        let from = self.below(shape.len() + 1);
        shape[from..].iter().map(|&n| if self.once_in(3) { 1 } else { n }).collect()
    }

    /// Two shapes whose broadcast shape has a rank of at most `most`.
    pub(super) fn operands(&mut self, most: usize) -> [Vec<usize>; 2] {
        let shape = self.shape(0, most);
        [self.broadcasts_to(&shape), self.broadcasts_to(&shape)]
    }

    /// An axis, counted from either end.
    pub(super) fn axis(&mut self, rank: usize) -> isize {
        let axis = self.below(rank) as isize;
        if self.coin() { axis } else { axis - rank as isize }
    }

    /// Some axes in some order, each counted from either end; perhaps none, which means all.
    pub(super) fn axes(&mut self, rank: usize) -> Vec<isize> {
        let mut axes = vec![];
        for axis in self.permutation(rank) {
            if self.coin() {
                axes.push(if self.coin() { axis as isize } else { axis as isize - rank as isize });
            }
        }
        axes
    }

    /// A permutation.
    pub(super) fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.rng.shuffle(&mut order);
        order
    }

    fn value(&mut self, domain: Domain) -> f64 {
        let mut uniform = |low: f64, high: f64| low + (high - low) * self.rng.uniform();
        let x = match domain {
            // Twelve uniform numbers have variance 1; four of three times that variance do as well for tests.
            Domain::Normal => (0..4).map(|_| uniform(-0.866, 0.866)).sum(),
            Domain::Sparse => {
                let (x, zero) = (uniform(-2.0, 2.0), uniform(0.0, 1.0) < 0.2);
                if zero { 0.0 } else { x }
            }
            Domain::Positive => uniform(0.25, 2.25),
            Domain::Away => uniform(0.25, 2.25) * if uniform(0.0, 1.0) < 0.5 { -1.0 } else { 1.0 },
            Domain::Within(low, high) => uniform(low, high),
        };
        (x * 1024.0).round() / 1024.0
    }

    /// A differentiable input under a random view.
    pub(super) fn input(&mut self, shape: &[usize], domain: Domain) {
        let kind = self.below(8);
        self.view(shape, domain, kind);
        self.differentiable.push(true);
    }

    /// The same, but no two of its elements share memory: where equal elements are singular (a variance of 0 under a root).
    pub(super) fn distinct_input(&mut self, shape: &[usize], domain: Domain) {
        let kind = self.below(7);
        self.view(shape, domain, kind);
        self.differentiable.push(true);
    }

    /// An input of floats that is not differentiated.
    pub(super) fn fixed_input(&mut self, shape: &[usize], domain: Domain) {
        let kind = self.below(8);
        self.view(shape, domain, kind);
        self.differentiable.push(false);
    }

    /// An index below `n`, or a mask for `n` = 2.
    pub(super) fn index(&mut self, shape: &[usize], n: usize) {
        let count = shape.iter().product();
        let data: Vec<u32> = (0..count).map(|_| self.below(n.max(1)) as u32).collect();
        self.integers(&data, shape);
    }

    /// Labels of this many classes, of which some leave their row out.
    pub(super) fn labels(&mut self, rows: usize, classes: usize) {
        let data: Vec<usize> = (0..rows).map(|_| self.below(classes + 2)).collect();
        let label = |l: &usize| if *l < classes { *l as u32 } else { u32::MAX };
        self.integers(&data.iter().map(label).collect::<Vec<_>>(), &[rows]);
    }

    /// These integers.
    pub(super) fn integers(&mut self, data: &[u32], shape: &[usize]) {
        self.code.push(format!("Var::constant(&Tensor::from_slice::<u32>(&cpu, &{data:?}, &{shape:?}))"));
        self.inputs.push(Input { base: Tensor::from_slice(&Device::cpu(), data, shape), view: View::Whole });
        self.differentiable.push(false);
    }

    fn view(&mut self, shape: &[usize], domain: Domain, kind: usize) {
        let rank = shape.len();
        let (mut base, axis) = (shape.to_vec(), self.below(rank.max(1)));
        let order = self.permutation(rank);
        let (before, after, step) = (self.below(3), self.below(3), 1 + self.below(2));
        match kind {
            3 => (0..rank).for_each(|i| base[order[i]] = shape[i]),
            4 if rank > 0 => base[axis] = before + shape[axis] * step + after,
            7 if rank > 0 && shape[axis] > 1 => base[axis] = 1,
            _ => {}
        }
        let data: Vec<f64> = (0..base.iter().product()).map(|_| self.value(domain)).collect();
        let view = match kind {
            2 => View::Unevaluated,
            3 => View::Permuted(order),
            4 if rank > 0 => View::Sliced { axis, start: before, end: before + shape[axis] * step, step },
            5 if rank > 0 => View::Flipped(axis),
            6 if rank > 1 => View::Turned,
            7 => View::Expanded(shape.to_vec()),
            _ => View::Whole,
        };
        let call = view.code();
        self.code.push(format!("tape.leaf(&Tensor::from_slice::<f64>(&cpu, &{data:?}, &{base:?}){call})"));
        self.inputs.push(Input { base: Tensor::from_slice(&Device::cpu(), &data, &base), view });
    }

    /// The case of all that was drawn; `parameters` and `body` are code.
    pub(super) fn finish(
        &mut self,
        parameters: &[(&str, String)],
        body: &str,
        run: impl Fn(&[Var]) -> Var + 'static,
    ) -> Case {
        let mut description =
            String::from("let (cpu, tape) = (lethe_tensor::Device::cpu(), lethe_autograd::Tape::new());\nlet x = [\n");
        for (line, differentiable) in self.code.drain(..).zip(&self.differentiable) {
            let line = if *differentiable { line } else { line.replacen("tape.leaf", "Var::constant", 1) };
            description += &format!("    {line},\n");
        }
        description += "];\n";
        for (name, value) in parameters {
            description += &format!("let {name} = {};\n", value.replace("inf", "f64::INFINITY"));
        }
        // Tokens that came through a macro stand apart.
        description += &format!("let y = {};", body.replace(" [", "[").replace(" (", "(").replace("& ", "&"));
        let (drawn, differentiable) = (std::mem::take(&mut self.inputs), std::mem::take(&mut self.differentiable));
        let inputs = drawn.iter().map(|input| input.view.of(&input.base)).collect();
        Case { inputs, drawn, differentiable, run: Box::new(run), description }
    }
}

/// The number of an axis that may be counted from the end.
pub(super) fn axis(dim: isize, rank: usize) -> usize {
    dim.rem_euclid(rank as isize) as usize
}

/// The case of the inputs drawn so far under `|x| body`, which captures the named parameters; both are written down as code.
macro_rules! case {
    ($draws:expr, [$($parameter:ident),*], |$x:ident| $body:expr) => {{
        let parameters = [$((stringify!($parameter), format!("{:?}", $parameter))),*];
        $draws.finish(&parameters, stringify!($body), move |$x: &[crate::graph::Var]| $body)
    }};
}
pub(super) use case;
