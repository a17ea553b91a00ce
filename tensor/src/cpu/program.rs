//! An elementwise expression as a short program over registers of one block each: what the interpreter runs.

use super::reference::special;
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

/// Instructions in order, each with the register that it writes; the last one may write the output instead.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) code: Vec<(Op, usize)>,
    pub(super) result: Option<Src>,
    pub(super) registers: usize,
}

impl Op {
    pub(super) fn each(&mut self, mut f: impl FnMut(&mut Src)) {
        match self {
            Op::Load(_) | Op::Uniform(_) => {}
            Op::Unary(_, a) => f(a),
            Op::Binary(_, a, b) => {
                f(a);
                f(b);
            }
            Op::MulAdd(a, b, c) | Op::Select(a, b, c) => {
                f(a);
                f(b);
                f(c);
            }
        }
    }
}

/// Compiles an expression computed in f32. `in_place(i)`: whether input i can be read where it lies; `splat(i)`: its value, if it is the same
/// for every element.
pub(super) fn compile(expr: &Expr, in_place: impl Fn(usize) -> bool, splat: impl Fn(usize) -> Option<f32>) -> Program {
    let mut ops: Vec<Op> = vec![];
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
                Src::Const(c) => Src::Const(special::unary(op, f64::from(c)) as f32),
                a => push(Op::Unary(op, a)),
            },
            Node::Binary(op, a, b) => match (value[a], value[b]) {
                (Src::Const(a), Src::Const(b)) => Src::Const(special::binary(op, f64::from(a), f64::from(b)) as f32),
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

/// Powers with a usual exponent are cheaper operations.
fn binary(op: BinaryOp, a: Src, b: Src, push: &mut impl FnMut(Op) -> Src) -> Src {
    match (op, b) {
        (BinaryOp::Pow, Src::Const(2.0)) => push(Op::Unary(UnaryOp::Square, a)),
        (BinaryOp::Pow, Src::Const(1.0)) => a,
        (BinaryOp::Pow, Src::Const(-1.0)) => push(Op::Unary(UnaryOp::Recip, a)),
        (BinaryOp::Pow, Src::Const(3.0)) => {
            let square = push(Op::Unary(UnaryOp::Square, a));
            push(Op::Binary(BinaryOp::Mul, square, a))
        }
        _ => push(Op::Binary(op, a, b)),
    }
}

/// Drops dead code, fuses a product whose only reader is a sum, and gives registers out, each free again after its last reader.
fn allocate(mut ops: Vec<Op>, result: Src) -> Program {
    let mut uses = vec![0usize; ops.len()];
    if let Src::Reg(r) = result {
        uses[r] += 1;
    }
    for i in (0..ops.len()).rev() {
        if uses[i] > 0 {
            ops[i].each(|s| {
                if let Src::Reg(r) = s {
                    uses[*r] += 1;
                }
            });
        }
    }
    for i in 0..ops.len() {
        let Op::Binary(BinaryOp::Add, a, b) = ops[i] else { continue };
        for (x, y) in [(a, b), (b, a)] {
            if let Src::Reg(r) = x
                && let Op::Binary(BinaryOp::Mul, p, q) = ops[r]
                && uses[r] == 1
                && uses[i] > 0
            {
                ops[i] = Op::MulAdd(p, q, y);
                uses[r] = 0;
                break;
            }
        }
    }
    let live: Vec<usize> = (0..ops.len()).filter(|i| uses[*i] > 0).collect();
    let mut last = vec![0; ops.len()];
    for &i in &live {
        ops[i].each(|s| {
            if let Src::Reg(r) = s {
                last[*r] = i;
            }
        });
    }
    if let Src::Reg(r) = result {
        last[r] = usize::MAX;
    }
    let (mut place, mut free, mut program) = (vec![0; ops.len()], vec![], Program::default());
    for &i in &live {
        let mut op = ops[i];
        let mut dead = vec![];
        op.each(|s| {
            if let Src::Reg(r) = s {
                if last[*r] == i && !dead.contains(&place[*r]) {
                    dead.push(place[*r]);
                }
                *r = place[*r];
            }
        });
        free.extend(dead); // an instruction may write over its own operand: element i is read before it is written
        place[i] = free.pop().unwrap_or_else(|| {
            program.registers += 1;
            program.registers - 1
        });
        program.code.push((op, place[i]));
    }
    program.result = Some(match result {
        Src::Reg(r) => Src::Reg(place[r]),
        other => other,
    });
    program
}
