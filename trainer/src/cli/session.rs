//! Keeps others' complaints off standard error.

use std::ffi::OsString;

/// Where there is no desktop session, Mesa's Vulkan layer for the choice among GPUs asks for one nevertheless, and `libwayland` prints "error: XDG_RUNTIME_DIR is
/// invalid or not set" for each time that adapters are listed, as if it were an error of this program. The layer obeys a variable that must be there when the
/// process starts, so the program starts itself again with it. Lethe chooses its adapter itself; whoever chooses by the layer keeps it.
#[cfg(all(feature = "gpu", target_os = "linux"))]
pub fn silence_layers(arguments: &[OsString]) {
    use std::env;
    use std::os::unix::process::CommandExt;
    use std::process::Command;
    const DISABLE: &str = "NODEVICE_SELECT";
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let has_session = env::var_os("XDG_RUNTIME_DIR").is_some_and(|folder| folder.as_encoded_bytes().starts_with(b"/"));
    if has_session || [DISABLE, "MESA_VK_DEVICE_SELECT", "DRI_PRIME"].into_iter().any(is_set) {
        return;
    }
    let (Ok(program), Some((name, rest))) = (env::current_exe(), arguments.split_first()) else { return };
    // It comes back only where it failed; then the lines are the lesser evil.
    let _ = Command::new(program).arg0(name).args(rest).env(DISABLE, "1").exec();
}

/// No such layer.
#[cfg(not(all(feature = "gpu", target_os = "linux")))]
pub fn silence_layers(_arguments: &[OsString]) {}
