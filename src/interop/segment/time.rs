//! When a call happened.

use chrono::{DateTime, Utc};

use crate::envelope::{Object, Value, time};
use crate::error::{Error, Result};
use crate::interop::fields;
use crate::types::Nanos;

/// The times of a call, in the order in which they are believed.
const NAMES: [&str; 4] = ["timestamp", "originalTimestamp", "sentAt", "receivedAt"];

const MISSING: &str =
    "is required, but the call has none of timestamp, originalTimestamp, sentAt and receivedAt";
const CORRECTED_OUT_OF_RANGE: &str =
    "would be receivedAt - (sentAt - originalTimestamp), which is outside the years 1970 to 2261";

/// When a call happened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Happened {
    pub(super) at: DateTime<Utc>,
    /// Whether the time of sending or of receipt takes part, so that a retry has another time.
    pub(super) is_of_sending: bool,
}

/// Takes the times that count out of a call, and says when it happened. `received_at` counts as `receivedAt` where
/// the call has none that counts.
pub(super) fn take(call: &mut Object, received_at: Option<DateTime<Utc>>) -> Result<Happened> {
    let mut refused = None;
    let mut times = NAMES.map(|name| {
        let value = fields::take(call, name)?;
        match read(&value) {
            Ok(time) => Some(time),
            Err(reason) => {
                call.insert(name, value);
                refused.get_or_insert(Error::invalid(name, reason));
                None
            }
        }
    });
    let [timestamp, original, sent, received] = &mut times;
    if let (None, Some(given)) = (&received, received_at) {
        *received = Some(time::from_datetime(given).map_err(|reason| Error::invalid("receivedAt", reason))?);
    }
    let (time, is_of_sending) = match (*original, *sent, *received) {
        (Some(original), Some(sent), Some(received)) => (corrected(original, sent, received)?, true),
        _ => match (timestamp.or(*original), sent.or(*received)) {
            (Some(own), _) => (own, false),
            (None, Some(later)) => (later, true),
            (None, None) => {
                return Err(refused.unwrap_or_else(|| Error::invalid("timestamp", MISSING)));
            }
        },
    };
    Ok(Happened { at: time::to_datetime(time), is_of_sending })
}

fn read(value: &Value) -> Result<Nanos, &'static str> {
    time::parse(value.as_str().ok_or("must be a string")?)
}

/// The time of receipt less what the device's clock says that passed before sending.
fn corrected(original: Nanos, sent: Nanos, received: Nanos) -> Result<Nanos> {
    // Times are not negative, so their difference is in range.
    received
        .get()
        .checked_sub(sent.get() - original.get())
        .map(Nanos::new)
        .filter(|time| time::is_in_range(*time))
        .ok_or_else(|| Error::invalid("timestamp", CORRECTED_OUT_OF_RANGE))
}
