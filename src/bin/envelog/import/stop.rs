//! Ctrl-C and the like: the import stops at the next batch, and at once where it is asked a second time.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Whether the import is asked to stop.
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Takes the signals over from here on.
    pub(super) fn listen() -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag unset, and then sets it.
            flag::register_conditional_shutdown(signal, 1, Arc::clone(&asked))?;
            flag::register(signal, Arc::clone(&asked))?;
        }
        Ok(Self(asked))
    }

    pub(super) fn is_asked(&self) -> bool {
        // Relaxed: nothing else is told by it.
        self.0.load(Ordering::Relaxed)
    }
}
