//! What an append answers.

use crate::envelope::Notes;
use crate::types::Position;

/// The answer to an append that was taken.
///
/// Whoever has it knows that the event is visible to every view that is taken from now on, and survives what the
/// store's [`Durability`](crate::Durability) says.
///
/// # Examples
///
/// ```
/// use envelog::{Note, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
/// let ack = shop.track("Order Placed").user("u_1").append()?;
/// assert_eq!(ack.position.to_string(), "1.1");
/// // It is stored all the same.
/// assert!(ack.notes.contains(Note::OddEventType));
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ack {
    /// Where the event stands, for good.
    pub position: Position,
    /// What the host may care about although nothing was refused.
    pub notes: Notes,
}
