//! How far a call is, for whoever waits for it.
//!
//! Always granted. Nobody may be listening, and a slow reader misses some; nothing here can fail.

/// Says how far the call is. `fraction` is the part of the work that is done, 0 to 1, or `None` if that cannot be told;
/// `message` is for people, at most 1 KiB. On a target that is not wasm it goes to standard error.
pub fn report(fraction: impl Into<Option<f64>>, message: &str) {
    let fraction = fraction.into();
    #[cfg(target_arch = "wasm32")]
    crate::bindings::skill::openclaw::gateway::progress::report(fraction, message);
    #[cfg(not(target_arch = "wasm32"))]
    crate::log::write(crate::Level::Info, message, &[("fraction", &format!("{fraction:?}"))]);
}
