//! The layout of one vector that holds all parameters of a model.

use lethe_tensor::Tensor;
use lethe_tensor::layout::numel;

/// Every parameter starts at a multiple of this many elements, so that a shader can bind it by offset. The padding is zero and stays zero.
pub const ALIGNMENT: usize = 64;

/// The number of a parameter in its layout.
///
/// # Examples
/// ```
/// use lethe_autograd::{ParamId, ParamLayout, Tags};
/// let mut layout = ParamLayout::new();
/// let weight = layout.add("weight", &[2, 3], Tags::default());
/// assert_eq!((weight, layout.find("weight")), (ParamId(0), Some(weight)));
/// assert_eq!(layout.get(weight).shape, [2, 3]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(pub usize);

/// What optimisers and steps must know of a parameter.
///
/// # Examples
/// ```
/// # use lethe_autograd::{ParamLayout, Tags, gradient};
/// # use lethe_tensor::{DType, Device, Tensor};
/// # let mut layout = ParamLayout::new();
/// let body = layout.add("body", &[64], Tags { frozen: true, ..Tags::default() });
/// let head = layout.add("head", &[64], Tags::default());
/// # let layout = layout.into();
/// let theta = Tensor::full(&Device::cpu(), DType::F32, &[128], 3.0);
/// let (_, slope) = gradient(&theta, &layout, |p| (p.get(body) * p.get(head)).sum());
/// assert_eq!(layout.view(&slope, head).to_vec::<f32>()?, [3.0; 64]);
/// assert_eq!(layout.view(&slope, body).to_vec::<f32>()?, [0.0; 64]); // held fixed
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tags {
    /// Whether weight decay applies.
    pub decayed: bool,
    /// Whether it is held fixed: no gradient, no perturbation, no step.
    pub frozen: bool,
    /// The parameter group, 0 by default.
    pub group: usize,
}

impl Default for Tags {
    fn default() -> Self {
        Tags { decayed: true, frozen: false, group: 0 }
    }
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name, with dots between the levels of the model.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its first element in the vector.
    pub offset: usize,
    /// Its tags.
    pub tags: Tags,
    /// The parameter whose elements it shares, if it is tied to one.
    pub tied_to: Option<ParamId>,
}

impl Param {
    /// Its number of elements.
    pub fn numel(&self) -> usize {
        numel(&self.shape)
    }

    /// Its elements in the vector.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.numel()
    }
}

/// Names, shapes, offsets and tags of the parameters in one vector.
///
/// # Examples
/// ```
/// use lethe_autograd::{ParamLayout, Tags};
/// use lethe_tensor::{DType, Device, Tensor};
/// let mut layout = ParamLayout::new();
/// let weight = layout.add("weight", &[2, 3], Tags::default());
/// let bias = layout.add("bias", &[2], Tags::default());
/// layout.tie("head", &[3, 2], weight); // another name for the same elements
/// assert_eq!(layout.count(), 8);
/// assert_eq!(layout.get(bias).offset, 64); // every parameter starts at a multiple of 64
/// let theta = Tensor::zeros(&Device::cpu(), DType::F32, &[layout.len()]);
/// assert_eq!(layout.view(&theta, weight).shape(), [2, 3]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParamLayout {
    params: Vec<Param>,
    len: usize,
}

impl ParamLayout {
    /// An empty layout.
    pub fn new() -> ParamLayout {
        ParamLayout::default()
    }

    /// Adds a parameter at the end.
    ///
    /// # Panics
    /// If the name is taken.
    #[track_caller]
    pub fn add(&mut self, name: &str, shape: &[usize], tags: Tags) -> ParamId {
        assert!(self.find(name).is_none(), "there is a parameter {name} already");
        let param = Param { name: name.into(), shape: shape.to_vec(), offset: self.len, tags, tied_to: None };
        self.len += param.numel().next_multiple_of(ALIGNMENT);
        self.params.push(param);
        ParamId(self.params.len() - 1)
    }

    /// Adds a name for the elements of another parameter, under a shape of the same size: the two are one weight, and its gradient is the
    /// sum over its uses.
    ///
    /// # Panics
    /// If the name is taken, or the sizes differ.
    #[track_caller]
    pub fn tie(&mut self, name: &str, shape: &[usize], to: ParamId) -> ParamId {
        assert!(self.find(name).is_none(), "there is a parameter {name} already");
        let source = &self.params[to.0];
        assert!(source.numel() == numel(shape), "{name}: shape {shape:?} cannot be tied to {:?}", source.shape);
        let param = Param {
            name: name.into(),
            shape: shape.to_vec(),
            offset: source.offset,
            tags: source.tags,
            tied_to: Some(source.tied_to.unwrap_or(to)),
        };
        self.params.push(param);
        ParamId(self.params.len() - 1)
    }

    /// The length of the vector, padding included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.params.is_empty()
    }

    /// The number of parameters in the usual sense: elements, without padding, tied ones once.
    pub fn count(&self) -> usize {
        self.owned().map(|(_, p)| p.numel()).sum()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (ParamId, &Param)> {
        self.params.iter().enumerate().map(|(i, p)| (ParamId(i), p))
    }

    /// Those that own their elements: all but the tied ones.
    pub fn owned(&self) -> impl Iterator<Item = (ParamId, &Param)> {
        self.iter().filter(|(_, p)| p.tied_to.is_none())
    }

    /// One parameter.
    pub fn get(&self, id: ParamId) -> &Param {
        &self.params[id.0]
    }

    /// The parameter of a name.
    pub fn find(&self, name: &str) -> Option<ParamId> {
        self.params.iter().position(|p| p.name == name).map(ParamId)
    }

    /// Changes the tags of a parameter, and of those tied to the same elements.
    pub fn retag(&mut self, id: ParamId, change: impl Fn(&mut Tags)) {
        let offset = self.params[id.0].offset;
        self.params.iter_mut().filter(|p| p.offset == offset && p.numel() > 0).for_each(|p| change(&mut p.tags));
    }

    /// The parameter's elements as a view of a vector of this layout.
    pub fn view(&self, vector: &Tensor, id: ParamId) -> Tensor {
        let p = self.get(id);
        vector.slice(0, p.offset, p.offset + p.numel()).reshape(&p.shape)
    }

    /// # Panics
    /// If the vector does not have this layout's length.
    #[track_caller]
    pub(crate) fn check(&self, vector: &Tensor) {
        assert!(
            vector.shape() == [self.len],
            "a vector of parameters has shape [{}], this one {:?}",
            self.len,
            vector.shape()
        );
    }
}
