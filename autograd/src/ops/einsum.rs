//! Sums of products by index letters, brought to batched matrix products.

use crate::graph::Var;

impl Var {
    /// Einstein's summation: `Var::einsum("bij,bjk->bik", &[&a, &b])`. Each letter is an axis; letters that are not in the result are summed
    /// over. A letter twice in one operand takes the diagonal. Without `->` the result has the letters that occur once, in alphabetical
    /// order. Operands are multiplied from left to right. There is no `...`, and extents of 1 do not broadcast: one letter, one extent.
    ///
    /// # Panics
    /// If the equation does not fit the operands.
    #[track_caller]
    pub fn einsum(equation: &str, operands: &[&Var]) -> Var {
        let (terms, result) = parse(equation, operands);
        // Loops: a closure would not know the line of calling code.
        let mut left: Vec<Term> = vec![];
        for (letters, v) in terms.into_iter().zip(operands) {
            left.push(Term { letters, value: (*v).clone() }.diagonal());
        }
        let mut left = std::collections::VecDeque::from(left);
        let mut done = left.pop_front().expect("there is an operand");
        while let Some(right) = left.pop_front() {
            done = done.times(&right, |c| result.contains(&c) || left.iter().any(|t| t.letters.contains(&c)));
        }
        let done = done.summed(|c| result.contains(&c));
        let order: Vec<usize> = result.iter().map(|c| done.at(*c)).collect();
        done.value.permute(&order)
    }
}

/// The letters of each operand and of the result.
#[track_caller]
fn parse(equation: &str, operands: &[&Var]) -> (Vec<Vec<char>>, Vec<char>) {
    let text: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = text.split_once("->").map_or((&text[..], None), |(l, r)| (l, Some(r)));
    let terms: Vec<Vec<char>> = left.split(',').map(|t| t.chars().collect()).collect();
    assert!(
        terms.len() == operands.len(),
        "einsum: {equation:?} names {} operands, {} are given",
        terms.len(),
        operands.len()
    );
    let mut extents: Vec<(char, usize)> = vec![];
    for (letters, v) in terms.iter().zip(operands) {
        assert!(
            letters.len() == v.rank() && letters.iter().all(char::is_ascii_alphabetic),
            "einsum: {:?} does not name the axes of {:?} by letters",
            letters.iter().collect::<String>(),
            v.shape()
        );
        for (c, n) in letters.iter().zip(v.shape()) {
            match extents.iter().find(|(d, _)| d == c) {
                Some((_, m)) => assert!(m == n, "einsum: {equation:?}: {c} is {m} and {n}"),
                None => extents.push((*c, *n)),
            }
        }
    }
    let once = |c: &char| terms.iter().flatten().filter(|d| *d == c).count() == 1;
    let mut implied: Vec<char> = extents.iter().map(|(c, _)| *c).filter(once).collect();
    implied.sort_unstable();
    let result: Vec<char> = right.map_or(implied, |r| r.chars().collect());
    for (i, c) in result.iter().enumerate() {
        assert!(extents.iter().any(|(d, _)| d == c), "einsum: {equation:?}: no operand has {c}");
        assert!(!result[..i].contains(c), "einsum: {equation:?}: {c} is twice in the result");
    }
    (terms, result)
}

/// An operand and the letters of its axes.
struct Term {
    letters: Vec<char>,
    value: Var,
}

impl Term {
    fn at(&self, c: char) -> usize {
        self.letters.iter().position(|d| *d == c).expect("the letter is one of this operand's")
    }

    fn extent(&self, c: char) -> usize {
        self.value.shape()[self.at(c)]
    }

    /// Each letter once: of axes of one letter the diagonal.
    #[track_caller]
    fn diagonal(mut self) -> Term {
        while let Some((j, c)) = self.letters.iter().copied().enumerate().find(|(j, c)| self.letters[..*j].contains(c))
        {
            let i = self.at(c);
            let rest = (0..self.letters.len()).filter(|a| *a != i && *a != j);
            let order: Vec<usize> = rest.clone().chain([i, j]).collect();
            let letters: Vec<char> = rest.map(|a| self.letters[a]).chain([c]).collect();
            let n = self.value.shape()[i];
            let mut flat: Vec<usize> = order[..order.len() - 2].iter().map(|&a| self.value.shape()[a]).collect();
            flat.push(n * n);
            self = Term { letters, value: self.value.permute(&order).reshape(&flat).slice_step(-1, 0, n * n, n + 1) };
        }
        self
    }

    /// Summed over the axes that are not needed.
    #[track_caller]
    fn summed(self, needed: impl Fn(char) -> bool) -> Term {
        let gone = |c: &char| !needed(*c);
        let axes: Vec<isize> = (0..self.letters.len() as isize).filter(|i| gone(&self.letters[*i as usize])).collect();
        if axes.is_empty() {
            return self;
        }
        let value = self.value.sum_axes(&axes, false);
        Term { letters: self.letters.into_iter().filter(|c| !gone(c)).collect(), value }
    }

    /// The product with another; letters that are not needed later are summed over.
    #[track_caller]
    fn times(self, other: &Term, later: impl Fn(char) -> bool) -> Term {
        // An axis that only one of them has, and that is not needed later, is summed over before the product.
        let a = self.summed(|c| later(c) || other.letters.contains(&c));
        let b = Term { letters: other.letters.clone(), value: other.value.clone() };
        let b = b.summed(|c| later(c) || a.letters.contains(&c));
        let shared: Vec<char> = a.letters.iter().copied().filter(|c| b.letters.contains(c)).collect();
        let (batch, contracted): (Vec<char>, Vec<char>) = shared.into_iter().partition(|c| later(*c));
        let free =
            |t: &Term, o: &Term| t.letters.iter().copied().filter(|c| !o.letters.contains(c)).collect::<Vec<_>>();
        let (rows, columns) = (free(&a, &b), free(&b, &a));
        let product = a.matrix([&batch, &rows, &contracted]).matmul(&b.matrix([&batch, &contracted, &columns]));
        let extents = batch.iter().chain(&rows).map(|c| a.extent(*c)).chain(columns.iter().map(|c| b.extent(*c)));
        let shape: Vec<usize> = extents.collect();
        Term { letters: [batch, rows, columns].concat(), value: product.reshape(&shape) }
    }

    /// The axes in this order, each group joined to one.
    #[track_caller]
    fn matrix(&self, groups: [&[char]; 3]) -> Var {
        let order: Vec<usize> = groups.concat().iter().map(|c| self.at(*c)).collect();
        let joined = groups.map(|g| g.iter().map(|c| self.extent(*c)).product::<usize>());
        self.value.permute(&order).reshape(&joined)
    }
}
