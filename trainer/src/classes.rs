//! The names of the classes of a data set. A model knows classes only by number, and renaming a folder changes the numbers; so the names are stored
//! with the model and compared wherever it is used with data again.

use std::collections::HashSet;
use std::sync::Arc;

/// The number of images of each class, given the class of each image.
pub(crate) fn counts(labels: impl IntoIterator<Item = u32>, classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    labels.into_iter().for_each(|label| counts[label as usize] += 1);
    counts
}

/// The largest number of names that a message lists.
const LISTED: usize = 3;

/// The names of the classes 0, 1, …
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes(Arc<[String]>);

impl Classes {
    /// Classes with these names.
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Classes {
        Classes(names.into_iter().map(Into::into).collect())
    }

    /// This number of classes, named `0`, `1`, …
    pub fn numbered(count: usize) -> Classes {
        Classes::new((0..count).map(|class| class.to_string()))
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Their number.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The classes with these numbers, which become 0, 1, … in this order.
    ///
    /// # Panics
    /// If there is no class with one of these numbers.
    pub fn select(&self, numbers: &[u32]) -> Classes {
        Classes::new(numbers.iter().map(|class| self.0[*class as usize].clone()))
    }

    /// What differs from `now`, in words; `None` if nothing does.
    pub fn difference(&self, now: &Classes) -> Option<String> {
        if self == now {
            return None;
        }
        let mut parts = Vec::new();
        if self.len() != now.len() {
            parts.push(format!("there were {}, now there are {}", self.len(), now.len()));
        }
        let first = self.0.iter().zip(&*now.0).position(|(then, now)| then != now);
        parts.extend(first.map(|class| format!("class {class} was `{}`, now `{}`", self.0[class], now.0[class])));
        let missing = |of: &Classes, among: &Classes| -> Vec<String> {
            let among: HashSet<&String> = among.0.iter().collect();
            of.0.iter().filter(|name| !among.contains(name)).cloned().collect()
        };
        let (gone, new) = (missing(self, now), missing(now, self));
        for (what, names) in [("gone", &gone), ("new", &new)] {
            if !names.is_empty() {
                parts.push(format!("{what}: {}", listed(names)));
            }
        }
        if gone.is_empty() && new.is_empty() {
            parts.push("the same names in another order".to_owned());
        }
        Some(parts.join("; "))
    }
}

/// The first few of some names, each in backticks, and how many more there are.
pub(crate) fn listed(names: &[impl std::fmt::Display]) -> String {
    let first: Vec<String> = names.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(LISTED);
    first.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_said_in_words() {
        let then = Classes::new(["ant", "cat", "dog"]);
        let of = |now: &[&str]| then.difference(&Classes::new(now.iter().copied()));
        assert_eq!(of(&["ant", "cat", "dog"]), None);
        assert_eq!(of(&["ant", "dog", "zcat"]).unwrap(), "class 1 was `cat`, now `dog`; gone: `cat`; new: `zcat`");
        assert_eq!(of(&["ant", "cat"]).unwrap(), "there were 3, now there are 2; gone: `dog`");
        assert_eq!(
            of(&["ant", "dog", "cat"]).unwrap(),
            "class 1 was `cat`, now `dog`; the same names in another order"
        );
        let many = Classes::numbered(9).difference(&Classes::numbered(2)).unwrap();
        assert!(many.ends_with("gone: `2`, `3`, `4` and 4 more"), "{many}");
    }
}
