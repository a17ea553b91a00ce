//! All passes, in every form that can do them, against the definition.

use super::*;
use crate::cpu::testing::{EPS, Random, Value, check_onto, expected};

/// A geometry from (batch, groups, input channels, output channels), sizes and options.
pub(super) fn geometry(
    [batch, groups, c_in, c_out]: [usize; 4],
    input: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [[usize; 2]; 2],
    dilation: [usize; 2],
) -> ConvGeometry {
    let output = [0, 1].map(|i| {
        ConvGeometry::output_extent(input[i], kernel[i], stride[i], padding[i], dilation[i]).expect("the kernel fits")
    });
    ConvGeometry { batch, c_in, c_out, groups, input, kernel, output, stride, padding, dilation }
}

/// The same stride and padding everywhere, no dilation.
pub(super) fn plain(
    sizes: [usize; 4],
    input: [usize; 2],
    kernel: usize,
    stride: usize,
    padding: usize,
) -> ConvGeometry {
    geometry(sizes, input, [kernel; 2], [stride; 2], [[padding; 2]; 2], [1; 2])
}

fn geometries() -> Vec<ConvGeometry> {
    vec![
        plain([1, 1, 1, 1], [1, 1], 1, 1, 0),
        plain([2, 1, 3, 5], [7, 9], 3, 1, 1),
        plain([1, 1, 5, 33], [20, 41], 3, 1, 1),
        plain([9, 1, 16, 40], [4, 4], 3, 1, 1),
        plain([5, 1, 70, 20], [8, 8], 3, 1, 1),
        plain([2, 1, 130, 9], [6, 5], 3, 1, 1),
        plain([2, 1, 128, 128], [4, 5], 3, 1, 1),
        plain([8, 1, 12, 17], [16, 16], 3, 2, 1),
        plain([3, 1, 20, 30], [9, 7], 1, 2, 0),
        plain([6, 1, 19, 35], [5, 11], 1, 1, 0),
        plain([1, 1, 3, 16], [31, 30], 7, 2, 3),
        plain([3, 1, 3, 20], [24, 24], 8, 8, 0),
        plain([2, 1, 2, 5], [23, 29], 5, 4, 2),
        plain([2, 1, 4, 6], [13, 12], 3, 3, 1),
        plain([4, 3, 6, 9], [10, 6], 3, 1, 1),
        plain([2, 8, 8, 8], [12, 19], 3, 1, 1),
        plain([2, 6, 6, 12], [11, 9], 3, 2, 1),
        plain([1, 2, 4, 6], [3, 40], 1, 1, 2),
        geometry([2, 1, 4, 7], [9, 12], [3, 3], [2, 3], [[0, 2], [1, 0]], [2, 1]),
        geometry([2, 2, 4, 6], [15, 14], [3, 2], [1, 1], [[2, 1], [0, 3]], [3, 2]),
        geometry([1, 1, 2, 3], [5, 6], [2, 3], [1, 1], [[4, 3], [5, 1]], [1, 1]),
        geometry([12, 1, 24, 24], [7, 7], [3, 3], [1, 1], [[1, 1], [1, 1]], [1, 1]),
        geometry([2, 1, 600, 4], [3, 3], [1, 1], [1, 1], [[0, 0], [0, 0]], [1, 1]),
        geometry([2, 1, 3, 600], [5, 3], [1, 2], [1, 1], [[0, 0], [0, 0]], [1, 1]),
    ]
}

fn can(form: Form, p: &Conv2d) -> bool {
    match (form, p.pass) {
        (Form::Shifted, ConvPass::InputGrad) => shifted::has_input_grad(&p.geometry),
        (Form::Shifted, _) => Frame::new(&p.geometry, 1).is_shifted(),
        (Form::Dots, pass) => pass == ConvPass::WeightGrad && Frame::new(&p.geometry, 1).is_shifted(),
        (Form::Patches, _) => true,
        (Form::Tiles(_), _) => unreachable!("they have tests of their own"),
    }
}

/// Every form of a pass against the reference; `terms`: the products in a sum.
fn compare(p: &Conv2d, inputs: &[Value], base: Option<&[f64]>, terms: usize) {
    let wide = Conv2d { dtype: DType::F64, ..p.clone() };
    let magnitudes: Vec<Value> = inputs.iter().map(Value::abs).collect();
    let base_abs: Option<Vec<f64>> = base.map(|b| b.iter().map(|b| b.abs()).collect());
    let sums = expected(&wide, &magnitudes, base_abs.as_deref());
    let bound = |_, e: usize, _| (terms + 4) as f64 * EPS * sums[0][e];
    for form in [Form::Shifted, Form::Patches, Form::Dots].into_iter().filter(|f| can(*f, p)) {
        let plan = |dtype| Conv2d { dtype, ..p.clone() };
        check_onto(plan, inputs, base, |level, p, i, o| fast(level, form, p, i, o), bound);
    }
}

#[test]
fn every_form_of_every_pass_matches_the_definition() {
    let mut random = Random(16);
    for geometry in geometries() {
        let size = |shape: [usize; 4]| shape.iter().product::<usize>();
        let [x, w, y] = [geometry.x_shape(), geometry.w_shape(), geometry.y_shape()].map(|s| random.real(size(s), 1.0));
        let taps = geometry.kernel[0] * geometry.kernel[1];
        for bias in [false, true] {
            let plan = |pass| Conv2d { dtype: DType::F32, pass, geometry: geometry.clone(), bias };
            let with_bias = |a: &Value, b: &Value, channels: usize, random: &mut Random| {
                let mut inputs = vec![a.clone(), b.clone()];
                inputs.extend(bias.then(|| random.real(channels, 1.0)));
                inputs
            };
            let (ci, co) = (geometry.c_in / geometry.groups, geometry.c_out / geometry.groups);
            let inputs = with_bias(&x, &w, geometry.c_out, &mut random);
            compare(&plan(ConvPass::Forward), &inputs, None, ci * taps);
            let inputs = with_bias(&y, &w, geometry.c_in, &mut random);
            compare(&plan(ConvPass::InputGrad), &inputs, None, co * taps);
        }
        let p = Conv2d { dtype: DType::F32, pass: ConvPass::WeightGrad, geometry: geometry.clone(), bias: false };
        let base = random.reals(size(geometry.w_shape()), 1.0);
        let terms = geometry.batch * geometry.output[0] * geometry.output[1];
        for base in [None, Some(&base[..])] {
            compare(&p, &[x.clone(), y.clone()], base, terms);
        }
    }
}

#[test]
fn large_images_are_shifted_and_small_ones_are_not() {
    let form =
        |g: ConvGeometry, pass| Form::direct(level(), &Conv2d { dtype: DType::F32, pass, geometry: g, bias: false });
    assert_eq!(form(plain([8, 1, 64, 64], [56, 56], 3, 1, 1), ConvPass::Forward), Form::Shifted);
    assert_eq!(form(plain([8, 1, 64, 64], [56, 56], 3, 1, 1), ConvPass::InputGrad), Form::Shifted);
    assert_eq!(form(plain([32, 1, 512, 512], [4, 4], 3, 1, 1), ConvPass::Forward), Form::Patches);
    assert_eq!(form(plain([32, 1, 512, 512], [4, 4], 3, 1, 1), ConvPass::InputGrad), Form::Patches);
    assert_eq!(form(plain([16, 1, 3, 384], [224, 224], 32, 32, 0), ConvPass::WeightGrad), Form::Patches);
    assert_eq!(form(plain([8, 32, 32, 32], [56, 56], 3, 1, 1), ConvPass::WeightGrad), Form::Dots);
}
