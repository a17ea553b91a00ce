//! Pooling of one and of three axes, and over cells of uneven size. Maxima and means of windows are separable: an axis at a time.

use crate::Var;
use lethe_tensor::PoolOptions;

impl Var {
    /// The largest element of each window of sequences (n, c, l).
    ///
    /// # Panics
    /// If x has not three axes, or the window does not fit.
    #[track_caller]
    pub fn max_pool1d(&self, options: &PoolOptions<1>) -> Var {
        self.check_rank("max_pool1d", 3);
        self.unsqueeze(2).max_pool2d(&options.along_last()).squeeze(2)
    }

    /// The mean of each window of sequences (n, c, l); see [`Var::avg_pool2d`].
    ///
    /// # Panics
    /// If x has not three axes, or the window does not fit.
    #[track_caller]
    pub fn avg_pool1d(&self, options: &PoolOptions<1>, count_pad: bool) -> Var {
        self.check_rank("avg_pool1d", 3);
        self.unsqueeze(2).avg_pool2d(&options.along_last(), count_pad).squeeze(2)
    }

    /// The largest element of each window of volumes (n, c, d, h, w).
    ///
    /// # Panics
    /// If x has not five axes, or the window does not fit.
    #[track_caller]
    pub fn max_pool3d(&self, options: &PoolOptions<3>) -> Var {
        self.check_rank("max_pool3d", 5);
        self.pool_volumes(options, |x, o| x.max_pool2d(o))
    }

    /// The mean of each window of volumes (n, c, d, h, w); see [`Var::avg_pool2d`].
    ///
    /// # Panics
    /// If x has not five axes, or the window does not fit.
    #[track_caller]
    pub fn avg_pool3d(&self, options: &PoolOptions<3>, count_pad: bool) -> Var {
        self.check_rank("avg_pool3d", 5);
        self.pool_volumes(options, |x, o| x.avg_pool2d(o, count_pad))
    }

    /// The means over an even division of sequences (n, c, l) into `output` cells.
    ///
    /// # Panics
    /// If x has not three axes, or an extent is 0.
    #[track_caller]
    pub fn adaptive_avg_pool1d(&self, output: usize) -> Var {
        self.check_rank("adaptive_avg_pool1d", 3);
        self.unsqueeze(2).adaptive_avg_pool2d([1, output]).squeeze(2)
    }

    /// The means over an even division of volumes (n, c, d, h, w) into `output` cells.
    ///
    /// # Panics
    /// If x has not five axes, or an extent is 0.
    #[track_caller]
    pub fn adaptive_avg_pool3d(&self, output: [usize; 3]) -> Var {
        self.check_rank("adaptive_avg_pool3d", 5);
        let [n, c, d, h, w] = <[usize; 5]>::try_from(self.shape()).expect("five axes");
        let flat = self.reshape(&[n, c * d, h, w]).adaptive_avg_pool2d([output[1], output[2]]);
        let deep =
            flat.reshape(&[n, c, d, output[1] * output[2]]).adaptive_avg_pool2d([output[0], output[1] * output[2]]);
        deep.reshape(&[n, c, output[0], output[1], output[2]])
    }

    /// The largest elements of an even division of sequences (n, c, l) into `output` cells; equals share dy.
    ///
    /// # Panics
    /// If x has not three axes, or an extent is 0.
    #[track_caller]
    pub fn adaptive_max_pool1d(&self, output: usize) -> Var {
        self.check_rank("adaptive_max_pool1d", 3);
        self.unsqueeze(2).adaptive_max_pool2d([1, output]).squeeze(2)
    }

    /// The largest elements of an even division of images (n, c, h, w) into `output` cells; `[1, 1]` is global pooling. Equals share dy, as in
    /// [`Var::max`], while [`Var::max_pool2d`] gives it to the first.
    ///
    /// # Panics
    /// If x has not four axes, or an extent is 0.
    #[track_caller]
    pub fn adaptive_max_pool2d(&self, output: [usize; 2]) -> Var {
        self.check_rank("adaptive_max_pool2d", 4);
        let pixels = self.shape()[2] > 0 && self.shape()[3] > 0;
        assert!(
            pixels && output[0] > 0 && output[1] > 0,
            "adaptive_max_pool2d: from {:?} to {output:?} cells",
            self.shape()
        );
        (0..2).fold(self.clone(), |x, i| {
            let (dim, n, cells) = (2 + i as isize, x.shape()[2 + i], output[i]);
            // Cell j covers ⌊j·n/cells⌋ .. ⌈(j+1)·n/cells⌉.
            let cell = |j: usize| x.slice(dim, j * n / cells, ((j + 1) * n).div_ceil(cells)).max(&[dim], true);
            let all: Vec<Var> = (0..cells).map(cell).collect();
            Var::concat(&all.iter().collect::<Vec<_>>(), dim)
        })
    }

    /// First the windows of each plane, then those of depth, with a plane's pixels as columns.
    #[track_caller]
    fn pool_volumes(&self, options: &PoolOptions<3>, pool: impl Fn(&Var, &PoolOptions) -> Var) -> Var {
        let [n, c, d, h, w] = <[usize; 5]>::try_from(self.shape()).expect("five axes");
        let planes = pool(&self.reshape(&[n, c * d, h, w]), &options.of_planes());
        let [rows, columns] = [planes.shape()[2], planes.shape()[3]];
        let deep = pool(&planes.reshape(&[n, c, d, rows * columns]), &options.of_depth());
        let depth = deep.shape()[2];
        deep.reshape(&[n, c, depth, rows, columns])
    }

    #[track_caller]
    fn check_rank(&self, op: &str, rank: usize) {
        assert!(self.rank() == rank, "{op}: x {:?} needs {rank} axes", self.shape());
    }
}
