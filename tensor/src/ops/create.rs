//! Making tensors: from host memory, constants, random numbers.

use crate::device::Device;
use crate::dtype::{DType, Element};
use crate::expr::{BinaryOp, Expr, Node, UnaryOp};
use crate::host::collected;
use crate::layout::{Layout, numel};
use crate::random::Draw;
use crate::storage::Storage;
use crate::tensor::{Pending, Tensor};

impl Tensor {
    /// A copy of host elements, row-major.
    ///
    /// # Panics
    /// If `data` does not have as many elements as `shape`, or the device cannot hold the type (only the CPU holds `f64`) or that many elements.
    #[track_caller]
    pub fn from_slice<T: Element>(device: &Device, data: &[T], shape: &[usize]) -> Tensor {
        device.check_room("from_slice", T::DTYPE, shape);
        assert!(
            data.len() == numel(shape),
            "from_slice: {} elements were given for shape {shape:?}, which has {}",
            data.len(),
            numel(shape)
        );
        check_type(device, T::DTYPE);
        let storage = Storage::from_bytes(device, bytemuck::cast_slice(data));
        Tensor::view(device, T::DTYPE, Layout::contiguous(shape), storage)
    }

    /// The same value everywhere.
    ///
    /// # Panics
    /// If the device cannot hold the type, or that many elements.
    #[track_caller]
    pub fn full(device: &Device, dtype: DType, shape: &[usize], value: f64) -> Tensor {
        assert!(dtype.holds(value), "full: {value} is not a number of type {dtype}");
        Tensor::from_expr(device, dtype, shape, |e| e.push(Node::Const(value)))
    }

    /// Zeros.
    ///
    /// # Panics
    /// If the device cannot hold the type.
    #[track_caller]
    pub fn zeros(device: &Device, dtype: DType, shape: &[usize]) -> Tensor {
        Tensor::full(device, dtype, shape, 0.0)
    }

    /// Zeros of the type that this tensor is computed in, of its shape, on its device.
    pub fn zeros_like(&self) -> Tensor {
        Tensor::zeros(self.device(), self.computed_type(), self.shape())
    }

    /// Ones.
    ///
    /// # Panics
    /// If the device cannot hold the type.
    #[track_caller]
    pub fn ones(device: &Device, dtype: DType, shape: &[usize]) -> Tensor {
        Tensor::full(device, dtype, shape, 1.0)
    }

    /// 0, 1, … `n` − 1 (`U32`).
    ///
    /// # Panics
    /// If `n` is more than 2³², or the device cannot hold that many elements.
    #[track_caller]
    pub fn arange(device: &Device, n: usize) -> Tensor {
        device.check_room("arange", DType::U32, &[n]);
        assert!(n as u64 <= 1 << 32, "arange: {n} numbers are more than u32 counts");
        let numbers = collected("arange", n, (0..n as u64).map(|i| i as u32));
        Tensor::from_slice(device, &numbers, &[n])
    }

    /// These numbers in this tensor's type, on its device.
    ///
    /// # Panics
    /// If `data` does not have as many elements as `shape`.
    #[track_caller]
    pub fn constant_like(&self, data: &[f64], shape: &[usize]) -> Tensor {
        macro_rules! cast {
            ($t:ty) => {
                Tensor::from_slice(self.device(), &data.iter().map(|x| <$t>::from_f64(*x)).collect::<Vec<_>>(), shape)
            };
        }
        match self.computed_type() {
            DType::F64 => Tensor::from_slice(self.device(), data, shape),
            DType::F32 => cast!(f32),
            DType::I32 => cast!(i32),
            DType::U32 => cast!(u32),
            DType::F16 | DType::BF16 => unreachable!("nothing is computed in 16 bits"),
        }
    }

    /// For labels (`U32`, this) of any shape, a new last axis that is 1 at the label and 0 elsewhere; of an ignored one (`u32::MAX`), all 0.
    /// On a GPU any other label beyond the classes gives NaN, or `u32::MAX` (−1) where the type is of integers.
    ///
    /// # Panics
    /// If the labels are not `U32`, or the device cannot hold the type; on the CPU, if a label lies beyond the classes and is not `u32::MAX`.
    #[track_caller]
    pub fn one_hot(&self, classes: usize, dtype: DType) -> Tensor {
        assert!(self.dtype() == DType::U32, "one_hot: labels are u32, these are {}", self.dtype());
        let labels = self.contiguous();
        if let Some(found) = labels.first_not_below(classes, true) {
            panic!(
                "one_hot: the label {found} is not one of {classes} classes; labels are 0 to n − 1, or u32::MAX for none"
            );
        }
        let labels = labels.unsqueeze(-1);
        let number = |x: f64| Tensor::full(self.device(), dtype, &[], x);
        let hot = labels.eq(&Tensor::arange(self.device(), classes)).where_(&number(1.0), &number(0.0));
        if self.device().is_cpu() {
            return hot;
        }
        let beyond = labels.ge_scalar(classes as f64).mul(&labels.lt_scalar(f64::from(u32::MAX)));
        let none = if dtype.is_float() { f64::NAN } else { f64::from(u32::MAX) };
        beyond.where_(&number(none), &hot)
    }

    /// The first element of these contiguous numbers (`U32`) that is not below `n` (nor `u32::MAX`, if `or_none`), on the CPU; on a GPU
    /// `None`, without waiting for the numbers.
    pub(crate) fn first_not_below(&self, n: usize, or_none: bool) -> Option<u32> {
        match self.storage() {
            Storage::Cpu(buffer) => {
                let start = self.layout().offset;
                let all = &buffer.as_slice::<u32>()[start..start + self.numel()];
                all.iter().copied().find(|v| *v as usize >= n && !(or_none && *v == u32::MAX))
            }
            #[cfg(feature = "gpu")]
            Storage::Gpu(_) => None,
        }
    }

    /// Uniform in (0, 1): a function of `draw` and the element's place, the same integers on every device.
    ///
    /// # Panics
    /// If the type is not a float that the device can hold.
    #[track_caller]
    pub fn uniform(device: &Device, dtype: DType, shape: &[usize], draw: Draw) -> Tensor {
        Tensor::from_expr(device, dtype, shape, |e| e.push(Node::Uniform(draw)))
    }

    /// Standard normal, through the quantile function of [`Tensor::uniform`].
    ///
    /// # Panics
    /// If the type is not a float that the device can hold.
    #[track_caller]
    pub fn normal(device: &Device, dtype: DType, shape: &[usize], draw: Draw) -> Tensor {
        Tensor::from_expr(device, dtype, shape, |e| {
            let u = e.push(Node::Uniform(draw));
            e.push(Node::Unary(UnaryOp::NormalQuantile, u))
        })
    }

    /// 1 with probability `p`, else 0, as floats.
    ///
    /// # Panics
    /// If the type is not a float that the device can hold.
    #[track_caller]
    pub fn bernoulli(device: &Device, dtype: DType, shape: &[usize], p: f64, draw: Draw) -> Tensor {
        Tensor::from_expr(device, dtype, shape, |e| {
            let (u, p) = (e.push(Node::Uniform(draw)), e.push(Node::Const(p)));
            e.push(Node::Binary(BinaryOp::Lt, u, p))
        })
    }

    #[track_caller]
    fn from_expr(device: &Device, dtype: DType, shape: &[usize], build: impl FnOnce(&mut Expr) -> usize) -> Tensor {
        check_type(device, dtype);
        device.check_room("a new tensor", dtype, shape);
        assert!(dtype.size() >= 4, "tensors are not computed in {dtype}; make them in f32 and use to_dtype");
        let mut expr = Expr { nodes: vec![], compute: dtype };
        let root = build(&mut expr);
        Tensor::pending(device, dtype, shape, Pending::Elementwise { expr: expr.rooted(root), leaves: vec![] })
    }
}

#[track_caller]
pub(crate) fn check_type(device: &Device, dtype: DType) {
    assert!(dtype != DType::F64 || device.is_cpu(), "f64 tensors live on the CPU: shaders have no f64");
}
