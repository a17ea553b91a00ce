//! An elementwise expression as a short program over registers of one block each: what the interpreter runs.

use crate::expr::{BinaryOp, Expr, Node, UnaryOp};
use crate::random::Draw;

/// Where an instruction reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Src {
    /// A register.
    Reg(usize),
    /// Input `i`, in place.
    In(usize),
    /// The same number for every element.
    Const(f32),
}

/// What an instruction does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Op {
    /// Brings an input that cannot be read in place into a register.
    Load(usize),
    /// Random numbers.
    Uniform(Draw),
    /// A function of one operand.
    Unary(UnaryOp, Src),
    /// A function of two.
    Binary(BinaryOp, Src, Src),
    /// a b + c
    MulAdd(Src, Src, Src),
    /// cond ? a : b
    Select(Src, Src, Src),
}

/// Instructions in order, each with the register that it writes. The last one makes the result, and may write the output instead; if there is
/// none, the result is an input or a constant.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) code: Vec<(Op, usize)>,
    pub(super) result: Src,
    pub(super) registers: usize,
}

impl Op {
    fn each_register(&mut self, mut f: impl FnMut(&mut usize)) {
        let mut of = |s: &mut Src| {
            if let Src::Reg(r) = s {
                f(r);
            }
        };
        match self {
            Op::Load(_) | Op::Uniform(_) => {}
            Op::Unary(_, a) => of(a),
            Op::Binary(_, a, b) => {
                of(a);
                of(b);
            }
            Op::MulAdd(a, b, c) | Op::Select(a, b, c) => {
                of(a);
                of(b);
                of(c);
            }
        }
    }
}

/// Compiles an expression computed in f32. `in_place(i)`: whether input i can be read where it lies; `splat(i)`: its value, if it is the same
/// for every element.
pub(super) fn compile(expr: &Expr, in_place: impl Fn(usize) -> bool, splat: impl Fn(usize) -> Option<f32>) -> Program {
    let mut ops: Vec<Op> = Vec::with_capacity(expr.nodes.len());
    let mut value: Vec<Src> = Vec::with_capacity(expr.nodes.len());
    for node in &expr.nodes {
        let mut push = |op| {
            ops.push(op);
            Src::Reg(ops.len() - 1)
        };
        value.push(match *node {
            Node::Input(i) => match splat(i) {
                Some(v) => Src::Const(v),
                None if in_place(i) => Src::In(i),
                None => push(Op::Load(i)),
            },
            Node::Const(c) => Src::Const(c as f32),
            Node::Uniform(draw) => push(Op::Uniform(draw)),
            Node::Unary(op, a) => match value[a] {
                Src::Const(c) => Src::Const(op.exact(f64::from(c)) as f32),
                a => push(Op::Unary(op, a)),
            },
            Node::Binary(op, a, b) => match (value[a], value[b]) {
                (Src::Const(a), Src::Const(b)) => Src::Const(op.exact(f64::from(a), f64::from(b)) as f32),
                (a, b) => binary(op, a, b, &mut push),
            },
            Node::Select(c, a, b) => match value[c] {
                Src::Const(c) => value[if c != 0.0 { a } else { b }],
                c => push(Op::Select(c, value[a], value[b])),
            },
        });
    }
    let result = *value.last().expect("an expression has a node");
    allocate(ops, result)
}

/// The largest exponent whose power is made of products: their roundings add up to a few units in the last place.
const LARGEST_EXPONENT: f32 = 8.0;

/// Powers with a whole exponent are products, of the reciprocal if it is negative.
fn binary(op: BinaryOp, a: Src, b: Src, push: &mut impl FnMut(Op) -> Src) -> Src {
    let Src::Const(e) = b else { return push(Op::Binary(op, a, b)) };
    if op != BinaryOp::Pow || e.fract() != 0.0 || e.abs() > LARGEST_EXPONENT {
        return push(Op::Binary(op, a, b));
    }
    let mut square = if e < 0.0 { push(Op::Unary(UnaryOp::Recip, a)) } else { a };
    let (mut left, mut power) = (e.abs() as u32, None);
    while left > 0 {
        if left & 1 == 1 {
            power = Some(power.map_or(square, |p| push(Op::Binary(BinaryOp::Mul, p, square))));
        }
        left >>= 1;
        if left > 0 {
            square = push(Op::Unary(UnaryOp::Square, square));
        }
    }
    power.unwrap_or(Src::Const(1.0))
}

/// What becomes of an operation's result.
#[derive(Clone, Copy, Default)]
struct Life {
    /// How many read it.
    uses: usize,
    /// The last that does.
    last: usize,
    /// Its register.
    register: usize,
}

/// Drops dead code, fuses a product whose only reader is a sum, and gives registers out, each free again after its last reader.
fn allocate(mut ops: Vec<Op>, result: Src) -> Program {
    let mut lives = vec![Life::default(); ops.len()];
    if let Src::Reg(r) = result {
        lives[r].uses = 1;
    }
    for i in (0..ops.len()).rev() {
        if lives[i].uses > 0 {
            ops[i].each_register(|r| lives[*r].uses += 1);
        }
    }
    for i in 0..ops.len() {
        if lives[i].uses > 0 {
            fuse(&mut ops, i, &mut lives);
            ops[i].each_register(|r| lives[*r].last = i);
        }
    }
    if let Src::Reg(r) = result {
        lives[r].last = usize::MAX;
    }
    let mut free = vec![];
    let mut program = Program { code: Vec::with_capacity(ops.len()), result, registers: 0 };
    for (i, mut op) in ops.into_iter().enumerate() {
        if lives[i].uses == 0 {
            continue;
        }
        // An instruction may write over its own operand: element i is read before it is written.
        op.each_register(|r| {
            let life = lives[*r];
            if life.last == i && !free.contains(&life.register) {
                free.push(life.register);
            }
            *r = life.register;
        });
        lives[i].register = free.pop().unwrap_or_else(|| {
            program.registers += 1;
            program.registers - 1
        });
        program.code.push((op, lives[i].register));
    }
    if let Src::Reg(r) = &mut program.result {
        *r = lives[*r].register;
    }
    program
}

/// Makes operation `i` a multiply-add if it is the sum of a product that no other operation reads.
fn fuse(ops: &mut [Op], i: usize, lives: &mut [Life]) {
    let Op::Binary(BinaryOp::Add, a, b) = ops[i] else { return };
    for (x, y) in [(a, b), (b, a)] {
        if let Src::Reg(r) = x
            && let Op::Binary(BinaryOp::Mul, p, q) = ops[r]
            && lives[r].uses == 1
        {
            ops[i] = Op::MulAdd(p, q, y);
            lives[r].uses = 0;
            return;
        }
    }
}
