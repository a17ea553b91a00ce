//! Pooling over one, two or three axes. These layers have no parameters.

use super::Layer;
use crate::Forward;
use lethe_autograd::Var;
use lethe_tensor::PoolOptions;

/// The largest element of each window: x (n, c, extents…) to (n, c, extents′…), with
/// `extent′ = ⌊(extent + 2 padding − kernel) / stride⌋ + 1`.
///
/// ```
/// use lethe_autograd::Var;
/// use lethe_nn::layers::MaxPool2d;
/// use lethe_nn::{Builder, Forward, Layer, Pass};
/// use lethe_tensor::{Device, Tensor};
///
/// let (theta, state) = Builder::new().finish().init(&Device::cpu(), 0);
/// let params = theta.constants();
/// let f = Forward::new(&params, &state, Pass::evaluate());
/// let x = Var::constant(&Tensor::from_slice(&Device::cpu(), &[1.0f32, 2.0, 3.0, 4.0], &[1, 1, 2, 2]));
/// assert_eq!(MaxPool2d::new(2).forward(&f, &x).to_vec::<f32>()?, [4.0]);
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MaxPool<const N: usize> {
    options: PoolOptions<N>,
}

/// The mean of each window; extents as of [`MaxPool`]. Zeros of the padding count as elements, as PyTorch counts them, unless
/// [`AvgPool::without_padding`] says otherwise.
///
/// ```
/// use lethe_nn::layers::AvgPool1d;
/// use lethe_nn::{Builder, Layer, predict};
/// use lethe_tensor::{Device, PoolOptions, Tensor};
///
/// let (theta, state) = Builder::new().finish().init(&Device::cpu(), 0);
/// let x = Tensor::new(&Device::cpu(), [[[2.0, 4.0, 6.0, 8.0]]]);
/// let pool = |layer: AvgPool1d| predict(&theta, &state, &x, &|f, x| layer.forward(f, x)).to_vec::<f32>();
/// assert_eq!(pool(AvgPool1d::new(2))?, [3.0, 7.0]);
/// let padded = AvgPool1d::with(PoolOptions::new(2, 2, 1)); // windows (0, 2), (4, 6) and (8, 0)
/// assert_eq!(pool(padded.clone())?, [1.0, 5.0, 4.0]);
/// assert_eq!(pool(padded.without_padding())?, [2.0, 5.0, 8.0]);
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AvgPool<const N: usize> {
    options: PoolOptions<N>,
    count_pad: bool,
}

/// Average pooling to an output of a given size: the means over an even division of (n, c, extents…) into cells, of which cell j covers elements
/// ⌊j · extent / cells⌋ to ⌈(j + 1) · extent / cells⌉. One cell is global pooling.
///
/// ```
/// use lethe_nn::layers::AdaptiveAvgPool1d;
/// use lethe_nn::{Builder, Layer, predict};
/// use lethe_tensor::{Device, Tensor};
///
/// let (theta, state) = Builder::new().finish().init(&Device::cpu(), 0);
/// let x = Tensor::new(&Device::cpu(), [[[1.0, 3.0, 5.0, 7.0]]]);
/// let pool = |layer: AdaptiveAvgPool1d| predict(&theta, &state, &x, &|f, x| layer.forward(f, x)).to_vec::<f32>();
/// assert_eq!(pool(AdaptiveAvgPool1d::new([2]))?, [2.0, 6.0]);
/// assert_eq!(pool(AdaptiveAvgPool1d::new([1]))?, [4.0]); // the mean of all
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AdaptiveAvgPool<const N: usize> {
    cells: [usize; N],
}

/// Max pooling to an output of a given size: the largest elements of an even division into cells; see [`AdaptiveAvgPool`].
///
/// # Examples
/// ```
/// # use lethe_autograd::Var;
/// # use lethe_nn::layers::{AdaptiveMaxPool, Layer};
/// # use lethe_nn::{Builder, Forward, Pass};
/// # use lethe_tensor::{Device, Tensor};
/// let pool = AdaptiveMaxPool::new([2]);
/// # let (theta, state) = Builder::new().finish().init(&Device::cpu(), 0);
/// # let params = theta.constants();
/// let x = Var::constant(&Tensor::new(&Device::cpu(), [[[1.0, 4.0, 2.0, 3.0]]]));
/// let y = pool.forward(&Forward::new(&params, &state, Pass::evaluate()), &x);
/// assert_eq!(y.to_vec::<f32>()?, [4.0, 3.0]);
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AdaptiveMaxPool<const N: usize> {
    cells: [usize; N],
}

impl<const N: usize> MaxPool<N> {
    /// Windows of the same size along all axes, side by side: the stride is the kernel.
    pub fn new(kernel: usize) -> MaxPool<N> {
        MaxPool::with(PoolOptions::new(kernel, kernel, 0))
    }

    /// Any windows.
    pub fn with(options: PoolOptions<N>) -> MaxPool<N> {
        MaxPool { options }
    }
}

impl<const N: usize> AvgPool<N> {
    /// Windows of the same size along all axes, side by side: the stride is the kernel.
    pub fn new(kernel: usize) -> AvgPool<N> {
        AvgPool::with(PoolOptions::new(kernel, kernel, 0))
    }

    /// Any windows.
    pub fn with(options: PoolOptions<N>) -> AvgPool<N> {
        AvgPool { options, count_pad: true }
    }

    /// Means over the elements of x alone.
    pub fn without_padding(self) -> AvgPool<N> {
        AvgPool { count_pad: false, ..self }
    }
}

impl<const N: usize> AdaptiveAvgPool<N> {
    /// Pools to this many cells along each axis.
    pub fn new(cells: [usize; N]) -> AdaptiveAvgPool<N> {
        AdaptiveAvgPool { cells }
    }
}

impl<const N: usize> AdaptiveMaxPool<N> {
    /// Pools to this many cells along each axis.
    pub fn new(cells: [usize; N]) -> AdaptiveMaxPool<N> {
        AdaptiveMaxPool { cells }
    }
}

macro_rules! layers {
    ($($layer:ident $n:literal |$self:ident, $x:ident| $y:expr;)*) => { $(
        impl Layer for $layer<$n> {
            #[track_caller]
            fn forward(&$self, _: &Forward<'_>, $x: &Var) -> Var {
                $y
            }
        }
    )* };
}

layers! {
    MaxPool 1 |self, x| x.max_pool1d(&self.options);
    MaxPool 2 |self, x| x.max_pool2d(&self.options);
    MaxPool 3 |self, x| x.max_pool3d(&self.options);
    AvgPool 1 |self, x| x.avg_pool1d(&self.options, self.count_pad);
    AvgPool 2 |self, x| x.avg_pool2d(&self.options, self.count_pad);
    AvgPool 3 |self, x| x.avg_pool3d(&self.options, self.count_pad);
    AdaptiveAvgPool 1 |self, x| x.adaptive_avg_pool1d(self.cells[0]);
    AdaptiveAvgPool 2 |self, x| x.adaptive_avg_pool2d(self.cells);
    AdaptiveAvgPool 3 |self, x| x.adaptive_avg_pool3d(self.cells);
    AdaptiveMaxPool 1 |self, x| x.adaptive_max_pool1d(self.cells[0]);
    AdaptiveMaxPool 2 |self, x| x.adaptive_max_pool2d(self.cells);
    AdaptiveMaxPool 3 |self, x| x.adaptive_max_pool3d(self.cells);
}

macro_rules! names {
    ($($name:ident = $layer:ident $n:literal, $of:literal;)*) => { $(
        #[doc = concat!("[`", stringify!($layer), "`] of ", $of, ".")]
        pub type $name = $layer<$n>;
    )* };
}

names! {
    MaxPool1d = MaxPool 1, "sequences (n, c, l)";
    MaxPool2d = MaxPool 2, "images (n, c, h, w)";
    MaxPool3d = MaxPool 3, "volumes (n, c, d, h, w)";
    AvgPool1d = AvgPool 1, "sequences (n, c, l)";
    AvgPool2d = AvgPool 2, "images (n, c, h, w)";
    AvgPool3d = AvgPool 3, "volumes (n, c, d, h, w)";
    AdaptiveAvgPool1d = AdaptiveAvgPool 1, "sequences (n, c, l)";
    AdaptiveAvgPool2d = AdaptiveAvgPool 2, "images (n, c, h, w)";
    AdaptiveAvgPool3d = AdaptiveAvgPool 3, "volumes (n, c, d, h, w)";
    AdaptiveMaxPool1d = AdaptiveMaxPool 1, "sequences (n, c, l)";
    AdaptiveMaxPool2d = AdaptiveMaxPool 2, "images (n, c, h, w)";
    AdaptiveMaxPool3d = AdaptiveMaxPool 3, "volumes (n, c, d, h, w)";
}
