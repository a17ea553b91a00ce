//! Hessian-vector products, and the eigenvalues of small Hessians that are put together from them.

use crate::conformance::case::Found;
use crate::conformance::case::{Answer, Case, one};
use crate::conformance::models::{Network, task_loss};
use crate::conformance::symmetric::eigen;
use crate::conformance::vectors::{assemble, host, layout, split};
use crate::conformance::{case::Unknown, vectors};
use lethe_autograd::{ParamLayout, Var, hessian_vector_product};
use lethe_nn::loss::{Likelihood, TaskLoss};
use lethe_nn::{Forward, Pass, State};
use lethe_tensor::{DType, Tensor};
use std::sync::Arc;

/// The family's operations.
pub fn run(case: &Case<'_>) -> Found {
    Ok(Some(match case.op {
        "hvp" => {
            let problem = Problem::read(case)?;
            let (loss, gradient, product) = problem.product(&problem.v);
            let mut outputs = one("loss", Var::constant(&loss));
            outputs.extend(split(&problem.layout, &gradient, "grad."));
            outputs.extend(split(&problem.layout, &product, "hv."));
            outputs
        }
        "hessian_top_eigenvalue" => eigenvalues(case)?,
        _ => return Ok(None),
    }))
}

/// A loss as a function of θ, and a direction.
struct Problem {
    network: Network,
    state: State,
    loss: TaskLoss,
    layout: Arc<ParamLayout>,
    theta: Tensor,
    v: Tensor,
    x: Var,
    y: Tensor,
}

impl Problem {
    fn read(case: &Case<'_>) -> Result<Problem, Unknown> {
        let params = case.family("p.");
        let layout = layout(&params, true);
        let network = Network::new(&case.attrs.object("model")?, &layout)?;
        let loss = match case.attrs.within("loss")? {
            Some(loss) => task_loss(&loss)?,
            None => TaskLoss { likelihood: Likelihood::Softmax, smoothing: 0.0 },
        };
        Ok(Problem {
            state: network.state(case)?,
            network,
            loss,
            theta: assemble(case, &layout, &params)?,
            v: assemble(case, &layout, &case.family("v."))?,
            layout,
            x: case.var("x")?,
            y: case.tensor("y")?,
        })
    }

    /// The loss, its gradient, and the Hessian times `v`.
    fn product(&self, v: &Tensor) -> (Tensor, Tensor, Tensor) {
        hessian_vector_product(&self.theta, &self.layout, v, |params| {
            let f = Forward::new(params, &self.state, Pass::train(0, 0, 0));
            self.loss.mean(&self.network.forward(&f, &self.x), &self.y)
        })
    }

    /// The offsets of the parameters in the vector, without the padding.
    fn offsets(&self) -> Vec<usize> {
        self.layout.owned().flat_map(|(_, p)| p.range()).collect()
    }

    /// The Hessian, a column for each parameter.
    fn hessian(&self, case: &Case<'_>) -> Result<Vec<Vec<f64>>, Unknown> {
        let offsets = self.offsets();
        let column = |i: &usize| {
            let mut unit = vec![0.0; self.layout.len()];
            unit[*i] = 1.0;
            let column = read(&self.product(&host(case, &unit)).2)?;
            Ok(offsets.iter().map(|p| column[*p]).collect())
        };
        offsets.iter().map(column).collect()
    }
}

/// The elements on the host.
fn read(t: &Tensor) -> Result<Vec<f64>, Unknown> {
    let t = t.to_dtype(DType::F32);
    let values = t.to_vec::<f32>().map_err(|e| Unknown(e.to_string()))?;
    Ok(values.into_iter().map(f64::from).collect())
}

fn eigenvalues(case: &Case<'_>) -> Answer {
    let problem = Problem::read(case)?;
    let hessian = problem.hessian(case)?;
    let trace: f64 = (0..hessian.len()).map(|i| hessian[i][i]).sum();
    let pairs = eigen(hessian);
    let values = || pairs.iter().map(|(value, _)| *value);
    let (dominant, vector) = pairs.iter().max_by(|a, b| a.0.abs().total_cmp(&b.0.abs())).expect("parameters");
    let largest = vector.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).expect("parameters");
    let mut spread = vec![0.0; problem.layout.len()];
    for (offset, x) in problem.offsets().into_iter().zip(vector) {
        spread[offset] = x * largest.signum();
    }
    let number = |x: f64| Var::constant(&host(case, &[x]).reshape(&[]));
    let mut outputs = one("dominant", number(*dominant));
    outputs.push(("largest".into(), number(values().fold(f64::NEG_INFINITY, f64::max))));
    outputs.push(("smallest".into(), number(values().fold(f64::INFINITY, f64::min))));
    outputs.push(("trace".into(), number(trace)));
    outputs.extend(vectors::split(&problem.layout, &host(case, &spread), "eigvec."));
    outputs.push(("power_rayleigh".into(), Var::constant(&power_iteration(case, &problem)?)));
    Ok(outputs)
}

/// `v ← H v / ‖H v‖`, on the device; the Rayleigh quotient of every v.
fn power_iteration(case: &Case<'_>, problem: &Problem) -> Result<Tensor, Unknown> {
    let unit = |v: &Tensor| v.div(&v.sum_squares().sqrt());
    let mut v = unit(&problem.v);
    let mut quotients = vec![];
    for _ in 0..case.attrs.usize("power_iters")? {
        let product = problem.product(&v).2;
        quotients.push(v.mul(&product).sum());
        v = unit(&product);
    }
    Ok(Tensor::stack(&quotients.iter().collect::<Vec<_>>(), 0))
}
