//! The tape itself: fan-out, freeing, loudness, vectors of parameters, second derivatives.

use lethe_autograd::{Cut, Mode, ParamLayout, Parameters, Tags, Tape, Var, gradient, hessian_vector_product};
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, Tensor};
use std::sync::Arc;

fn tensor(data: &[f64], shape: &[usize]) -> Tensor {
    Tensor::from_slice(&Device::cpu(), data, shape)
}

fn values(v: &Var) -> Vec<f64> {
    v.to_vec().unwrap()
}

/// tanh(x W₁ᵀ + b) W₁ summed: W₁ is used twice, the last parameter not at all.
fn model() -> (Tensor, Arc<ParamLayout>, impl Fn(&Parameters) -> Var + Copy) {
    let mut layout = ParamLayout::new();
    let w = layout.add("w", &[3, 2], Tags::default());
    let b = layout.add("b", &[3], Tags::default());
    layout.add("unused", &[2], Tags::default());
    let frozen = layout.add("frozen", &[3], Tags { frozen: true, ..Tags::default() });
    let theta = Tensor::normal(&Device::cpu(), DType::F64, &[layout.len()], Draw::new(3, [0; 3]));
    let loss = move |p: &Parameters| {
        let x = Var::constant(&tensor(&[0.3, -0.2, 0.8, 0.5], &[2, 2]));
        let h = x.linear(&p.get(w), Some(&p.get(b))).tanh();
        (&h * &p.get(frozen)).matmul(&p.get(w)).square().sum()
    };
    (theta, Arc::new(layout), loss)
}

#[test]
fn gradients_add_over_every_use() {
    let tape = Tape::new();
    let x = tape.leaf(&tensor(&[1.0, 2.0], &[2]));
    let y = (&(&x * &x) + &x.mul_scalar(3.0)).sum();
    assert_eq!(values(&tape.backward(&y).of(&x)), [5.0, 7.0]);
}

#[test]
fn the_gradient_vector_matches_finite_differences_and_its_padding_is_zero() {
    let (theta, layout, loss) = model();
    let (_, g) = gradient(&theta, &layout, loss);
    let g: Vec<f64> = g.to_vec().unwrap();
    let at = |i: usize, h: f64| -> f64 {
        let mut v: Vec<f64> = theta.to_vec().unwrap();
        v[i] += h;
        loss(&Parameters::constant(&tensor(&v, &[layout.len()]), &layout)).tensor().item().unwrap()
    };
    for i in 0..layout.len() {
        let real = layout.owned().any(|(_, p)| p.range().contains(&i) && !p.tags.frozen);
        let expected = if real { (at(i, 1e-5) - at(i, -1e-5)) / 2e-5 } else { 0.0 };
        assert!((g[i] - expected).abs() < 1e-8, "{i}: {} {expected}", g[i]);
    }
}

#[test]
fn hessian_vector_products_match_differences_of_gradients_and_are_symmetric() {
    let (theta, layout, loss) = model();
    let mask = {
        let mut m = vec![0.0; layout.len()];
        layout.owned().filter(|(_, p)| !p.tags.frozen).for_each(|(_, p)| m[p.range()].fill(1.0));
        tensor(&m, &[layout.len()])
    };
    let [u, v] =
        [1, 2].map(|s| Tensor::normal(&Device::cpu(), DType::F64, &[layout.len()], Draw::new(s, [0; 3])).mul(&mask));
    let product = |v: &Tensor| hessian_vector_product(&theta, &layout, v, loss).2;
    let hv: Vec<f64> = product(&v).to_vec().unwrap();
    let g = |h: f64| -> Vec<f64> { gradient(&theta.add(&v.mul_scalar(h)), &layout, loss).1.to_vec().unwrap() };
    let scale = hv.iter().fold(0.0f64, |a, b| a.max(b.abs()));
    for ((a, b), hv) in g(1e-5).iter().zip(g(-1e-5)).zip(&hv) {
        assert!(((a - b) / 2e-5 - hv).abs() < 1e-7 * scale, "{} {hv}", (a - b) / 2e-5);
    }
    let dot = |a: &Tensor, b: &Tensor| a.mul(b).sum().item::<f64>().unwrap();
    let (x, y) = (dot(&u, &product(&v)), dot(&v, &product(&u)));
    assert!((x - y).abs() < 1e-10 * x.abs().max(1.0), "{x} {y}");
}

#[test]
fn parameters_without_a_gradient_are_named_with_what_cut_them_off() {
    let mut layout = ParamLayout::new();
    let a = layout.add("a", &[2], Tags::default());
    let b = layout.add("b", &[2], Tags::default());
    let layout = Arc::new(layout);
    let tape = Tape::new();
    let p = tape.parameters(&Tensor::ones(&Device::cpu(), DType::F32, &[layout.len()]), &layout);
    let cut = p.get(b).exp().detach();
    let g = tape.backward(&(&p.get(a) * &cut).sum());
    let [unreached] = g.unreached() else { panic!("one parameter is cut off") };
    assert!(unreached.name == "b" && matches!(unreached.why, Cut::After { op: "exp", .. }), "{unreached}");
}

#[test]
fn retained_tapes_can_be_swept_again_and_recorded_ones_differentiated() {
    let tape = Tape::new();
    let x = tape.leaf(&tensor(&[0.7], &[]));
    let y = x.exp().sin();
    let one = Var::constant(&tensor(&[1.0], &[]));
    let first = tape.sweep(&y, &one, Mode::Record).of(&x);
    let second = tape.sweep(&first, &one, Mode::Retain).of(&x);
    let e = 0.7f64.exp();
    assert!((values(&first)[0] - e * e.cos()).abs() < 1e-14);
    assert!((values(&second)[0] - (e * e.cos() - e * e * e.sin())).abs() < 1e-13);
    assert_eq!(values(&tape.sweep(&y, &one, Mode::Free).of(&x)), values(&first));
}

#[test]
#[should_panic(expected = "no derivative")]
fn operations_without_a_derivative_are_errors_not_silence() {
    let tape = Tape::new();
    let x = tape.leaf(&tensor(&[1.0, 2.0], &[2]));
    let rounded = Var::record_opaque("round", &[&x], x.tensor().clone());
    tape.backward(&rounded.sum());
}

#[test]
fn constants_record_nothing() {
    let tape = Tape::new();
    let x = Var::constant(&tensor(&[1.0], &[1]));
    let y = x.exp().sum();
    assert!(tape.is_empty() && !y.is_tracked());
}

#[test]
fn the_graph_is_explained_with_what_is_cut_off() {
    let mut layout = ParamLayout::new();
    let ids = ["used", "detached", "read", "never"].map(|name| layout.add(name, &[2], Tags::default()));
    layout.add("frozen", &[2], Tags { frozen: true, ..Tags::default() });
    let layout = Arc::new(layout);
    let theta = Tensor::ones(&Device::cpu(), DType::F64, &[layout.len()]);
    let tape = Tape::new();
    let p = tape.parameters(&theta, &layout);
    let aside = p.get(ids[1]).sin().exp();
    p.get(ids[2]);
    let y = (&p.get(ids[0]).square() + &aside.detach()).sum();
    let text = tape.explain(&y);
    let line = |part: &str| text.lines().find(|l| l.contains(part)).unwrap_or_else(|| panic!("no {part} in:\n{text}"));
    assert!(
        line("square").starts_with("  #") && line("square").contains("[2] <- #") && line("square").contains("tape.rs:")
    );
    assert!(line("exp").starts_with("· #"), "{text}");
    assert!(line("parameter `used`").contains("[2]") && line(" sum ").contains("[]"), "{text}");
    assert!(
        line("for `detached`").contains("exp at ") && line("for `detached`").contains("no recorded path"),
        "{text}"
    );
    assert!(line("for `read`").contains("it was read at"), "{text}");
    assert!(line("for `never`").ends_with("the forward pass never read it"), "{text}");
    assert!(!text.contains("`used`:") && !text.contains("frozen"), "{text}");

    // The sweep gives the same answer, and asking after it, too.
    let told = |text: &str| text.lines().filter(|l| l.starts_with("no gradient")).map(String::from).collect::<Vec<_>>();
    let swept: Vec<String> = tape.backward(&y).unreached().iter().map(ToString::to_string).collect();
    assert_eq!(swept, told(&text));
    assert_eq!(swept, told(&tape.explain(&y)));
}

#[test]
fn a_tied_parameter_is_reached_through_any_of_its_names() {
    let mut layout = ParamLayout::new();
    let a = layout.add("a", &[2], Tags::default());
    let tied = layout.tie("tied", &[2, 1], a);
    layout.add("lonely", &[2], Tags::default());
    layout.add("nothing", &[0], Tags::default());
    let layout = Arc::new(layout);
    let theta = Tensor::ones(&Device::cpu(), DType::F64, &[layout.len()]);
    for read in [a, tied] {
        let tape = Tape::new();
        let p = tape.parameters(&theta, &layout);
        let y = p.get(read).square().sum();
        assert!(!tape.explain(&y).contains("`a`:") && !tape.explain(&y).contains("`tied`:"), "{}", tape.explain(&y));
        let g = tape.backward(&y);
        let names: Vec<&str> = g.unreached().iter().map(|u| u.name.as_str()).collect();
        assert_eq!(names, ["lonely", "nothing"]);
    }
    let tape = Tape::new();
    let p = tape.parameters(&theta, &layout);
    let y = (&p.vector().square().sum() + &p.get(a).sum()).sum();
    assert!(!tape.explain(&y).contains("no gradient"), "{}", tape.explain(&y));
    let g = tape.backward(&y);
    assert!(g.unreached().is_empty());
    // Asked for as a leaf, the whole vector has the same gradient: of its own uses and those of its parts.
    assert_eq!(values(g.vector(&p))[..2], [3.0, 3.0]);
    assert_eq!(values(&g.of(p.vector())), values(g.vector(&p)));
}

/// What a closure panics with.
fn panics(f: impl FnOnce()) -> String {
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).expect_err("it must panic");
    let text = payload.downcast_ref::<String>().cloned();
    text.or(payload.downcast_ref::<&str>().map(ToString::to_string)).expect("a message")
}

#[test]
fn gradients_are_given_for_what_was_swept_and_for_nothing_else() {
    let (theta, layout, _) = model();
    let (tape, other) = (Tape::new(), Tape::new());
    let x = tape.leaf(&tensor(&[1.0, 2.0], &[2]));
    let (foreign, foreign_parameters) = (other.leaf(x.tensor()), other.parameters(&theta, &layout));
    let p = tape.parameters(&theta, &layout);
    let parameter = p.get(layout.find("b").unwrap());
    let between = x.exp();
    let y = (&between.sum() + &parameter.sum()).sum();
    let g = tape.sweep(&y, &Var::constant(&tensor(&[1.0], &[])), Mode::Retain);
    let (late, late_parameters) = (tape.leaf(x.tensor()), tape.parameters(&theta, &layout));
    assert!(g.get(&x).is_some() && g.get(&late).is_none() && values(&g.of(&late)) == [0.0, 0.0]);

    assert!(panics(|| _ = g.of(&foreign)).contains("another tape"));
    assert!(panics(|| _ = g.get(&foreign)).contains("another tape"));
    assert!(panics(|| _ = g.get(&Var::constant(x.tensor()))).contains("constant"));
    assert!(panics(|| _ = g.of(&between)).contains("no leaf"));
    assert!(panics(|| _ = g.of(&between.sin())).contains("no leaf"));
    assert!(panics(|| _ = g.of(&parameter)).contains("Gradients::vector"));
    assert!(panics(|| _ = g.vector(&foreign_parameters)).contains("another tape"));
    assert!(panics(|| _ = g.vector(&Parameters::constant(&theta, &layout))).contains("constant parameters"));
    assert!(panics(|| _ = g.vector(&late_parameters)).contains("after the sweep"));
    assert!(panics(|| _ = other.backward(&y)).contains("another tape"));
    assert!(panics(|| _ = g.into_vector(&foreign_parameters)).contains("another tape"));
    assert!(
        panics(|| _ = tape.sweep(&y, &Var::constant(&tensor(&[1.0], &[])), Mode::Free).of(&foreign))
            .contains("another tape")
    );
    assert!(panics(|| _ = tape.backward(&y)).contains("Mode::Free freed the graph"));
}

#[test]
fn a_rule_that_forgets_a_tracked_input_is_an_error() {
    let tape = Tape::new();
    let [a, b] = [1.0, 2.0].map(|x| tape.leaf(&tensor(&[x], &[])));
    let y = Var::record("half_a_product", &[&a, &b], a.tensor().mul(b.tensor()), |dy| vec![Some(dy.clone()), None]);
    let text = panics(|| _ = tape.backward(&y));
    assert!(text.contains("half_a_product at ") && text.contains("input 1"), "{text}");
}

#[test]
fn halves_are_stored_and_computed_with_in_single_precision() {
    let x = Tensor::from_slice(&Device::cpu(), &[0.5f32, -1.25, 3.0], &[3]);
    for dtype in [DType::F16, DType::BF16] {
        let tape = Tape::new();
        let x = tape.leaf(&x);
        let stored = x.to_dtype(dtype);
        assert_eq!((stored.dtype(), stored.square().dtype()), (dtype, DType::F32));
        let g = tape.backward(&stored.square().sum()).of(&x);
        assert_eq!(g.to_vec::<f32>().unwrap(), [1.0, -2.5, 6.0]);
    }
}
