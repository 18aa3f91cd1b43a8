//! `count` and `sum`: questions whose answers are numbers.

use std::slice;

use chrono::{DateTime, Utc};
use envelog::{Bucket, EventQuery, Grouped, OnCorruption, Period, Sum};

use crate::args::{By, Cli, CountArgs, SumArgs};
use crate::failure::{Outcome, tell};
use crate::output::{Cell, Column, Format, Output, grouped};
use crate::reading;

const COUNT: Column = Column { name: "count", title: "events" };
const USERS: Column = Column { name: "users", title: "users" };
const SUM: Column = Column { name: "sum", title: "sum" };
const SKIPPED: Column = Column { name: "skipped", title: "without a number" };

/// Counts events or distinct users.
pub(crate) fn count(cli: &Cli, arguments: &CountArgs) -> Outcome {
    let store = reading::open(cli)?;
    let view = reading::project(cli, &store)?.view()?;
    let query = arguments.person.query(arguments.filters.query(view.events()));
    let number = if arguments.users { USERS } else { COUNT };
    let mut output = Output::new(Format::of(cli.format));
    let mut all = 0;
    if let Some(by) = arguments.by {
        let mut list = output.list(&[key_column(by), number]);
        for (key, number) in in_groups(&query, by, &Counts { users: arguments.users })? {
            all += number;
            list.row(&[Cell::Text(&key), Cell::Count(number)])?;
        }
        list.end()?;
    } else {
        let mut list = output.list(&[number]);
        all += if arguments.users { query.users()? } else { query.count()? };
        list.row(&[Cell::Count(all)])?;
        list.end()?;
    }
    if all == 0 {
        arguments.person.tell_nobody(slice::from_ref(&view))?;
    }
    Ok(())
}

/// Adds up a property.
pub(crate) fn sum(cli: &Cli, arguments: &SumArgs) -> Outcome {
    let store = reading::open(cli)?;
    let view = reading::project(cli, &store)?.view()?;
    let query = arguments.person.query(arguments.filters.query(view.events()));
    let mut output = Output::new(Format::of(cli.format));
    let cells = |sum: &Sum| [total(sum), Cell::Count(sum.count), Cell::Count(sum.skipped)];
    let mut read = 0;
    if let Some(by) = arguments.by {
        let mut list = output.list(&[key_column(by), SUM, COUNT, SKIPPED]);
        for (key, sum) in in_groups(&query, by, &Sums { property: &arguments.property })? {
            read += sum.count + sum.skipped;
            let [total, count, skipped] = cells(&sum);
            list.row(&[Cell::Text(&key), total, count, skipped])?;
        }
        list.end()?;
    } else {
        let mut list = output.list(&[SUM, COUNT, SKIPPED]);
        let sum = query.sum(&arguments.property)?;
        read += sum.count + sum.skipped;
        list.row(&cells(&sum))?;
        list.end()?;
    }
    if read == 0 {
        arguments.person.tell_nobody(slice::from_ref(&view))?;
    }
    tell_unread(cli, &query, read)
}

/// Says how many events a sum is without because they are damaged: the indexes know them still.
fn tell_unread(cli: &Cli, query: &EventQuery<'_>, read: u64) -> Outcome {
    if cli.on_corruption() == OnCorruption::Quarantine {
        let unread = query.count()?.saturating_sub(read);
        if unread > 0 {
            let unread = grouped(i128::from(unread));
            tell(format_args!("envelog: {unread} events are damaged, and the sum is without them"));
        }
    }
    Ok(())
}

/// The whole sum: exact where all values are integers.
fn total(sum: &Sum) -> Cell<'static> {
    if sum.floats == 0.0 { Cell::Integer(sum.integers) } else { Cell::Float(sum.total()) }
}

const fn key_column(by: By) -> Column {
    match by {
        By::Type => Column { name: "eventType", title: "event" },
        By::Module => Column { name: "module", title: "module" },
        By::Month => Column { name: "month", title: "month" },
        By::Day => Column { name: "day", title: "day" },
    }
}

/// What is asked of each group.
trait Question {
    type Answer;

    fn ask<K>(&self, groups: &Grouped<'_, '_, K>) -> envelog::Result<Vec<Bucket<K, Self::Answer>>>;
}

/// How many events, or distinct users?
struct Counts {
    users: bool,
}

impl Question for Counts {
    type Answer = u64;

    fn ask<K>(&self, groups: &Grouped<'_, '_, K>) -> envelog::Result<Vec<Bucket<K, u64>>> {
        if self.users { groups.users() } else { groups.count() }
    }
}

/// What is the sum of a property?
struct Sums<'p> {
    property: &'p str,
}

impl Question for Sums<'_> {
    type Answer = Sum;

    fn ask<K>(&self, groups: &Grouped<'_, '_, K>) -> envelog::Result<Vec<Bucket<K, Sum>>> {
        groups.sum(self.property)
    }
}

/// The answers of all groups, each with the group's name.
fn in_groups<Q: Question>(
    query: &EventQuery<'_>,
    by: By,
    question: &Q,
) -> envelog::Result<Vec<(String, Q::Answer)>> {
    let by_period = |period| {
        let buckets = question.ask(&query.by(period))?;
        Ok(buckets.into_iter().map(|each| (period_name(period, each.key), each.value)).collect())
    };
    let by_name = |groups: &Grouped<'_, '_, String>| {
        let buckets = question.ask(groups)?;
        Ok(buckets.into_iter().map(|each| (each.key, each.value)).collect())
    };
    match by {
        By::Type => by_name(&query.by_type()),
        By::Module => by_name(&query.by_module()),
        By::Month => by_period(Period::Month),
        By::Day => by_period(Period::Day),
    }
}

/// A period as ISO 8601 names it: `2024-01` or `2024-01-31`.
pub(crate) fn period_name(period: Period, start: DateTime<Utc>) -> String {
    let form = if period == Period::Month { "%Y-%m" } else { "%Y-%m-%d" };
    start.format(form).to_string()
}
