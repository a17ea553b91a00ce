//! Every layer against plain arithmetic in doubles, on all devices: values, gradients, modes, names, and what wrong shapes say.

mod affine;
mod attention;
mod harness;
mod norms;
mod pools;
mod recomputed;
mod reference;
mod shapes;
mod simple;
mod transformer;
