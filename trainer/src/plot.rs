//! Figures: drawn once as SVG, of which a rasteriser makes the PNG. The font of the PNG is embedded in the program, so that machines without fonts draw
//! the same.

use crate::error::Error;
use crate::files;
use plotters::coord::Shift;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};
use resvg::{tiny_skia, usvg};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Once};

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
    axes_labelled(chart, x, y, &tick)
}

/// The same for a horizontal axis of any kind, with these texts at its ticks.
///
/// # Errors
/// Those of the back end.
pub fn axes_labelled<B: Backend, X: Ranged<ValueType = f64> + ValueFormatter<f64>>(
    chart: &mut ChartContext<'_, B, Cartesian2d<X, RangedCoordf64>>,
    x: &str,
    y: &str,
    ticks: &dyn Fn(&f64) -> String,
) -> Drawn<B> {
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.08))
        .x_desc(x)
        .y_desc(y)
        .x_label_formatter(&ticks)
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

/// Draws a row with the name of each series beside a sample of its line, and gives what is left of the area below: no legend hides data.
///
/// # Errors
/// Those of the back end.
pub fn legend<B: Backend>(
    area: &Area<B>,
    entries: &[(&str, RGBColor)],
) -> Result<Area<B>, DrawingAreaErrorKind<B::ErrorType>> {
    const HEIGHT: i32 = 30;
    const SAMPLE: i32 = 22;
    const GAP: i32 = 22;
    let (row, rest) = area.split_vertically(HEIGHT);
    let style = (FONT, 15).into_text_style(&row);
    let mut x = GAP;
    for (name, color) in entries {
        row.draw(&PathElement::new([(x, HEIGHT / 2 + 2), (x + SAMPLE, HEIGHT / 2 + 2)], color.stroke_width(3)))?;
        row.draw(&Text::new(*name, (x + SAMPLE + 7, HEIGHT / 2 - 6), style.clone()))?;
        x += SAMPLE + 7 + row.estimate_text_size(name, &style)?.0 as i32 + GAP;
    }
    Ok(rest)
}

/// The factor by which PNGs are larger than the nominal size, so that they are sharp on fine screens and in print.
const FINENESS: u32 = 2;

/// Writes FOLDER/NAME.svg with this nominal size, and FOLDER/NAME.png with twice as many pixels.
///
/// # Errors
/// If a file cannot be written.
pub fn save(folder: &Path, name: &str, size: [u32; 2], picture: &impl Picture) -> Result<Vec<PathBuf>, Error> {
    let failed = |what: String| Error::Picture { name: name.to_owned(), what };
    let svg = svg(size, picture).map_err(&failed)?;
    let png = rasterised(&svg, FINENESS).and_then(|p| p.encode_png().map_err(|e| e.to_string())).map_err(&failed)?;
    Ok(vec![
        files::write(&folder.join(format!("{name}.svg")), svg.as_bytes())?,
        files::write(&folder.join(format!("{name}.png")), &png)?,
    ])
}

/// Writes lines on an RGB picture of this width and height; each begins at a point, in the middle of its height.
///
/// # Errors
/// If a line cannot be drawn.
pub fn write_on(pixels: &mut [u8], size: [u32; 2], lines: &[(String, [u32; 2])]) -> Result<(), Error> {
    let failed = |what: String| Error::Picture { name: "the names of classes".to_owned(), what };
    load_letters();
    let mut svg = String::new();
    {
        let style = TextStyle::from((FONT, 18).into_font()).color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
        let area = SVGBackend::with_string(&mut svg, (size[0], size[1])).into_drawing_area();
        for (line, [x, y]) in lines {
            area.draw_text(line, &style, (*x as i32, *y as i32)).map_err(|e| failed(e.to_string()))?;
        }
        area.present().map_err(|e| failed(e.to_string()))?;
    }
    let text = rasterised(&svg, 1).map_err(failed)?;
    for (under, over) in pixels.chunks_exact_mut(3).zip(text.pixels()) {
        // Premultiplied: what is below shows through what the letters leave.
        let through = 255 - u16::from(over.alpha());
        for (under, over) in under.iter_mut().zip([over.red(), over.green(), over.blue()]) {
            *under = over.saturating_add((u16::from(*under) * through / 255) as u8);
        }
    }
    Ok(())
}

/// A picture as SVG.
fn svg(size: [u32; 2], picture: &impl Picture) -> Result<String, String> {
    load_letters();
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (size[0], size[1])).into_drawing_area();
        paint(&area, picture).map_err(|e| e.to_string())?;
    }
    Ok(svg)
}

/// Gives the layout the widths of letters, once.
fn load_letters() {
    static LETTERS: Once = Once::new();
    LETTERS.call_once(|| {
        // Fails only if the bytes are not a font.
        let _ = register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT);
    });
}

/// The pixels of an SVG, enlarged by a factor.
fn rasterised(svg: &str, factor: u32) -> Result<tiny_skia::Pixmap, String> {
    /// The program's own font, whatever name it has.
    static FONTS: LazyLock<Arc<usvg::fontdb::Database>> = LazyLock::new(|| {
        let mut fonts = usvg::fontdb::Database::new();
        fonts.load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
        let family = fonts.faces().next().and_then(|face| face.families.first()).map(|(family, _)| family.clone());
        fonts.set_sans_serif_family(family.unwrap_or_default());
        Arc::new(fonts)
    });
    let options = usvg::Options { fontdb: FONTS.clone(), ..usvg::Options::default() };
    let tree = usvg::Tree::from_str(svg, &options).map_err(|e| e.to_string())?;
    let size = tree.size().to_int_size();
    let (width, height) = (size.width() * factor, size.height() * factor);
    let mut pixels = tiny_skia::Pixmap::new(width, height).ok_or_else(|| format!("{width}×{height} pixels"))?;
    let scale = tiny_skia::Transform::from_scale(factor as f32, factor as f32);
    resvg::render(&tree, scale, &mut pixels.as_mut());
    Ok(pixels)
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
