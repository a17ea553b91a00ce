//! The batches of a loader: their order, their number, and that nothing but seed, epoch and position decides them.

use super::super::resize::Filter;
use super::*;
use crate::classes::Classes;
use crate::config::AugmentConfig;

const SHAPE: ImageShape = ImageShape { channels: 1, height: 2, width: 2 };
const PLAIN: Preparation =
    Preparation { mean: [0.0; 3], std: [1.0; 3], size: None, filter: Filter::Bicubic, upright: false };

/// Image i is filled with the value i and has the label i.
fn data(count: usize) -> Arc<Dataset> {
    let images = (0..count).flat_map(|i| [i as u8; 4]).collect();
    let labels = (0..count as u32).collect();
    Arc::new(Dataset::in_memory("test".into(), images, SHAPE, 255, labels, count))
}

fn training(count: usize, batch: usize, workers: usize, seed: u64) -> Loader {
    let augment = AugmentConfig { crop_padding: 1, flip: true, ..AugmentConfig::default() };
    Loader::training(data(count), PLAIN, batch, workers, seed, augment)
}

fn collect(loader: &Loader, epoch: usize) -> Vec<Batch> {
    loader.epoch(epoch).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn batches_do_not_depend_on_the_number_of_workers() {
    for (count, batch) in [(1, 1), (7, 3), (50, 4), (64, 64), (100, 7), (250, 150)] {
        let expected = collect(&training(count, batch, 1, 3), 5);
        for workers in [2, 3, 16] {
            assert_eq!(collect(&training(count, batch, workers, 3), 5), expected, "{count} by {batch}, {workers}");
        }
    }
}

#[test]
fn a_training_epoch_holds_every_image_and_wraps_round() {
    let loader = training(10, 4, 2, 1);
    let batches = collect(&loader, 0);
    assert_eq!((loader.batches(), loader.images()), (3, 12));
    assert!(batches.iter().all(|b| b.labels.len() == 4 && b.images.len() == 16));
    let labels: Vec<u32> = batches.into_iter().flat_map(|b| b.labels).collect();
    assert_eq!(labels[10..], labels[..2]);
    let mut sorted = labels[..10].to_vec();
    sorted.sort_unstable();
    assert!(sorted.into_iter().eq(0..10));
}

/// Updates of an epoch of ImageNet in batches of 4096, and of CIFAR in batches of 512: specification, section 4.4.
#[test]
fn epochs_have_the_updates_of_the_paper() {
    let batches = |images: usize, batch| {
        let shape = ImageShape { channels: 1, height: 1, width: 1 };
        let data = Dataset::in_memory("flat".into(), vec![0; images], shape, 255, vec![0; images], 1);
        Loader::training(Arc::new(data), PLAIN, batch, 1, 0, AugmentConfig::default()).batches()
    };
    assert_eq!([batches(1_281_167, 4096), batches(50_000, 512)], [313, 98]);
}

#[test]
fn seed_and_epoch_decide_order_and_changes() {
    let labels = |seed, epoch| collect(&training(50, 50, 1, seed), epoch)[0].labels.clone();
    assert_eq!(labels(1, 1), labels(1, 1));
    assert!(labels(1, 1) != labels(1, 2) && labels(1, 1) != labels(2, 1));
}

#[test]
fn an_evaluation_takes_all_in_order_and_the_last_batch_short() {
    let loader = Loader::evaluation(data(10), Preparation { mean: [0.5; 3], std: [0.25; 3], ..PLAIN }, 4, 2);
    let batches = collect(&loader, 0);
    assert_eq!((loader.batches(), loader.images()), (3, 10));
    assert_eq!(batches.iter().map(|b| b.labels.len()).collect::<Vec<_>>(), [4, 4, 2]);
    assert!(batches.iter().flat_map(|b| b.labels.iter().copied()).eq(0..10));
    assert_eq!(batches[1].images[..4], [((4.0 / 255.0 - 0.5) / 0.25) as f32; 4]);
}

#[test]
fn a_failing_worker_is_an_error_and_ends_the_epoch() {
    let broken = Dataset { labels: (0..10).collect(), ..(*data(5)).clone() };
    for workers in [1, 3] {
        let loader = Loader::evaluation(Arc::new(broken.clone()), PLAIN, 2, workers);
        let results: Vec<_> = loader.epoch(0).unwrap().collect();
        assert_eq!(results.len(), 3, "two good batches, then the error");
        let message = results[2].as_ref().unwrap_err().to_string();
        assert!(message.contains("batch 2 of test"), "{message}");
    }
}

#[test]
fn a_batch_of_many_pieces_is_whole() {
    for loader in [training(250, 150, 3, 1), Loader::evaluation(data(250), PLAIN, 150, 3)] {
        let batches = collect(&loader, 0);
        let sizes: Vec<_> = batches.iter().map(|b| (b.labels.len(), b.images.len())).collect();
        let last = loader.images() - 150;
        assert_eq!(sizes, [(150, 600), (last, 4 * last)]);
        let mut seen: Vec<u32> = batches.into_iter().flat_map(|b| b.labels).take(250).collect();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..250));
    }
}

#[test]
fn a_file_that_is_no_image_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.jpg");
    std::fs::write(&path, b"\xff\xd8\xff\xe0 not much of an image").unwrap();
    let prepare = Preparation { size: Some(8), ..PLAIN };
    for file in [path, folder.path().join("none.jpg")] {
        let name = file.display().to_string();
        let data = Dataset::in_files("files".into(), vec![file], vec![0], Classes::numbered(2)).resized(Some(8));
        let results: Vec<_> = Loader::evaluation(Arc::new(data), prepare, 1, 1).epoch(0).unwrap().collect();
        let message = results[0].as_ref().unwrap_err().to_string();
        assert!(results.len() == 1 && message.contains(&name) && !message.contains("panic"), "{message}");
    }
}

#[test]
fn an_epoch_that_begins_late_has_the_batches_that_are_left() {
    for (count, batch) in [(250, 30), (300, 100), (5, 8), (64, 1)] {
        for workers in [1, 2, 3, 7] {
            for loader in [training(count, batch, workers, 3), Loader::evaluation(data(count), PLAIN, batch, workers)] {
                let whole = collect(&loader, 2);
                for first in [0, 1, whole.len() / 2, whole.len() - 1, whole.len()] {
                    let late = loader.epoch_from(2, first).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
                    assert!(late == whole[first..], "{count} images in batches of {batch} from {first}, {workers}");
                }
            }
        }
    }
}

#[test]
fn an_epoch_can_be_dropped_early() {
    let mut epoch = training(250, 1, 3, 0).epoch(0).unwrap();
    assert!(epoch.next().is_some());
    drop(epoch);
}

/// Images of this many classes, of which each has twice as many as the next.
fn uneven(classes: u32) -> Arc<Dataset> {
    let labels: Vec<u32> = (0..classes).flat_map(|class| vec![class; 1 << (classes - 1 - class)]).collect();
    let images = (0..labels.len()).flat_map(|i| [i as u8; 4]).collect();
    Arc::new(Dataset::in_memory("uneven".into(), images, SHAPE, 255, labels, classes as usize))
}

#[test]
fn whatever_is_drawn_batches_do_not_depend_on_workers_or_on_where_an_epoch_begins() {
    let augment = AugmentConfig {
        crop_padding: 1,
        flip: true,
        brightness: 0.4,
        contrast: 0.4,
        rand_augment: 2,
        erase: 0.5,
        mixup: 0.4,
        cutmix: 1.0,
        ..AugmentConfig::default()
    };
    let loader = |workers| {
        let loader = Loader::training(uneven(7), PLAIN, 70, workers, 3, augment.clone());
        loader.sampling(Sampling::Balanced)
    };
    let expected = collect(&loader(1), 5);
    for workers in [2, 3, 16] {
        assert_eq!(collect(&loader(workers), 5), expected, "{workers}");
    }
    let rest: Vec<Batch> = loader(2).epoch_from(5, 1).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(rest, expected[1..]);
    let mixture = expected[0].mixture.as_ref().unwrap();
    assert_eq!((mixture.others.len(), mixture.shares.len(), mixture.classes), (70, 70, 7));
    assert!(mixture.shares.iter().any(|share| *share < 0.9));
    assert_ne!(collect(&loader(1), 6), expected);
}

#[test]
fn a_balanced_epoch_has_equally_many_images_of_every_class() {
    let loader = Loader::training(uneven(4), PLAIN, 15, 1, 0, AugmentConfig::default()).sampling(Sampling::Balanced);
    let labels = &collect(&loader, 0)[0].labels;
    let mut counts = [0, 1, 2, 3].map(|class| labels.iter().filter(|label| **label == class).count());
    counts.sort_unstable();
    assert_eq!(counts, [3, 4, 4, 4]);
}
