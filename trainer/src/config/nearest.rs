//! Suggestions for misspelt names.

/// Other words for what configs and options name, and the names; the first that is a choice is meant.
const SYNONYMS: [(&str, &str); 25] = [
    ("asam", "steepest"),
    ("batch_size", "batch"),
    ("bs", "batch"),
    ("cifar", "cifar-10"),
    ("cross-entropy", "ce"),
    ("crossentropy", "ce"),
    ("cuda", "gpu"),
    ("dataset", "data"),
    ("fashion", "fashion-mnist"),
    ("fmnist", "fashion-mnist"),
    ("folder", "image-folder"),
    ("gsam", "steepest"),
    ("kind", "dataset"),
    ("learning_rate", "lr"),
    ("name", "dataset"),
    ("optimiser", "optim"),
    ("optimizer", "optim"),
    ("perturbation", "perturb"),
    ("radius", "rho"),
    ("sam", "steepest"),
    ("smoothing", "label_smoothing"),
    ("training", "train"),
    ("transformer", "vit"),
    ("type", "dataset"),
    ("wd", "weight_decay"),
];

/// The choice that another word for it means, or else the one with the smallest edit distance to `word`, if that is at most a third of the longer
/// one's length (one edit is always allowed). Capitals do not matter. The first of equally near ones.
pub fn nearest<'a>(word: &str, choices: &[&'a str]) -> Option<&'a str> {
    let small = word.to_lowercase();
    let meant = SYNONYMS.iter().filter(|(other, _)| *other == small);
    if let Some(choice) = meant.flat_map(|(_, name)| choices.iter().find(|c| *c == name)).next() {
        return Some(*choice);
    }
    let (distance, choice) =
        choices.iter().map(|c| (distance(&small, &c.to_lowercase()), *c)).min_by_key(|(d, _)| *d)?;
    let allowed = (word.chars().count().max(choice.chars().count()) / 3).max(1);
    (distance <= allowed).then_some(choice)
}

/// The choices with the smallest edit distances to `word`, at most this number of them, the nearest first.
pub fn nearest_few<'a>(word: &str, choices: &[&'a str], most: usize) -> Vec<&'a str> {
    let small = word.to_lowercase();
    let mut near = choices.to_vec();
    near.sort_by_cached_key(|choice| distance(&small, &choice.to_lowercase()));
    near.truncate(most);
    near
}

/// The edit distance: the smallest number of insertions, deletions, replacements and swaps of neighbours that turns one word into the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replace = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = replace.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(table[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    table[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_edits() {
        for (a, b, expected) in [("", "", 0), ("", "abc", 3), ("lr", "rl", 1), ("kitten", "sitting", 3), ("ä", "a", 1)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn the_nearest_few_come_in_order() {
        let names = ["head.bias", "blocks.0.*", "head.*", "head.weight"];
        assert_eq!(nearest_few("haed.*", &names, 2), ["head.*", "head.bias"]);
        assert_eq!(nearest_few("x", &names[..1], 2), ["head.bias"]);
    }

    #[test]
    fn only_near_names_are_suggested() {
        let keys = ["epochs", "batch", "seed", "eval_every"];
        assert_eq!(nearest("epoch", &keys), Some("epochs"));
        assert_eq!(nearest("sede", &keys), Some("seed"));
        assert_eq!(nearest("evalevery", &keys), Some("eval_every"));
        assert_eq!(nearest("momentum", &keys), None);
        assert_eq!(nearest("adamW", &["adam", "adamw"]), Some("adamw"));
        assert_eq!(nearest("x", &[]), None);
        assert_eq!(nearest("CIFAR10", &["digits", "cifar-100", "cifar-10"]), Some("cifar-10"));
        assert_eq!(
            (nearest("SAM", &["none", "steepest"]), nearest("sam", &["same"])),
            (Some("steepest"), Some("same"))
        );
    }
}
