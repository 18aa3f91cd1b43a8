//! The acts of identity that a host asks for: decided against everything that is stored, and then stored as facts.

use crate::envelope::{Envelope, EventType, Value, is_no_id};
use crate::error::{Error, Result};
use crate::identity::{Command, MemberId};
use crate::profile::PersonRef;
use crate::store::ack::Ack;
use crate::store::scope::Scope;

use super::facts::member_of;

/// What every act has: a message id, and more context.
macro_rules! act_fields {
    () => {
        /// Sets the producer's id of this act, which makes a retry harmless: the same call with the same id stores
        /// nothing, and answers with the first position and the note [`Note::Duplicate`](crate::Note::Duplicate). With
        /// [`Dedupe::Off`](crate::Dedupe::Off) no id is looked up, and a retry is another act.
        pub fn message_id(mut self, message_id: impl Into<String>) -> Self {
            self.envelope = self.envelope.message_id(message_id);
            self
        }

        /// Adds an entry to the context of the event that states the act.
        pub fn context(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
            self.envelope = self.envelope.context(key, value);
            self
        }
    };
}

/// A visitor who gets a user id before signing up; made by [`Scope::sign_in_anonymously`].
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let shop = store.scope(org, project, "shop");
/// let visitor = shop.sign_in_anonymously().message_id("m-1").context("campaign", "spring").append()?;
/// let retried = shop.sign_in_anonymously().message_id("m-1").context("campaign", "spring").append()?;
/// assert_eq!(retried.user_id, visitor.user_id);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is stored before `append`"]
pub struct SignInAnonymously {
    scope: Scope,
    envelope: Envelope,
    user_id: String,
}

impl SignInAnonymously {
    act_fields!();
}

/// A sign-up; made by [`Scope::sign_up`].
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let shop = store.scope(org, project, "shop");
/// shop.sign_up("anna").set("plan", "free").set_once("source", "newsletter").append()?;
///
/// let anna = store.project(project).profile("anna")?.expect("she was stored");
/// assert_eq!(anna.traits_json(), r#"{"plan":"free","source":"newsletter"}"#);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is stored before `append`"]
pub struct SignUp {
    scope: Scope,
    envelope: Envelope,
    user: MemberId,
}

impl SignUp {
    act_fields!();
}

/// The merge of a device or an anonymous user into a user; made by [`Scope::alias`].
///
/// # Examples
///
/// ```
/// use envelog::{PersonRef, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let shop = store.scope(org, project, "shop");
/// shop.alias(PersonRef::Anonymous("phone"), "anna").append()?;
///
/// let anna = store.project(project).profile("anna")?.expect("she was stored");
/// assert!(anna.members().any(|member| member == PersonRef::Anonymous("phone")));
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is stored before `append`"]
pub struct Alias {
    scope: Scope,
    envelope: Envelope,
    from: MemberId,
    to: MemberId,
}

impl Alias {
    act_fields!();
}

/// The taking of a member from its user; made by [`Scope::unlink`].
///
/// # Examples
///
/// ```
/// use envelog::{PersonRef, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let shop = store.scope(org, project, "shop");
/// shop.alias(PersonRef::Anonymous("phone"), "anna").append()?;
/// shop.unlink(PersonRef::Anonymous("phone"), "anna").append()?;
///
/// let anna = store.project(project).profile("anna")?.expect("she was stored");
/// assert_eq!(anna.members().count(), 1);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is stored before `append`"]
pub struct Unlink {
    scope: Scope,
    envelope: Envelope,
    member: MemberId,
    user: MemberId,
}

impl Unlink {
    act_fields!();
}

/// A visitor who has a user id now; the answer of [`SignInAnonymously::append`].
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let shop = store.scope(org, project, "shop");
/// let visitor = shop.sign_in_anonymously().append()?;
/// let event = store.project(project).timeline(visitor.user_id.as_str(), 1)?.remove(0);
/// assert_eq!(event.position(), visitor.ack.position);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedIn {
    /// The user's id, for good: sign-up does not change it.
    pub user_id: String,
    /// Where the event stands.
    pub ack: Ack,
}

impl Scope {
    /// Begins to give a visitor a user id of its own, in the state anonymous.
    ///
    /// The id is a random UUID (RFC 9562, version 4). [`Scope::sign_up`] with it later makes the same row identified:
    /// the id does not change, no event is touched, and what is on its timeline stays there.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{ProfileState, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let shop = store.scope(org, project, "shop");
    /// let visitor = shop.sign_in_anonymously().append()?.user_id;
    /// shop.track("cart.filled").user(&visitor).append()?;
    ///
    /// let project = store.project(project);
    /// assert_eq!(project.profile(&visitor)?.expect("it was made").state(), ProfileState::Anonymous);
    /// shop.sign_up(&visitor).set("email", "anna@example.com").append()?;
    /// assert_eq!(project.profile(&visitor)?.expect("it was made").state(), ProfileState::Identified);
    /// assert_eq!(project.timeline(&visitor, 10)?.len(), 3);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn sign_in_anonymously(&self) -> SignInAnonymously {
        // Without randomness there is no id, and `append` says so.
        let user_id = self.random_id().unwrap_or_default();
        let envelope = self.envelope_of_act(EventType::ANONYMOUS_CREATED, &user_id);
        SignInAnonymously { scope: self.clone(), envelope, user_id }
    }

    /// Begins a sign-up: the user becomes identified, in place, and the traits land on the same row.
    ///
    /// A user who is not known is made.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Error, IdentityRule, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "shop");
    /// shop.sign_up("anna").set("plan", "free").append()?;
    ///
    /// let again = shop.sign_up("anna").set("plan", "pro").append();
    /// assert!(matches!(again, Err(Error::Identity { rule: IdentityRule::AlreadyIdentified })));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn sign_up(&self, user_id: impl Into<String>) -> SignUp {
        let user_id = user_id.into();
        let envelope = self.envelope_of_act(EventType::SIGNED_UP, &user_id);
        SignUp { scope: self.clone(), envelope, user: MemberId::user(user_id) }
    }

    /// Begins to join a device or an anonymous user to a user: a sign-in on another device, say.
    ///
    /// From then on the member's events and traits are the user's, those of the past included; [`Scope::unlink`] gives
    /// them back.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{PersonRef, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let shop = store.scope(org, project, "shop");
    /// shop.sign_up("anna").append()?;
    /// let visitor = shop.sign_in_anonymously().append()?.user_id;
    /// shop.track("page.viewed").user(&visitor).append()?;
    ///
    /// shop.alias(PersonRef::User(&visitor), "anna").append()?;
    /// let timeline = store.project(project).timeline("anna", 10)?;
    /// assert!(timeline.iter().any(|event| event.event_type() == "page.viewed"));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn alias<'p>(&self, from: impl Into<PersonRef<'p>>, to: impl Into<String>) -> Alias {
        let (from, to) = (from.into(), to.into());
        let envelope = self.envelope_of_act(EventType::ALIASED, &to).property("from", member_value(from));
        Alias { scope: self.clone(), envelope, from: member_of(from), to: MemberId::user(to) }
    }

    /// Begins to take a member from the user that it belongs to directly: its events and traits are its own again.
    ///
    /// Identifies that name both join them no more; [`Scope::alias`] does.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{PersonRef, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let shop = store.scope(org, project, "shop");
    /// shop.track("page.viewed").anonymous("tablet").append()?;
    /// shop.identify("anna").anonymous("tablet").append()?;
    /// assert_eq!(store.project(project).timeline("anna", 10)?.len(), 2);
    ///
    /// shop.unlink(PersonRef::Anonymous("tablet"), "anna").append()?;
    /// assert_eq!(store.project(project).timeline(PersonRef::Anonymous("tablet"), 10)?.len(), 1);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn unlink<'p>(&self, member: impl Into<PersonRef<'p>>, user_id: impl Into<String>) -> Unlink {
        let (member, user_id) = (member.into(), user_id.into());
        let envelope =
            self.envelope_of_act(EventType::UNLINKED, &user_id).property("member", member_value(member));
        Unlink { scope: self.clone(), envelope, member: member_of(member), user: MemberId::user(user_id) }
    }
}

fn member_value(member: PersonRef<'_>) -> Value {
    let kind = match member {
        PersonRef::User(_) => "user",
        PersonRef::Anonymous(_) => "anonymous",
    };
    Value::Object([("kind", Value::from(kind)), ("id", Value::from(member.id()))].into_iter().collect())
}

impl SignInAnonymously {
    /// Stores the fact that the user was made, and gives the new user's id.
    ///
    /// With the message id of an earlier call this answers with the id that was given then.
    ///
    /// # Errors
    ///
    /// As [`Store::append`](crate::Store::append); [`Error::Io`] where the system gives no randomness.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let shop = store.scope(org, project, "shop");
    /// let visitor = shop.sign_in_anonymously().append()?.user_id;
    /// assert_eq!(visitor.parse::<Uuid>().map(|id| id.get_version_num()).ok(), Some(4));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn append(self) -> Result<SignedIn> {
        if self.user_id.is_empty() {
            self.scope.random_id()?;
        }
        self.scope.sign_in(&self.envelope, self.user_id)
    }
}

impl SignUp {
    /// Sets a trait; `null` unsets it.
    pub fn set(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.envelope = self.envelope.with_trait(name, value);
        self
    }

    /// Sets a trait that nothing has touched.
    pub fn set_once(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.envelope = self.envelope.with_trait_once(name, value);
        self
    }

    /// Stores the sign-up.
    ///
    /// # Errors
    ///
    /// [`Error::Identity`] with [`AlreadyIdentified`](crate::IdentityRule::AlreadyIdentified), with nothing stored;
    /// and as [`Store::append`](crate::Store::append).
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Error, IdentityRule, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "shop");
    /// shop.identify("anna").set("email", "anna@example.com").append()?;
    ///
    /// let known = shop.sign_up("anna").append();
    /// assert!(matches!(known, Err(Error::Identity { rule: IdentityRule::AlreadyIdentified })));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn append(self) -> Result<Ack> {
        self.scope.act(&self.envelope, Command::SignUp { user: &self.user })
    }
}

impl Alias {
    /// Stores the merge. Where the two are one already, that is stored and changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Identity`], with nothing stored:
    /// [`CannotMergeIdentified`](crate::IdentityRule::CannotMergeIdentified) from a user who is identified,
    /// [`BoundToAnother`](crate::IdentityRule::BoundToAnother) from a member of another user,
    /// [`Cycle`](crate::IdentityRule::Cycle) onto a user who belongs to the one that it is from, and
    /// [`NoPlace`](crate::IdentityRule::NoPlace) onto one who has no place left; and as
    /// [`Store::append`](crate::Store::append).
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Error, IdentityRule, PersonRef, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "shop");
    /// shop.sign_up("anna").append()?;
    /// shop.sign_up("ben").append()?;
    ///
    /// let merged = shop.alias(PersonRef::User("anna"), "ben").append();
    /// assert!(matches!(merged, Err(Error::Identity { rule: IdentityRule::CannotMergeIdentified })));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn append(self) -> Result<Ack> {
        self.scope.act(&self.envelope, Command::Alias { from: &self.from, to: &self.to })
    }
}

impl Unlink {
    /// Stores that the member is free.
    ///
    /// # Errors
    ///
    /// [`Error::Identity`] with [`NotBound`](crate::IdentityRule::NotBound), with nothing stored, where the member does
    /// not belong to this user directly; and as [`Store::append`](crate::Store::append).
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Error, IdentityRule, PersonRef, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "shop");
    ///
    /// let unlinked = shop.unlink(PersonRef::Anonymous("phone"), "anna").append();
    /// assert!(matches!(unlinked, Err(Error::Identity { rule: IdentityRule::NotBound })));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn append(self) -> Result<Ack> {
        self.scope.act(&self.envelope, Command::Unlink { member: &self.member, user: &self.user })
    }
}

/// Refuses an act that names nobody.
pub(in crate::store) fn check_ids(command: Command<'_>) -> Result<()> {
    let (user, member) = match command {
        Command::SignUp { user } => (user, None),
        Command::Alias { from, to } => (to, Some(("properties.from.id", from))),
        Command::Unlink { member, user } => (user, Some(("properties.member.id", member))),
    };
    for (field, id) in std::iter::once(("userId", user)).chain(member) {
        if is_no_id(&id.id) {
            return Err(Error::invalid(field, "is a word that stands for no id"));
        }
    }
    Ok(())
}
