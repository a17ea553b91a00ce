//! Elementwise expressions on the CPU: compiled once to a short program, then run block by block in cache.
//!
//! Contiguous inputs and repeating rows are read in place; everything else (columns, transposed views, integers) is brought into a register
//! first.

#![allow(unsafe_code)]

use super::interp::{BLOCK, Instruction, source};
use super::program::{Op, Program, Src, compile};
use super::simd::{dispatch_at, level};
use super::threads::{Parts, parallel};
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::layout::{contiguous_strides, numel};
use crate::plan::Elementwise;
use crate::random::Draw;

/// Blocks a task takes.
const CHUNK: usize = 64 * BLOCK;
/// Shorter repeating rows are gathered: cutting blocks at their ends would leave too little for an instruction.
const SHORTEST_ROW: usize = 128;

/// How an input lies against the output.
enum Access<'a> {
    /// Element for element.
    Direct(&'a [f32]),
    /// A row that repeats.
    Row(&'a [f32]),
    /// One value for each run of `inner` elements.
    Column { data: &'a [f32], inner: usize },
    /// The same everywhere.
    Splat(f32),
    /// Anything else, by strides.
    Strided,
}

/// Runs the plan.
pub fn run(p: &Elementwise, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    if p.expr.compute != DType::F32 {
        return reference::elementwise::run(p, inputs, outputs);
    }
    let access: Vec<Access<'_>> = inputs.iter().map(classify).collect();
    let in_place = |i: usize| matches!(access[i], Access::Direct(_) | Access::Row(_));
    let splat = |i: usize| if let Access::Splat(v) = access[i] { Some(v) } else { None };
    let program = compile(&p.expr, in_place, splat);
    let (len, add, dtype) = (numel(&p.shape), outputs[0].add, p.dtype);
    let job = Job { program: &program, inputs, access: &access, add };
    match dtype {
        DType::U32 => {
            let parts = Parts::new(outputs[0].values::<u32>());
            parallel(len.div_ceil(CHUNK), |i| {
                let range = i * CHUNK..len.min((i + 1) * CHUNK);
                // SAFETY: one chunk each.
                let out = unsafe { parts.range(range.clone()) };
                job.booleans(out, range.start);
            });
        }
        _ => {
            let parts = Parts::new(outputs[0].values::<f32>());
            parallel(len.div_ceil(CHUNK), |i| {
                let range = i * CHUNK..len.min((i + 1) * CHUNK);
                // SAFETY: one chunk each.
                let out = unsafe { parts.range(range.clone()) };
                job.floats(out, range.start);
            });
        }
    }
}

/// How an input lies: the quickest form that fits.
fn classify<'a>(input: &Input<'a>) -> Access<'a> {
    let l = input.layout;
    if l.numel() == 0 {
        return Access::Strided;
    }
    let all_zero = l.shape.iter().zip(&l.strides).all(|(n, s)| *n == 1 || *s == 0);
    if all_zero {
        return Access::Splat(load(input, l.offset));
    }
    if input.dtype != DType::F32 {
        return Access::Strided;
    }
    if l.is_contiguous() {
        return Access::Direct(input.values());
    }
    // Axes before `cut` repeat and those from it on are row-major, or the other way round.
    let expected = |from: usize, to: usize| {
        let strides = contiguous_strides(&l.shape[from..to]);
        (from..to).all(|i| l.shape[i] == 1 || l.strides[i] == strides[i - from])
    };
    let repeats = |from: usize, to: usize| (from..to).all(|i| l.shape[i] == 1 || l.strides[i] == 0);
    let data = input.from_offset::<f32>();
    for cut in 1..l.shape.len() {
        let inner: usize = l.shape[cut..].iter().product();
        if repeats(0, cut) && expected(cut, l.shape.len()) && inner >= SHORTEST_ROW {
            return Access::Row(&data[..inner]);
        }
        if expected(0, cut) && repeats(cut, l.shape.len()) && inner > 1 {
            return Access::Column { data: &data[..numel(&l.shape[..cut])], inner };
        }
    }
    Access::Strided
}

fn load(input: &Input<'_>, at: usize) -> f32 {
    match input.dtype {
        DType::F32 => input.storage::<f32>()[at],
        DType::U32 => input.storage::<u32>()[at] as f32,
        DType::I32 => input.storage::<i32>()[at] as f32,
        DType::F64 => input.storage::<f64>()[at] as f32,
        DType::F16 => input.storage::<half::f16>()[at].to_f32(),
        DType::BF16 => input.storage::<half::bf16>()[at].to_f32(),
    }
}

/// A program and what it reads.
struct Job<'a> {
    program: &'a Program,
    inputs: &'a [Input<'a>],
    access: &'a [Access<'a>],
    add: bool,
}

thread_local! {
    static REGISTERS: std::cell::RefCell<Vec<f32>> = const { std::cell::RefCell::new(vec![]) };
}

impl Job<'_> {
    fn registers(&self) -> Vec<f32> {
        let mut registers = REGISTERS.take();
        registers.resize(registers.len().max((self.program.registers + 1) * BLOCK), 0.0);
        registers
    }

    /// Elements `at ..` of the output.
    fn floats(&self, out: &mut [f32], at: usize) {
        let mut registers = self.registers();
        let mut done = 0;
        while done < out.len() {
            let n = self.block(at + done, out.len() - done);
            let block = &mut out[done..done + n];
            if self.add {
                let sum = self.evaluate(&mut registers, at + done, n, None);
                block.iter_mut().enumerate().for_each(|(i, o)| *o += sum.at(&registers, i));
            } else {
                let result = self.evaluate(&mut registers, at + done, n, Some(block.as_mut_ptr()));
                if let Some(result) = result.outside() {
                    block.iter_mut().enumerate().for_each(|(i, o)| *o = result.at(&registers, i));
                }
            }
            done += n;
        }
        REGISTERS.set(registers);
    }

    /// The same for results that are 0 or 1.
    fn booleans(&self, out: &mut [u32], at: usize) {
        let mut registers = self.registers();
        let mut done = 0;
        while done < out.len() {
            let n = self.block(at + done, out.len() - done);
            let result = self.evaluate(&mut registers, at + done, n, None);
            out[done..done + n].iter_mut().enumerate().for_each(|(i, o)| *o = result.at(&registers, i) as u32);
            done += n;
        }
        REGISTERS.set(registers);
    }

    /// How many elements from `at` on every operand holds in one run.
    fn block(&self, at: usize, left: usize) -> usize {
        self.access.iter().fold(BLOCK.min(left), |n, a| match a {
            Access::Row(row) => n.min(row.len() - at % row.len()),
            _ => n,
        })
    }

    /// Runs the program over one block; the last instruction writes to `out`, if it is given.
    fn evaluate(&self, registers: &mut [f32], at: usize, n: usize, out: Option<*mut f32>) -> Value<'_> {
        let base = registers.as_mut_ptr();
        // SAFETY: register r stands within the scratch memory, which `registers` made large enough.
        let register = |r: usize| unsafe { base.add(r * BLOCK) };
        let input = |i: usize| match &self.access[i] {
            Access::Direct(data) => data[at..at + n].as_ptr(),
            Access::Row(row) => row[at % row.len()..][..n].as_ptr(),
            _ => unreachable!("other inputs are brought into registers"),
        };
        let level = level();
        let count = self.program.code.len();
        for (i, (op, r)) in self.program.code.iter().enumerate() {
            let dst = match out {
                Some(out) if i + 1 == count => out,
                _ => register(*r),
            };
            let of = |s: Src| source(s, |r| register(r).cast_const(), input);
            let null = (std::ptr::null(), 0.0);
            let src = match *op {
                Op::Load(i) => {
                    // SAFETY: a block of at least n elements, which no other reference covers.
                    self.gather(i, at, unsafe { std::slice::from_raw_parts_mut(dst, n) });
                    None
                }
                Op::Uniform(draw) => {
                    // SAFETY: as above.
                    uniform(draw, at, unsafe { std::slice::from_raw_parts_mut(dst, n) });
                    None
                }
                Op::Unary(_, a) => Some([of(a), null, null]),
                Op::Binary(_, a, b) => Some([of(a), of(b), null]),
                Op::MulAdd(a, b, c) | Op::Select(a, b, c) => Some([of(a), of(b), of(c)]),
            };
            if let Some(src) = src {
                dispatch_at(level, Instruction { op: *op, n, dst, src });
            }
        }
        match self.program.result.expect("a program has a result") {
            Src::Reg(_) if out.is_some() => Value::Written,
            Src::Reg(r) => Value::Register(r),
            Src::Const(c) => Value::Const(c),
            Src::In(i) => Value::Slice(match &self.access[i] {
                Access::Direct(data) => &data[at..at + n],
                Access::Row(row) => &row[at % row.len()..][..n],
                _ => unreachable!("other inputs are brought into registers"),
            }),
        }
    }

    /// Brings elements `at ..` of an input into a register.
    fn gather(&self, i: usize, at: usize, out: &mut [f32]) {
        let input = &self.inputs[i];
        if let Access::Column { data, inner } = &self.access[i] {
            let mut done = 0;
            while done < out.len() {
                let row = (at + done) / inner;
                let run = ((row + 1) * inner - at - done).min(out.len() - done);
                out[done..done + run].fill(data[row]);
                done += run;
            }
            return;
        }
        let l = input.layout;
        let rank = l.shape.len();
        let mut index = vec![0; rank];
        let (mut place, mut rest) = (l.offset as isize, at);
        for axis in (0..rank).rev() {
            index[axis] = rest % l.shape[axis];
            rest /= l.shape[axis];
            place += index[axis] as isize * l.strides[axis];
        }
        for o in out {
            *o = load(input, place as usize);
            for axis in (0..rank).rev() {
                index[axis] += 1;
                place += l.strides[axis];
                if index[axis] < l.shape[axis] {
                    break;
                }
                place -= l.strides[axis] * l.shape[axis] as isize;
                index[axis] = 0;
            }
        }
    }
}

/// Where a block's result stands.
enum Value<'a> {
    /// In the output already.
    Written,
    Register(usize),
    Const(f32),
    Slice(&'a [f32]),
}

impl Value<'_> {
    /// Itself, unless it is in the output.
    fn outside(self) -> Option<Self> {
        match self {
            Value::Written => None,
            other => Some(other),
        }
    }

    fn at(&self, registers: &[f32], i: usize) -> f32 {
        match self {
            Value::Written => unreachable!("the output is not read back"),
            Value::Register(r) => registers[r * BLOCK + i],
            Value::Const(c) => *c,
            Value::Slice(s) => s[i],
        }
    }
}

/// Random numbers of elements `at ..`; one Philox block serves four.
fn uniform(draw: Draw, at: usize, out: &mut [f32]) {
    let [a, b, c] = draw.stream;
    let mut block = [0; 4];
    for (i, o) in out.iter_mut().enumerate() {
        let index = at + i;
        if i == 0 || index.is_multiple_of(4) {
            block = crate::random::philox([(index / 4) as u32, a, b, c], draw.key());
        }
        *o = ((f64::from(block[index % 4] >> 9) + 0.5) / f64::from(1 << 23)) as f32;
    }
}
