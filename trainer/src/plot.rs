//! Figures, written as SVG and as PNG from one description. The font of the PNG is embedded in the program, so that machines without fonts draw the
//! same.

use crate::error::Error;
use crate::files;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};
use std::path::{Path, PathBuf};
use std::sync::Once;

/// What figures are drawn on.
pub use plotters::prelude::DrawingBackend as Backend;
/// A part of a figure.
pub type Area<B> = DrawingArea<B, Shift>;
/// The result of drawing.
pub type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// The font family of all text.
pub const FONT: &str = "sans-serif";

/// Something to draw.
pub trait Picture {
    /// Draws it on an area of any back end.
    ///
    /// # Errors
    /// Those of the back end.
    fn draw<B: Backend>(&self, area: &Area<B>) -> Drawn<B>;
}

/// A chart with two numeric axes.
pub type Chart<'a, B> = ChartContext<'a, B, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws a chart's axes with these labels.
///
/// # Errors
/// Those of the back end.
pub fn axes<B: Backend>(chart: &mut Chart<'_, B>, x: &str, y: &str) -> Drawn<B> {
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.08))
        .x_desc(x)
        .y_desc(y)
        .x_label_formatter(&tick)
        .y_label_formatter(&tick)
        .label_style((FONT, 15))
        .axis_desc_style((FONT, 16))
        .draw()
}

/// A tick label: rounded to six decimals, so that accumulated steps leave no noise, and without the sign of a zero.
fn tick(at: &f64) -> String {
    let text = format!("{at:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

/// Draws the legend of all series that have a label; [`key`] draws a series' sample.
///
/// # Errors
/// Those of the back end.
pub fn legend<'a, B: Backend + 'a>(chart: &mut Chart<'a, B>, position: SeriesLabelPosition) -> Drawn<B> {
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 15))
        .position(position)
        .draw()
}

/// The sample of a line in a legend.
pub fn key((x, y): (i32, i32), color: RGBColor) -> PathElement<(i32, i32)> {
    PathElement::new([(x, y), (x + 22, y)], color.stroke_width(3))
}

/// Writes FOLDER/NAME.svg and FOLDER/NAME.png, with this size in pixels.
///
/// # Errors
/// If a file cannot be written.
pub fn save(folder: &Path, name: &str, size: [u32; 2], picture: &impl Picture) -> Result<Vec<PathBuf>, Error> {
    load_letters();
    let failed = |what: String| Error::Picture { name: name.to_owned(), what };
    let (mut svg, mut pixels) = (String::new(), vec![0u8; 3 * (size[0] * size[1]) as usize]);
    {
        let area = SVGBackend::with_string(&mut svg, (size[0], size[1])).into_drawing_area();
        paint(&area, picture).map_err(|e| failed(e.to_string()))?;
        let area = BitMapBackend::with_buffer(&mut pixels, (size[0], size[1])).into_drawing_area();
        paint(&area, picture).map_err(|e| failed(e.to_string()))?;
    }
    let mut png = std::io::Cursor::new(Vec::new());
    let encoder = image::codecs::png::PngEncoder::new(&mut png);
    image::ImageEncoder::write_image(encoder, &pixels, size[0], size[1], image::ExtendedColorType::Rgb8)
        .map_err(|e| failed(e.to_string()))?;
    Ok(vec![
        files::write(&folder.join(format!("{name}.svg")), svg.as_bytes())?,
        files::write(&folder.join(format!("{name}.png")), &png.into_inner())?,
    ])
}

/// Writes lines on an RGB picture of this width and height; each begins at a point, in the middle of its height.
///
/// # Errors
/// If a line cannot be drawn.
pub fn write_on(pixels: &mut [u8], size: [u32; 2], lines: &[(String, [u32; 2])]) -> Result<(), Error> {
    load_letters();
    let style = TextStyle::from((FONT, 18).into_font()).color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
    let area = BitMapBackend::with_buffer(pixels, (size[0], size[1])).into_drawing_area();
    for (line, [x, y]) in lines {
        let drawn = area.draw_text(line, &style, (*x as i32, *y as i32));
        drawn.map_err(|e| Error::Picture { name: line.clone(), what: e.to_string() })?;
    }
    Ok(())
}

/// Makes the program's own font known, once.
fn load_letters() {
    static LETTERS: Once = Once::new();
    LETTERS.call_once(|| {
        // Fails only if the bytes are not a font.
        let _ = register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT);
    });
}

fn paint<B: Backend>(area: &Area<B>, picture: &impl Picture) -> Drawn<B> {
    area.fill(&WHITE)?;
    picture.draw(area)?;
    area.present()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_short_numbers() {
        let texts = [-2.8e-17, 0.30000000000000004, -1.0, 85.5, 100.0].map(|at| tick(&at));
        assert_eq!(texts, ["0", "0.3", "-1", "85.5", "100"]);
    }
}
