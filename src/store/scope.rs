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

        /// When it happened; without it, now.
        pub fn at(mut self, timestamp: DateTime<Utc>) -> Self {
            self.envelope = self.envelope.at(timestamp);
            self
        }

        /// The producer's id for this event.
        pub fn message_id(mut self, message_id: impl Into<String>) -> Self {
            self.envelope = self.envelope.message_id(message_id);
            self
        }

        /// Sets one key of the context.
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
/// # fn main() -> envelog::Result<()> {
/// # let directory = tempfile::tempdir().unwrap();
/// let store = Store::open(directory.path().join("data"))?;
/// let scope = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
/// scope.track("order.placed").user("u_1").property("amount", 4200).append()?;
/// scope.identify("u_1").set("plan", "pro").append()?;
/// # Ok(())
/// # }
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

    /// Begins an event of this scope's module.
    pub fn track(&self, event_type: impl Into<String>) -> Track {
        let envelope = Envelope::new(self.org_id, self.project_id, &*self.module, event_type);
        Track { store: self.store.clone(), envelope }
    }

    /// Begins an identify of a user: traits that land on the user's profile.
    ///
    /// It is stamped with a time later than that of every earlier identify of this scope and its clones, so that two
    /// calls in a row never tie.
    pub fn identify(&self, user_id: impl Into<String>) -> Identify {
        let envelope = Envelope::new(self.org_id, self.project_id, PROFILES_MODULE, "identify").user(user_id);
        Identify { scope: self.clone(), envelope }
    }

    /// Begins an identify of an anonymous device: traits that land on the device's own profile.
    pub fn identify_anonymous(&self, anonymous_id: impl Into<String>) -> Identify {
        let envelope =
            Envelope::new(self.org_id, self.project_id, PROFILES_MODULE, "identify").anonymous(anonymous_id);
        Identify { scope: self.clone(), envelope }
    }

    fn next_stamp(&self) -> Result<Nanos> {
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

    /// Sets one property.
    pub fn property(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.envelope = self.envelope.property(key, value);
        self
    }

    /// Takes the properties from a type of the host's own.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`](crate::Error::Invalid) where it does not become a JSON object.
    pub fn properties_from(mut self, properties: &(impl Serialize + ?Sized)) -> Result<Self> {
        self.envelope = self.envelope.properties_from(properties)?;
        Ok(self)
    }

    /// Appends the event; see [`Store::append`].
    ///
    /// # Errors
    ///
    /// As [`Store::append`].
    pub fn append(self) -> Result<Ack> {
        self.store.append(&self.envelope)
    }

    /// Stages the event; see [`Store::submit`].
    ///
    /// # Errors
    ///
    /// As [`Store::submit`].
    pub fn submit(self) -> Result<Ticket> {
        self.store.submit(&self.envelope)
    }
}

/// An identify under construction; see [`Scope::identify`].
#[derive(Debug, Clone)]
#[must_use = "nothing is stored before `append`"]
pub struct Identify {
    scope: Scope,
    envelope: Envelope,
}

impl Identify {
    /// Sets a trait; [`Value::Null`] unsets it.
    pub fn set(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.envelope = self.envelope.with_trait(name, value);
        self
    }

    /// Unsets a trait.
    pub fn unset(self, name: impl Into<String>) -> Self {
        self.set(name, Value::Null)
    }

    /// Sets a trait that nothing has set or unset yet.
    pub fn set_once(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.envelope = self.envelope.with_trait_once(name, value);
        self
    }

    envelope_fields!();

    /// Appends the identify. When this returns, the profile shows it.
    ///
    /// # Errors
    ///
    /// As [`Store::append`].
    pub fn append(self) -> Result<Ack> {
        let Self { scope, envelope } = self;
        if envelope.timestamp.is_some() {
            return scope.store.append(&envelope);
        }
        let stamp = scope.next_stamp()?;
        scope.store.append_stamped(&envelope, stamp)
    }
}
