//! The writing side for one module of a host.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::Store;
use super::ack::Ack;
use super::append::Ticket;
use crate::envelope::{Envelope, Value};
use crate::error::Result;
use crate::types::Nanos;

/// The module that identify events are written under.
const PROFILES_MODULE: &str = "profiles";

/// What an event and an identify both may say, for the `impl` of a builder with the field `envelope`.
macro_rules! envelope_fields {
    () => {
        /// The anonymous device.
        pub fn anonymous(mut self, anonymous_id: impl Into<String>) -> Self {
            self.envelope = self.envelope.anonymous(anonymous_id);
            self
        }

        /// When it happened; without it, now by the store's clock.
        pub fn at(mut self, timestamp: DateTime<Utc>) -> Self {
            self.envelope = self.envelope.at(timestamp);
            self
        }

        /// The producer's id for this event.
        pub fn message_id(mut self, message_id: impl Into<String>) -> Self {
            self.envelope = self.envelope.message_id(message_id);
            self
        }

        /// Sets one key of the context, replacing what it had.
        pub fn context(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
            self.envelope = self.envelope.context(key, value);
            self
        }
    };
}

/// The writing side for one module of a host: organisation, project and module are said once. Cheap to clone.
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let scope = store.scope(org, project, "billing");
/// scope.track("order.placed").user("u_1").property("amount", 4200).append()?;
/// scope.identify("u_1").set("plan", "pro").append()?;
///
/// let events = store.project(project).timeline("u_1", 10)?;
/// assert_eq!(events.iter().map(|event| event.module()).collect::<Vec<_>>(), ["profiles", "billing"]);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Scope {
    store: Store,
    org_id: Uuid,
    project_id: Uuid,
    module: Arc<str>,
    /// The last time that an identify of this scope was stamped with.
    stamped: Arc<AtomicI64>,
}

impl Scope {
    pub(super) fn new(store: Store, org_id: Uuid, project_id: Uuid, module: &str) -> Self {
        Self { store, org_id, project_id, module: module.into(), stamped: Arc::new(AtomicI64::new(0)) }
    }

    /// Begins an event of this scope's module. Nothing is checked or stored before [`Track::append`] or
    /// [`Track::submit`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// let ack = shop.track("order.placed").user("u_1").property("amount", 4200).append()?;
    /// assert!(ack.notes.is_empty());
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn track(&self, event_type: impl Into<String>) -> Track {
        let envelope = Envelope::new(self.org_id, self.project_id, &*self.module, event_type);
        Track { store: self.store.clone(), envelope }
    }

    /// Begins an identify of a user: traits that land on the user's profile.
    ///
    /// It is an ordinary event as well, of the module `profiles` whatever this scope's module is. It is stamped with
    /// a time later than that of every earlier identify of this scope and its clones, so that two calls in a row
    /// never tie.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let scope = store.scope(org, project, "billing");
    /// scope.identify("u_1").set("plan", "free").set("seats", 5).append()?;
    /// scope.identify("u_1").set("plan", "pro").unset("seats").append()?;
    ///
    /// let profile = store.project(project).profile("u_1")?.expect("identified above");
    /// assert_eq!(profile.traits_json(), r#"{"plan":"pro"}"#);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn identify(&self, user_id: impl Into<String>) -> Identify {
        let envelope = Envelope::new(self.org_id, self.project_id, PROFILES_MODULE, "identify").user(user_id);
        Identify { scope: self.clone(), envelope }
    }

    /// Begins an identify of an anonymous device: traits that land on the device's own profile. Else as
    /// [`Scope::identify`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{PersonRef, ProfileState, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// store.scope(org, project, "analytics").identify_anonymous("device_1").set("locale", "pt-PT").append()?;
    ///
    /// let device = PersonRef::Anonymous("device_1");
    /// let profile = store.project(project).profile(device)?.expect("identified above");
    /// assert_eq!(profile.state(), ProfileState::Anonymous);
    /// assert_eq!(profile.traits_json(), r#"{"locale":"pt-PT"}"#);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn identify_anonymous(&self, anonymous_id: impl Into<String>) -> Identify {
        let envelope =
            Envelope::new(self.org_id, self.project_id, PROFILES_MODULE, "identify").anonymous(anonymous_id);
        Identify { scope: self.clone(), envelope }
    }

    /// The envelope that states an act of identity.
    pub(super) fn envelope_of_act(&self, event_type: &str, user_id: &str) -> Envelope {
        Envelope::new(self.org_id, self.project_id, PROFILES_MODULE, event_type).user(user_id)
    }

    pub(super) const fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn next_stamp(&self) -> Result<Nanos> {
        let now = self.store.writer()?.now().get();
        let mut last = self.stamped.load(Ordering::Relaxed);
        // Relaxed: the number stands for itself; nothing else is ordered by it.
        loop {
            let next = now.max(last.saturating_add(1));
            match self.stamped.compare_exchange_weak(last, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(Nanos::new(next)),
                Err(other) => last = other,
            }
        }
    }
}

/// An event under construction; see [`Scope::track`].
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let shop = store.scope(org, project, "billing");
/// shop.track("order.placed")
///     .user("u_1")
///     .anonymous("device_1")
///     .message_id("order-7-placed")
///     .property("amount", 4200)
///     .context("locale", "pt-PT")
///     .append()?;
///
/// let event = store.project(project).timeline("u_1", 1)?.remove(0);
/// assert_eq!(event.anonymous_id(), Some("device_1"));
/// assert_eq!(event.message_id(), Some("order-7-placed"));
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is stored before `append`"]
pub struct Track {
    store: Store,
    envelope: Envelope,
}

impl Track {
    /// The identified user.
    pub fn user(mut self, user_id: impl Into<String>) -> Self {
        self.envelope = self.envelope.user(user_id);
        self
    }

    envelope_fields!();

    /// Sets one property, replacing one of the same key.
    pub fn property(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.envelope = self.envelope.property(key, value);
        self
    }

    /// Replaces all properties by the fields of a type of the host's own.
    ///
    /// # Errors
    ///
    /// As [`Envelope::properties_from`](crate::Envelope::properties_from).
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// #[derive(serde::Serialize)]
    /// struct Order {
    ///     amount: u32,
    ///     currency: &'static str,
    /// }
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let order = Order { amount: 4200, currency: "EUR" };
    /// store.scope(org, project, "billing").track("order.placed").user("u_1").properties_from(&order)?.append()?;
    ///
    /// let event = store.project(project).timeline("u_1", 1)?.remove(0);
    /// assert_eq!(event.properties().unwrap().to_string(), r#"{"amount":4200,"currency":"EUR"}"#);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn properties_from(mut self, properties: &(impl Serialize + ?Sized)) -> Result<Self> {
        self.envelope = self.envelope.properties_from(properties)?;
        Ok(self)
    }

    /// Appends the event. When this returns, it is visible to queries and survives what the level says; see
    /// [`Store::append`].
    ///
    /// # Errors
    ///
    /// As [`Store::append`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let ack = store.scope(org, project, "billing").track("order.placed").user("u_1").append()?;
    /// assert_eq!(store.project(project).get(ack.position)?.unwrap().user_id(), Some("u_1"));
    /// assert!(store.durable() >= ack.position.seq, "at the default level");
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn append(self) -> Result<Ack> {
        self.store.append(&self.envelope)
    }

    /// Stages the event and returns a ticket to wait on; see [`Store::submit`].
    ///
    /// # Errors
    ///
    /// As [`Store::submit`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// let tickets: Vec<_> = (0..10)
    ///     .map(|number| shop.track("order.placed").property("number", number).submit())
    ///     .collect::<envelog::Result<_>>()?;
    /// for (ticket, seq) in tickets.into_iter().zip(1..) {
    ///     assert_eq!(ticket.wait()?.position.seq.get(), seq);
    /// }
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn submit(self) -> Result<Ticket> {
        self.store.submit(&self.envelope)
    }
}

/// An identify under construction; see [`Scope::identify`].
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let scope = store.scope(org, project, "billing");
/// scope.identify("u_1").set("plan", "pro").set_once("firstPlan", "pro").append()?;
/// scope.identify("u_1").set("plan", "team").set_once("firstPlan", "team").append()?;
///
/// let profile = store.project(project).profile("u_1")?.expect("identified above");
/// assert_eq!(profile.traits_json(), r#"{"firstPlan":"pro","plan":"team"}"#);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is stored before `append`"]
pub struct Identify {
    scope: Scope,
    envelope: Envelope,
}

impl Identify {
    /// Sets a trait, replaced whole: of two sets or unsets the later by event time counts. [`Value::Null`] unsets it.
    pub fn set(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.envelope = self.envelope.with_trait(name, value);
        self
    }

    /// Unsets a trait: the profile no longer shows it, and an older set that arrives later does not bring it back.
    pub fn unset(self, name: impl Into<String>) -> Self {
        self.set(name, Value::Null)
    }

    /// Sets a trait only while no plain set or unset has touched it, at whatever time; among several the earliest by
    /// event time stays. A null sets nothing.
    pub fn set_once(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.envelope = self.envelope.with_trait_once(name, value);
        self
    }

    envelope_fields!();

    /// Appends the identify. When this returns, the profile shows it, but for traits that an event with a later time
    /// has set, and it survives what the level says; see [`Store::append`].
    ///
    /// # Errors
    ///
    /// As [`Store::append`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{DateTime, Note, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let scope = store.scope(org, project, "billing");
    /// scope.identify("u_1").set("plan", "pro").append()?;
    ///
    /// // What happened earlier and arrives now does not undo it.
    /// let earlier = DateTime::from_timestamp(1_710_325_274, 0).unwrap();
    /// let ack = scope.identify("u_1").set("plan", "free").at(earlier).append()?;
    /// assert!(ack.notes.contains(Note::StaleTraits));
    /// let profile = store.project(project).profile("u_1")?.expect("identified above");
    /// assert_eq!(profile.trait_value("plan").and_then(|plan| plan.as_str()), Some("pro"));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn append(self) -> Result<Ack> {
        let Self { scope, envelope } = self;
        if envelope.timestamp.is_some() {
            return scope.store.append(&envelope);
        }
        let stamp = scope.next_stamp()?;
        scope.store.append_stamped(&envelope, stamp)
    }
}
