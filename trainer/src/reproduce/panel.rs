//! A panel of figure 2: τ by adjusted threshold. Green: F_XY; orange: F_Y; blue: flatness. A line is solid where p ≤ 0.05, and dashed elsewhere;
//! the grey background is the p-value of the green curve, darker where it is smaller; hatching marks where the green curve is above the blue line.

use super::model_pool::Panel;
use crate::analysis::threshold::adjusted_thresholds;
use crate::plot::{self, Area, Backend, Drawn, FONT};
use plotters::prelude::*;

const GREEN: RGBColor = RGBColor(27, 128, 62);
const ORANGE: RGBColor = RGBColor(221, 120, 20);
const BLUE: RGBColor = RGBColor(32, 92, 178);
/// The significance level.
const LEVEL: f64 = 0.05;
/// The period of a dashed line: the last of this number of segments is left out.
const DASH: usize = 3;

/// The curves of every panel.
pub(super) const CURVES: [(&str, RGBColor); 3] = [("flatness", BLUE), ("F_XY", GREEN), ("F_Y", ORANGE)];

/// Draws a panel.
pub(super) fn draw<B: Backend>(panel: &Panel, area: &Area<B>) -> Drawn<B> {
    let s = adjusted_thresholds();
    let mut chart = ChartBuilder::on(area)
        .caption(panel.name, (FONT, 22))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..1.0, -1.05..1.05)?;
    let width = 1.0 / (s.len() - 1) as f64;
    let strips = s.iter().zip(&panel.sample_given_label).filter(|(_, c)| !c.p.is_nan());
    chart.draw_series(strips.map(|(s, c)| {
        let (left, right) = ((s - width / 2.0).max(0.0), (s + width / 2.0).min(1.0));
        Rectangle::new([(left, -1.05), (right, 1.05)], BLACK.mix(0.28 * (1.0 - c.p).powi(2)).filled())
    }))?;
    let above = s.iter().zip(&panel.sample_given_label).filter(|(_, c)| c.tau > panel.flatness.tau);
    // A slanted stroke at every second threshold.
    chart.draw_series(above.step_by(2).flat_map(|(s, _)| {
        (0..21).map(move |i| {
            let y = -1.05 + 0.1 * f64::from(i);
            PathElement::new(vec![(*s, y), ((s + width).min(1.0), y + 0.06)], GREEN.mix(0.35).stroke_width(1))
        })
    }))?;
    plot::axes(&mut chart, "adjusted threshold s", "Kendall's τ with accuracy")?;
    let flat = vec![panel.flatness; s.len()];
    for ((_, color), curve) in CURVES.into_iter().zip([&flat, &panel.sample_given_label, &panel.label]) {
        for (k, pair) in curve.windows(2).enumerate().filter(|(_, pair)| pair.iter().all(|c| !c.tau.is_nan())) {
            let significant = pair.iter().all(|c| c.p <= LEVEL);
            if significant || k % DASH < DASH - 1 {
                let points = [(s[k], pair[0].tau), (s[k + 1], pair[1].tau)];
                chart.draw_series(LineSeries::new(points, color.stroke_width(if significant { 4 } else { 2 })))?;
            }
        }
    }
    Ok(())
}
