//! What an import shows on a terminal while it runs.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::input::Input;
use crate::output::grouped;

/// A bar on standard error; nothing where that is no terminal.
pub(crate) struct Progress {
    bar: ProgressBar,
    bytes_read: Arc<AtomicU64>,
    start: Instant,
    shown: Cell<Instant>,
}

/// Time between two redraws.
const REDRAW: Duration = Duration::from_millis(50);

impl Progress {
    pub(crate) fn of(input: &Input) -> Self {
        let (bar, template) = match input.bytes_total {
            Some(bytes) => (ProgressBar::new(bytes), "{wide_bar} {percent:>3} %, {msg}, {eta} left"),
            None => (ProgressBar::new_spinner(), "{spinner} {bytes} read, {msg}"),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("##-"));
        }
        // What an earlier import had done says nothing of how fast this one is. Relaxed: a figure to show.
        bar.set_position(input.bytes_read.load(Ordering::Relaxed));
        bar.reset_eta();
        let start = Instant::now();
        Self { bar, bytes_read: Arc::clone(&input.bytes_read), start, shown: Cell::new(start) }
    }

    /// Shows how far the import is.
    pub(crate) fn show(&self, lines: u64) {
        if self.bar.is_hidden() || self.shown.get().elapsed() < REDRAW {
            return;
        }
        self.shown.set(Instant::now());
        // Relaxed: a figure to show.
        self.bar.set_position(self.bytes_read.load(Ordering::Relaxed));
        let rate = per_second(lines, self.start.elapsed().as_secs_f64());
        self.bar.set_message(format!(
            "{} lines, {} a second",
            grouped(i128::from(lines)),
            grouped(i128::from(rate))
        ));
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// Whole things a second.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate for people, and the cast saturates"
)]
pub(crate) fn per_second(count: u64, seconds: f64) -> u64 {
    if seconds > 0.0 { (count as f64 / seconds) as u64 } else { count }
}
