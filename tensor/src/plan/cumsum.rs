//! Running sums.

use super::{Items, Plan, Run, Spec, bytes_of};
use crate::dtype::DType;

/// Inclusive running sum along the middle axis of [outer, n, inner], contiguous; `reverse`: from the end.
#[derive(Clone, Debug)]
pub struct Cumsum {
    /// `F32` or `F64`.
    pub dtype: DType,
    /// Elements before the axis.
    pub outer: usize,
    /// Elements along the axis.
    pub n: usize,
    /// Elements after the axis.
    pub inner: usize,
    /// From the end.
    pub reverse: bool,
    /// The output's shape.
    pub shape: Vec<usize>,
}

impl Plan for Cumsum {
    fn name(&self) -> &'static str {
        "cumsum"
    }
    fn outputs(&self) -> Vec<Spec> {
        vec![Spec::new(&self.shape, self.dtype)]
    }
    fn flops(&self) -> u64 {
        (self.outer * self.n * self.inner) as u64
    }
    fn bytes(&self) -> u64 {
        2 * bytes_of(self.outer * self.n * self.inner, self.dtype)
    }
    fn items(&self) -> Option<Items<'_>> {
        let size = self.n * self.inner;
        let of = move |outer| -> Box<dyn Run> { Box::new(Cumsum { outer, shape: vec![outer, size], ..self.clone() }) };
        Some(Items { count: self.outer, inputs: vec![size], outputs: vec![size], of: Box::new(of) })
    }
}
