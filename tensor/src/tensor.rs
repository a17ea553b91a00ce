//! [`Tensor`]: a view of shared storage, or work that has not been done yet.
//!
//! Designs that were not taken: a type parameter for the device (it infects every signature; layers and models then exist once for
//! each back end), static shapes (convolutions and batches need arithmetic that types cannot do), and a whole-graph compiler (nothing
//! runs until something is read, and a mistake shows far from its cause). Laziness here is one thing: a tensor may hold an elementwise
//! expression, or one plan, that its first consumer runs.

use crate::device::Device;
use crate::dtype::{DType, Element};
use crate::error::DeviceError;
use crate::expr::Expr;
use crate::layout::Layout;
use crate::plan::Plan;
use crate::storage::Storage;
use std::sync::{Arc, Mutex, OnceLock};

/// An n-dimensional array on a device. Cloning and making views is cheap; contents never change behind a view.
#[derive(Clone)]
pub struct Tensor(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) device: Device,
    pub(crate) dtype: DType,
    pub(crate) layout: Layout,
    storage: OnceLock<Storage>,
    pending: Mutex<Option<Pending>>,
}

/// Work that makes a tensor, not yet done.
#[derive(Clone)]
pub(crate) enum Pending {
    /// An expression over leaves that are broadcast to the tensor's shape.
    Elementwise { expr: Expr, leaves: Vec<Tensor> },
    /// A plan of one output, put off by [`crate::defer`].
    Plan { plan: Arc<dyn Plan>, inputs: Vec<Tensor> },
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

    /// The same elements under another layout.
    pub(crate) fn with_layout(&self, layout: Layout) -> Tensor {
        Tensor::view(&self.0.device, self.0.dtype, layout, self.storage().clone())
    }

    /// The work left to do, if it has not been done.
    pub(crate) fn unevaluated(&self) -> Option<Pending> {
        match self.0.storage.get() {
            Some(_) => None,
            None => self.0.pending.lock().expect("no holder panics").clone(),
        }
    }

    /// The storage; work that was put off is done now, and its result kept.
    ///
    /// No lock is held meanwhile: a thread that waits for others in a kernel may run another job, and that may want this very tensor. Two
    /// threads may then do the work twice, with the same result; the first one's stays.
    #[track_caller]
    pub(crate) fn storage(&self) -> &Storage {
        if let Some(pending) = self.unevaluated() {
            let result = crate::run::evaluate(self, pending);
            let _ = self.0.storage.set(result);
            // After the result, so that whoever finds no work finds that.
            self.0.pending.lock().expect("no holder panics").take();
        }
        self.0.storage.get().expect("evaluated, here or by another thread")
    }

    /// Unique access to the storage of a contiguous tensor that starts at 0: a shared one is copied first.
    pub(crate) fn make_unique(&mut self) -> &mut Storage {
        self.storage();
        let unique = self.0.layout.offset == 0
            && self.0.layout.is_contiguous()
            && Arc::get_mut(&mut self.0).is_some_and(|i| i.storage.get_mut().is_some_and(Storage::is_unique));
        if !unique {
            *self = crate::run::copy(self);
        }
        let inner = Arc::get_mut(&mut self.0).expect("the only handle");
        inner.storage.get_mut().expect("evaluated above")
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

    /// Does the work that was put off, if any.
    ///
    /// # Panics
    /// If the CPU has not so much memory.
    #[track_caller]
    pub fn force(&self) -> &Tensor {
        self.storage();
        self
    }

    /// Does the work now if it is a plan that [`crate::defer`] put off; an elementwise expression stays one.
    pub fn settle(&self) {
        if let Some(Pending::Plan { .. }) = self.unevaluated() {
            self.storage();
        }
    }

    /// Zeros of the type that this tensor is computed in, of its shape, on its device.
    pub fn zeros_like(&self) -> Tensor {
        Tensor::zeros(self.device(), self.computed_type(), self.shape())
    }

    /// The elements, row-major. Waits for the device.
    ///
    /// # Errors
    /// If the device failed since the last read.
    ///
    /// # Panics
    /// If `T` is not the tensor's type.
    #[track_caller]
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>, DeviceError> {
        assert!(T::DTYPE == self.dtype(), "to_vec: the tensor holds {}, not {}", self.dtype(), T::DTYPE);
        let t = self.contiguous();
        let (start, n) = (t.layout().offset, t.numel());
        if n == 0 {
            return Ok(vec![]);
        }
        match t.storage() {
            Storage::Cpu(buffer) => Ok(buffer.as_slice::<T>()[start..start + n].to_vec()),
            #[cfg(feature = "gpu")]
            Storage::Gpu(buffer) => {
                let Device::Gpu(gpu) = t.device() else { unreachable!("a GPU buffer on a GPU") };
                let bytes = crate::gpu::plans::read(gpu, buffer, start, n, t.dtype())?;
                Ok(bytemuck::pod_collect_to_vec(&bytes))
            }
        }
    }

    /// The only element of a tensor of one element.
    ///
    /// # Errors
    /// If the device failed since the last read.
    ///
    /// # Panics
    /// If there is not exactly one element, or `T` is not its type.
    #[track_caller]
    pub fn item<T: Element>(&self) -> Result<T, DeviceError> {
        assert!(self.numel() == 1, "item: the tensor has shape {:?}, not one element", self.shape());
        Ok(self.to_vec::<T>()?[0])
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
