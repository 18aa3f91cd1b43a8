//! Answers in numbers: counts, users, sums, as a whole and in groups.

use chrono::{DateTime, Utc};

use super::EventQuery;
use super::events::Events;
use super::group::{Bucket, Grouped, Groups, Names, Whole};
use super::measure::{Count, Measure, Row, SumOf, Users};
use super::period::Period;
use super::plan::{Plan, Prepared};
use super::sum::Sum;
use crate::error::{Error, Result};
use crate::index::IdKind;

impl<'v> EventQuery<'v> {
    /// How many events there are.
    ///
    /// Types and ranges of times and seqs are counted by the index without looking at events; users, devices and
    /// properties are looked up in the records.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] where an index or a record that is needed is damaged.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// shop.track("order.placed").user("u_1").append()?;
    /// shop.track("order.paid").user("u_1").append()?;
    ///
    /// let view = store.project(Uuid::from_u128(2)).view()?;
    /// assert_eq!(view.events().count()?, 2);
    /// assert_eq!(view.events().of_type("order.placed").user("u_1").limit(0).count()?, 1);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn count(&self) -> Result<u64> {
        let mut count = Count::default();
        let by_index = |_: &mut Whole, plan: &Plan<'v>, count: &mut Count| {
            let exact = plan.exact_count()?;
            count.add_many(0, exact.unwrap_or(0));
            Ok(exact.is_some())
        };
        self.gather(&mut Whole, &mut count, by_index)?;
        Ok(count.finish().into_iter().sum())
    }

    /// How many distinct users the events have; events without a user count for none.
    ///
    /// Users are told apart by keyed hashes of 64 bits: among a million of them two fall together with a probability
    /// of one in 37 million.
    ///
    /// # Errors
    ///
    /// As [`count`](Self::count).
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// shop.track("order.placed").user("u_1").append()?;
    /// shop.track("order.paid").user("u_1").append()?;
    /// shop.track("page.viewed").anonymous("d_1").append()?;
    ///
    /// let view = store.project(Uuid::from_u128(2)).view()?;
    /// assert_eq!(view.events().users()?, 1);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn users(&self) -> Result<u64> {
        let mut users = Users::default();
        let by_index = |_: &mut Whole, plan: &Plan<'v>, users: &mut Users| {
            if plan.is_whole() {
                for user in plan.segment.index.ids(plan.project, IdKind::User)? {
                    users.add_user(0, user?.hash);
                }
            }
            Ok(plan.is_whole())
        };
        self.gather(&mut Whole, &mut users, by_index)?;
        Ok(users.finish().into_iter().sum())
    }

    /// The sum of a property, by name or path, over the events.
    ///
    /// # Errors
    ///
    /// As [`count`](Self::count).
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// shop.track("order.placed").property("amount", 4200).append()?;
    /// shop.track("order.placed").property("amount", 50).append()?;
    ///
    /// let view = store.project(Uuid::from_u128(2)).view()?;
    /// assert_eq!(view.events().of_type("order.placed").sum("amount")?.integers, 4250);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn sum(&self, property: &str) -> Result<Sum> {
        let mut sum = SumOf::new(property);
        self.gather(&mut Whole, &mut sum, |_, _, _| Ok(false))?;
        Ok(sum.finish().pop().unwrap_or_default())
    }

    /// Groups the events by the day or month of their timestamps, in UTC.
    pub fn by(&self, period: Period) -> Grouped<'_, 'v, DateTime<Utc>> {
        Grouped::by_period(self, period)
    }

    /// Groups the events by their types.
    pub fn by_type(&self) -> Grouped<'_, 'v, String> {
        Grouped::by_name(self, Names::Types)
    }

    /// Groups the events by their modules.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let (shop, mail) = (store.scope(org, project, "billing"), store.scope(org, project, "mail"));
    /// shop.track("order.placed").user("u_1").append()?;
    /// shop.track("order.paid").user("u_1").append()?;
    /// mail.track("receipt.sent").user("u_1").append()?;
    ///
    /// let users = store.project(project).view()?.events().by_module().users()?;
    /// let users: Vec<_> = users.iter().map(|module| (module.key.as_str(), module.value)).collect();
    /// assert_eq!(users, [("billing", 1), ("mail", 1)]);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn by_module(&self) -> Grouped<'_, 'v, String> {
        Grouped::by_name(self, Names::Modules)
    }

    /// How many events there are of each type, by name.
    ///
    /// # Errors
    ///
    /// As [`count`](Self::count).
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// shop.track("order.placed").user("u_1").append()?;
    /// shop.track("order.placed").user("u_2").append()?;
    /// shop.track("order.paid").user("u_1").append()?;
    ///
    /// let counts = store.project(Uuid::from_u128(2)).view()?.events().count_by_type()?;
    /// let counts: Vec<_> = counts.iter().map(|each| (each.key.as_str(), each.value)).collect();
    /// assert_eq!(counts, [("order.paid", 1), ("order.placed", 2)]);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn count_by_type(&self) -> Result<Vec<Bucket<String, u64>>> {
        self.by_type().count()
    }

    /// How many events there are of each module, by name.
    ///
    /// # Errors
    ///
    /// As [`count`](Self::count).
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let (shop, mail) = (store.scope(org, project, "billing"), store.scope(org, project, "mail"));
    /// shop.track("order.placed").user("u_1").append()?;
    /// shop.track("order.paid").user("u_1").append()?;
    /// mail.track("receipt.sent").user("u_1").append()?;
    ///
    /// let counts = store.project(project).view()?.events().count_by_module()?;
    /// let counts: Vec<_> = counts.iter().map(|each| (each.key.as_str(), each.value)).collect();
    /// assert_eq!(counts, [("billing", 2), ("mail", 1)]);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn count_by_module(&self) -> Result<Vec<Bucket<String, u64>>> {
        self.by_module().count()
    }

    /// Puts every event into its group and takes it into the measure. Where no record is needed, `by_index` may do
    /// so for a whole segment at once, and returns whether it did.
    pub(super) fn gather<G: Groups, M: Measure>(
        &self,
        groups: &mut G,
        measure: &mut M,
        mut by_index: impl FnMut(&mut G, &Plan<'v>, &mut M) -> Result<bool>,
    ) -> Result<()> {
        let prepared = self.prepared();
        let pinned = self.view.pinned();
        if M::NEEDS_RECORDS || prepared.needs_records() {
            return self.gather_records(prepared, groups, measure);
        }
        for segment in pinned.segments() {
            let Some(plan) = prepared.plan(segment)? else { continue };
            if by_index(groups, &plan, measure)? {
                continue;
            }
            groups.enter(segment, plan.project)?;
            let mut walk = plan.walk()?;
            while let Some(ordinal) = walk.step(false)? {
                let group = groups.group(segment, ordinal)?;
                measure.add(group, Row { segment, ordinal, event: None })?;
            }
        }
        Ok(())
    }

    fn gather_records<G: Groups, M: Measure>(
        &self,
        prepared: Prepared,
        groups: &mut G,
        measure: &mut M,
    ) -> Result<()> {
        let pinned = self.view.pinned();
        let mut events = Events::new(pinned, prepared, false, None);
        let mut entered = None;
        while let Some(found) = events.locate() {
            let (located, event) = match found {
                Ok(found) => found,
                Err(Error::Gap { .. }) => continue,
                Err(error) => return Err(error),
            };
            let Some(segment) = pinned.segment(located.segment) else { continue };
            if entered != Some(located.segment)
                && let Some(project) = segment.index.project(&pinned.project_id)?
            {
                entered = Some(located.segment);
                groups.enter(segment, project)?;
            }
            let group = groups.group(segment, located.ordinal)?;
            measure.add(group, Row { segment, ordinal: located.ordinal, event: Some(&event) })?;
        }
        Ok(())
    }
}
