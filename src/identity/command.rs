//! What a sign-up, an alias or an unlink would come to if it were the next fact.

use hashbrown::HashSet;

use super::fact::{Act, FactSource, MemberId};
use super::graph::Graph;
use crate::error::{IdentityRule, Result};
use crate::types::Nanos;

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
                Ok(is_identified.then_some(IdentityRule::AlreadyIdentified))
            }
            Command::Alias { from, to } => self.check_alias(from, to),
            Command::Unlink { member, user } => {
                let is_bound = self.binding(member)?.parent() == Some(user);
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
        if from.is_user() && self.state(from)?.identified_by.is_some() {
            return Ok(Some(IdentityRule::CannotMergeIdentified));
        }
        if let Some(parent) = self.binding(from)?.parent() {
            return Ok((parent != to).then_some(IdentityRule::BoundToAnother));
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

    /// The greatest time of the facts that the answers so far rest on.
    pub(crate) fn newest(&self) -> Option<Nanos> {
        self.rows().filter_map(|row| row.facts.newest()).max()
    }
}
