//! [`Tensor`]: a view of shared storage, or work that has not been done yet.
//!
//! Designs that were not taken: a type parameter for the device (it infects every signature; layers and models then exist once for
//! each back end), static shapes (convolutions and batches need arithmetic that types cannot do), and a whole-graph compiler (nothing
//! runs until something is read, and a mistake shows far from its cause). Laziness here is one thing: a tensor may hold an elementwise
//! expression, or one plan, that its first consumer runs.

use crate::device::Device;
use crate::dtype::DType;
use crate::expr::Expr;
use crate::layout::Layout;
use crate::plan::Run;
use crate::storage::Storage;
use std::sync::{Arc, Mutex, OnceLock};

/// An n-dimensional array on a device. Cloning and making views is cheap; contents never change behind a view.
///
/// # Examples
/// ```
/// use lethe_tensor::{Device, Tensor};
/// let x = Tensor::new(&Device::cpu(), [[1.0, 2.0], [3.0, 4.0]]);
/// let row = Tensor::new(&Device::cpu(), [10.0, 20.0]);
/// let sum = &x + &row; // the row is repeated for every row of x
/// assert_eq!(sum.to_vec::<f32>()?, [11.0, 22.0, 13.0, 24.0]);
/// assert_eq!(x.t().to_vec::<f32>()?, [1.0, 3.0, 2.0, 4.0]); // a view: the transpose moves no number
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone)]
pub struct Tensor(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) device: Device,
    pub(crate) dtype: DType,
    pub(crate) layout: Layout,
    pub(crate) storage: OnceLock<Storage>,
    pub(crate) pending: Mutex<Option<Pending>>,
}

/// Work that makes a tensor, not yet done.
#[derive(Clone)]
pub(crate) enum Pending {
    /// An expression over leaves that are broadcast to the tensor's shape.
    Elementwise { expr: Expr, leaves: Vec<Tensor> },
    /// A plan of one output, deferred by [`crate::defer`].
    Plan { plan: Arc<dyn Run>, inputs: Vec<Tensor> },
}

impl Tensor {
    /// A view of a storage.
    pub(crate) fn view(device: &Device, dtype: DType, layout: Layout, storage: Storage) -> Tensor {
        Tensor(Arc::new(Inner {
            device: device.clone(),
            dtype,
            layout,
            storage: OnceLock::from(storage),
            pending: Mutex::new(None),
        }))
    }

    /// A row-major tensor that `pending` will make.
    #[track_caller]
    pub(crate) fn pending(device: &Device, dtype: DType, shape: &[usize], pending: Pending) -> Tensor {
        Tensor(Arc::new(Inner {
            device: device.clone(),
            dtype,
            layout: Layout::contiguous(shape),
            storage: OnceLock::new(),
            pending: Mutex::new(Some(pending)),
        }))
    }

    /// The work left to do, if it has not been done.
    pub(crate) fn unevaluated(&self) -> Option<Pending> {
        match self.0.storage.get() {
            Some(_) => None,
            None => self.0.pending.lock().expect("no holder panics").clone(),
        }
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.0.device
    }

    /// The elements' type.
    pub fn dtype(&self) -> DType {
        self.0.dtype
    }

    /// The extent of each axis.
    pub fn shape(&self) -> &[usize] {
        &self.0.layout.shape
    }

    /// How the elements lie in the storage.
    pub fn layout(&self) -> &Layout {
        &self.0.layout
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape().len()
    }

    /// The number of elements.
    pub fn numel(&self) -> usize {
        self.0.layout.numel()
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensor({} {:?} on {:?}", self.dtype(), self.shape(), self.device())?;
        if self.0.storage.get().is_none() {
            f.write_str(", unevaluated")?;
        }
        f.write_str(")")
    }
}
