//! Paints the images: a shape on a texture, both determined by the class.

use image::{Rgb, RgbImage};
use lethe_tensor::random::Philox;

/// The style of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A photograph: texture, noise and colour.
    Photograph,
    /// A rendition: flat colours that no photograph of the class has.
    Rendition,
    /// A sketch: black lines on white.
    Sketch,
}

/// The number of shapes; classes with the same shape differ in texture and colour.
const SHAPES: u32 = 5;
/// The thickness of a sketch's lines, as a fraction of the image's side.
const LINE: f64 = 0.04;

/// An image of a class.
pub fn paint(class: u32, width: u32, height: u32, style: Style, random: &mut Philox) -> RgbImage {
    let kind = f64::from(class / SHAPES);
    let mut between = |low: f64, high: f64| low + (high - low) * random.uniform();
    let (x0, y0, size) = (between(0.4, 0.6), between(0.4, 0.6), between(0.25, 0.38));
    let (phase, shade) = (between(0.0, std::f64::consts::TAU), between(0.8, 1.0));
    let (along, across) = (0.6 * kind).sin_cos();
    let hue = 0.17 * f64::from(class % SHAPES) + 0.31 * kind;
    let hue = if style == Style::Rendition { hue + 0.5 } else { hue };
    let inside = |x: f64, y: f64| distance(class % SHAPES, (x - x0) / size, (y - y0) / size) * size;
    RgbImage::from_fn(width, height, |column, row| {
        let (x, y) = ((f64::from(column) + 0.5) / f64::from(width), (f64::from(row) + 0.5) / f64::from(height));
        let depth = inside(x, y);
        let wave = 0.5 + 0.5 * ((12.0 + 6.0 * kind) * (along * x + across * y) + phase).sin();
        let colour = match style {
            Style::Sketch => [if depth.abs() < LINE { 0.0 } else { 1.0 }; 3],
            Style::Rendition if depth < 0.0 => colour(hue, 1.0),
            Style::Rendition => [0.9; 3],
            Style::Photograph if depth < 0.0 => colour(hue, shade),
            Style::Photograph => colour(hue + 0.45, 0.25 + 0.4 * wave),
        };
        let grain = if style == Style::Photograph { 0.1 * (random.uniform() - 0.5) } else { 0.0 };
        Rgb(colour.map(|v| (255.0 * (v + grain)).round().clamp(0.0, 255.0) as u8))
    })
}

/// The approximate signed distance of a point from a shape of half-width 1; negative inside.
fn distance(shape: u32, x: f64, y: f64) -> f64 {
    let square = x.abs().max(y.abs());
    match shape {
        0 => x.hypot(y) - 1.0,
        1 => square - 0.85,
        2 => (y - 0.7).max(1.6 * x.abs() - y - 0.9), // a triangle on its base
        3 => square.max(x.abs().min(y.abs()) + 0.65) - 1.0, // a cross
        _ => (x.hypot(y) - 0.75).abs() - 0.25,       // a ring
    }
}

/// The saturated colour of a hue, in turns of the colour circle.
fn colour(hue: f64, brightness: f64) -> [f64; 3] {
    [0.0, 1.0 / 3.0, 2.0 / 3.0].map(|offset| brightness * (0.5 + 0.5 * (std::f64::consts::TAU * (hue + offset)).cos()))
}
