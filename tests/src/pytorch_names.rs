//! PyTorch's names of Lethe's operations: the page docs/pytorch.md.

use lethe_autograd::registry::operations;
use std::fmt::Write;

/// (Lethe's method, PyTorch's name or a note), for every registered operation whose name PyTorch spells otherwise.
const NAMES: &[(&str, &str)] = &[
    ("recip", "torch.reciprocal"),
    ("gelu_grad", "none: the derivative of GELU"),
    ("add_scalar", "x + c"),
    ("mul_scalar", "x * c"),
    ("rsub_scalar", "c - x, torch.rsub"),
    ("pow_scalar", "x ** c"),
    ("where", "torch.where; in Lethe `condition.where_(a, b)`"),
    ("sum_to", "Tensor.sum_to_size"),
    ("gelu_tanh", "F.gelu(approximate=\"tanh\")"),
    ("log_sigmoid", "F.logsigmoid"),
    ("hard_sigmoid", "F.hardsigmoid"),
    ("hard_swish", "F.hardswish"),
    ("hard_tanh", "F.hardtanh"),
    ("sum", "torch.sum; over axes `sum_axes(axes, keepdim)`"),
    ("mean", "torch.mean; over axes `mean_axes`"),
    ("sum_squares", "x.square().sum()"),
    ("prod", "torch.prod; over axes `prod_axes`"),
    ("max", "torch.amax; over axes `max_axes`"),
    ("min", "torch.amin; over axes `min_axes`"),
    ("logsumexp", "torch.logsumexp; over axes `logsumexp_axes`"),
    ("var", "torch.var; over axes `var_axes(axes, correction, keepdim)`"),
    ("std", "torch.std; over axes `std_axes`"),
    ("norm", "torch.linalg.vector_norm, of all elements"),
    (
        "cross_entropy",
        "F.cross_entropy(reduction=\"none\"), with sigmoids F.binary_cross_entropy_with_logits summed over classes",
    ),
    ("t", "Tensor.mT"),
    ("slice", "x[..., start:end], torch.narrow; see also `i`"),
    ("slice_step", "x[..., start:end:step]"),
    ("concat", "torch.cat"),
    ("pad", "F.pad, one axis at a time"),
    ("assemble", "none: pieces at offsets of a vector"),
    ("dropout", "F.dropout, of a draw"),
    ("expand", "Tensor.expand, torch.broadcast_to"),
    ("repeat", "Tensor.repeat, torch.tile"),
    ("slice_assign", "torch.slice_scatter"),
    ("pad_reflect", "F.pad(mode=\"reflect\")"),
    ("pad_edge", "F.pad(mode=\"replicate\")"),
    ("masked_mean", "x[mask].mean()"),
    ("embedding", "F.embedding; in Lethe `table.embedding(index)`"),
    ("conv2d_input_grad", "torch.nn.grad.conv2d_input"),
    ("conv2d_weight_grad", "torch.nn.grad.conv2d_weight"),
    ("interpolate_nearest", "F.interpolate(mode=\"nearest\")"),
    ("interpolate_bilinear", "F.interpolate(mode=\"bilinear\")"),
    ("batch_norm", "F.batch_norm(training=True)"),
    ("batch_norm_eval", "F.batch_norm(training=False)"),
    ("attention", "F.scaled_dot_product_attention with a boolean mask or is_causal"),
    ("biased_attention", "F.scaled_dot_product_attention with an additive mask that has a gradient"),
    ("attention_composed", "the same, made of products and a softmax"),
    ("packed_attention", "F.scaled_dot_product_attention of a packed (n, tokens, 3, heads, size)"),
    ("mse_loss", "F.mse_loss(reduction=\"none\")"),
    ("l1_loss", "F.l1_loss(reduction=\"none\")"),
    ("bce_loss", "F.binary_cross_entropy(reduction=\"none\")"),
    ("bce_with_logits", "F.binary_cross_entropy_with_logits(reduction=\"none\")"),
    ("kl_div", "F.kl_div(reduction=\"none\")"),
    ("huber_loss", "F.huber_loss(reduction=\"none\")"),
    ("nll_loss", "F.nll_loss(reduction=\"none\")"),
];

/// Operations that PyTorch has under the same name in `torch.nn.functional`; others of the same name are in `torch`.
const FUNCTIONAL: &[&str] = &[
    "softplus",
    "gelu",
    "relu",
    "leaky_relu",
    "elu",
    "celu",
    "prelu",
    "relu6",
    "selu",
    "silu",
    "mish",
    "softsign",
    "glu",
    "softmax",
    "log_softmax",
    "linear",
    "conv2d",
    "conv_transpose2d",
    "max_pool2d",
    "avg_pool2d",
    "adaptive_avg_pool2d",
    "conv1d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose3d",
    "max_pool1d",
    "max_pool3d",
    "avg_pool1d",
    "avg_pool3d",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "layer_norm",
    "rms_norm",
    "group_norm",
    "instance_norm",
];

/// The page, made of the registry: a row for every operation.
pub fn page() -> String {
    let mut page = String::from(
        "# Names for those who know PyTorch\n\n\
         Methods of `Tensor` and of `Var`, of one name on both. Made by `cargo run -p lethe-tests --bin pytorch-names > docs/pytorch.md`; a test\n\
         checks that the page lists exactly the registered operations.\n\n\
         | Lethe | PyTorch |\n| --- | --- |\n",
    );
    for op in operations() {
        let own = match NAMES.iter().find(|(name, _)| *name == op.name) {
            Some((_, theirs)) => theirs.to_string(),
            None if FUNCTIONAL.contains(&op.name) => format!("F.{}", op.name),
            None => format!("torch.{}", op.name),
        };
        let method = if op.name == "where" { "where_" } else { op.name };
        let _ = writeln!(page, "| `{method}` | {own} |");
    }
    page.push_str(
        "\nBesides: indexing `x[:, 0, 1:3]` is `x.i((.., 0, 1..3))`, `None` in an index `NewAxis`, `...` `Ellipsis`, `-1` in a reshape `INFER`; \
         `sort`, `argsort`, `argmax`, `argmin`, `one_hot`, `multinomial` and comparisons (`eq`, `ne`, `lt`, `le`, `gt`, `ge`) have PyTorch's names; \
         `torch.tensor([[1., 2.]])` is `Tensor::new(&device, [[1.0, 2.0]])`; `requires_grad_()` is `Tape::leaf`; `loss.backward()` is \
         `tape.backward(&loss)`, and its result is asked for gradients; `torch.no_grad()` needs no counterpart: constants are not recorded; \
         `nn.Module` is `Layer`, its parameters are parts of one vector θ; `torch.utils.checkpoint` is `Recompute`.\n",
    );
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_that_of_this_registry() {
        let there = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/pytorch.md")).unwrap();
        assert!(there == page(), "run the command that docs/pytorch.md names");
        let known: Vec<&str> = operations().map(|op| op.name).collect();
        let gone: Vec<_> = NAMES.iter().map(|(n, _)| n).chain(FUNCTIONAL).filter(|n| !known.contains(n)).collect();
        assert!(gone.is_empty(), "named, but not registered: {gone:?}");
    }
}
