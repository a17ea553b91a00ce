//! A stratified split of labelled images.

use lethe_tensor::random::{Draw, Philox};

/// Which of the images are held out: `count` of them, drawn with this seed, in proportion to the classes (rounded down, and one more for the classes
/// with the largest remainders).
///
/// # Panics
/// If there are fewer than `count` images, or none.
pub fn hold_out(labels: &[u32], classes: usize, count: usize, seed: u64) -> Vec<bool> {
    assert!(count <= labels.len() && !labels.is_empty(), "{count} of {} images", labels.len());
    let mut members = vec![Vec::new(); classes];
    labels.iter().enumerate().for_each(|(i, &label)| members[label as usize].push(i));
    let share = |class: usize| members[class].len() * count;
    let mut counts: Vec<usize> = (0..classes).map(|class| share(class) / labels.len()).collect();
    let mut by_remainder: Vec<usize> = (0..classes).collect();
    by_remainder.sort_by_key(|&class| std::cmp::Reverse(share(class) % labels.len()));
    let missing = count - counts.iter().sum::<usize>();
    by_remainder[..missing].iter().for_each(|&class| counts[class] += 1);
    let mut held = vec![false; labels.len()];
    for (class, members) in members.iter_mut().enumerate() {
        Philox::new(Draw::new(seed, [class as u32, 0, 0])).shuffle(members);
        members[..counts[class]].iter().for_each(|&i| held[i] = true);
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_gives_its_share() {
        let labels: Vec<u32> = (0..100).map(|i| if i < 60 { 0 } else { 1 + i % 2 }).collect();
        let held = hold_out(&labels, 4, 33, 5);
        let of = |class: u32| (0..100).filter(|&i| held[i] && labels[i] == class).count();
        assert_eq!([of(0), of(1), of(2), of(3)], [20, 7, 6, 0], "19.8, 6.6 and 6.6: the first remainders go up");
        assert_eq!(held, hold_out(&labels, 4, 33, 5));
        assert_ne!(held, hold_out(&labels, 4, 33, 6));
        assert_eq!(hold_out(&labels, 3, 100, 0), [true; 100]);
    }
}
