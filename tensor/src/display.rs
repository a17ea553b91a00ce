//! Tensors as text, laid out as NumPy does: columns aligned, long axes shortened to their first and last three entries, then a line with
//! type, shape and device. `{:.3}` sets the number of decimals.

use crate::dtype::{DType, Element};
use crate::tensor::Tensor;
use half::{bf16, f16};
use std::fmt::{self, Display, Formatter};

/// Tensors of more elements are shortened.
const WHOLE: usize = 1000;
/// What is shown of a shortened axis at each end.
const EDGE: usize = 3;
/// Lines are broken before this column.
const WIDTH: usize = 80;
/// Decimals where none are asked for.
const DECIMALS: usize = 8;

impl Display for Tensor {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let shortened = self.numel() > WHOLE;
        let shown = if shortened { self.edges() } else { self.clone() };
        match numbers(&shown) {
            Ok(Numbers::Integers(values)) => {
                let texts: Vec<String> = values.iter().map(|v| v.to_string()).collect();
                self.write(f, shown.shape(), &padded(texts), shortened)?;
            }
            Ok(Numbers::Floats(values, single)) => {
                self.write(f, shown.shape(), &format_floats(&values, single, f.precision()), shortened)?;
            }
            Err(error) => write!(f, "(cannot be read: {error})")?,
        }
        let line = if self.rank() == 0 { " " } else { "\n" };
        write!(f, "{line}{} {:?} on {:?}", self.dtype(), self.shape(), self.device())
    }
}

/// The elements of a tensor, as text needs them.
enum Numbers {
    Integers(Vec<i64>),
    /// And whether f32 told them apart already: the shortest digits of the shorter type are enough.
    Floats(Vec<f64>, bool),
}

fn numbers(t: &Tensor) -> Result<Numbers, crate::DeviceError> {
    macro_rules! floats {
        ($t:ty) => {
            t.to_vec::<$t>()?.into_iter().map(Element::to_f64).collect()
        };
    }
    Ok(match t.dtype() {
        DType::I32 => Numbers::Integers(t.to_vec::<i32>()?.into_iter().map(i64::from).collect()),
        DType::U32 => Numbers::Integers(t.to_vec::<u32>()?.into_iter().map(i64::from).collect()),
        DType::F64 => Numbers::Floats(floats!(f64), false),
        DType::F32 => Numbers::Floats(floats!(f32), true),
        DType::F16 => Numbers::Floats(floats!(f16), true),
        DType::BF16 => Numbers::Floats(floats!(bf16), true),
    })
}

impl Tensor {
    /// The first and last three entries of each axis that has more than six: all that is shown of a large tensor, and all that is read.
    fn edges(&self) -> Tensor {
        let mut t = self.clone();
        for axis in 0..t.rank() {
            let (n, dim) = (t.shape()[axis], axis as isize);
            if n > 2 * EDGE {
                t = Tensor::concat(&[&t.slice(dim, 0, EDGE), &t.slice(dim, n - EDGE, n)], dim);
            }
        }
        t
    }

    fn write(&self, f: &mut Formatter<'_>, shown: &[usize], texts: &[String], shortened: bool) -> fmt::Result {
        let mut page = Page { whole: self.shape(), shown, texts, shortened, at: 0 };
        let text = page.axis(0);
        f.write_str(&text)
    }
}

/// The elements on their way into brackets.
struct Page<'a> {
    whole: &'a [usize],
    shown: &'a [usize],
    texts: &'a [String],
    shortened: bool,
    /// The next element.
    at: usize,
}

impl Page<'_> {
    /// What stands below one index of the axes before `axis`.
    fn axis(&mut self, axis: usize) -> String {
        if axis == self.shown.len() {
            self.at += 1;
            return self.texts[self.at - 1].clone();
        }
        let (n, last) = (self.shown[axis], axis + 1 == self.shown.len());
        let mut parts: Vec<String> = (0..n).map(|_| self.axis(axis + 1)).collect();
        if self.shortened && self.whole[axis] > n {
            parts.insert(EDGE, "...".to_string());
        }
        if last {
            return format!("[{}]", filled(&parts, axis + 1));
        }
        let gap = format!(",{}{}", "\n".repeat(self.shown.len() - 1 - axis), " ".repeat(axis + 1));
        format!("[{}]", parts.join(&gap))
    }
}

/// Entries with commas between them, in lines of at most [`WIDTH`] columns that are indented alike.
fn filled(parts: &[String], indent: usize) -> String {
    let (mut text, mut column) = (String::new(), indent);
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            text.push(',');
            let breaks = column + part.chars().count() + 3 > WIDTH;
            text.push_str(&if breaks { format!("\n{}", " ".repeat(indent)) } else { " ".to_string() });
            column = if breaks { indent } else { column + 2 };
        }
        text.push_str(part);
        column += part.chars().count();
    }
    text
}

/// All texts at the width of the longest, to the right.
fn padded(texts: Vec<String>) -> Vec<String> {
    let width = texts.iter().map(|t| t.chars().count()).max().unwrap_or(0);
    texts.into_iter().map(|t| format!("{t:>width$}")).collect()
}

/// Floats in one form for all: in scientific notation where some are very large, very small or far apart, else with points below each other.
fn format_floats(values: &[f64], single: bool, precision: Option<usize>) -> Vec<String> {
    let sizes = values.iter().filter(|v| v.is_finite() && **v != 0.0).map(|v| v.abs());
    let (least, most) = sizes.fold((f64::INFINITY, 0.0f64), |(a, b), v| (a.min(v), b.max(v)));
    let scientific = most >= 1e8 || most > 0.0 && (least < 1e-4 || most / least > 1e3) && precision.is_none();
    let texts: Vec<String> = values.iter().map(|v| format_float(*v, single, scientific, precision)).collect();
    if scientific || precision.is_some() {
        return padded(texts);
    }
    // Digits after the point are filled up with spaces.
    let behind = |t: &String| t.find('.').map_or(0, |p| t.len() - p);
    let most = texts.iter().map(behind).max().unwrap_or(0);
    let fill = |t: String| if t.contains('.') { format!("{t}{}", " ".repeat(most - behind(&t))) } else { t };
    padded(texts.into_iter().map(fill).collect())
}

fn format_float(v: f64, single: bool, scientific: bool, precision: Option<usize>) -> String {
    if v.is_nan() {
        return "nan".to_string();
    }
    if v.is_infinite() {
        return if v > 0.0 { "inf" } else { "-inf" }.to_string();
    }
    if scientific {
        return scientific_form(v, single, precision);
    }
    if let Some(decimals) = precision {
        return format!("{v:.decimals$}");
    }
    let shortest = if single { format!("{}", v as f32) } else { format!("{v}") };
    let decimals = shortest.find('.').map_or(0, |p| shortest.len() - p - 1);
    let text = if decimals > DECIMALS { format!("{v:.DECIMALS$}").trim_end_matches('0').to_string() } else { shortest };
    if text.contains('.') { text } else { format!("{text}.") }
}

/// `d.ddde±dd`.
fn scientific_form(v: f64, single: bool, precision: Option<usize>) -> String {
    let shortest = if single { format!("{:e}", v as f32) } else { format!("{v:e}") };
    let digits = shortest.split('e').next().map_or(0, |m| m.find('.').map_or(0, |p| m.len() - p - 1));
    let digits = precision.unwrap_or(digits.min(DECIMALS));
    let text = format!("{v:.digits$e}");
    let (mantissa, exponent) = text.split_once('e').expect("a number in scientific notation");
    let exponent: i32 = exponent.parse().expect("an exponent");
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

#[cfg(test)]
mod tests {
    use crate::{DType, Device, Tensor};

    /// The text without its last line.
    fn values(t: &Tensor) -> String {
        let text = t.to_string();
        text.rsplit_once('\n').expect("a line with the shape").0.to_string()
    }

    fn of<A: crate::Array>(a: A) -> Tensor {
        Tensor::new(&Device::cpu(), a)
    }

    #[test]
    fn columns_are_aligned() {
        assert_eq!(values(&of([[1.0, -2.5], [30.0, 0.125]])), "[[ 1.   , -2.5  ],\n [30.   ,  0.125]]");
        assert_eq!(values(&of([1, -20, 300])), "[  1, -20, 300]");
        assert_eq!(values(&of([1.0 / 3.0, 2.0])), "[0.33333334, 2.        ]");
        assert_eq!(values(&of([f64::NAN, f64::INFINITY, 1.5])), "[nan, inf, 1.5]");
        assert_eq!(values(&of(Vec::<f32>::new())), "[]");
        let x = of([[[1u32, 2], [3, 4]], [[5, 6], [7, 8]]]);
        assert_eq!(values(&x), "[[[1, 2],\n  [3, 4]],\n\n [[5, 6],\n  [7, 8]]]");
    }

    #[test]
    fn sizes_far_apart_are_written_in_scientific_notation() {
        assert_eq!(values(&of([1e-6, 1.0])), "[1e-06, 1e+00]");
        assert_eq!(values(&of([1.5e10, 0.0])), "[1.5e+10,   0e+00]");
        assert_eq!(format!("{:.2}", of([1e-6, 1.0])).lines().next().unwrap(), "[0.00, 1.00]");
        assert_eq!(format!("{:.3}", of([2.0, 10.0 / 3.0])).lines().next().unwrap(), "[2.000, 3.333]");
    }

    #[test]
    fn the_last_line_says_what_it_is() {
        let cpu = Device::cpu();
        assert!(of([[1.0, 2.0]]).to_string().ends_with(&format!("\nf32 [1, 2] on {cpu:?}")));
        assert_eq!(of(2.5).to_string(), format!("2.5 f32 [] on {cpu:?}"));
        let doubles = Tensor::from_slice(&cpu, &[1.0f64 / 3.0], &[1]);
        assert_eq!(values(&doubles), "[0.33333333]");
        assert_eq!(values(&of([0.1]).to_dtype(DType::F16)), "[0.099975586]".replace("75586]", "7559]"));
    }

    #[test]
    fn large_tensors_are_shortened_to_their_edges() {
        let x = Tensor::arange(&Device::cpu(), 2000).reshape(&[2, 1000]);
        assert_eq!(
            values(&x),
            "[[   0,    1,    2, ...,  997,  998,  999],\n [1000, 1001, 1002, ..., 1997, 1998, 1999]]"
        );
        let tall = Tensor::arange(&Device::cpu(), 2000).reshape(&[1000, 2]);
        assert_eq!(values(&tall).lines().nth(3), Some(" ...,"), "{tall}");
        let long = values(&Tensor::arange(&Device::cpu(), 100));
        assert!(long.lines().count() > 3 && long.lines().all(|l| l.len() <= 80), "{long}");
    }
}
