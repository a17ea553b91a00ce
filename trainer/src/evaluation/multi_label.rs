//! Accuracy with several correct labels per image, or none, as in ReaL (Beyer et al., "Are we done with ImageNet?", 2020).

/// The percentage of predictions that are among their image's labels; images without labels are skipped. `None` if all are skipped.
///
/// # Panics
/// If there is not one prediction per image.
#[track_caller]
pub fn multi_label_accuracy(predictions: &[u32], labels: &[Vec<u32>]) -> Option<f64> {
    assert!(predictions.len() == labels.len(), "{} predictions for {} images", predictions.len(), labels.len());
    let judged = predictions.iter().zip(labels).filter(|(_, labels)| !labels.is_empty());
    let (mut images, mut correct) = (0usize, 0usize);
    for (prediction, labels) in judged {
        images += 1;
        correct += usize::from(labels.contains(prediction));
    }
    (images > 0).then(|| 100.0 * correct as f64 / images as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_label_counts_and_images_without_one_do_not() {
        let labels = [vec![1, 2], vec![0], vec![], vec![3]];
        assert_eq!(multi_label_accuracy(&[2, 1, 0, 3], &labels), Some(200.0 / 3.0));
        assert_eq!(multi_label_accuracy(&[2], &[vec![]]), None);
    }

    #[test]
    fn with_one_label_an_image_it_is_top_1() {
        let (predictions, labels) = ([0, 1, 2, 2], [0, 1, 1, 2]);
        let single: Vec<Vec<u32>> = labels.iter().map(|y| vec![*y]).collect();
        let hits = predictions.iter().zip(&labels).filter(|(p, y)| p == y).count();
        assert_eq!(multi_label_accuracy(&predictions, &single), Some(25.0 * hits as f64));
    }
}
