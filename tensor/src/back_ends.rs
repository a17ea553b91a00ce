//! Which functions of the two back ends run each plan: those of this name in the files `cpu/…` and `gpu/plans/…`.

use crate::cpu;
#[cfg(feature = "gpu")]
use crate::gpu;
use crate::plan::{
    Assemble, Attention, AttentionBackward, BatchNorm, BatchNormBackward, Concat, Conv2d, Copy, CrossEntropy, Cumsum,
    Custom, Elementwise, Gather, LayerNorm, LayerNormBackward, Matmul, Pad, Pool2d, Reduce, Run, ScaledSquares,
    ScatterAdd, Softmax, SoftmaxBackward, Update, UpdateRule,
};

macro_rules! back_ends {
    ($($plan:ident => $module:ident::$function:ident;)*) => {$(
        impl Run for $plan {
            fn cpu(&self, inputs: &[cpu::Input<'_>], outputs: &mut [cpu::Output<'_>]) {
                cpu::$module::$function(self, inputs, outputs);
            }
            #[cfg(feature = "gpu")]
            fn gpu(&self, gpu: &gpu::GpuDevice, inputs: &[gpu::Input<'_>], outputs: &[gpu::Output<'_>]) {
                gpu::plans::$module::$function(self, gpu, inputs, outputs);
            }
        }
    )*};
}

back_ends! {
    Reduce => reduce::run;
    ScaledSquares => reduce::scaled_squares;
    LayerNorm => layer_norm::run;
    LayerNormBackward => layer_norm::backward;
    BatchNorm => batch_norm::run;
    BatchNormBackward => batch_norm::backward;
    Pool2d => pool::run;
    Cumsum => cumsum::run;
    Gather => gather::run;
    ScatterAdd => gather::scatter_add;
    Matmul => matmul::run;
    Attention => attention::run;
    AttentionBackward => attention::backward;
    Softmax => softmax::run;
    SoftmaxBackward => softmax::backward;
    Elementwise => elementwise::run;
    Conv2d => conv::run;
    Concat => concat::run;
    Assemble => concat::assemble;
    Pad => pad::run;
    CrossEntropy => loss::run;
    Copy => copy::run;
}

impl<R: UpdateRule<V>, const V: usize> Run for Update<R, V> {
    fn cpu(&self, inputs: &[cpu::Input<'_>], outputs: &mut [cpu::Output<'_>]) {
        cpu::update::run(self, inputs, outputs);
    }
    #[cfg(feature = "gpu")]
    fn gpu(&self, gpu: &gpu::GpuDevice, inputs: &[gpu::Input<'_>], outputs: &[gpu::Output<'_>]) {
        gpu::plans::update::run(self, gpu, inputs, outputs);
    }
}

impl Run for Custom {
    fn cpu(&self, inputs: &[cpu::Input<'_>], outputs: &mut [cpu::Output<'_>]) {
        (self.cpu)(inputs, outputs);
    }
    #[cfg(feature = "gpu")]
    fn gpu(&self, gpu: &gpu::GpuDevice, inputs: &[gpu::Input<'_>], outputs: &[gpu::Output<'_>]) {
        gpu::plans::custom::run(self, gpu, inputs, outputs);
    }
}
