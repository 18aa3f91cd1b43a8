//! Who is whom: the fold of identity facts in their total order.
//!
//! Facts are kept on rows and outcomes never, so that the order of arrival decides nothing. A [`Graph`] asks a
//! [`FactSource`] for the facts that name an id, and only for those that its answer rests on:
//!
//! ```text
//! state of a user     its own facts                                            state
//! parent of a device  the facts that name it as the member                     device
//! parent of a user    the same, and those of all users it may have been below  user
//! members of a user   the facts that name it as the user, and the parents of all that they name
//! ```
//!
//! - (G1) A member has at most one parent, a user; devices have no members. Parents never form a circle.
//! - (G2) A fact whose rule fails has no effect, and is a [`Conflict`].
//! - (G3) A fact has its effect at its place in the order; what comes later in the order never changes that.

mod command;
mod conflict;
mod device;
mod fact;
mod graph;
mod state;
mod told;
mod user;

pub(crate) use command::Command;
pub(crate) use conflict::Conflict;
pub(crate) use fact::{Act, Fact, FactSource, MemberId, OwnFacts};
pub(crate) use graph::{Graph, Member, Scope, Who, Window};
pub(crate) use state::State;
pub(crate) use told::Told;

#[cfg(test)]
mod tests;
