//! Keeps a harmless complaint of the graphics drivers off standard error.

use std::ffi::OsString;

/// Without a desktop session, Mesa's device selection layer makes `libwayland` print "error: XDG_RUNTIME_DIR is invalid or not set" each time
/// adapters are listed, as if this program had failed. The layer is disabled by an environment variable that is read when the process starts, so the
/// program restarts itself with it. Lethe chooses its adapter itself. Where the user selects a device through the layer, it is left enabled.
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
    // This returns only if it failed; then the lines are printed.
    let _ = Command::new(program).arg0(name).args(rest).env(DISABLE, "1").exec();
}

/// Other systems have no such layer.
#[cfg(not(all(feature = "gpu", target_os = "linux")))]
pub fn silence_layers(_arguments: &[OsString]) {}
