//! Which events a command is about.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use clap::Args;
use envelog::{Condition, EventQuery, Limits, PersonRef, Timeline, Value, View};

use crate::failure::Outcome;
use crate::reading;
use crate::time::parse_time;

/// Conditions on events; all that are given must hold.
#[derive(Debug, Args)]
pub(crate) struct Filters {
    /// Only events of this type; may be given several times.
    #[arg(long = "type", value_name = "TYPE", help_heading = "Filters")]
    types: Vec<String>,
    /// Only events whose type begins with this: order. stands for order.placed, order.paid and so on.
    #[arg(long, value_name = "PREFIX", conflicts_with = "types", help_heading = "Filters")]
    type_prefix: Option<String>,
    /// Only events of this module.
    #[arg(long, value_name = "MODULE", help_heading = "Filters")]
    module: Option<String>,
    /// Only events at or after this time: 2024-06-01, 2024-06-01T12:00:00Z, now, or 7d for seven days ago.
    ///
    /// How long ago is given in units such as 90s, 30m, 12h, 7d, 2w or several of them, as in '2h 30m'. A date is its
    /// first instant in UTC.
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = "Filters")]
    since: Option<DateTime<Utc>>,
    /// Only events before this time, which is written in the same ways.
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = "Filters")]
    until: Option<DateTime<Utc>>,
    /// Only events whose property is so: currency=EUR, amount>=4200, amount<=99, or coupon for any value.
    ///
    /// The path may begin with properties, as in properties.amount>=4200, or with context, as in context.locale=de.
    ///
    /// A number, true, false or null matches no text: sku=12 finds the number 12, and sku="12" the text. Text in
    /// quotes is read as JSON, and quotes are needed where it begins with one of = < > ! ~ as in note="=12". The shell
    /// takes quotes away unless there are others around the whole: 'sku="12"'.
    #[arg(long = "where", value_name = "CONDITION", help_heading = "Filters")]
    conditions: Vec<PropertyFilter>,
}

/// Conditions on whom events belong to.
#[derive(Debug, Args)]
pub(crate) struct PersonFilters {
    /// Only events with this userId. Where nobody has it the answer is empty, which is told and is no error.
    #[arg(long, value_name = "ID", help_heading = "Filters")]
    user: Option<String>,
    /// Only events with this anonymousId; likewise.
    #[arg(long, value_name = "ID", help_heading = "Filters")]
    device: Option<String>,
}

/// Puts the filters into a query or a timeline, which have methods of the same names.
macro_rules! narrow {
    ($filters:expr, $query:expr) => {{
        let (filters, mut query) = ($filters, $query);
        if !filters.types.is_empty() {
            query = query.of_types(filters.types.iter().map(String::as_str));
        }
        if let Some(prefix) = &filters.type_prefix {
            query = query.type_prefix(prefix.as_str());
        }
        if let Some(module) = &filters.module {
            query = query.module(module.as_str());
        }
        if let Some(since) = filters.since {
            query = query.since(since);
        }
        if let Some(until) = filters.until {
            query = query.until(until);
        }
        for PropertyFilter { root, path, condition } in &filters.conditions {
            query = match root {
                Root::Properties => query.where_property(path.as_str(), condition.clone()),
                Root::Context => query.where_context(path.as_str(), condition.clone()),
            };
        }
        query
    }};
}

impl Filters {
    pub(crate) fn query<'v>(&self, query: EventQuery<'v>) -> EventQuery<'v> {
        narrow!(self, query)
    }

    pub(crate) fn timeline<'v>(&self, timeline: Timeline<'v>) -> Timeline<'v> {
        narrow!(self, timeline)
    }
}

impl PersonFilters {
    pub(crate) fn query<'v>(&self, mut query: EventQuery<'v>) -> EventQuery<'v> {
        if let Some(user) = &self.user {
            query = query.user(user.as_str());
        }
        if let Some(device) = &self.device {
            query = query.device(device.as_str());
        }
        query
    }

    /// Says so where nobody has an id that was named; for an answer without anything in it.
    pub(crate) fn tell_nobody(&self, views: &[View]) -> Outcome {
        if let Some(user) = &self.user {
            reading::tell_nobody(views, PersonRef::User(user))?;
        }
        if let Some(device) = &self.device {
            reading::tell_nobody(views, PersonRef::Anonymous(device))?;
        }
        Ok(())
    }
}

/// Characters that belong to operators of other languages. Taken for part of a name or a text they would make a
/// condition that never holds.
const OPERATOR_SIGNS: &[char] = &['=', '<', '>', '!', '~'];

const OPERATORS: &str = "the operators are =, >= and <=, and the property alone for any value; a text that begins with \
                         a sign stands in quotes, as in note=\"=12\"";

/// What of an envelope a path leads into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Root {
    Properties,
    Context,
}

/// A condition on one property, or on something of the context.
#[derive(Debug, Clone)]
pub(crate) struct PropertyFilter {
    root: Root,
    path: String,
    condition: Condition,
}

impl FromStr for PropertyFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((before, value)) = text.split_once('=') else {
            return Self::new(text, Condition::Exists);
        };
        if value.trim_start().starts_with(OPERATOR_SIGNS) {
            return Err(OPERATORS.to_owned());
        }
        let value = value_of(value);
        if let Some(path) = before.strip_suffix('>') {
            Self::new(path, Condition::AtLeast(value))
        } else if let Some(path) = before.strip_suffix('<') {
            Self::new(path, Condition::AtMost(value))
        } else {
            Self::new(before, Condition::Equals(value))
        }
    }
}

impl PropertyFilter {
    fn new(path: &str, condition: Condition) -> Result<Self, String> {
        match path.trim() {
            "" => Err("the property is missing before the sign".to_owned()),
            path if path.contains(['<', '>']) || path.ends_with(OPERATOR_SIGNS) => Err(OPERATORS.to_owned()),
            path => {
                let (root, path) = rooted(path)?;
                Ok(Self { root, path: path.to_owned(), condition })
            }
        }
    }
}

/// What a path leads into, and the rest of it. One that names neither is of the properties.
fn rooted(text: &str) -> Result<(Root, &str), String> {
    let (name, path) = text.split_once('.').unwrap_or((text, ""));
    let root = match name {
        "properties" => Root::Properties,
        "context" => Root::Context,
        _ => return Ok((Root::Properties, text)),
    };
    if path.is_empty() {
        return Err(format!(
            "a name is missing, as in {name}.amount; a property of this name is properties.{name}"
        ));
    }
    Ok((root, path))
}

/// The path of a property below the envelope's properties, with or without their name in front.
///
/// # Errors
///
/// A sentence where the path leads into the context, of which there are no sums.
pub(crate) fn property_path(text: &str) -> Result<String, String> {
    match rooted(text)? {
        (Root::Properties, path) => Ok(path.to_owned()),
        (Root::Context, _) => Err(format!(
            "what stands in the context cannot be added up, only properties; a property of this name is properties.{text}"
        )),
    }
}

/// A number, true, false, null or a quoted text as JSON writes them; anything else is a text as it stands.
pub(crate) fn value_of(text: &str) -> Value {
    let text = text.trim();
    match Value::from_json(text.as_bytes(), &Limits::default()) {
        Ok(value) => value,
        Err(_) => Value::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_begin_below_the_properties_unless_they_name_the_context() {
        use Root::{Context, Properties};
        for (text, root, path) in [
            ("amount", Properties, "amount"),
            ("cart.total", Properties, "cart.total"),
            ("properties.amount", Properties, "amount"),
            ("properties.context.x", Properties, "context.x"),
            ("properties.properties", Properties, "properties"),
            ("contextual.x", Properties, "contextual.x"),
            ("context.page.url", Context, "page.url"),
            ("context.context", Context, "context"),
        ] {
            assert_eq!(rooted(text), Ok((root, path)));
            assert_eq!(property_path(text).is_ok(), root == Properties, "{text}");
        }
        for wrong in ["context", "context.", "properties", "properties."] {
            assert!(property_path(wrong).is_err(), "{wrong}");
            assert!(format!("{wrong}=1").parse::<PropertyFilter>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn conditions_are_read_with_json_values_or_plain_text() {
        let read = |text: &str| text.parse::<PropertyFilter>().map(|filter| (filter.path, filter.condition));
        let equals = |path: &str, value: Value| Ok((path.to_owned(), Condition::Equals(value)));
        assert_eq!(read("currency=EUR"), equals("currency", Value::from("EUR")));
        assert_eq!(read("sku=\"12\""), equals("sku", Value::from("12")));
        assert_eq!(read("is_new = true"), equals("is_new", Value::from(true)));
        assert_eq!(read("url=a=b"), equals("url", Value::from("a=b")));
        assert_eq!(
            read("cart.total>=42"),
            Ok(("cart.total".to_owned(), Condition::AtLeast(Value::from(42))))
        );
        assert_eq!(read("amount <= 1e2"), Ok(("amount".to_owned(), Condition::AtMost(Value::from(100)))));
        assert_eq!(read("coupon"), Ok(("coupon".to_owned(), Condition::Exists)));
        assert_eq!(read("note=\"=12\""), equals("note", Value::from("=12")));
        assert_eq!(read("wow!x=1"), equals("wow!x", Value::from(1)));
        for wrong in ["", "=1", ">=1", "amount>1", "amount<1", "a>b=1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
