//! A query in the form that serde reads and writes.

use std::fmt;
use std::marker::PhantomData;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::condition::{Condition, PropertyCondition};
use super::filter::{ALL_TIMES, Filter};
use super::question::Query;
use crate::envelope::{Value, time};
use crate::types::{Nanos, Seq};

/// Most event types, prefixes and conditions that are read, each.
const LIST_LEN_MAX: usize = 1024;
/// Longest text that is read, in bytes: as long as the longest id.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// A query as it is written.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    event_types: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    type_prefixes: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until_seq: Option<u64>,
    #[serde(rename = "where", skip_serializing_if = "Vec::is_empty")]
    conditions: Vec<Named<WrittenCondition>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    newest_first: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
}

/// A condition as it is written. A value that is there may be null.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct WrittenCondition {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_path: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    exists: bool,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    equals: Option<Value>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    at_least: Option<Value>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    at_most: Option<Value>,
}

/// What is written as an object with names. Fields by their place in a list, which serde takes as well, would make an
/// empty list a question about everything.
#[derive(Default, Serialize)]
#[serde(transparent)]
struct Named<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
            type Value = Named<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Named<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Named)
            }
        }

        deserializer.deserialize_map(Object(PhantomData))
    }
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    <Value as Deserialize>::deserialize(deserializer).map(Some)
}

impl Serialize for Query {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written::of(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Query {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Named(written) = Named::<Written>::deserialize(deserializer)?;
        written.read().map_err(D::Error::custom)
    }
}

impl Written {
    fn of(query: &Query) -> Self {
        let Filter { types, prefixes, by_type, user, device, module, times, seq_min, seq_max, .. } =
            &query.filter;
        let owned = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        let list = |names: &[Box<str>]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let is_named = !types.is_empty() || (*by_type && prefixes.is_empty());
        let conditions = query.filter.conditions.iter().map(|each| WrittenCondition {
            path: Some(each.path.to_string()),
            ..WrittenCondition::of(&each.condition)
        });
        let of_context = query.filter.context_conditions.iter().map(|each| {
            let context_path = Some(each.path.to_string());
            WrittenCondition { context_path, ..WrittenCondition::of(&each.condition) }
        });
        Self {
            event_types: is_named.then(|| list(types)),
            type_prefixes: (!prefixes.is_empty()).then(|| list(prefixes)),
            module: owned(module),
            user: owned(user),
            device: owned(device),
            since: (times.min > ALL_TIMES.min).then(|| text_of(times.min)),
            // The last instant that is included, and the one behind it.
            until: (times.max < ALL_TIMES.max).then(|| text_of(Nanos::new(times.max.get() + 1))),
            from_seq: (*seq_min > Seq::ZERO).then_some(seq_min.get()),
            until_seq: (seq_max.get() < u64::MAX).then(|| seq_max.get() + 1),
            conditions: conditions.chain(of_context).map(Named).collect(),
            newest_first: query.newest_first,
            limit: query.limit,
        }
    }

    fn read(self) -> Result<Query, String> {
        let mut query = Query { newest_first: self.newest_first, limit: self.limit, ..Query::default() };
        let filter = &mut query.filter;
        if let Some(types) = checked_list("eventTypes", self.event_types)? {
            filter.add_types(types);
        }
        for prefix in checked_list("typePrefixes", self.type_prefixes)?.unwrap_or_default() {
            filter.add_prefix(prefix);
        }
        filter.module = checked("module", self.module)?;
        filter.user = checked("user", self.user)?;
        filter.device = checked("device", self.device)?;
        if let Some(since) = self.since {
            filter.since(instant("since", &since)?);
        }
        if let Some(until) = self.until {
            filter.until(instant("until", &until)?);
        }
        filter.seq_min = Seq::new(self.from_seq.unwrap_or(0));
        if let Some(until) = self.until_seq {
            filter.seqs(filter.seq_min..Seq::new(until));
        }
        if self.conditions.len() > LIST_LEN_MAX {
            return Err(format!("where has more than {LIST_LEN_MAX} conditions"));
        }
        for Named(written) in self.conditions {
            let (is_context, condition) = written.read()?;
            if is_context { &mut filter.context_conditions } else { &mut filter.conditions }.push(condition);
        }
        Ok(query)
    }
}

impl WrittenCondition {
    /// The condition, its path left out.
    fn of(condition: &Condition) -> Self {
        let none = Self::default();
        match condition {
            Condition::Exists => Self { exists: true, ..none },
            Condition::Equals(value) => Self { equals: Some(value.clone()), ..none },
            Condition::AtLeast(least) => Self { at_least: Some(least.clone()), ..none },
            Condition::AtMost(most) => Self { at_most: Some(most.clone()), ..none },
            Condition::Between(least, most) => {
                Self { at_least: Some(least.clone()), at_most: Some(most.clone()), ..none }
            }
        }
    }

    /// The condition, and whether it is on the context.
    fn read(self) -> Result<(bool, PropertyCondition), String> {
        let Self { path, context_path, exists, equals, at_least, at_most } = self;
        let (is_context, path) = match (path, context_path) {
            (Some(path), None) => (false, path),
            (None, Some(path)) => (true, path),
            _ => return Err("a condition has either path or contextPath".to_owned()),
        };
        let condition = match (exists, equals, at_least, at_most) {
            (true, None, None, None) => Condition::Exists,
            (false, Some(value), None, None) => Condition::Equals(value),
            (false, None, Some(least), None) => Condition::AtLeast(least),
            (false, None, None, Some(most)) => Condition::AtMost(most),
            (false, None, Some(least), Some(most)) => Condition::Between(least, most),
            _ => {
                let reason =
                    "a condition has one of exists, equals, atLeast and atMost, or the last two together";
                return Err(reason.to_owned());
            }
        };
        Ok((is_context, PropertyCondition { path: bounded("path", path)?.into_boxed_str(), condition }))
    }
}

fn bounded(field: &str, text: String) -> Result<String, String> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!("{field} is longer than {TEXT_BYTES_MAX} bytes"));
    }
    Ok(text)
}

fn checked(field: &str, text: Option<String>) -> Result<Option<Box<str>>, String> {
    text.map(|text| bounded(field, text).map(String::into_boxed_str)).transpose()
}

fn checked_list(field: &str, texts: Option<Vec<String>>) -> Result<Option<Vec<String>>, String> {
    let Some(texts) = texts else { return Ok(None) };
    if texts.len() > LIST_LEN_MAX {
        return Err(format!("{field} has more than {LIST_LEN_MAX} names"));
    }
    texts.into_iter().map(|text| bounded(field, text)).collect::<Result<_, _>>().map(Some)
}

fn text_of(time: Nanos) -> String {
    time::to_datetime(time).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn instant(field: &str, text: &str) -> Result<DateTime<Utc>, String> {
    let read = DateTime::parse_from_rfc3339(text).map(|time| time.with_timezone(&Utc));
    read.map_err(|_| format!("{field} is not a date and time; write RFC 3339, such as 2024-03-13T10:21:14Z"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::SimRng;

    fn random_query(rng: &mut SimRng) -> Query {
        let text = |rng: &mut SimRng| format!("name{}.\u{e9}\"{}", rng.below(9), rng.below(9));
        let value = |rng: &mut SimRng| match rng.below(6) {
            0 => Value::Null,
            1 => Value::from(true),
            2 => Value::from(rng.next_u64()),
            3 => Value::from(rng.next_u64().cast_signed()),
            4 => Value::List(vec![Value::from(text(rng)), Value::Null]),
            _ => Value::from(text(rng)),
        };
        let any_time = |rng: &mut SimRng| match rng.below(4) {
            0 => DateTime::<Utc>::MIN_UTC,
            1 => DateTime::<Utc>::MAX_UTC,
            _ => DateTime::from_timestamp_nanos(rng.next_u64().cast_signed()),
        };
        let mut query = Query::new();
        for _ in 0..rng.below(8) {
            query = match rng.below(14) {
                0 => query.of_type(text(rng)),
                1 => query.of_types(Vec::<String>::new()),
                2 => query.type_prefix(text(rng)),
                3 => query.module(text(rng)),
                4 => query.user(text(rng)),
                5 => query.device(text(rng)),
                6 => query.since(any_time(rng)),
                7 => query.until(any_time(rng)),
                8 => query.seq_range(Seq::new(rng.below(3))..Seq::new(rng.below(5))),
                9 => query.seq_range(Seq::new(rng.next_u64())..Seq::new(u64::MAX)),
                10 => query.where_property(text(rng), Condition::Equals(value(rng))),
                11 => query.where_context(text(rng), Condition::Between(value(rng), value(rng))),
                12 => query
                    .where_property(text(rng), Condition::Exists)
                    .where_context("a", Condition::AtMost(value(rng))),
                _ => query.newest_first().limit(usize::try_from(rng.below(9)).unwrap()),
            };
        }
        query
    }

    #[test]
    fn what_is_written_is_read_as_the_same_query() {
        let seed = SimRng::seed_of_run();
        let mut rng = SimRng::new(seed);
        for round in 0..5_000 {
            let query = random_query(&mut rng);
            let text = serde_json::to_string(&query).unwrap();
            let read: Query = serde_json::from_str(&text).unwrap();
            assert_eq!(Written::of(&read).event_types, Written::of(&query).event_types);
            assert!(read == query, "ENVELOG_SEED={seed} round {round}: {text}");
        }
    }

    #[test]
    fn nothing_is_written_of_what_is_not_asked_and_all_of_it_may_be_left_out() {
        assert_eq!(serde_json::to_string(&Query::new()).unwrap(), "{}");
        assert_eq!(serde_json::from_str::<Query>("{}").unwrap(), Query::new());
        let of_none = Query::new().of_types(Vec::<String>::new());
        assert_eq!(serde_json::to_string(&of_none).unwrap(), r#"{"eventTypes":[]}"#);
    }

    #[test]
    fn slips_and_excess_are_refused() {
        let names = format!("{{\"eventTypes\":[{}\"a\"]}}", "\"a\",".repeat(LIST_LEN_MAX));
        let prefixes = names.replace("eventTypes", "typePrefixes");
        let conditions =
            format!("{{\"where\":[{}]}}", vec![r#"{"path":"a","exists":true}"#; LIST_LEN_MAX + 1].join(","));
        let long = format!("{{\"user\":\"{}\"}}", "x".repeat(TEXT_BYTES_MAX + 1));
        for text in [
            r#"{"eventType":["a"]}"#,
            r#"{"where":[{"path":"a"}]}"#,
            r#"{"where":[{"equals":1}]}"#,
            r#"{"where":[{"path":"a","contextPath":"b","equals":1}]}"#,
            r#"{"where":[{"path":"a","equals":1,"atMost":2}]}"#,
            r#"{"where":[{"path":"a","exists":true,"equals":1}]}"#,
            r#"{"where":[{"path":"a","exists":false}]}"#,
            r#"{"where":[{"path":"a","below":1}]}"#,
            r#"{"since":"yesterday"}"#,
            r#"{"limit":-1}"#,
            "[]",
            r#"[["order.placed"]]"#,
            "null",
            r#"{"where":[["a",null,false,1]]}"#,
            r#"{"where":[[]]}"#,
            &names,
            &prefixes,
            &conditions,
            &long,
        ] {
            assert!(serde_json::from_str::<Query>(text).is_err(), "{}", text.get(..60).unwrap_or(text));
        }
        let null: Query = serde_json::from_str(r#"{"where":[{"path":"a","equals":null}]}"#).unwrap();
        assert_eq!(null, Query::new().where_property("a", Condition::Equals(Value::Null)));
    }

    #[test]
    fn debug_output_shows_no_id_and_no_value() {
        let query = Query::new()
            .user("secret-user")
            .device("secret-device")
            .where_property("plan", Condition::Equals("secret-plan".into()))
            .where_context("page", Condition::Between("secret-a".into(), "secret-b".into()));
        let text = format!("{query:?}");
        assert!(!text.contains("secret"), "{text}");
        assert!(text.contains("plan") && text.contains("page"), "{text}");
    }
}
