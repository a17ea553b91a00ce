//! Convolution on the CPU. Every image is laid out once, with its border, such that a tap of the kernel is a shift ([`frame`]). Large images
//! are then multiplied in place by a table of offsets ([`shifted`], [`weight`]); small ones, and large strides, by panels of patches
//! ([`columns`], [`scatter`], [`weight_patches`]). Kernels of 3×3 between many channels are multiplied by tiles ([`winograd`]). Which of them is
//! cheapest follows from the shape.

#![allow(unsafe_code)]

mod columns;
mod frame;
mod panels;
mod scatter;
mod shifted;
mod weight;
mod weight_dots;
mod weight_patches;
mod weight_tiles;
mod winograd;

use super::gemm::panel_width;
use super::levels::{Level, level};
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::{Conv2d, ConvGeometry, ConvPass};
use frame::Frame;

/// Groups of fewer output channels leave a vector of them too empty.
const FEW: usize = 4;

/// Runs the plan.
pub fn run(p: &Conv2d, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let g = &p.geometry;
    let mut sizes = g.x_shape().into_iter().chain(g.w_shape()).chain(g.y_shape());
    match p.dtype {
        DType::F64 => reference::conv::run::<f64>(p, inputs, outputs),
        _ if sizes.any(|n| n == 0) => reference::conv::run::<f32>(p, inputs, outputs),
        _ => fast(level(), Form::of(level(), p), p, inputs, outputs),
    }
}

/// The ways of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// The image in place, shifted.
    Shifted,
    /// Panels of patches.
    Patches,
    /// Dot products of planes (weight gradient alone).
    Dots,
    /// Tiles that are transformed, where all results are finite.
    Tiles(winograd::Tile),
}

impl Form {
    /// The cheapest one.
    fn of(level: Level, p: &Conv2d) -> Form {
        let tile = match p.pass {
            ConvPass::Forward | ConvPass::WeightGrad => winograd::Tile::of(&p.geometry),
            ConvPass::InputGrad if !shifted::has_input_grad(&p.geometry) => None,
            ConvPass::InputGrad => winograd::Tile::of(&shifted::transposed(&p.geometry)),
        };
        tile.map_or_else(|| Form::direct(level, p), Form::Tiles)
    }

    /// The cheaper one of those that compute the sums of the definition.
    fn direct(level: Level, p: &Conv2d) -> Form {
        let (g, nr) = (&p.geometry, panel_width(level));
        let frame = Frame::new(g, 1);
        let co = g.c_out / g.groups;
        let shifted = match p.pass {
            ConvPass::Forward => frame.is_shifted() && shifted_cost(g, &frame, nr, co) <= patches_cost(g, nr, co, 1),
            ConvPass::InputGrad => {
                let back = shifted::transposed;
                let cost = |g: &ConvGeometry| shifted_cost(g, &Frame::new(g, 1), nr, co) * area(g) / area(&p.geometry);
                shifted::has_input_grad(g) && cost(&back(g)) <= patches_cost(g, nr, co, 3)
            }
            ConvPass::WeightGrad if frame.is_shifted() && co < FEW => return Form::Dots,
            ConvPass::WeightGrad => frame.is_shifted(),
        };
        if shifted { Form::Shifted } else { Form::Patches }
    }
}

fn area(g: &ConvGeometry) -> f64 {
    (g.output[0] * g.output[1]) as f64
}

/// Cycles of a tap for every vector of outputs: one for each channel, more for the pixels between lines and after the last vector.
fn shifted_cost(g: &ConvGeometry, frame: &Frame, nr: usize, channels: usize) -> f64 {
    (channels * frame.pixels().next_multiple_of(nr)) as f64 / area(g)
}

/// The same with panels: their copies take a few cycles for every run of neighbours (`each`: of additions, three times as many).
fn patches_cost(g: &ConvGeometry, nr: usize, channels: usize, each: usize) -> f64 {
    let runs = nr.div_ceil(g.output[1]) + 1;
    let pixels = g.output[0] * g.output[1];
    let columns = pixels * (columns::COLUMNS / pixels).clamp(1, g.batch);
    ((channels + each * runs + 3) * columns.next_multiple_of(nr)) as f64 / columns as f64
}

/// Runs a pass that is not empty in a given form, which must be able to.
fn fast(level: Level, form: Form, p: &Conv2d, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let (a, b) = (inputs[0].values::<f32>(), inputs[1].values::<f32>());
    let bias = p.bias.then(|| inputs[2].values::<f32>());
    let add = outputs[0].add;
    let out = outputs[0].values::<f32>();
    match form {
        Form::Tiles(tile) => by_tiles(level, tile, p, (a, b, bias), out, add),
        _ => direct(level, form, p, (a, b, bias), out, add),
    }
}

type Operands<'a> = (&'a [f32], &'a [f32], Option<&'a [f32]>);

/// Runs a pass by tiles. Images whose results are not finite, and a weight gradient that is not, are computed again by the definition: an image by
/// itself, so that it is the same in any batch.
fn by_tiles(level: Level, tile: winograd::Tile, p: &Conv2d, (a, b, bias): Operands<'_>, out: &mut [f32], add: bool) {
    let g = &p.geometry;
    let again = match p.pass {
        ConvPass::Forward => winograd::convolve(level, tile, g, a, (b, false), bias, out),
        ConvPass::InputGrad => winograd::convolve(level, tile, &shifted::transposed(g), a, (b, true), bias, out),
        ConvPass::WeightGrad => {
            if !winograd::weight_grad(level, tile, g, a, b, out, add) {
                direct(level, Form::direct(level, p), p, (a, b, None), out, add);
            }
            return;
        }
    };
    let one = Conv2d { geometry: ConvGeometry { batch: 1, ..g.clone() }, ..p.clone() };
    let form = Form::direct(level, &one);
    let (from, to) = (a.len() / g.batch, out.len() / g.batch);
    for i in again {
        let (a, out) = (&a[i * from..(i + 1) * from], &mut out[i * to..(i + 1) * to]);
        direct(level, form, &one, (a, b, bias), out, false);
    }
}

/// Runs a pass in a form that computes the sums of the definition.
fn direct(level: Level, form: Form, p: &Conv2d, (a, b, bias): Operands<'_>, out: &mut [f32], add: bool) {
    let g = &p.geometry;
    match (p.pass, form) {
        (ConvPass::Forward, Form::Shifted) => shifted::forward(level, g, a, b, bias, out),
        (ConvPass::Forward, _) => columns::forward(level, g, a, b, bias, out),
        (ConvPass::InputGrad, Form::Shifted) => shifted::input_grad(level, g, a, b, bias, out),
        (ConvPass::InputGrad, _) => scatter::input_grad(level, g, a, b, bias, out),
        (ConvPass::WeightGrad, Form::Shifted) => weight::weight_grad(level, g, a, b, out, add),
        (ConvPass::WeightGrad, Form::Dots) => weight_dots::weight_grad(level, g, a, b, out, add),
        (ConvPass::WeightGrad, _) => weight_patches::weight_grad(level, g, a, b, out, add),
    }
}

#[cfg(test)]
mod tests;
