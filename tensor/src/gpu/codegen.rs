//! From an elementwise expression to WGSL: one kernel for each structure.
//!
//! What distinguishes two kernels is in the key: the nodes, the types, and how each operand lies (literal extents and strides, so that the
//! compiler turns divisions into multiplications). Constants and random draws are parameters, since they change from step to step.
//!
//! A kernel has two parts: `value`, the expression for one element, and around it what loads operands and stores results. A thread has four results
//! where they can be stored at once: loads of four numbers cost hardly more than loads of one.

mod access;
mod operators;

pub use access::{Access, Target};

use std::fmt::Write;

use super::caps::PARAMS_WORDS;
use super::types::held_as;
use crate::dtype::DType;
use crate::expr::{BinaryOp, Expr, Node};
use crate::random::Draw;
use access::{Reach, linear};
use operators::{binary, converted, flag, unary};

/// An expression with the layouts of its operands: what is needed to dispatch. Inputs that the expression numbers after those of `inputs` are what
/// the targets held before.
pub struct Program<'a> {
    expr: &'a Expr,
    inputs: &'a [Access],
    targets: &'a [Target],
    /// Where the value of each node begins among the parameters, if it is one.
    words: Vec<usize>,
    /// Results of a thread: 4 or 1.
    pub per_thread: usize,
    /// The parameters' words: the number of results, the row-major index of the first one, constants and draws.
    pub params: Vec<u32>,
    /// What tells the kernel from all others.
    pub key: String,
}

/// Words before the constants.
const FIXED: usize = 2;

/// The components of a vector of four.
const COMPONENTS: [&str; 4] = ["x", "y", "z", "w"];

impl<'a> Program<'a> {
    /// For `n` results, of which the first is at row-major index `first`.
    ///
    /// # Panics
    /// If constants and draws take more than the 14 words that are left for them; those of tensors' own methods do not.
    pub fn new(expr: &'a Expr, inputs: &'a [Access], targets: &'a [Target], (n, first): (usize, usize)) -> Program<'a> {
        let most = PARAMS_WORDS - FIXED;
        let needed = expr.parameter_words();
        assert!(
            needed <= most,
            "elementwise: constants and draws take {needed} words, of which a kernel has {most}; cut the expression"
        );
        let mut params = vec![n as u32, first as u32];
        let mut words = Vec::with_capacity(expr.nodes.len());
        for node in &expr.nodes {
            words.push(params.len());
            match *node {
                Node::Const(c) => params.push(constant(c, expr.compute)),
                Node::Uniform(d) => params.extend(draw(d)),
                _ => {}
            }
        }
        let fours = [n, first].into_iter().chain(targets.iter().map(|t| t.at)).all(|at| at.is_multiple_of(4));
        let per_thread = if fours { 4 } else { 1 };
        let mut program = Program { expr, inputs, targets, words, per_thread, params, key: String::new() };
        program.key = program.key();
        program
    }

    fn key(&self) -> String {
        let mut key = format!("elementwise {} by {}", self.expr.compute, self.per_thread);
        for Target { root, dtype, at, add } in self.targets {
            let _ = write!(key, " {root} {dtype} {at} {}", u8::from(*add));
        }
        for a in self.inputs {
            // No index depends on the outermost extent, so that tensors of any length share a kernel.
            let inner = a.shape.get(1..).unwrap_or_default();
            let _ = write!(key, "|{} {} {inner:?} {:?}", a.dtype, a.at, a.strides);
        }
        for node in &self.expr.nodes {
            let _ = match node {
                Node::Const(_) => write!(key, ";c"),
                Node::Uniform(_) => write!(key, ";u"),
                _ => write!(key, ";{node:?}"),
            };
        }
        key
    }

    /// The WGSL text; its entry is `elementwise`.
    pub fn source(&self) -> String {
        let mut text = self.declarations();
        text += &lethe_shaders::functions(&self.functions());
        text += &self.value();
        text += "\n@compute @workgroup_size(256)\nfn elementwise(\n  \
                 @builtin(local_invocation_index) li: u32,\n  @builtin(workgroup_id) w: vec3<u32>,\n  \
                 @builtin(num_workgroups) nw: vec3<u32>,\n) {\n";
        text += match self.per_thread {
            4 => "  let q = (w.y * nw.x + w.x) * 256u + li;\n  let i = 4u * q;\n",
            _ => "  let i = (w.y * nw.x + w.x) * 256u + li;\n",
        };
        text += "  if (i >= p.n) { return; }\n";
        text += &self.statements();
        text + "}\n"
    }

    /// Parameters and buffers; of four results a thread, those that are read or written by fours hold vectors.
    fn declarations(&self) -> String {
        let mut text = String::from("struct Params { n: u32, first: u32");
        for i in FIXED..self.params.len() {
            let _ = write!(text, ", w{i}: u32");
        }
        text += " }\nvar<immediate> p: Params;\n";
        for (slot, a) in self.inputs.iter().enumerate() {
            let held = match (self.reach(a), a.dtype) {
                (Some(Reach::Four), DType::F16 | DType::BF16) => "vec2<u32>".to_string(),
                (Some(Reach::Four), dtype) => format!("vec4<{}>", held_as(dtype)),
                (_, dtype) => held_as(dtype).to_string(),
            };
            let _ = writeln!(text, "@group(0) @binding({slot}) var<storage, read> x{slot}: array<{held}>;");
        }
        for (k, target) in self.targets.iter().enumerate() {
            let (slot, held) = (self.inputs.len() + k, held_as(target.dtype));
            let held = if self.per_thread == 4 { format!("vec4<{held}>") } else { held.to_string() };
            let _ = writeln!(text, "@group(0) @binding({slot}) var<storage, read_write> y{k}: array<{held}>;");
        }
        text + "\n"
    }

    /// What four results of a thread read of an operand; `None` where a thread has one result.
    fn reach(&self, a: &Access) -> Option<Reach> {
        (self.per_thread == 4).then(|| a.reach())
    }

    /// The function of one element: from the operands' elements, random words, and what the targets held, to what they become.
    fn value(&self) -> String {
        let mut parameters = vec![];
        let mut body = String::new();
        for (n, node) in self.expr.nodes.iter().enumerate() {
            match *node {
                Node::Input(input) => parameters.push(format!("e{n}: {}", held_as(self.loaded(input)))),
                Node::Uniform(_) => parameters.push(format!("e{n}: u32")),
                _ => {}
            }
            let _ = writeln!(body, "  let v{n} = {};", self.node(n, node));
        }
        let result = |t: &Target| converted(&format!("v{}", t.root), self.expr.compute, t.dtype);
        let parameters = parameters.join(", ");
        match self.targets {
            [target] => {
                let (held, result) = (held_as(target.dtype), result(target));
                format!("\nfn value({parameters}) -> {held} {{\n{body}  return {result};\n}}\n")
            }
            targets => {
                let members = |(k, t): (usize, &Target)| format!("y{k}: {}", held_as(t.dtype));
                let members: Vec<String> = targets.iter().enumerate().map(members).collect();
                let results: Vec<String> = targets.iter().map(result).collect();
                format!(
                    "\nstruct Results {{ {} }}\n\nfn value({parameters}) -> Results {{\n{body}  return Results({});\n}}\n",
                    members.join(", "),
                    results.join(", ")
                )
            }
        }
    }

    /// A node of one element; `e{n}` is what was loaded for it.
    fn node(&self, n: usize, node: &Node) -> String {
        let t = held_as(self.expr.compute);
        match *node {
            Node::Input(input) => converted(&format!("e{n}"), self.loaded(input), self.expr.compute),
            Node::Const(_) => format!("bitcast<{t}>(p.w{})", self.words[n]),
            // In (0, 1): the middle of one of 2²³ cells, as [`Draw::uniform`].
            Node::Uniform(_) => format!("(f32(e{n} >> 9u) + 0.5) * {:?}", 1.0 / (1u32 << 23) as f32),
            Node::Unary(op, a) => unary(op, &format!("v{a}"), self.expr.compute),
            Node::Binary(op, a, b) => binary(op, &format!("v{a}"), &format!("v{b}"), self.expr.compute),
            Node::Select(c, a, b) => format!("select(v{b}, v{a}, v{c} != {t}(0))"),
        }
    }

    /// The type of an operand's element when it has been loaded: 16-bit floats have been widened.
    fn loaded(&self, input: usize) -> DType {
        match self.inputs.get(input) {
            Some(a) if matches!(a.dtype, DType::F16 | DType::BF16) => DType::F32,
            Some(a) => a.dtype,
            None => self.targets[input - self.inputs.len()].dtype,
        }
    }

    /// The statements of a thread: what its results read, `value` for each of them, and where they go.
    fn statements(&self) -> String {
        let (mut text, mut arguments) = (String::new(), vec![vec![]; self.per_thread]);
        for (n, node) in self.expr.nodes.iter().enumerate() {
            let (loaded, is_vector) = match *node {
                Node::Input(input) => self.load(input),
                Node::Uniform(_) if self.per_thread == 4 => (self.block(n), true),
                Node::Uniform(_) => (format!("{}[(p.first + i) % 4u]", self.block(n)), false),
                _ => continue,
            };
            let _ = writeln!(text, "  let e{n} = {loaded};");
            for (arguments, component) in arguments.iter_mut().zip(COMPONENTS) {
                arguments.push(if is_vector { format!("e{n}.{component}") } else { format!("e{n}") });
            }
        }
        for (component, arguments) in COMPONENTS.iter().zip(&arguments) {
            let _ = writeln!(text, "  let r{component} = value({});", arguments.join(", "));
        }
        for (k, target) in self.targets.iter().enumerate() {
            let member = if self.targets.len() == 1 { String::new() } else { format!(".y{k}") };
            let results: Vec<String> = COMPONENTS[..self.per_thread].iter().map(|c| format!("r{c}{member}")).collect();
            let results = results.join(", ");
            let result =
                if self.per_thread == 4 { format!("vec4<{}>({results})", held_as(target.dtype)) } else { results };
            let sign = if target.add { "+=" } else { "=" };
            let _ = writeln!(text, "  {} {sign} {result};", self.target(k));
        }
        text
    }

    /// What the results of a thread read of an input, and whether it is a vector with a component for each.
    fn load(&self, input: usize) -> (String, bool) {
        let Some(a) = self.inputs.get(input) else {
            return (self.target(input - self.inputs.len()), self.per_thread == 4);
        };
        match (self.reach(a), a.dtype) {
            (None | Some(Reach::One), _) => (element(input, a, "i"), false),
            (Some(Reach::Four), DType::F16 | DType::BF16) => {
                let word = |half: &str| format!("x{input}[{}].{half}", a.four("q"));
                let halves = [("x", false), ("x", true), ("y", false), ("y", true)];
                let halves = halves.map(|(half, upper)| widened(&word(half), upper, a.dtype));
                (format!("vec4<f32>({})", halves.join(", ")), true)
            }
            (Some(Reach::Four), _) => (format!("x{input}[{}]", a.four("q")), true),
            (Some(Reach::Each), _) => {
                let each = ["i", "(i + 1u)", "(i + 2u)", "(i + 3u)"].map(|i| element(input, a, i));
                (format!("vec4<{}>({})", held_as(self.loaded(input)), each.join(", ")), true)
            }
        }
    }

    /// Where a thread finds what a target held, and puts its results.
    fn target(&self, k: usize) -> String {
        let i = if self.per_thread == 4 { "q" } else { "i" };
        format!("y{k}[{}]", linear(i, self.targets[k].at / self.per_thread))
    }

    /// Four random words, of which result `i` has number (first + i) mod 4.
    fn block(&self, n: usize) -> String {
        let [k0, k1, a, b, c] = std::array::from_fn(|i| format!("p.w{}", self.words[n] + i));
        format!("philox(vec4<u32>((p.first + i) / 4u, {a}, {b}, {c}), vec2<u32>({k0}, {k1}))")
    }

    /// Flags of the functions that the expression needs.
    fn functions(&self) -> Vec<&'static str> {
        let flags = self.expr.nodes.iter().filter_map(|node| match node {
            Node::Uniform(_) => Some("PHILOX"),
            Node::Unary(op, _) => flag(*op),
            Node::Binary(BinaryOp::Pow, ..) => Some("POW"),
            Node::Binary(BinaryOp::Max | BinaryOp::Min, ..) => Some("EXTREMES"),
            Node::Binary(op, ..) if op.is_comparison() => Some("NAN"),
            _ => None,
        });
        let integers = !self.expr.compute.is_float() || self.targets.iter().any(|t| !t.dtype.computed_as().is_float());
        flags.chain(integers.then_some("CASTS")).collect()
    }
}

/// The element of an input that belongs to result `i`, widened if it is a 16-bit float.
fn element(input: usize, a: &Access, i: &str) -> String {
    let at = a.element(i);
    match a.dtype {
        DType::F16 | DType::BF16 => {
            let word = format!("(x{input}[({at}) >> 1u] >> ((({at}) & 1u) * 16u))");
            widened(&word, false, a.dtype)
        }
        _ => format!("x{input}[{at}]"),
    }
}

/// One half of a word as a single-precision number.
fn widened(word: &str, upper: bool, dtype: DType) -> String {
    match (dtype, upper) {
        (DType::F16, false) => format!("unpack2x16float({word}).x"),
        (DType::F16, true) => format!("unpack2x16float({word}).y"),
        (_, false) => format!("bitcast<f32>({word} << 16u)"),
        (_, true) => format!("bitcast<f32>({word} & 0xffff0000u)"),
    }
}

fn constant(c: f64, compute: DType) -> u32 {
    match compute {
        DType::I32 | DType::U32 => c as i64 as u32, // wraps, as on the CPU
        _ => (c as f32).to_bits(),
    }
}

fn draw(d: Draw) -> [u32; 5] {
    let ([k0, k1], [a, b, c]) = (d.key(), d.stream);
    [k0, k1, a, b, c]
}
