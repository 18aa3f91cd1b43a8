//! What a sign-up, an alias or an unlink would come to if it were the next fact.

use hashbrown::HashSet;

use super::fact::{Act, FactSource, MemberId};
use super::graph::Graph;
use crate::error::{IdentityRule, Result};

/// An act that a host asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Command<'a> {
    SignUp { user: &'a MemberId },
    Alias { from: &'a MemberId, to: &'a MemberId },
    Unlink { member: &'a MemberId, user: &'a MemberId },
}

impl<S: FactSource> Graph<S> {
    /// The rule that a command breaks behind all facts.
    ///
    /// # Errors
    ///
    /// What the source reports.
    pub(crate) fn check(&mut self, command: Command<'_>) -> Result<Option<IdentityRule>> {
        match command {
            Command::SignUp { user } => {
                let is_identified = self.state(user)?.identified_by.is_some();
                if self.was_unlinked(user)? {
                    // The alias that joins it to another user now may be one that its row does not keep.
                    self.rest_on_all(user)?;
                }
                Ok(is_identified.then_some(IdentityRule::AlreadyIdentified))
            }
            Command::Alias { from, to } => self.check_alias(from, to),
            Command::Unlink { member, user } => {
                let is_bound = self.binding(member)?.parent() == Some(user);
                // It has to stand behind every alias that joins the two, of which those count that changed nothing so far.
                self.rest_on_all(member)?;
                Ok((!is_bound).then_some(IdentityRule::NotBound))
            }
        }
    }

    fn check_alias(&mut self, from: &MemberId, to: &MemberId) -> Result<Option<IdentityRule>> {
        if from == to {
            return Ok(None);
        }
        if !self.would_have_place(from, to)? {
            return Ok(Some(IdentityRule::NoPlace));
        }
        let binding = self.binding(from)?;
        if binding.parent() == Some(to) {
            return Ok(None);
        }
        if from.is_user() && self.state(from)?.identified_by.is_some() {
            return Ok(Some(IdentityRule::CannotMergeIdentified));
        }
        if binding.parent().is_some() {
            return Ok(Some(IdentityRule::BoundToAnother));
        }
        let mut above = Some(to.clone());
        // G1: parents form no circle, so that the walk ends.
        while let Some(user) = above {
            if user == *from {
                return Ok(Some(IdentityRule::Cycle));
            }
            above = self.binding(&user)?.parent().cloned();
        }
        Ok(None)
    }

    /// Whether a member has a place below a user, or would get one.
    fn would_have_place(&mut self, member: &MemberId, user: &MemberId) -> Result<bool> {
        let members_max = self.members_max();
        let row = self.row(user)?;
        let joins = row.facts.as_user.iter().filter(|fact| fact.act != Act::Unlinked);
        let mut named = HashSet::new();
        for fact in joins {
            if fact.member == *member {
                return Ok(true);
            }
            named.insert(&fact.member);
            if named.len() >= members_max {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
