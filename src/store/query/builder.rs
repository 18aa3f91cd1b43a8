//! The methods that all questions have, written once.

/// Conditions on events and the limit, for the `impl` of a [`Query`](super::Query), or of a question that has one in its
/// field `query`.
macro_rules! conditions {
    ($($query:ident)?) => {
        /// Keeps events of this type.
        #[must_use = "a question is asked when its answer is taken"]
        pub fn of_type(self, event_type: impl Into<String>) -> Self {
            self.of_types([event_type])
        }

        /// Keeps events of any of these types; of none if there are none.
        ///
        /// # Examples
        ///
        /// ```
        /// use envelog::Query;
        ///
        /// let orders = Query::new().of_types(["order.placed", "order.paid"]);
        /// assert_eq!(orders, Query::new().of_type("order.placed").of_type("order.paid"));
        /// ```
        #[must_use = "a question is asked when its answer is taken"]
        pub fn of_types<T: Into<String>>(mut self, event_types: impl IntoIterator<Item = T>) -> Self {
            self$(.$query)?.filter.add_types(event_types);
            self
        }

        /// Keeps events whose type begins with these characters, such as `order.`.
        #[must_use = "a question is asked when its answer is taken"]
        pub fn type_prefix(mut self, prefix: impl Into<String>) -> Self {
            self$(.$query)?.filter.add_prefix(prefix);
            self
        }

        /// Keeps events of this module.
        #[must_use = "a question is asked when its answer is taken"]
        pub fn module(mut self, module: impl Into<String>) -> Self {
            self$(.$query)?.filter.module = Some(module.into().into_boxed_str());
            self
        }

        /// Keeps events whose timestamp is in the range, its start included, its end not.
        ///
        /// # Examples
        ///
        /// ```
        /// use envelog::{DateTime, Query};
        ///
        /// let from = DateTime::from_timestamp(1_710_331_200, 0).unwrap();
        /// let to = DateTime::from_timestamp(1_710_417_600, 0).unwrap();
        /// assert_eq!(Query::new().between(from..to), Query::new().since(from).until(to));
        /// ```
        #[must_use = "a question is asked when its answer is taken"]
        pub fn between(self, times: std::ops::Range<chrono::DateTime<chrono::Utc>>) -> Self {
            self.since(times.start).until(times.end)
        }

        /// Keeps events that happened at or after an instant.
        #[must_use = "a question is asked when its answer is taken"]
        pub fn since(mut self, from: chrono::DateTime<chrono::Utc>) -> Self {
            self$(.$query)?.filter.since(from);
            self
        }

        /// Keeps events that happened before an instant.
        #[must_use = "a question is asked when its answer is taken"]
        pub fn until(mut self, to: chrono::DateTime<chrono::Utc>) -> Self {
            self$(.$query)?.filter.until(to);
            self
        }

        /// Keeps events with a property, by name or path, that satisfies a condition.
        ///
        /// # Examples
        ///
        /// ```
        /// use envelog::{Condition, Store, Uuid};
        ///
        /// let store = Store::in_memory()?;
        /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
        /// shop.track("order.placed").user("u_1").property("amount", 4200).append()?;
        /// shop.track("order.placed").user("u_1").append()?;
        ///
        /// let view = store.project(Uuid::from_u128(2)).view()?;
        /// let large = || Condition::AtLeast(1000.into());
        /// assert_eq!(view.events().where_property("amount", large()).count()?, 1);
        /// assert_eq!(view.timeline("u_1").where_property("amount", large()).iter().count(), 1);
        /// # Ok::<(), envelog::Error>(())
        /// ```
        #[must_use = "a question is asked when its answer is taken"]
        pub fn where_property(
            mut self,
            path: impl Into<String>,
            condition: $crate::store::Condition,
        ) -> Self {
            self$(.$query)?.filter.add_condition(path, condition);
            self
        }

        /// Keeps events whose context, by name or path such as `page.url`, satisfies a condition.
        ///
        /// # Examples
        ///
        /// ```
        /// use envelog::{Condition, Store, Uuid};
        ///
        /// let store = Store::in_memory()?;
        /// store.append_json(
        ///     br#"{"orgId": "00000000-0000-4000-8000-000000000001",
        ///          "projectId": "00000000-0000-4000-8000-000000000002",
        ///          "module": "analytics", "eventType": "page.viewed", "timestamp": "2026-03-01T12:00:00Z",
        ///          "context": {"page": {"url": "https://example.com/pricing"}}}"#,
        /// )?;
        /// let view = store.project(store.projects()?[0]).view()?;
        /// assert_eq!(view.events().where_context("page.url", Condition::Exists).count()?, 1);
        /// # Ok::<(), envelog::Error>(())
        /// ```
        #[must_use = "a question is asked when its answer is taken"]
        pub fn where_context(
            mut self,
            path: impl Into<String>,
            condition: $crate::store::Condition,
        ) -> Self {
            self$(.$query)?.filter.add_context_condition(path, condition);
            self
        }

        /// Ends the iteration after this many items; numbers are over all events all the same.
        #[must_use = "a question is asked when its answer is taken"]
        pub fn limit(mut self, events: usize) -> Self {
            self$(.$query)?.limit = Some(events);
            self
        }
    };
}

/// What a query in seq order has beside these; as [`conditions`].
macro_rules! places {
    ($($query:ident)?) => {
        /// Keeps events whose `userId` is this one.
        #[must_use = "a question is asked when its answer is taken"]
        pub fn user(mut self, user_id: impl Into<String>) -> Self {
            self$(.$query)?.filter.user = Some(user_id.into().into_boxed_str());
            self
        }

        /// Keeps events whose `anonymousId` is this one, be they of an identified user or not.
        #[must_use = "a question is asked when its answer is taken"]
        pub fn device(mut self, anonymous_id: impl Into<String>) -> Self {
            self$(.$query)?.filter.device = Some(anonymous_id.into().into_boxed_str());
            self
        }

        /// Keeps events whose seq is in the range, its start included, its end not.
        #[must_use = "a question is asked when its answer is taken"]
        pub fn seq_range(mut self, seqs: std::ops::Range<$crate::types::Seq>) -> Self {
            self$(.$query)?.filter.seqs(seqs);
            self
        }

        /// Turns the order of the iteration around: the greatest seq first.
        #[must_use = "a question is asked when its answer is taken"]
        pub fn newest_first(mut self) -> Self {
            self$(.$query)?.newest_first = true;
            self
        }
    };
}

/// Makes a question and a borrowed one iterate as its method `iter` does.
macro_rules! into_iterator {
    ($question:ident gives $events:ident) => {
        impl<'v> IntoIterator for $question<'v> {
            type Item = $crate::error::Result<$crate::store::EventRef<'v>>;
            type IntoIter = $events<'v>;

            fn into_iter(self) -> $events<'v> {
                self.iter()
            }
        }

        impl<'v> IntoIterator for &$question<'v> {
            type Item = $crate::error::Result<$crate::store::EventRef<'v>>;
            type IntoIter = $events<'v>;

            fn into_iter(self) -> $events<'v> {
                self.iter()
            }
        }
    };
}

pub(super) use {conditions, into_iterator, places};
