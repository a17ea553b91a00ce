//! Epochs with equally many images of every class.

use lethe_tensor::random::Philox;

/// As many images as there are labels, equally many of each class that has any; where that does not come out even, random classes have one more.
/// Of a class every image is taken equally often, but for one time.
pub fn balanced(labels: &[u32], classes: usize, mut random: Philox) -> Vec<u32> {
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); classes];
    labels.iter().enumerate().for_each(|(image, label)| members[*label as usize].push(image as u32));
    members.retain(|images| !images.is_empty());
    random.shuffle(&mut members);
    let (each, more) = (labels.len() / members.len().max(1), labels.len() % members.len().max(1));
    let mut chosen = Vec::with_capacity(labels.len());
    for (i, images) in members.iter_mut().enumerate() {
        random.shuffle(images);
        chosen.extend(images.iter().cycle().take(each + usize::from(i < more)));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use lethe_tensor::random::Draw;

    fn epoch(labels: &[u32], seed: u64) -> Vec<u32> {
        balanced(labels, 4, Philox::new(Draw::new(seed, [0; 3])))
    }

    #[test]
    fn every_class_comes_equally_often_and_so_does_each_of_its_images() {
        let labels: Vec<u32> = [vec![0; 17], vec![1; 2], vec![3; 6]].concat(); // no image of class 2
        for seed in 0..20 {
            let epoch = epoch(&labels, seed);
            assert_eq!(epoch.len(), 25);
            let of_class = |class: u32| epoch.iter().filter(|i| labels[**i as usize] == class).count();
            let mut counts = [0, 1, 3].map(of_class);
            counts.sort_unstable();
            assert_eq!(counts, [8, 8, 9]);
            for class in [0, 1, 3] {
                let images = (0..25u32).filter(|i| labels[*i as usize] == class);
                let times: Vec<usize> = images.map(|i| epoch.iter().filter(|j| **j == i).count()).collect();
                let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
                assert!(most - least <= 1, "{times:?}");
            }
        }
        assert_ne!(epoch(&labels, 0), epoch(&labels, 1));
    }
}
