//! Spans and events for the subscribers of the `tracing` crate, behind the feature of that name.
//!
//! Without the feature nothing is left of any of this: values are checked by the compiler and never computed. With it,
//! nothing is told of a single append or read. Fields are names of files, seqs, counts and durations; ids, payloads and
//! addresses are never among them, as they are in no error either.

/// Opening and recovery.
pub(crate) const OPEN: &str = "envelog::open";
/// The log while it is open: rolls, syncs, room.
pub(crate) const LOG: &str = "envelog::log";
/// Sealing, compaction and damaged derived files.
pub(crate) const SEAL: &str = "envelog::seal";
/// The end of a store.
pub(crate) const CLOSE: &str = "envelog::close";

/// An event: target, fields, and after a semicolon what happened. A field is a number, a truth value, a text, or
/// [`shown`].
#[cfg(feature = "tracing")]
macro_rules! event {
    ($level:ident, $target:ident, $($name:ident = $value:expr),* ; $message:literal) => {
        ::tracing::$level!(target: $crate::trace::$target, $($name = $value,)* $message)
    };
}
#[cfg(not(feature = "tracing"))]
macro_rules! event {
    ($level:ident, $target:ident, $($name:ident = $value:expr),* ; $message:literal) => {
        if false {
            let _: &str = $crate::trace::$target;
            $(let _ = &$value;)*
        }
    };
}

/// Something failed that the host should know of.
macro_rules! error_event {
    ($($tokens:tt)*) => { $crate::trace::event!(error, $($tokens)*) };
}

/// Something is out of order and was dealt with.
macro_rules! warn_event {
    ($($tokens:tt)*) => { $crate::trace::event!(warn, $($tokens)*) };
}

/// Something that happens now and then in the life of a store.
macro_rules! info_event {
    ($($tokens:tt)*) => { $crate::trace::event!(info, $($tokens)*) };
}

/// Something that helps to find out why a store is slow.
macro_rules! debug_event {
    ($($tokens:tt)*) => { $crate::trace::event!(debug, $($tokens)*) };
}

/// A span that lasts as long as what this gives.
#[cfg(feature = "tracing")]
macro_rules! span {
    ($target:ident, $name:literal $(, $field:ident = $value:expr)*) => {
        ::tracing::info_span!(target: $crate::trace::$target, $name $(, $field = $value)*).entered()
    };
}
#[cfg(not(feature = "tracing"))]
macro_rules! span {
    ($target:ident, $name:literal $(, $field:ident = $value:expr)*) => {{
        if false {
            let _: &str = $crate::trace::$target;
            $(let _ = &$value;)*
        }
        $crate::trace::NoSpan
    }};
}

pub(crate) use {
    debug_event as debug, error_event as error, event, info_event as info, span, warn_event as warn,
};

/// What a span is where there are none.
#[cfg(not(feature = "tracing"))]
pub(crate) struct NoSpan;

/// A field that is shown as its `Display` has it.
#[cfg(feature = "tracing")]
pub(crate) fn shown<T: std::fmt::Display>(value: T) -> ::tracing::field::DisplayValue<T> {
    ::tracing::field::display(value)
}

/// A field that is shown as its `Display` has it.
#[cfg(not(feature = "tracing"))]
pub(crate) fn shown<T: std::fmt::Display>(value: T) -> T {
    value
}

/// The body of a thread, which tells the subscriber of the thread that starts it.
#[cfg(feature = "tracing")]
pub(crate) fn inherit<T>(body: impl FnOnce() -> T + Send) -> impl FnOnce() -> T + Send {
    use ::tracing::dispatcher::{get_default, with_default};
    use ::tracing::subscriber::NoSubscriber;

    let subscriber = get_default(Clone::clone);
    // None is not passed on: the host may set one for the whole process later.
    move || if subscriber.is::<NoSubscriber>() { body() } else { with_default(&subscriber, body) }
}

/// The body of a thread, which tells the subscriber of the thread that starts it.
#[cfg(not(feature = "tracing"))]
pub(crate) fn inherit<T>(body: impl FnOnce() -> T + Send) -> impl FnOnce() -> T + Send {
    body
}

/// Measures how long something takes, where that is told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch {
    #[cfg(feature = "tracing")]
    begin: std::time::Instant,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self {
            #[cfg(feature = "tracing")]
            begin: std::time::Instant::now(),
        }
    }

    /// Milliseconds since the start.
    #[cfg(feature = "tracing")]
    pub(crate) fn millis(self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Nothing is measured without the feature.
    #[cfg(not(feature = "tracing"))]
    #[expect(clippy::unused_self, reason = "as with the feature")]
    pub(crate) fn millis(self) -> u64 {
        0
    }
}
