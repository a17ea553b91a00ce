//! Elementwise expressions on the CPU: compiled once to a short program, then run block by block in cache.
//!
//! Contiguous inputs and repeating rows are read in place; everything else (columns, transposed views, integers) is brought into a register
//! first. What is not computed in `f32` goes to `wide`.

#![allow(unsafe_code)]

use super::draws::Uniform;
use super::interp::{BLOCK, Instruction, Source};
use super::levels::{Level, dispatch_at, level};
use super::program::{Op, Program, Src, compile};
use super::scratch::Scratch;
use super::simd::{Kernel, Simd, fence};
use super::strided::{Strided, load, load_one};
use super::threads::{Parts, parallel};
use super::{Input, Output, wide};
use crate::dtype::{DType, Element};
use crate::expr::BinaryOp;
use crate::layout::{Layout, numel};
use crate::plan::Elementwise;

/// Elements a task takes.
const CHUNK: usize = 64 * BLOCK;
/// Bytes from which on an output is stored past the caches: half of a common last-level cache, so that it would not stay there anyway.
const STREAM: usize = 16 << 20;

/// Runs the plan.
pub fn run(p: &Elementwise, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    run_at(level(), p, inputs, outputs);
}

/// [`run`] at a given instruction set.
pub(super) fn run_at(level: Level, p: &Elementwise, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    if p.expr.compute != DType::F32 {
        return wide::run(p, inputs, outputs);
    }
    let len = numel(&p.shape);
    let access: Vec<Access<'_>> = inputs.iter().map(|input| Access::of(input, len)).collect();
    let in_place = |i: usize| matches!(access[i], Access::Direct(_) | Access::Row { .. });
    let splat = |i: usize| if let Access::Splat(v) = access[i] { Some(v) } else { None };
    let program = compile(&p.expr, in_place, splat);
    let add = outputs[0].add;
    let stream = !add && len * size_of::<f32>() > STREAM;
    let job = Job { level, program: &program, inputs, access: &access, add, stream };
    match p.dtype {
        DType::U32 => tasks(outputs[0].values::<u32>(), |out, at| job.booleans(out, at)),
        _ => tasks(outputs[0].values::<f32>(), |out, at| job.floats(out, at)),
    }
}

/// Calls `f` with pieces of the output and where they begin.
fn tasks<T: Element>(out: &mut [T], f: impl Fn(&mut [T], usize) + Sync) {
    let len = out.len();
    let parts = Parts::new(out);
    parallel(len.div_ceil(CHUNK), |i| {
        let range = i * CHUNK..len.min((i + 1) * CHUNK);
        // SAFETY: one chunk each.
        f(unsafe { parts.range(range.clone()) }, range.start);
    });
}

/// How an input lies against the output.
enum Access<'a> {
    /// Element for element.
    Direct(&'a [f32]),
    /// A row that repeats. `seam` holds what lies around its end, from element `from` on and once more from its beginning, so that a block is
    /// one run wherever it starts.
    Row { data: &'a [f32], from: usize, seam: Vec<f32> },
    /// The same everywhere.
    Splat(f32),
    /// Anything else.
    Strided(Strided),
}

impl<'a> Access<'a> {
    /// The quickest form that fits an input of an output of `len` elements.
    fn of(input: &Input<'a>, len: usize) -> Access<'a> {
        let l = input.layout;
        if len == 0 {
            return Access::Direct(&[]);
        }
        if input.dtype == DType::F32 && l.is_contiguous() {
            return Access::Direct(input.values());
        }
        if l.shape.iter().zip(&l.strides).all(|(n, s)| *n == 1 || *s == 0) {
            return Access::Splat(load_one(input, l.offset) as f32);
        }
        match row(l) {
            Some(n) if input.dtype == DType::F32 => {
                let data = &input.from_offset::<f32>()[..n];
                let block = BLOCK.min(len);
                let from = n.saturating_sub(block);
                let mut seam = Vec::with_capacity(n - from + block);
                seam.extend_from_slice(&data[from..]);
                while seam.len() < n - from + block {
                    seam.extend_from_slice(&data[..n.min(n - from + block - seam.len())]);
                }
                Access::Row { data, from, seam }
            }
            _ => Access::Strided(Strided::new(l)),
        }
    }

    /// Elements `at .. at + n` of an input that is read in place.
    fn slice(&self, at: usize, n: usize) -> &[f32] {
        match self {
            Access::Direct(data) => &data[at..at + n],
            Access::Row { data, from, seam } => match at % data.len() {
                r if r + n <= data.len() => &data[r..r + n],
                r => &seam[r - from..][..n],
            },
            _ => unreachable!("other inputs are brought into registers"),
        }
    }
}

/// The elements of the row that a layout repeats: its first axes have stride 0, and the others are row-major.
fn row(l: &Layout) -> Option<usize> {
    let mut n = 1;
    let mut axes = l.shape.iter().zip(&l.strides).rev().filter(|(n, _)| **n != 1).peekable();
    while let Some((extent, _)) = axes.next_if(|(_, s)| **s == n as isize) {
        n *= extent;
    }
    (n > 1 && axes.all(|(_, s)| *s == 0)).then_some(n)
}

/// A program, what it reads, and how it stores.
struct Job<'a> {
    level: Level,
    program: &'a Program,
    inputs: &'a [Input<'a>],
    access: &'a [Access<'a>],
    add: bool,
    stream: bool,
}

impl Job<'_> {
    fn registers(&self) -> Scratch {
        Scratch::new(self.program.registers.max(1) * BLOCK)
    }

    /// Elements `at ..` of the output.
    fn floats(&self, out: &mut [f32], at: usize) {
        let mut registers = self.registers();
        for (i, block) in out.chunks_mut(BLOCK).enumerate() {
            let (n, dst) = (block.len(), block.as_mut_ptr());
            let result = self.evaluate(&mut registers, at + i * BLOCK, n, (!self.add).then_some(dst));
            match result {
                (p, _) if p == dst.cast_const() => {}
                source if self.add => {
                    let op = Op::Binary(BinaryOp::Add, Src::Reg(0), Src::Reg(0)); // of what `src` says
                    let src = [(dst.cast_const(), 0.0), source, (std::ptr::null(), 0.0)];
                    dispatch_at(self.level, Instruction { op, n, dst, src, stream: false });
                }
                (p, c) if p.is_null() => block.fill(c),
                // SAFETY: the result has n elements, and the output, written by this task alone, is none of the inputs.
                (p, _) => block.copy_from_slice(unsafe { std::slice::from_raw_parts(p, n) }),
            }
        }
        if self.stream {
            fence();
        }
    }

    /// The same for results that are 0 or 1.
    fn booleans(&self, out: &mut [u32], at: usize) {
        let mut registers = self.registers();
        for (i, out) in out.chunks_mut(BLOCK).enumerate() {
            let result = self.evaluate(&mut registers, at + i * BLOCK, out.len(), None);
            dispatch_at(self.level, Booleans { result, out, add: self.add });
        }
    }

    /// Runs the program over one block and says where its result stands; the last instruction writes to `out`, if it is given.
    fn evaluate(&self, registers: &mut [f32], at: usize, n: usize, out: Option<*mut f32>) -> Source {
        let base = registers.as_mut_ptr();
        let register = |r: usize| {
            assert!((r + 1) * BLOCK <= registers.len());
            base.wrapping_add(r * BLOCK)
        };
        let mut result = None;
        let source = |src: Src| match src {
            Src::Reg(r) => (register(r).cast_const(), 0.0),
            Src::In(i) => (self.access[i].slice(at, n).as_ptr(), 0.0),
            Src::Const(c) => (std::ptr::null(), c),
        };
        let null = (std::ptr::null(), 0.0);
        let count = self.program.code.len();
        for (i, (op, r)) in self.program.code.iter().enumerate() {
            let dst = out.filter(|_| i + 1 == count).unwrap_or_else(|| register(*r));
            result = Some((dst.cast_const(), 0.0));
            let src = match *op {
                Op::Load(i) => {
                    let Access::Strided(from) = &self.access[i] else { unreachable!("other inputs are read in place") };
                    // SAFETY: at least n elements, which no other reference covers.
                    load(self.level, &self.inputs[i], from, at, unsafe { std::slice::from_raw_parts_mut(dst, n) });
                    continue;
                }
                Op::Uniform(draw) => {
                    // SAFETY: as above.
                    let out = unsafe { std::slice::from_raw_parts_mut(dst, n) };
                    dispatch_at(self.level, Uniform { draw, at, out });
                    continue;
                }
                Op::Unary(_, a) => [source(a), null, null],
                Op::Binary(_, a, b) => [source(a), source(b), null],
                Op::MulAdd(a, b, c) | Op::Select(a, b, c) => [source(a), source(b), source(c)],
            };
            let stream = self.stream && i + 1 == count;
            dispatch_at(self.level, Instruction { op: *op, n, dst, src, stream });
        }
        result.unwrap_or_else(|| source(self.program.result))
    }
}

/// A result of zeros and ones as integers.
struct Booleans<'a> {
    result: Source,
    out: &'a mut [u32],
    add: bool,
}

impl Kernel for Booleans<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Booleans { result: (p, c), out, add } = self;
        if p.is_null() {
            return out.iter_mut().for_each(|o| *o = if add { *o } else { 0 }.wrapping_add(c as u32));
        }
        // SAFETY: a result that is not a constant has as many elements as the block.
        let result = unsafe { std::slice::from_raw_parts(p, out.len()) };
        for (o, v) in out.iter_mut().zip(result) {
            *o = if add { *o } else { 0 }.wrapping_add(*v as u32);
        }
    }
}

#[cfg(test)]
mod tests;
