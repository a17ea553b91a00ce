//! Where a kernel finds its operands' elements and puts its results.

use crate::dtype::DType;

/// How a kernel finds the element of an operand that belongs to result `i`: `at + Σ (index along axis) · stride`, axes outermost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The type of the elements.
    pub dtype: DType,
    /// The index of the first element, counted from the start of the binding.
    pub at: usize,
    /// Extents of the merged axes.
    pub shape: Vec<usize>,
    /// Their strides.
    pub strides: Vec<isize>,
}

/// Where a kernel writes one of its results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The node that is written.
    pub root: usize,
    /// The type of the elements.
    pub dtype: DType,
    /// The first element, counted from the start of the binding.
    pub at: usize,
    /// Whether it is added to what is there.
    pub add: bool,
}

/// What four consecutive results, the first of them at a multiple of four, read of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Four elements that lie side by side, at a multiple of four: one load.
    Four,
    /// One element.
    One,
    /// Elements that lie anywhere.
    Each,
}

impl Access {
    /// What four results read.
    pub fn reach(&self) -> Reach {
        let fours = |n: usize| n.is_multiple_of(4);
        let Some((&innermost, outer)) = self.strides.split_last() else {
            return Reach::One;
        };
        // With one axis it is as long as the results are many.
        let whole = outer.is_empty() || self.shape.last().is_some_and(|n| fours(*n));
        match innermost {
            1 if whole && fours(self.at) && outer.iter().all(|s| s % 4 == 0) => Reach::Four,
            0 if whole => Reach::One,
            _ => Reach::Each,
        }
    }

    /// The index of the element that belongs to result `i`.
    pub fn element(&self, i: &str) -> String {
        match self.strides[..] {
            [1] => linear(i, self.at),
            _ => index(i, self.at, &self.shape, &self.strides),
        }
    }

    /// The index, counted in fours, of the elements that belong to the four results `q`. For [`Reach::Four`].
    pub fn four(&self, q: &str) -> String {
        let (mut shape, mut strides) = (self.shape.clone(), self.strides.clone());
        let innermost = shape.len() - 1;
        shape[innermost] /= 4;
        strides[..innermost].iter_mut().for_each(|s| *s /= 4);
        Access { dtype: self.dtype, at: self.at / 4, shape, strides }.element(q)
    }
}

/// The index `i`, counted from `at`.
pub fn linear(i: &str, at: usize) -> String {
    if at == 0 { i.to_string() } else { format!("{i} + {at}u") }
}

/// `at + Σ (index along axis) · stride` of result `i`: all in u32, where a negative stride is its complement and products wrap as they should.
fn index(i: &str, at: usize, shape: &[usize], strides: &[isize]) -> String {
    let mut terms = vec![];
    let mut below = 1;
    for (axis, (&n, &stride)) in shape.iter().zip(strides).enumerate().rev() {
        if stride != 0 {
            let quotient = if below == 1 { i.to_string() } else { format!("{i} / {below}u") };
            let index = if axis == 0 { quotient } else { format!("{quotient} % {n}u") };
            terms.push(if stride == 1 { format!("({index})") } else { format!("({index}) * {}u", stride as u32) });
        }
        below *= n;
    }
    if at > 0 || terms.is_empty() {
        terms.push(format!("{at}u"));
    }
    terms.join(" + ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(at: usize, shape: &[usize], strides: &[isize]) -> Access {
        Access { dtype: DType::F32, at, shape: shape.to_vec(), strides: strides.to_vec() }
    }

    #[test]
    fn four_results_read_by_one_load_what_lies_side_by_side() {
        let cases = [
            (access(0, &[], &[]), Reach::One),
            (access(8, &[40], &[1]), Reach::Four),
            (access(2, &[40], &[1]), Reach::Each),
            (access(0, &[40], &[3]), Reach::Each),
            (access(0, &[5, 8], &[-16, 1]), Reach::Four),
            (access(0, &[5, 8], &[9, 1]), Reach::Each),
            (access(0, &[4, 10], &[12, 1]), Reach::Each),
            (access(3, &[5, 8], &[1, 0]), Reach::One),
            (access(0, &[4, 10], &[1, 0]), Reach::Each),
        ];
        for (access, reach) in cases {
            assert_eq!(access.reach(), reach, "{access:?}");
        }
    }

    #[test]
    fn indices_of_fours_are_those_of_elements_divided() {
        assert_eq!(access(8, &[40], &[1]).four("q"), "q + 2u");
        assert_eq!(access(4, &[5, 8], &[16, 1]).four("q"), "(q % 2u) + (q / 2u) * 4u + 1u");
        assert_eq!(access(0, &[5, 8], &[16, 1]).element("i"), "(i % 8u) + (i / 8u) * 16u");
    }
}
