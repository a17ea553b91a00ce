//! Pooling of one and of three axes, and over cells of uneven size. Maxima and means of windows are separable: an axis at a time.

use crate::graph::Var;
use lethe_tensor::PoolOptions;

impl Var {
    /// The largest element of each window of sequences (n, c, l).
    ///
    /// # Panics
    /// If x does not have three axes, or the window does not fit ([`PoolOptions::plan`]).
    #[track_caller]
    pub fn max_pool1d(&self, options: &PoolOptions<1>) -> Var {
        self.check_rank("max_pool1d", 3);
        self.unsqueeze(2).max_pool2d(&options.along_last()).squeeze(2)
    }

    /// The mean of each window of sequences (n, c, l); see [`Var::avg_pool2d`].
    ///
    /// # Panics
    /// If x does not have three axes, or the window does not fit ([`PoolOptions::plan`]).
    #[track_caller]
    pub fn avg_pool1d(&self, options: &PoolOptions<1>, count_pad: bool) -> Var {
        self.check_rank("avg_pool1d", 3);
        self.unsqueeze(2).avg_pool2d(&options.along_last(), count_pad).squeeze(2)
    }

    /// The largest element of each window of volumes (n, c, d, h, w).
    ///
    /// # Panics
    /// If x does not have five axes, or the window does not fit ([`PoolOptions::plan`]).
    #[track_caller]
    pub fn max_pool3d(&self, options: &PoolOptions<3>) -> Var {
        self.check_rank("max_pool3d", 5);
        let planes = self.planes().max_pool2d(&options.of_planes());
        self.columns_of(&planes).max_pool2d(&options.of_depth()).volumes_of(&planes)
    }

    /// The mean of each window of volumes (n, c, d, h, w); see [`Var::avg_pool2d`].
    ///
    /// # Panics
    /// If x does not have five axes, or the window does not fit ([`PoolOptions::plan`]).
    #[track_caller]
    pub fn avg_pool3d(&self, options: &PoolOptions<3>, count_pad: bool) -> Var {
        self.check_rank("avg_pool3d", 5);
        let planes = self.planes().avg_pool2d(&options.of_planes(), count_pad);
        self.columns_of(&planes).avg_pool2d(&options.of_depth(), count_pad).volumes_of(&planes)
    }

    /// The means over an even division of sequences (n, c, l) into `output` cells.
    ///
    /// # Panics
    /// If x does not have three axes, or its length or `output` is 0.
    #[track_caller]
    pub fn adaptive_avg_pool1d(&self, output: usize) -> Var {
        self.check_rank("adaptive_avg_pool1d", 3);
        self.unsqueeze(2).adaptive_avg_pool2d([1, output]).squeeze(2)
    }

    /// The means over an even division of volumes (n, c, d, h, w) into `output` cells.
    ///
    /// # Panics
    /// If x does not have five axes, or its depth, height or width or an extent of `output` is 0.
    #[track_caller]
    pub fn adaptive_avg_pool3d(&self, output: [usize; 3]) -> Var {
        self.check_rank("adaptive_avg_pool3d", 5);
        let planes = self.planes().adaptive_avg_pool2d([output[1], output[2]]);
        self.columns_of(&planes).adaptive_avg_pool2d([output[0], output[1] * output[2]]).volumes_of(&planes)
    }

    /// The largest elements of an even division of sequences (n, c, l) into `output` cells; equals share dy.
    ///
    /// # Panics
    /// If x does not have three axes, or its length or `output` is 0.
    #[track_caller]
    pub fn adaptive_max_pool1d(&self, output: usize) -> Var {
        self.check_rank("adaptive_max_pool1d", 3);
        self.unsqueeze(2).adaptive_max_pool2d([1, output]).squeeze(2)
    }

    /// The largest elements of an even division of images (n, c, h, w) into `output` cells; `[1, 1]` is global pooling. Equals share dy, as in
    /// [`Var::max`], while [`Var::max_pool2d`] gives it to the first.
    ///
    /// # Panics
    /// If x does not have four axes, or its height, its width or an extent of `output` is 0.
    #[track_caller]
    pub fn adaptive_max_pool2d(&self, output: [usize; 2]) -> Var {
        self.check_rank("adaptive_max_pool2d", 4);
        self.largest_of_cells("adaptive_max_pool2d", &output)
    }

    /// The largest elements of an even division of volumes (n, c, d, h, w) into `output` cells; equals share dy.
    ///
    /// # Panics
    /// If x does not have five axes, or its depth, height or width or an extent of `output` is 0.
    #[track_caller]
    pub fn adaptive_max_pool3d(&self, output: [usize; 3]) -> Var {
        self.check_rank("adaptive_max_pool3d", 5);
        self.largest_of_cells("adaptive_max_pool3d", &output)
    }

    /// The last axes cut into this many cells each, one axis after the other.
    #[track_caller]
    fn largest_of_cells(&self, op: &str, output: &[usize]) -> Var {
        let fits = self.shape()[2..].iter().chain(output).all(|&n| n > 0);
        assert!(fits, "{op}: from {:?} to {output:?} cells", self.shape());
        let shape = [&self.shape()[..2], output].concat();
        self.device().check_room(op, self.tensor().computed_type(), &shape);
        let mut x = self.clone();
        for (axis, &cells) in (2..).zip(output) {
            let (dim, n) = (axis as isize, x.shape()[axis]);
            if cells > n {
                // A cell covers one element or two.
                let bound = |j: usize, up: usize| ((j as u128 * n as u128 + up as u128) / cells as u128) as usize;
                let first = x.read_along(op, dim, cells, |j| bound(j, 0));
                x = first.maximum(&x.read_along(op, dim, cells, |j| bound(j + 1, cells - 1) - 1));
                continue;
            }
            let mut all = vec![];
            for j in 0..cells {
                // Cell j covers ⌊j·n/cells⌋ .. ⌈(j+1)·n/cells⌉.
                all.push(x.slice(dim, j * n / cells, ((j + 1) * n).div_ceil(cells)).max_axes(&[dim], true));
            }
            x = Var::concat(&all.iter().collect::<Vec<_>>(), dim);
        }
        x
    }

    /// Volumes (n, c, d, h, w) as images (n, c · d, h, w): first the windows of each plane.
    #[track_caller]
    fn planes(&self) -> Var {
        let s = self.shape();
        self.reshape(&[s[0], s[1] * s[2], s[3], s[4]])
    }

    /// The pooled planes of these volumes as (n, c, d, pixels): then the windows of depth, with a plane's pixels as columns.
    #[track_caller]
    fn columns_of(&self, planes: &Var) -> Var {
        let (s, p) = (self.shape(), planes.shape());
        planes.reshape(&[s[0], s[1], s[2], p[2] * p[3]])
    }

    /// Such columns, of the pooled depth, as volumes again.
    #[track_caller]
    fn volumes_of(&self, planes: &Var) -> Var {
        let (s, p) = (self.shape(), planes.shape());
        self.reshape(&[s[0], s[1], s[2], p[2], p[3]])
    }

    #[track_caller]
    fn check_rank(&self, op: &str, rank: usize) {
        assert!(self.rank() == rank, "{op}: x {:?} needs {rank} axes", self.shape());
    }
}
