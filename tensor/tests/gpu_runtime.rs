//! The GPU runtime on its own, without tensors: order, caches, steady state, reads, and what happens after a failure.
//! Skips, saying so, where there is no adapter, unless `LETHE_REQUIRE_GPU=1`.
#![cfg(feature = "gpu")]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use lethe_tensor::gpu::{AdapterChoice, Binding, Buffer, GpuDevice, GpuError, GpuOptions, Kernel, fold_groups};

/// A device on the best adapter, or `None`, said aloud.
fn open(options: GpuOptions) -> Option<GpuDevice> {
    let device = GpuDevice::for_tests(options);
    device.iter().for_each(|device| println!("{device:?}"));
    device
}

fn options() -> GpuOptions {
    GpuOptions::default()
}

fn bytes(words: &[u32]) -> Vec<u8> {
    bytemuck::cast_slice(words).to_vec()
}

fn words(bytes: Result<Vec<u8>, GpuError>) -> Vec<u32> {
    bytemuck::pod_collect_to_vec(&bytes.expect("read"))
}

fn read(device: &GpuDevice, buffer: &Buffer, len: usize) -> Vec<u32> {
    words(device.read_blocking(buffer, 0, 4 * len as u64))
}

/// y[i] = y[i] · factor + x[i] + shift, in wrapping integers, over `len` words.
const ADD: &str = "struct Params { len: u32, factor: u32, shift: u32 }
    var<immediate> p: Params;
    @group(0) @binding(0) var<storage, read> x: array<u32>;
    @group(0) @binding(3) var<storage, read_write> y: array<u32>;
    @compute @workgroup_size(64)
    fn add(
        @builtin(workgroup_id) group: vec3<u32>,
        @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32,
    ) {
        let i = (group.y * groups.x + group.x) * 64u + lane;
        if (i < p.len) { y[i] = y[i] * p.factor + x[i] + p.shift; }
    }";

fn add(device: &GpuDevice, x: &Buffer, y: &Buffer, len: usize, factor: u32, shift: u32) {
    let size = 4 * len as u64;
    let x = Binding { slot: 0, buffer: x, offset: 0, size, write: false };
    let y = Binding { slot: 3, buffer: y, offset: 0, size, write: true };
    device.dispatch(
        Kernel::custom("add", ADD),
        &[x, y],
        &[len as u32, factor, shift],
        fold_groups(len.div_ceil(64) as u64),
    );
}

fn pattern(len: usize, seed: u32) -> Vec<u32> {
    (0..len as u32).map(|i| (i ^ seed).wrapping_mul(0x9e37_79b9).rotate_left(7)).collect()
}

#[test]
fn a_device_can_be_shared_by_threads() {
    fn assert_shared<T: Send + Sync>() {}
    assert_shared::<GpuDevice>();
    assert_shared::<Buffer>();
}

#[test]
fn dispatches_are_right_in_every_mode() {
    for (force_uniform_params, checked_shaders) in [(false, false), (false, true), (true, false), (true, true)] {
        let Some(device) = open(GpuOptions { force_uniform_params, checked_shaders, ..options() }) else { return };
        assert!(!(force_uniform_params && device.caps().immediates));
        assert_eq!(device.caps().checked_shaders, checked_shaders);
        for len in [1, 63, 64, 65, 1000, 70_001, 5_000_000] {
            let (x, y) = (pattern(len, 1), pattern(len, 2));
            let (xs, ys) = (device.upload(&bytes(&x)), device.upload(&bytes(&y)));
            add(&device, &xs, &ys, len, 5, 7);
            let expected: Vec<u32> =
                x.iter().zip(&y).map(|(x, y)| y.wrapping_mul(5).wrapping_add(*x).wrapping_add(7)).collect();
            assert!(read(&device, &ys, len) == expected, "{len} words on {device:?}");
        }
    }
}

#[test]
fn writes_and_dispatches_keep_their_order() {
    for force_uniform_params in [false, true] {
        let Some(device) = open(GpuOptions { force_uniform_params, dispatches_per_submit: 7, ..options() }) else {
            return;
        };
        let len = 300;
        let sum = device.upload(&bytes(&vec![0; len]));
        let kept = device.alloc(4 * len as u64);
        let mut expected = vec![0u32; len];
        for step in 0..50 {
            // A buffer written again and again, and a fresh one that the pool hands out again each time.
            let (again, fresh) = (pattern(len, step), pattern(len, step + 1000));
            device.write(&kept, 0, &bytes(&again));
            add(&device, &kept, &sum, len, 3, step);
            let block = device.upload(&bytes(&fresh));
            add(&device, &block, &sum, len, 1, 0);
            for (e, (a, f)) in expected.iter_mut().zip(again.iter().zip(&fresh)) {
                *e = e.wrapping_mul(3).wrapping_add(*a).wrapping_add(step).wrapping_add(*f);
            }
        }
        assert_eq!(read(&device, &sum, len), expected);
    }
}

#[test]
fn every_dispatch_sees_its_own_parameters() {
    let Some(immediates) = open(options()) else { return };
    let Some(uniform) = open(GpuOptions { force_uniform_params: true, dispatches_per_submit: 3, ..options() }) else {
        return;
    };
    let run = |device: &GpuDevice| {
        let (zero, sum) = (device.upload(&bytes(&[0; 4])), device.upload(&bytes(&[0; 4])));
        (0..20).for_each(|i| add(device, &zero, &sum, 4, 10, i));
        read(device, &sum, 4)
    };
    let expected = (0..20u32).fold(0u32, |sum, i| sum.wrapping_mul(10).wrapping_add(i));
    assert_eq!(run(&immediates), vec![expected; 4]);
    assert_eq!(run(&uniform), vec![expected; 4]);
    assert_eq!(uniform.counters().submits, 7, "six full batches of three, and the read");
}

/// One step of something like training: a batch comes in, temporaries come and go, a small result leaves.
fn step(device: &GpuDevice, theta: &Buffer, number: u32) -> lethe_tensor::gpu::PendingRead {
    let len = 10_000;
    let batch = device.upload(&bytes(&pattern(len, number)));
    let mut last = device.alloc(4 * len as u64);
    device.fill(&last, 0, 4 * len as u64, 0);
    for layer in 0..40 {
        let next = device.alloc(4 * (len + 64 * (layer % 3)) as u64);
        device.copy(&last, 0, &next, 0, 4 * len as u64);
        add(device, &batch, &next, len, 3, layer as u32);
        last = next;
    }
    add(device, &last, theta, len, 1, 0);
    let metrics = device.read_later(theta, 0, 64);
    device.submit();
    metrics
}

#[test]
fn steady_state_creates_nothing() {
    for force_uniform_params in [false, true] {
        let Some(device) = open(GpuOptions { force_uniform_params, ..options() }) else { return };
        let theta = device.alloc(40_000);
        device.fill(&theta, 0, 40_000, 0);
        let mut pending = vec![step(&device, &theta, 0), step(&device, &theta, 1)];
        let warm = device.counters();
        for number in 2..60 {
            pending.push(step(&device, &theta, number));
            pending.retain_mut(|read| read.try_take().is_none());
        }
        let steady = device.counters().since(&warm);
        assert_eq!((steady.buffers_created, steady.bind_groups_created, steady.pipelines_created), (0, 0, 0));
        assert_eq!((steady.blocking_reads, steady.async_reads, steady.bytes_read), (0, 58, 58 * 64));
        assert_eq!((steady.submits, steady.dispatches), (58, 58 * 41));
        assert_eq!(steady.pool_high_water, warm.pool_high_water);
        assert_eq!(steady.pool_bytes, warm.pool_bytes);
        assert!(steady.live_bytes <= steady.pool_high_water && steady.pool_high_water <= steady.pool_bytes);
        pending.into_iter().for_each(|read| assert_eq!(words(read.wait()).len(), 16));
    }
}

#[test]
fn equal_steps_give_equal_results_on_two_devices() {
    let run = || {
        let device = open(options())?;
        let theta = device.alloc(40_000);
        device.fill(&theta, 0, 40_000, 0);
        (0..5).for_each(|number| drop(step(&device, &theta, number)));
        Some(read(&device, &theta, 10_000))
    };
    assert_eq!(run(), run());
}

#[test]
fn a_buffer_returns_with_its_last_handle() {
    let Some(device) = open(options()) else { return };
    let first = device.alloc(1000);
    let (id, size, clone) = (first.id(), first.size(), first.clone());
    assert!(size >= 1000);
    drop(first);
    assert_ne!(device.alloc(1000).id(), id, "a clone still holds it");
    drop(clone);
    assert_eq!(device.alloc(size).id(), id);
    assert!(device.alloc(0).size() >= 4);
    let before = device.counters();
    device.trim();
    assert_eq!((before.live_bytes, device.counters().pool_bytes), (0, 0));
    assert_ne!(device.alloc(1000).id(), id, "a destroyed block's id is not used again");
}

#[test]
fn reads_may_start_and_end_anywhere() {
    let Some(device) = open(options()) else { return };
    let content: Vec<u8> = (0..=255).cycle().take(100_003).collect();
    let buffer = device.upload(&content);
    for (offset, len) in [(0, 0), (0, 1), (1, 1), (2, 2), (3, 6), (5, 100), (99_999, 4), (7, 99_996), (0, 100_003)] {
        let got = device.read_blocking(&buffer, offset, len).unwrap();
        assert!(got == content[offset as usize..(offset + len) as usize], "{len} bytes at {offset}");
    }
    let padding = device.read_blocking(&buffer, 100_003, 1).unwrap();
    assert_eq!(padding, [0], "the last word is filled up with zeros");
    assert_eq!(device.counters().bytes_read, 1 + 1 + 2 + 6 + 100 + 4 + 99_996 + 100_003 + 1);
}

#[test]
fn the_future_of_a_read_completes_at_once_on_native_targets() {
    let Some(device) = open(options()) else { return };
    let buffer = device.upload(&[1, 2, 3, 4, 5]);
    let mut future = pin!(device.read(&buffer, 1, 3));
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(bytes) => assert_eq!(bytes.unwrap(), [2, 3, 4]),
        Poll::Pending => panic!("pending"),
    }
}

#[test]
fn long_uploads_go_in_pieces() {
    let Some(device) = open(options()) else { return };
    let content: Vec<u8> = pattern((33 << 20) / 4, 5).iter().flat_map(|w| w.to_le_bytes()).chain([1, 2, 3]).collect();
    let buffers: Vec<_> = (0..4).map(|_| device.upload(&content)).collect();
    for buffer in buffers {
        assert!(device.read_blocking(&buffer, 0, content.len() as u64).unwrap() == content);
    }
}

#[test]
fn pending_reads_see_their_moment() {
    let Some(device) = open(options()) else { return };
    let buffer = device.alloc(256);
    // More than there are read-back buffers, fetched in any order, some never.
    let mut reads: Vec<_> = (0..30)
        .map(|i| {
            device.write(&buffer, 0, &bytes(&[i; 64]));
            (i, device.read_later(&buffer, 0, 256))
        })
        .collect();
    reads.retain(|(i, _)| i % 3 != 1);
    for (i, read) in reads.into_iter().rev() {
        let got = if i % 2 == 0 { read.wait() } else { poll_until_there(read) };
        assert_eq!(words(got), vec![i; 64]);
    }
    let counters = device.counters();
    assert_eq!((counters.async_reads, counters.blocking_reads), (30, 0));
}

fn poll_until_there(mut read: lethe_tensor::gpu::PendingRead) -> Result<Vec<u8>, GpuError> {
    loop {
        if let Some(bytes) = read.try_take() {
            assert!(read.try_take().is_none(), "the bytes are given once");
            return bytes;
        }
        std::thread::yield_now();
    }
}

#[test]
fn fills_and_copies_touch_their_range_alone() {
    for binding_limit in [None, Some(1024)] {
        let Some(device) = open(GpuOptions { binding_limit, ..options() }) else { return };
        let len = 3000;
        let mut expected = pattern(len, 9);
        let buffer = device.upload(&bytes(&expected));
        for (start, end, word) in [(0, 1, 5), (63, 65, 6), (100, 2000, 7), (2999, 3000, 8), (5, 700, 0), (8, 8, 9)] {
            device.fill(&buffer, 4 * start as u64, 4 * (end - start) as u64, word);
            expected[start..end].fill(word);
        }
        let source = device.upload(&bytes(&pattern(50, 3)));
        device.copy(&source, 40, &buffer, 400, 120);
        expected[100..130].copy_from_slice(&pattern(50, 3)[10..40]);
        assert_eq!(read(&device, &buffer, len), expected);
    }
}

#[test]
fn threads_may_record_together() {
    let Some(device) = open(GpuOptions { dispatches_per_submit: 5, ..options() }) else { return };
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let device = device.clone();
            scope.spawn(move || {
                let mut expected = pattern(500, thread);
                let sum = device.upload(&bytes(&expected));
                for round in 0..25 {
                    let x = pattern(500, thread * 100 + round);
                    add(&device, &device.upload(&bytes(&x)), &sum, 500, 3, round);
                    expected.iter_mut().zip(&x).for_each(|(e, x)| {
                        *e = e.wrapping_mul(3).wrapping_add(*x).wrapping_add(round);
                    });
                }
                assert_eq!(read(&device, &sum, 500), expected);
            });
        }
    });
}

/// Everything that can be called on a device, none of which may panic on a poisoned one.
fn use_everything(device: &GpuDevice, buffer: &Buffer) {
    let small = device.upload(&[1, 2, 3, 4]);
    let large = device.alloc(1 << 20);
    device.write(&large, 1 << 19, &[0; 64]);
    device.copy(&small, 0, &large, 1 << 18, 4);
    device.fill(&large, 0, 1 << 20, 1);
    add(device, &small, &large, 64, 1, 1);
    drop((small, large));
    device.submit();
    device.trim();
    let error = device.status().unwrap_err();
    assert_eq!(device.synchronize().unwrap_err(), error);
    assert_eq!(device.read_blocking(buffer, 0, 4).unwrap_err(), error);
    let mut later = device.read_later(buffer, 0, 4);
    assert_eq!(later.try_take().unwrap().unwrap_err(), error);
    assert_eq!(device.read_later(buffer, 0, 4).wait().unwrap_err(), error);
}

#[test]
fn a_refused_kernel_poisons() {
    let sources = [
        "this is no kernel",
        "@group(0) @binding(1) var<storage, read_write> y: array<u32>;
         @compute @workgroup_size(1) fn broken() { y[0] = 1u; }",
        "@group(0) @binding(0) var<storage, read> y: array<u32>;
         @compute @workgroup_size(1) fn other() { let a = y[0]; }",
    ];
    for source in sources {
        let Some(device) = open(options()) else { return };
        let buffer = device.upload(&[0; 256]);
        let earlier = device.read_later(&buffer, 0, 4);
        let binding = Binding { slot: 0, buffer: &buffer, offset: 0, size: 256, write: true };
        device.dispatch(Kernel::custom("broken", source), &[binding], &[], [1, 1, 1]);
        let error = device.read_blocking(&buffer, 0, 4).unwrap_err();
        assert!(matches!(&error, GpuError::Validation(text) if text.contains("broken")), "{error}");
        assert_eq!(earlier.wait().unwrap_err(), error, "nothing read after a failure is given out");
        use_everything(&device, &buffer);
    }
}

#[test]
fn conflicting_bindings_poison() {
    let Some(device) = open(options()) else { return };
    let buffer = device.upload(&[0; 512]);
    add(&device, &buffer, &buffer, 64, 1, 1);
    let error = device.synchronize().unwrap_err();
    assert!(matches!(error, GpuError::Validation(_)), "read and written by one dispatch: {error}");
    use_everything(&device, &buffer);

    let Some(device) = open(options()) else { return };
    let (x, y) = (device.upload(&[0; 256]), device.upload(&[0; 256]));
    add(&device, &x, &y, 64, 1, 1);
    let x = Binding { slot: 0, buffer: &x, offset: 0, size: 256, write: false };
    device.dispatch(Kernel::custom("add", ADD), &[x], &[1], [1, 1, 1]);
    let error = device.synchronize().unwrap_err();
    assert!(error.to_string().contains("other slots"), "{error}");
}

#[test]
fn an_exceeded_budget_poisons_and_names_the_figures() {
    let Some(device) = open(GpuOptions { memory_limit: Some(1 << 20), ..options() }) else { return };
    let half = device.alloc(1 << 19);
    // Free buffers of other sizes are given up before memory counts as exhausted, with their bind groups.
    for _ in 0..4 {
        let (x, y) = (device.upload(&[1; 65_536]), device.upload(&[2; 65_536]));
        add(&device, &x, &y, 1 << 14, 1, 0);
        drop((x, y));
        drop(device.alloc(1 << 18));
        drop((device.alloc(1 << 19), half.clone()));
    }
    assert_eq!(device.synchronize(), Ok(()));
    let quarter = device.alloc(1 << 18);
    let void = device.alloc(300_000);
    let expected = GpuError::OutOfMemory { asked: 327_680, in_use: (1 << 19) + (1 << 18), allowed: Some(1 << 20) };
    assert_eq!(device.status(), Err(expected));
    use_everything(&device, &half);
    drop((quarter, void));
    assert_eq!(device.counters().live_bytes, 1 << 19);
}

#[test]
fn a_buffer_beyond_the_adapters_limit_poisons() {
    let Some(device) = open(options()) else { return };
    let buffer = device.alloc(16);
    device.alloc(u64::MAX);
    let error = device.status().unwrap_err();
    assert!(matches!(error, GpuError::BufferTooLarge { asked: u64::MAX, .. }), "{error}");
    use_everything(&device, &buffer);
}

#[test]
fn a_lost_device_poisons() {
    let Some(device) = open(options()) else { return };
    let buffer = device.upload(&[0; 256]);
    let pending = device.read_later(&buffer, 0, 4);
    device.destroy();
    assert!(matches!(pending.wait(), Err(GpuError::Lost(_))));
    use_everything(&device, &buffer);
}

#[test]
fn adapters_that_are_not_there_are_errors() {
    let present = lethe_tensor::gpu::adapters();
    for (place, adapter) in present.iter().enumerate() {
        assert_eq!(adapter.index, place);
    }
    for choice in [AdapterChoice::Index(1000), AdapterChoice::Name("no such adapter".into())] {
        let error = GpuDevice::open(&choice, options()).unwrap_err();
        // Where the environment itself names an adapter that is not there, that is said first.
        assert!(matches!(error, GpuError::NoAdapter { .. } | GpuError::EnvironmentAdapterAbsent { .. }), "{error}");
        assert!(present.iter().all(|adapter| error.to_string().contains(&adapter.name)), "{error}");
    }
    match GpuDevice::open(&AdapterChoice::Real, options()) {
        Ok(device) => assert!(!device.summary().is_software),
        Err(error) => assert!(present.iter().all(|adapter| adapter.is_software), "{error}"),
    }
}

#[test]
#[should_panic(expected = "17 parameter words")]
fn too_many_parameters_are_a_bug() {
    let Some(device) = open(options()) else { panic!("17 parameter words (no adapter)") };
    device.dispatch(Kernel::custom("add", ADD), &[], &[0; 17], [1, 1, 1]);
}

#[test]
#[should_panic(expected = "a multiple of 256")]
fn a_misaligned_binding_is_a_bug() {
    let Some(device) = open(options()) else { panic!("a multiple of 256 (no adapter)") };
    let buffer = device.alloc(1024);
    let binding = Binding { slot: 0, buffer: &buffer, offset: 128, size: 4, write: false };
    device.dispatch(Kernel::custom("add", ADD), &[binding], &[], [1, 1, 1]);
}

#[test]
fn entries_of_one_text_are_kernels_of_their_own() {
    const TEXT: &str = "@group(0) @binding(0) var<storage, read_write> y: array<u32>;
        @compute @workgroup_size(1) fn one() { y[0] = 1u; }
        @compute @workgroup_size(1) fn two() { y[0] = 2u; }";
    let Some(device) = open(options()) else { return };
    let buffer = device.upload(&[0; 256]);
    for (entry, expected) in [("one", 1), ("two", 2), ("one", 1)] {
        let binding = Binding { slot: 0, buffer: &buffer, offset: 0, size: 256, write: true };
        device.dispatch(Kernel::custom(entry, TEXT), &[binding], &[], [1, 1, 1]);
        assert_eq!(read(&device, &buffer, 1), [expected]);
    }
}

#[test]
fn what_a_browser_calls_gives_what_others_wait_for() {
    use lethe_tensor::{Device, Tensor};
    let best = pollster::block_on(Device::best_async(|_| ())).map(|d| d.to_string()).map_err(|e| e.to_string());
    assert_eq!(best, Device::best().map(|d| d.to_string()).map_err(|e| e.to_string()));
    let Some(device) = open(options()) else { return };
    let t = Tensor::from_slice(&Device::Gpu(device), &[1.0f32, 2.0, 3.0], &[3]).slice(0, 1, 3);
    assert_eq!(pollster::block_on(t.to_vec_later::<f32>().arrive()).unwrap(), t.to_vec::<f32>().unwrap());
}
