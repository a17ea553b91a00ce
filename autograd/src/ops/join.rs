//! Joining, padding, dropping out.

use crate::graph::Var;
use lethe_tensor::Tensor;
use lethe_tensor::random::Draw;

impl Var {
    /// Variables one after the other along an axis; each gets its part of dy.
    ///
    /// # Panics
    /// If there are none, or they differ in type, in rank or on an axis other than `dim`.
    #[track_caller]
    pub fn concat(vars: &[&Var], dim: isize) -> Var {
        let tensors: Vec<&Tensor> = vars.iter().map(|v| v.tensor()).collect();
        let y = Tensor::concat(&tensors, dim);
        let axis = if dim < 0 { dim + y.rank() as isize } else { dim };
        let extents: Vec<usize> = vars.iter().map(|v| v.shape()[axis as usize]).collect();
        Var::record("concat", vars, y, move |dy| {
            let mut start = 0;
            let part = |n: &usize| {
                start += n;
                Some(dy.slice(axis, start - n, start))
            };
            extents.iter().map(part).collect()
        })
    }

    /// Variables of one shape along a new axis.
    ///
    /// # Panics
    /// As [`Var::concat`].
    #[track_caller]
    pub fn stack(vars: &[&Var], dim: isize) -> Var {
        let mut wide = vec![];
        for v in vars {
            wide.push(v.unsqueeze(dim));
        }
        Var::concat(&wide.iter().collect::<Vec<_>>(), dim)
    }

    /// New elements of `value` before and after an axis; `dx` is dy without them.
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn pad(&self, dim: isize, before: usize, after: usize, value: f64) -> Var {
        if before == 0 && after == 0 {
            return self.clone();
        }
        let axis = if dim < 0 { dim + self.rank() as isize } else { dim };
        let y = self.tensor().pad(dim, before, after, value);
        let n = self.shape()[axis as usize];
        Var::record("pad", &[self], y, move |dy| vec![Some(dy.slice(axis, before, before + n))])
    }

    /// One vector of `len` elements from pieces, each put at its place; zero between them. A piece gets its part of dy.
    ///
    /// # Panics
    /// If there are no pieces, or one lies outside.
    #[track_caller]
    pub fn assemble(pieces: &[(usize, &Var)], len: usize) -> Var {
        let tensors: Vec<(usize, &Tensor)> = pieces.iter().map(|(o, v)| (*o, v.tensor())).collect();
        let y = Tensor::assemble(&tensors, len);
        let parts: Vec<(usize, Vec<usize>)> = pieces.iter().map(|(o, v)| (*o, v.shape().to_vec())).collect();
        let vars: Vec<&Var> = pieces.iter().map(|(_, v)| *v).collect();
        Var::record("assemble", &vars, y, move |dy| {
            let part = |(start, shape): &(usize, Vec<usize>)| {
                let n: usize = shape.iter().product();
                Some(dy.slice(0, *start, start + n).reshape(shape))
            };
            parts.iter().map(part).collect()
        })
    }

    /// Elements zeroed with probability `p`, the others divided by 1 − p. The mask is a function of `draw`: it is drawn again for the gradient,
    /// not stored.
    ///
    /// # Panics
    /// If the elements are not floats, or `p` is not in [0, 1).
    #[track_caller]
    pub fn dropout(&self, p: f64, draw: Draw) -> Var {
        self.tensor().check_float("dropout");
        assert!((0.0..1.0).contains(&p), "dropout: the probability {p} is not in [0, 1)");
        if p == 0.0 {
            return self.clone();
        }
        let (device, dtype, shape) = (self.device().clone(), self.tensor().computed_type(), self.shape().to_vec());
        let mask = move || Tensor::bernoulli(&device, dtype, &shape, 1.0 - p, draw).mul_scalar(1.0 / (1.0 - p));
        let y = self.tensor().mul(&mask());
        Var::record("dropout", &[self], y, move |dy| vec![Some(dy * &Var::constant(&mask()))])
    }
}
