//! What an append answers.

use crate::envelope::Notes;
use crate::types::Position;

/// The answer to an append that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ack {
    /// Where the event stands.
    pub position: Position,
    /// What the host may care about although nothing was refused.
    pub notes: Notes,
}
