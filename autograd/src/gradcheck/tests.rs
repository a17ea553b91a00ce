//! What a check must catch, and what it must let pass.

use super::*;

fn vector(data: &[f64]) -> Tensor {
    Tensor::from_slice(&Device::cpu(), data, &[data.len()])
}

/// x², with a rule that the caller gives.
fn square(x: &Var, rule: impl Fn(&Var, &Var) -> Var + 'static) -> Var {
    let a = x.clone();
    Var::record("square", &[x], x.tensor().square(), move |dy| vec![Some(rule(&a, dy))])
}

#[test]
fn a_wrong_rule_is_named_with_its_element() {
    let wrong = |v: &[Var]| square(&v[1], |x, dy| (x * dy).mul_scalar(1.999));
    let inputs = [vector(&[1.0]), vector(&[0.5, -2.0])];
    let e = gradcheck(wrong, &inputs, &GradcheckOptions { directions: 0, ..Default::default() }).unwrap_err();
    let GradcheckError::Mismatch { order, input, probe, got, expected, .. } = e else { panic!("{e}") };
    assert_eq!((order, input, probe), (Order::First, 1, Probe::Element { input: 0, output: 0 }));
    assert!((got - 0.9995).abs() < 1e-12 && (expected - 1.0).abs() < 1e-9, "{got} {expected}");
    assert!(gradcheck(wrong, &inputs, &GradcheckOptions { jacobian: 0, ..Default::default() }).is_err());
}

#[test]
fn a_rule_that_cuts_its_own_derivative_fails_only_the_second_check() {
    let cut = |v: &[Var]| square(&v[0], |x, dy| &x.detach().mul_scalar(2.0) * dy);
    let (inputs, options) = ([vector(&[0.5, -2.0])], GradcheckOptions::default());
    gradcheck(cut, &inputs, &options).unwrap();
    let e = gradgradcheck(cut, &inputs, &options).unwrap_err();
    assert!(matches!(e, GradcheckError::Mismatch { order: Order::Second, input: 0, .. }), "{e}");
    let linear_in_dy = |v: &[Var]| square(&v[0], |x, dy| &x.mul_scalar(2.0) * &dy.detach());
    let e = gradgradcheck(linear_in_dy, &inputs, &options).unwrap_err();
    assert!(matches!(e, GradcheckError::Mismatch { order: Order::Second, input: 1, .. }), "{e}");
}

#[test]
fn kinks_are_counted_but_curvature_is_compared() {
    let options = GradcheckOptions::default();
    let report = gradcheck(|v| v[0].abs(), &[vector(&[0.0, 1.0])], &options).unwrap();
    assert_eq!((report.kinks, report.compared), (3, 3), "{report:?}"); // along both directions, and one of four entries
    let steep = |v: &[Var]| square(&v[0].mul_scalar(1e4), |x, dy| (x * dy).mul_scalar(2.001));
    assert!(gradcheck(steep, &[vector(&[1e-4])], &options).is_err());
}

#[test]
fn single_precision_is_refused_unless_constant() {
    let x = vector(&[1.0]).to_dtype(DType::F32);
    let e = gradcheck(|v| v[0].exp(), std::slice::from_ref(&x), &GradcheckOptions::default()).unwrap_err();
    assert!(e.to_string().starts_with("input 0 is f32 on cpu"), "{e}");
    let constant = GradcheckOptions { constant: vec![0], ..Default::default() };
    gradcheck(|v| v[1].exp(), &[x, vector(&[1.0])], &constant).unwrap();
}

#[test]
fn shapes_and_infinities_are_told_apart_from_wrong_numbers() {
    let summed = |v: &[Var]| square(&v[0], |x, dy| (x * dy).mul_scalar(2.0).sum());
    let options = GradcheckOptions::default();
    assert!(matches!(gradcheck(summed, &[vector(&[1.0, 2.0])], &options), Err(GradcheckError::Shape { .. })));
    assert!(matches!(gradcheck(|v| v[0].log(), &[vector(&[0.0])], &options), Err(GradcheckError::NotFinite { .. })));
}
