//! What tensors can do and no gradient passes through: comparisons, positions, counts. Their results are constants.

use crate::graph::Var;
use lethe_tensor::{DType, Device, DeviceError, Element, Tensor};

macro_rules! of_two {
    ($($name:ident)*) => { impl Var { $(
        #[doc = concat!("As [`Tensor::", stringify!($name), "`]: 0 or 1 (`U32`) for each pair; not tracked.")]
        ///
        /// # Panics
        /// If the types or devices differ, or the shapes do not broadcast.
        #[track_caller]
        pub fn $name(&self, other: &Var) -> Var {
            Var::constant(&self.tensor().$name(other.tensor()))
        }
    )* } };
}
of_two! { eq ne lt le gt ge }

macro_rules! with_number {
    ($($name:ident)*) => { impl Var { $(
        #[doc = concat!("As [`Tensor::", stringify!($name), "`]: 0 or 1 (`U32`) for each element; not tracked.")]
        #[track_caller]
        pub fn $name(&self, c: f64) -> Var {
            Var::constant(&self.tensor().$name(c))
        }
    )* } };
}
with_number! { eq_scalar lt_scalar le_scalar gt_scalar ge_scalar }

macro_rules! along_an_axis {
    ($($name:ident)*) => { impl Var { $(
        #[doc = concat!("As [`Tensor::", stringify!($name), "`]; not tracked.")]
        ///
        /// # Panics
        /// If the axis does not exist or is empty.
        #[track_caller]
        pub fn $name(&self, dim: isize, option: bool) -> Var {
            Var::constant(&self.tensor().$name(dim, option))
        }
    )* } };
}
along_an_axis! { argmax argmin argsort }

macro_rules! over_axes {
    ($($name:ident $whole:ident)*) => { impl Var { $(
        #[doc = concat!("As [`Tensor::", stringify!($name), "`]; not tracked.")]
        ///
        /// # Panics
        /// If an axis does not exist or is named twice.
        #[track_caller]
        pub fn $name(&self, axes: &[isize], keepdim: bool) -> Var {
            Var::constant(&self.tensor().$name(axes, keepdim))
        }

        #[doc = concat!("As [`Tensor::", stringify!($whole), "`]; not tracked.")]
        #[track_caller]
        pub fn $whole(&self) -> Var {
            Var::constant(&self.tensor().$whole())
        }
    )* } };
}
over_axes! { any_axes any all_axes all }

impl Var {
    /// −1, 0 or 1, as [`Tensor::sign`]. Its derivative is 0 wherever it has one; the result is not tracked.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[track_caller]
    pub fn sign(&self) -> Var {
        Var::constant(&self.tensor().sign())
    }

    /// 1 where a boolean is 0, else 0, as [`Tensor::logical_not`]; not tracked.
    ///
    /// # Panics
    /// If the elements are not `U32`.
    #[track_caller]
    pub fn logical_not(&self) -> Var {
        Var::constant(&self.tensor().logical_not())
    }

    /// Labels (`U32`) as vectors with one 1, as [`Tensor::one_hot`]; not tracked.
    ///
    /// # Panics
    /// As [`Tensor::one_hot`].
    #[track_caller]
    pub fn one_hot(&self, classes: usize, dtype: DType) -> Var {
        Var::constant(&self.tensor().one_hot(classes, dtype))
    }

    /// Zeros of this shape and computed type, on this device.
    pub fn zeros_like(&self) -> Var {
        Var::constant(&self.tensor().zeros_like())
    }

    /// The only element.
    ///
    /// # Errors
    /// If the device failed since the last read.
    ///
    /// # Panics
    /// If there is not exactly one element, or `T` is not its type.
    #[track_caller]
    pub fn item<T: Element>(&self) -> Result<T, DeviceError> {
        self.tensor().item()
    }

    /// A constant of these elements on another device: gradients do not pass from one to another.
    ///
    /// # Errors
    /// If the device that it comes from failed.
    pub fn to_device(&self, device: &Device) -> Result<Var, DeviceError> {
        Ok(Var::constant(&self.tensor().to_device(device)?))
    }
}

impl From<&Tensor> for Var {
    /// A constant.
    fn from(tensor: &Tensor) -> Var {
        Var::constant(tensor)
    }
}

impl From<Tensor> for Var {
    /// A constant.
    fn from(tensor: Tensor) -> Var {
        Var::constant(&tensor)
    }
}
