//! The methods that all questions have, written once.

/// Conditions on events and the limit, for the `impl` of a question with the fields `filter` and `limit`.
macro_rules! conditions {
    () => {
        /// Keeps events of this type.
        #[must_use]
        pub fn of_type(self, event_type: impl Into<String>) -> Self {
            self.of_types([event_type])
        }

        /// Keeps events of any of these types; of none if there are none.
        #[must_use]
        pub fn of_types<T: Into<String>>(mut self, event_types: impl IntoIterator<Item = T>) -> Self {
            self.filter.add_types(event_types);
            self
        }

        /// Keeps events whose type begins with these characters, such as `order.`.
        #[must_use]
        pub fn type_prefix(mut self, prefix: impl Into<String>) -> Self {
            self.filter.add_prefix(prefix);
            self
        }

        /// Keeps events of this module.
        #[must_use]
        pub fn module(mut self, module: impl Into<String>) -> Self {
            self.filter.module = Some(module.into().into_boxed_str());
            self
        }

        /// Keeps events whose timestamp is in the range, its start included, its end not.
        #[must_use]
        pub fn between(self, times: std::ops::Range<chrono::DateTime<chrono::Utc>>) -> Self {
            self.since(times.start).until(times.end)
        }

        /// Keeps events that happened at or after an instant.
        #[must_use]
        pub fn since(mut self, from: chrono::DateTime<chrono::Utc>) -> Self {
            self.filter.since(from);
            self
        }

        /// Keeps events that happened before an instant.
        #[must_use]
        pub fn until(mut self, to: chrono::DateTime<chrono::Utc>) -> Self {
            self.filter.until(to);
            self
        }

        /// Keeps events with a property, by name or path, that satisfies a condition.
        #[must_use]
        pub fn where_property(
            mut self,
            path: impl Into<String>,
            condition: $crate::store::Condition,
        ) -> Self {
            self.filter.add_condition(path, condition);
            self
        }

        /// Ends [`iter`](Self::iter) after this many items.
        #[must_use]
        pub fn limit(mut self, events: usize) -> Self {
            self.limit = Some(events);
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

pub(super) use {conditions, into_iterator};
