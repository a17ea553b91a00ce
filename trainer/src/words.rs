//! Counts in messages.

/// A count with its noun in singular or plural: "1 epoch", "0 epochs", "2 classes", "3 batches".
pub fn count(number: impl TryInto<u64> + std::fmt::Display + Copy, thing: &str) -> String {
    if number.try_into().is_ok_and(|n| n == 1) { format!("1 {thing}") } else { format!("{number} {}", plural(thing)) }
}

/// The plural of a noun.
fn plural(thing: &str) -> String {
    let hisses = ["s", "x", "sh", "tch"].iter().any(|end| thing.ends_with(end));
    match thing.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{thing}{}", if hisses { "es" } else { "s" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_agree_with_their_numbers() {
        let of = |thing| [0usize, 1, 2].map(|n| count(n, thing));
        assert_eq!(of("epoch"), ["0 epochs", "1 epoch", "2 epochs"]);
        assert_eq!(of("test image"), ["0 test images", "1 test image", "2 test images"]);
        assert_eq!(
            [count(2u64, "class"), count(2, "batch"), count(2, "key"), count(2, "entry")],
            ["2 classes", "2 batches", "2 keys", "2 entries"]
        );
        assert_eq!(count(1i32, "image") + &count(11, "image"), "1 image11 images");
    }
}
