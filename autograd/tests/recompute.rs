//! Blocks whose values are made again in the backward pass: the bits are those of a tape that keeps them.

use lethe_autograd::{Mode, ParamId, ParamLayout, Parameters, Tags, Tape, Var, hessian_vector_product, recompute};
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, Tensor};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

/// How blocks are run.
type Run = fn(&[&Var], Box<dyn Fn(&[Var]) -> Var>) -> Var;

/// With inputs and results that are evaluated, as those of recomputed blocks are: an expression that goes on beyond a block may round otherwise.
const KEPT: Run = |inputs, block| {
    inputs.iter().for_each(|v| _ = v.tensor().force());
    let y = block(&inputs.iter().map(|v| (*v).clone()).collect::<Vec<_>>());
    y.tensor().force();
    y
};
const AGAIN: Run = |inputs, block| recompute(inputs, block);

fn layout() -> (Arc<ParamLayout>, [ParamId; 3]) {
    let mut layout = ParamLayout::new();
    let ids = [("w", vec![4, 4]), ("b", vec![4]), ("g", vec![4])].map(|(n, s)| layout.add(n, &s, Tags::default()));
    (Arc::new(layout), ids)
}

fn normal(device: &Device, dtype: DType, shape: &[usize], seed: u64) -> Tensor {
    let dtype_of_draw = if device.is_cpu() { dtype } else { DType::F32 };
    Tensor::normal(&Device::cpu(), dtype_of_draw, shape, Draw::new(seed, [0; 3])).to_device(device).unwrap()
}

/// Three blocks that share their parameters, with dropout, one of them of two blocks; an input that is used beside the blocks too.
fn loss(p: &Parameters, x: &Var, ids: [ParamId; 3], run: Run) -> Var {
    let block = move |p: &Parameters, h: &Var, layer: u32| {
        let y = h.linear(&p.get(ids[0]), Some(&p.get(ids[1]))).tanh().dropout(0.25, Draw::new(7, [layer, 0, 0]));
        h + &y.layer_norm(&p.get(ids[2]), &p.get(ids[1]), 1e-5)
    };
    let vector = p.vector();
    let (p1, p2) = (p.clone(), p.clone());
    let h = run(&[x, vector], Box::new(move |v| block(&p1, &v[0], 0)));
    let h = run(
        &[&h, vector],
        Box::new(move |v| {
            let p3 = p2.clone();
            let inner = run(&[&v[0]], Box::new(move |v| block(&p3, &v[0].exp(), 1)));
            block(&p2, &inner, 2)
        }),
    );
    (&h * x).square().mean()
}

#[test]
fn values_and_gradients_have_the_same_bits_in_every_mode() {
    for device in Device::all_for_tests() {
        let (layout, ids) = layout();
        let theta = normal(&device, DType::F32, &[layout.len()], 1);
        let bits = |mode: Mode, run: Run, sweeps: usize| {
            let tape = Tape::new();
            let p = tape.parameters(&theta, &layout);
            let x = tape.leaf(&normal(&device, DType::F32, &[3, 4], 2));
            let y = loss(&p, &x, ids, run);
            let names = tape.operations();
            let one = Var::constant(&Tensor::ones(&device, DType::F32, &[]));
            let mut all = vec![y.to_vec::<f32>().unwrap()];
            for i in 0..sweeps {
                let last = i + 1 == sweeps && mode == Mode::Retain;
                let g = tape.sweep(&y, &one, if last { Mode::Free } else { mode });
                all.extend([g.vector(&p).to_vec().unwrap(), g.of(&x).to_vec().unwrap()]);
            }
            (all.concat().iter().map(|v| v.to_bits()).collect::<Vec<u32>>(), names)
        };
        for (mode, sweeps) in [(Mode::Free, 1), (Mode::Retain, 3), (Mode::Record, 2)] {
            assert_eq!(bits(mode, AGAIN, sweeps), bits(mode, KEPT, sweeps), "{device:?} {mode:?}");
        }
    }
}

#[test]
fn hessian_vector_products_have_the_same_bits() {
    for device in Device::all_for_tests() {
        let (layout, ids) = layout();
        let [theta, v] = [1, 3].map(|seed| normal(&device, DType::F64, &[layout.len()], seed));
        let x = normal(&device, DType::F64, &[3, 4], 2);
        let product = |run: Run| {
            let all: [Tensor; 3] =
                hessian_vector_product(&theta, &layout, &v, |p| loss(p, &Var::constant(&x), ids, run)).into();
            all.map(|t| t.to_device(&Device::cpu()).unwrap().to_dtype(DType::F64).to_vec::<f64>().unwrap())
        };
        let (again, kept) = (product(AGAIN), product(KEPT));
        assert!(kept[2].iter().any(|h| *h != 0.0));
        assert_eq!(again, kept, "{device:?}");
    }
}

/// What a block of three functions keeps alive, and how often it runs.
#[test]
fn values_of_a_block_are_dropped_and_made_again_once_a_sweep() {
    let tape = Tape::new();
    let x = tape.leaf(&normal(&Device::cpu(), DType::F32, &[8], 1));
    let (held, runs) = (Rc::new(()), Rc::new(Cell::new(0)));
    let block = {
        let (held, runs) = (held.clone(), runs.clone());
        move |v: &[Var]| {
            runs.set(runs.get() + 1);
            let (y, held) = (v[0].exp(), held.clone());
            Var::record("holding", &[&y], y.tensor().clone(), move |dy| {
                let _ = &held;
                vec![Some(dy.clone())]
            })
        }
    };
    let y = recompute(&[&x], block).sum();
    assert_eq!((Rc::strong_count(&held), runs.get()), (2, 1), "the rule is dropped, the block kept");
    let one = Var::constant(&Tensor::ones(&Device::cpu(), DType::F32, &[]));
    for sweeps in 1..3 {
        tape.sweep(&y, &one, Mode::Retain);
        assert_eq!((Rc::strong_count(&held), runs.get()), (2, 1 + sweeps));
    }
    tape.backward(&y);
    assert_eq!((Rc::strong_count(&held), runs.get()), (1, 4), "a free sweep lets go of the block too");
}

#[test]
fn nothing_runs_again_where_no_gradient_arrives_and_nothing_is_recorded_of_constants() {
    let tape = Tape::new();
    let x = tape.leaf(&normal(&Device::cpu(), DType::F32, &[4], 1));
    let runs = Rc::new(Cell::new(0));
    let counted = |v: &Var| {
        let runs = runs.clone();
        recompute(&[v], move |v| {
            runs.set(runs.get() + 1);
            v[0].sin()
        })
    };
    let aside = counted(&x);
    tape.backward(&x.exp().sum());
    assert!(aside.is_tracked() && runs.get() == 1);
    let constant = counted(&x.detach());
    assert!(!constant.is_tracked() && runs.get() == 2);
}

#[test]
fn a_sweep_can_begin_within_a_block() {
    let tape = Tape::new();
    let x = tape.leaf(&normal(&Device::cpu(), DType::F64, &[4], 1));
    let inside = Rc::new(Cell::new(None));
    let out = inside.clone();
    recompute(&[&x], move |v| {
        let h = v[0].exp();
        out.set(Some(h.clone()));
        h.sin()
    });
    let h = inside.take().unwrap();
    let one = Var::constant(&Tensor::ones(&Device::cpu(), DType::F64, &[4]));
    let slope = tape.sweep(&h, &one, Mode::Free).of(&x);
    assert_eq!(slope.to_vec::<f64>().unwrap(), h.to_vec::<f64>().unwrap());
}

/// The sweep's panic over a block that counts its runs.
fn changing(block: impl Fn(&Var, usize) -> Var + 'static) {
    let tape = Tape::new();
    let x = tape.leaf(&normal(&Device::cpu(), DType::F32, &[4], 1));
    let runs = Cell::new(0);
    let y = recompute(&[&x], move |v| {
        runs.set(runs.get() + 1);
        block(&v[0], runs.get())
    });
    tape.backward(&y.sum());
}

#[test]
#[should_panic(expected = "recompute: cos [4] of [Some(0)] was sin [4] of [Some(0)] the first time")]
fn another_operation_the_second_time_is_an_error() {
    changing(|x, run| if run == 1 { x.sin() } else { x.cos() });
}

#[test]
#[should_panic(expected = "recompute: the block ended before exp [4] the first time")]
fn one_operation_more_is_an_error() {
    changing(|x, run| if run == 1 { x.sin() } else { x.sin().exp() });
}

#[test]
#[should_panic(expected = "recompute: the block did not get to exp at ")]
fn one_operation_less_is_an_error() {
    changing(|x, run| if run == 1 { x.sin().exp() } else { x.sin() });
}

#[test]
#[should_panic(expected = "an earlier sweep in Mode::Free freed the graph")]
fn a_block_is_used_up_as_everything_else() {
    let tape = Tape::new();
    let x = tape.leaf(&normal(&Device::cpu(), DType::F32, &[4], 1));
    let y = recompute(&[&x], |v| v[0].sin()).sum();
    tape.backward(&y);
    tape.backward(&y);
}
