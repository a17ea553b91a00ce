//! Affine maps of an image: every pixel takes the value of the nearest one at the place that the map leads to, and black outside of the image.

use super::planes::Planes;

/// The place (x, y) of a pixel's value: `x ← a x + b y + c`, `y ← d x + e y + f` with (a, b, c, d, e, f), of pixels' centres.
pub type Affine = [f64; 6];

/// x moves by `level` for each row.
pub fn shear_x(level: f64) -> Affine {
    [1.0, level, 0.0, 0.0, 1.0, 0.0]
}

/// y moves by `level` for each column.
pub fn shear_y(level: f64) -> Affine {
    [1.0, 0.0, 0.0, level, 1.0, 0.0]
}

/// Moves the image to the right and down by whole pixels.
pub fn translate(x: f64, y: f64) -> Affine {
    [1.0, 0.0, -x.trunc(), 0.0, 1.0, -y.trunc()]
}

/// Rotates the image counterclockwise about its centre.
pub fn rotate(degrees: f64, width: usize, height: usize) -> Affine {
    let angle = -degrees.to_radians();
    let (cos, sin) = (angle.cos(), angle.sin());
    let (x, y) = (width as f64 / 2.0, height as f64 / 2.0);
    [cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y]
}

/// Applies a map, in 16-bit fixed point as Pillow does.
pub fn warp(image: &mut Planes<'_>, [a, b, c, d, e, f]: Affine) {
    let fixed = |v: f64| (v * 65536.0 + 0.5).floor() as i64;
    let ([x0, dx, dx_row], [y0, dy, dy_row]) =
        ([c + 0.5 * (a + b), a, b].map(fixed), [f + 0.5 * (d + e), d, e].map(fixed));
    let (width, height) = (image.shape.width, image.shape.height);
    for channel in image.values.chunks_exact_mut(width * height) {
        let source = channel.to_vec();
        for (i, value) in channel.iter_mut().enumerate() {
            let (row, column) = ((i / width) as i64, (i % width) as i64);
            let x = (x0 + column * dx + row * dx_row) >> 16;
            let y = (y0 + column * dy + row * dy_row) >> 16;
            let is_within = (0..width as i64).contains(&x) && (0..height as i64).contains(&y);
            *value = if is_within { source[y as usize * width + x as usize] } else { 0 };
        }
    }
}
