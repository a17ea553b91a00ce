//! A device for tests, of this workspace and of programs that add kernels.

use super::adapter::AdapterChoice;
use super::device::GpuDevice;
use super::options::GpuOptions;

impl GpuDevice {
    /// The best adapter, a software one if it must be; `None`, said on standard output, where there is none, so that a test can skip.
    ///
    /// # Panics
    /// Where there is none although the environment says `LETHE_REQUIRE_GPU=1`: a machine that is there to test GPUs must not skip.
    #[track_caller]
    pub fn for_tests(options: GpuOptions) -> Option<GpuDevice> {
        match GpuDevice::open(&AdapterChoice::Best, options) {
            Ok(device) => Some(device),
            Err(error) if std::env::var("LETHE_REQUIRE_GPU").as_deref() == Ok("1") => {
                panic!("LETHE_REQUIRE_GPU=1: {error}")
            }
            Err(error) => {
                println!("skipped: {error}");
                None
            }
        }
    }
}
