//! Elementwise expressions as data: what a chain of additions, products and functions *is*, before any device runs it.

use crate::dtype::DType;
use crate::functions::unary_functions;
use crate::random::Draw;

macro_rules! enumeration {
    ($($(#[$doc:meta])* $Op:ident $(as $method:ident)?, exact |$x:ident| $exact:expr, simd |$s:ident, $v:ident| $simd:expr,
       wgsl |$a:ident, $ty:ident| $wgsl:expr, needs $flag:literal;)*) => {
        /// Functions of one number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum UnaryOp {
            $($(#[$doc])* $Op,)*
        }

        impl UnaryOp {
            /// The value in double precision.
            pub fn exact(self, number: f64) -> f64 {
                match self {
                    $(UnaryOp::$Op => {
                        let $x = number;
                        $exact
                    })*
                }
            }
        }
    };
}
unary_functions!(enumeration);

/// Functions of two numbers. Comparisons give 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// a + b
    Add,
    /// a − b
    Sub,
    /// a b
    Mul,
    /// a / b
    Div,
    /// The larger; NaN if either is (on the CPU; a shader may assume there is none)
    Max,
    /// The smaller; NaN likewise
    Min,
    /// aᵇ; integral b is defined for negative a, and a⁰ = 1
    Pow,
    /// a = b
    Eq,
    /// a ≠ b; true where either is NaN
    Ne,
    /// a < b
    Lt,
    /// a ≤ b
    Le,
}

impl BinaryOp {
    /// Whether the result is a boolean.
    pub const fn is_comparison(self) -> bool {
        matches!(self, BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le)
    }

    /// The value for integers, which doubles hold, modulo 2³²: a product may have more digits than a double. As on a GPU, a / 0 is a.
    pub fn of_integers(self, a: f64, b: f64) -> f64 {
        let (x, y) = (a as i64, b as i64);
        let wrapped = |v: i64| f64::from(v as u32);
        match self {
            BinaryOp::Add => wrapped(x.wrapping_add(y)),
            BinaryOp::Sub => wrapped(x.wrapping_sub(y)),
            BinaryOp::Mul => wrapped(x.wrapping_mul(y)),
            BinaryOp::Div => wrapped(x / if y == 0 { 1 } else { y }),
            _ => self.exact(a, b),
        }
    }

    /// The value in double precision.
    pub fn exact(self, a: f64, b: f64) -> f64 {
        match self {
            BinaryOp::Add => a + b,
            BinaryOp::Sub => a - b,
            BinaryOp::Mul => a * b,
            BinaryOp::Div => a / b,
            BinaryOp::Max | BinaryOp::Min if a.is_nan() || b.is_nan() => f64::NAN,
            BinaryOp::Max => a.max(b),
            BinaryOp::Min => a.min(b),
            BinaryOp::Pow => a.powf(b),
            BinaryOp::Eq => f64::from(a == b),
            BinaryOp::Ne => f64::from(a != b),
            BinaryOp::Lt => f64::from(a < b),
            BinaryOp::Le => f64::from(a <= b),
        }
    }
}

/// A node refers to earlier nodes by number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Node {
    /// The element of input `i`, converted to the type of computation.
    Input(usize),
    /// The same number everywhere. Devices pass it at run time: its value is not part of a kernel's identity.
    Const(f64),
    /// A uniform random number in (0, 1), a function of the element's row-major place.
    Uniform(Draw),
    /// A function of one node.
    Unary(UnaryOp, usize),
    /// A function of two nodes.
    Binary(BinaryOp, usize, usize),
    /// `(cond, a, b)`: a where cond is not 0, else b; the side not taken affects nothing.
    Select(usize, usize, usize),
}

impl Node {
    /// Whether two nodes are the same to the bit: 0 and −0 are two constants, a NaN is one.
    fn is(&self, other: &Node) -> bool {
        match (self, other) {
            (Node::Const(a), Node::Const(b)) => a.to_bits() == b.to_bits(),
            (a, b) => a == b,
        }
    }
}

/// A directed acyclic graph whose last node is the result.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// In order of evaluation.
    pub nodes: Vec<Node>,
    /// The type that every node is computed in: `F32`, `F64`, `I32` or `U32`.
    pub compute: DType,
}

impl Expr {
    /// The expression "input 0".
    pub fn input(compute: DType) -> Expr {
        Expr { nodes: vec![Node::Input(0)], compute }
    }

    /// Adds a node unless an equal one is there, and returns its number.
    pub fn push(&mut self, node: Node) -> usize {
        self.nodes.iter().position(|n| n.is(&node)).unwrap_or_else(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        })
    }

    /// Adds all of `other`, whose input `i` is input `inputs[i]` here, and returns the number of its result.
    pub fn append(&mut self, other: &Expr, inputs: &[usize]) -> usize {
        let mut map: Vec<usize> = Vec::with_capacity(other.nodes.len());
        for node in &other.nodes {
            let node = match *node {
                Node::Input(i) => Node::Input(inputs[i]),
                Node::Const(c) => Node::Const(c),
                Node::Uniform(d) => Node::Uniform(d),
                Node::Unary(op, a) => Node::Unary(op, map[a]),
                Node::Binary(op, a, b) => Node::Binary(op, map[a], map[b]),
                Node::Select(c, a, b) => Node::Select(map[c], map[a], map[b]),
            };
            map.push(self.push(node));
        }
        *map.last().expect("an expression has a node")
    }

    /// Makes node `root` the last one, dropping what it does not need.
    pub fn rooted(mut self, root: usize) -> Expr {
        self.nodes.truncate(root + 1);
        self
    }

    /// Words of parameters that a device passes at run time: one for a constant, five for a draw.
    pub fn parameter_words(&self) -> usize {
        let words = |n: &Node| match n {
            Node::Const(_) => 1,
            Node::Uniform(_) => 5,
            _ => 0,
        };
        self.nodes.iter().map(words).sum()
    }

    /// Arithmetic operations for one element: a function counts as one.
    pub fn flops(&self) -> u64 {
        self.nodes.iter().filter(|n| !matches!(n, Node::Input(_) | Node::Const(_))).count() as u64
    }
}
