//! From an elementwise expression to WGSL: one kernel for each structure.
//!
//! What distinguishes two kernels is in the key: the nodes, the types, and how each operand lies (literal extents and strides, so that the
//! compiler turns divisions into multiplications). Constants and random draws are parameters, since they change from step to step.

use std::fmt::Write;

use super::caps::PARAMS_WORDS;
use super::types::held_as;
use crate::dtype::DType;
use crate::expr::{BinaryOp, Expr, Node, UnaryOp};
use crate::functions::unary_functions;
use crate::random::Draw;

/// How a kernel finds the element of an operand that belongs to result `i`: `at + Σ (index along axis) · stride`, axes outermost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The type of the elements.
    pub dtype: DType,
    /// The place of the first element, counted from the start of the binding.
    pub at: usize,
    /// Extents of the merged axes.
    pub shape: Vec<usize>,
    /// Their strides.
    pub strides: Vec<isize>,
}

/// Where a kernel writes one of its results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The node that is written.
    pub root: usize,
    /// The type of the elements.
    pub dtype: DType,
    /// The first element, counted from the start of the binding.
    pub at: usize,
    /// Whether it is added to what is there.
    pub add: bool,
}

/// An expression with the layouts of its operands: what is needed to dispatch. Inputs that the expression numbers after those of `inputs` are what
/// the targets held before.
pub struct Program<'a> {
    expr: &'a Expr,
    inputs: &'a [Access],
    targets: &'a [Target],
    /// Where the value of each node begins among the parameters, if it is one.
    words: Vec<usize>,
    /// The parameters' words: the number of results, the row-major place of the first one, constants and draws.
    pub params: Vec<u32>,
    /// What tells the kernel from all others.
    pub key: String,
}

/// Words before the constants.
const FIXED: usize = 2;

impl<'a> Program<'a> {
    /// For `n` results, of which the first is at row-major place `first`.
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
        let mut program = Program { expr, inputs, targets, words, params, key: String::new() };
        program.key = program.key();
        program
    }

    fn key(&self) -> String {
        let mut key = format!("elementwise {}", self.expr.compute);
        for Target { root, dtype, at, add } in self.targets {
            let _ = write!(key, " {root} {dtype} {at} {}", u8::from(*add));
        }
        for a in self.inputs {
            // No place depends on the outermost extent, so that tensors of any length share a kernel.
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
        let mut text = String::from("struct Params { n: u32, first: u32");
        for i in FIXED..self.params.len() {
            let _ = write!(text, ", w{i}: u32");
        }
        text += " }\nvar<immediate> p: Params;\n";
        for (slot, a) in self.inputs.iter().enumerate() {
            let _ =
                writeln!(text, "@group(0) @binding({slot}) var<storage, read> x{slot}: array<{}>;", held_as(a.dtype));
        }
        for (k, target) in self.targets.iter().enumerate() {
            let (slot, held) = (self.inputs.len() + k, held_as(target.dtype));
            let _ = writeln!(text, "@group(0) @binding({slot}) var<storage, read_write> y{k}: array<{held}>;");
        }
        text += "\n";
        text += &lethe_shaders::functions(&self.functions());
        text += "\n@compute @workgroup_size(256)\nfn elementwise(\n  @builtin(local_invocation_index) li: u32,\n  @builtin(workgroup_id) w: vec3<u32>,\n  \
                 @builtin(num_workgroups) nw: vec3<u32>,\n) {\n  let i = (w.y * nw.x + w.x) * 256u + li;\n  if (i >= p.n) { return; }\n";
        for (n, node) in self.expr.nodes.iter().enumerate() {
            let _ = writeln!(text, "  let v{n} = {};", self.value(n, node));
        }
        for (k, target) in self.targets.iter().enumerate() {
            let result = converted(&format!("v{}", target.root), self.expr.compute, target.dtype);
            let sign = if target.add { "+=" } else { "=" };
            let _ = writeln!(text, "  y{k}[{}] {sign} {result};", place("i", target.at, &[], &[]));
        }
        text + "}\n"
    }

    fn value(&self, n: usize, node: &Node) -> String {
        let t = held_as(self.expr.compute);
        match *node {
            Node::Input(i) => self.load(i),
            Node::Const(_) => format!("bitcast<{t}>(p.w{})", self.words[n]),
            Node::Uniform(_) => self.uniform(self.words[n]),
            Node::Unary(op, a) => unary(op, &format!("v{a}"), self.expr.compute),
            Node::Binary(op, a, b) => binary(op, &format!("v{a}"), &format!("v{b}"), self.expr.compute),
            Node::Select(c, a, b) => format!("select(v{b}, v{a}, v{c} != {t}(0))"),
        }
    }

    /// Element `i` of an input, in the type of computation.
    fn load(&self, input: usize) -> String {
        let Some(a) = self.inputs.get(input) else {
            let k = input - self.inputs.len();
            let held = format!("y{k}[{}]", place("i", self.targets[k].at, &[], &[]));
            return converted(&held, self.targets[k].dtype, self.expr.compute);
        };
        let at = match a.strides[..] {
            [1] => place("i", a.at, &[], &[]),
            _ => place("", a.at, &a.shape, &a.strides),
        };
        match a.dtype {
            DType::F16 | DType::BF16 => {
                let half = format!("(x{input}[({at}) >> 1u] >> ((({at}) & 1u) * 16u))");
                let float = match a.dtype {
                    DType::F16 => format!("unpack2x16float({half} & 0xffffu).x"),
                    _ => format!("bitcast<f32>({half} << 16u)"),
                };
                converted(&float, DType::F32, self.expr.compute)
            }
            dtype => converted(&format!("x{input}[{at}]"), dtype, self.expr.compute),
        }
    }

    /// A number in (0, 1): the middle of one of 2²³ cells, as [`Draw::uniform`].
    fn uniform(&self, word: usize) -> String {
        let [k0, k1, a, b, c] = std::array::from_fn(|i| format!("p.w{}", word + i));
        let block = format!("philox(vec4<u32>((p.first + i) / 4u, {a}, {b}, {c}), vec2<u32>({k0}, {k1}))");
        format!("(f32({block}[(p.first + i) % 4u] >> 9u) + 0.5) * {:?}", 1.0 / (1u32 << 23) as f32)
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

/// Integers saturate, also those of integers; 16-bit floats have been widened.
fn converted(value: &str, from: DType, to: DType) -> String {
    match (from, to) {
        _ if from == to => value.to_string(),
        (DType::F32, DType::I32) => format!("to_i32({value})"),
        (DType::F32, DType::U32) => format!("to_u32({value})"),
        (DType::I32, DType::U32) => format!("u32(max({value}, 0))"),
        (DType::U32, DType::I32) => format!("i32(min({value}, 0x7fffffffu))"),
        _ => format!("{}({value})", held_as(to)),
    }
}

/// The place of result `i`: all in u32, where a negative stride is its complement and products wrap as they should.
fn place(linear: &str, at: usize, shape: &[usize], strides: &[isize]) -> String {
    let mut terms = vec![];
    if !linear.is_empty() {
        terms.push(linear.to_string());
    }
    let mut below = 1;
    for (axis, (&n, &stride)) in shape.iter().zip(strides).enumerate().rev() {
        if stride != 0 {
            let quotient = if below == 1 { "i".to_string() } else { format!("i / {below}u") };
            let index = if axis == 0 { quotient } else { format!("{quotient} % {n}u") };
            terms.push(if stride == 1 { format!("({index})") } else { format!("({index}) * {}u", stride as u32) });
        }
        below *= n;
    }
    if at > 0 || terms.is_empty() {
        terms.push(format!("{at}u"));
    }
    terms.join(" + ")
}

macro_rules! texts {
    ($($(#[$doc:meta])* $Op:ident $(as $method:ident)?, exact |$x:ident| $exact:expr, simd |$s:ident, $v:ident| $simd:expr,
       wgsl |$a:ident, $ty:ident| $wgsl:expr, needs $flag:literal;)*) => {
        fn unary(op: UnaryOp, operand: &str, compute: DType) -> String {
            match op {
                $(UnaryOp::$Op => {
                    let ($a, $ty) = (operand, compute);
                    let _ = $ty;
                    $wgsl
                })*
            }
        }

        /// The flag of the WGSL functions that a function's text calls.
        fn flag(op: UnaryOp) -> Option<&'static str> {
            let flag = match op {
                $(UnaryOp::$Op => $flag,)*
            };
            Some(flag).filter(|f| !f.is_empty())
        }
    };
}
unary_functions!(texts);

fn binary(op: BinaryOp, a: &str, b: &str, compute: DType) -> String {
    let t = held_as(compute);
    // A shader may compare as if there were no NaN: it is told by its bits.
    let numbers = if compute == DType::F32 { format!(" && !is_nan({a}) && !is_nan({b})") } else { String::new() };
    let truth = |sign: &str| format!("select({t}(0), {t}(1), {a} {sign} {b}{numbers})");
    if a == b && compute == DType::F32 {
        // A number is itself, whatever it is; a compiler that sees both sides to be one value need not look.
        match op {
            BinaryOp::Eq | BinaryOp::Le => return format!("select({t}(1), {t}(0), is_nan({a}))"),
            BinaryOp::Ne => return format!("select({t}(0), {t}(1), is_nan({a}))"),
            BinaryOp::Lt => return format!("{t}(0)"),
            _ => {}
        }
    }
    match op {
        BinaryOp::Add => format!("{a} + {b}"),
        BinaryOp::Sub => format!("{a} - {b}"),
        BinaryOp::Mul => format!("{a} * {b}"),
        BinaryOp::Div if compute == DType::F32 => format!("{a} / {b}"),
        BinaryOp::Div => format!("{a} / select({b}, {t}(1), {b} == {t}(0))"), // nothing is divided by 0
        BinaryOp::Max if compute == DType::F32 => format!("larger({a}, {b})"),
        BinaryOp::Min if compute == DType::F32 => format!("smaller({a}, {b})"),
        BinaryOp::Max => format!("max({a}, {b})"),
        BinaryOp::Min => format!("min({a}, {b})"),
        BinaryOp::Pow if compute == DType::F32 => format!("power({a}, {b})"),
        BinaryOp::Pow => converted(&format!("power(f32({a}), f32({b}))"), DType::F32, compute),
        BinaryOp::Eq => truth("=="),
        BinaryOp::Ne => format!("select({t}(1), {t}(0), {a} == {b}{numbers})"), // true for NaN
        BinaryOp::Lt => truth("<"),
        BinaryOp::Le => truth("<="),
    }
}
