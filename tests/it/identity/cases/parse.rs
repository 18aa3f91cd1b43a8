//! Reads the text form of the cases, which the module above describes.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::naive::{ConflictKind, NaiveConflict, NaiveEvent, NaiveProfile, NaiveState, Person};
use super::{Case, Question};

/// Parses a file of cases. It panics with the line that it cannot read.
pub(crate) fn parse(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        let words = words(line);
        if words.is_empty() || line.starts_with("--") {
            continue;
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if words[0] == "case" {
            cases.push(Case {
                name: words[1].to_owned(),
                members_max: 1000,
                steps: Vec::new(),
                questions: Vec::new(),
                conflicts: Vec::new(),
                only_agreement: false,
            });
            continue;
        }
        let case = cases.last_mut().expect("a file begins with a case");
        assert!(case.read(line, &words).is_some(), "{}: {line}", case.name);
    }
    cases
}

impl Case {
    fn read(&mut self, line: &str, words: &[&str]) -> Option<()> {
        match words {
            ["members_max", limit] => self.members_max = limit.parse().ok()?,
            ["only_agreement"] => self.only_agreement = true,
            ["conflict", kind, event_type, rest @ ..] => {
                self.conflicts.push(conflict(kind, event_type, rest)?);
            }
            [number, time, event_type, rest @ ..] if time.starts_with("t=") => {
                let step = step(number, time, event_type, rest)?;
                if step.seq != self.steps.len() as u64 + 1 {
                    return None;
                }
                self.steps.push(step);
            }
            _ => {
                let question = self.question(words)?;
                self.questions.push((line.to_owned(), question));
            }
        }
        Some(())
    }

    fn question(&self, words: &[&str]) -> Option<Question> {
        Some(match words {
            ["timeline", of, "=", "none"] => Question::Timeline(person(of)?, Vec::new()),
            ["timeline", of, "=", steps @ ..] => {
                let mut expected = Vec::new();
                for step in steps {
                    let step: usize = step.parse().ok()?;
                    expected.push(self.steps.get(step.checked_sub(1)?)?.seq);
                }
                Question::Timeline(person(of)?, expected)
            }
            ["owner", step, "=", "none"] => Question::Owner(step.parse().ok()?, None),
            ["owner", step, "=", owner] => Question::Owner(step.parse().ok()?, Some(person(owner)?)),
            ["canonical", of, "=", expected] => Question::Canonical(person(of)?, person(expected)?),
            ["members", of, "=", expected @ ..] => {
                Question::Members(person(of)?, persons(expected.iter().copied())?)
            }
            ["profile", of, "=", rest @ ..] => {
                let of = person(of)?;
                let expected = if *rest == ["none"] { None } else { Some(profile(&of, rest)?) };
                Question::Profile(of, expected)
            }
            ["profile_at", time, of, "=", rest @ ..] => {
                let of = person(of)?;
                let expected = if *rest == ["none"] { None } else { Some(profile(&of, rest)?) };
                Question::ProfileAt(of, time.parse().ok()?, expected)
            }
            ["profiles", "=", "none"] => Question::Profiles(Vec::new()),
            ["profiles", "=", expected @ ..] => Question::Profiles(persons(expected.iter().copied())?),
            _ => return None,
        })
    }
}

/// The words of a line. Quotes keep spaces together and stay in the word.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match quote {
            None if c == ' ' => {
                words.push(String::new());
                continue;
            }
            None if c == '"' || c == '\'' => quote = Some(c),
            Some(open) if open == c => quote = None,
            _ => {}
        }
        if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn unquoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|c| *c == '"' || *c == '\'')?;
    text.strip_prefix(quote)?.strip_suffix(quote)
}

fn id(text: &str) -> String {
    unquoted(text).unwrap_or(text).to_owned()
}

fn value(text: &str) -> Value {
    match unquoted(text) {
        Some(inner) => json!(inner),
        None => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
    }
}

fn person(text: &str) -> Option<Person> {
    let (kind, name) = text.split_once(':')?;
    match kind {
        "user" => Some(Person::User(id(name))),
        "device" => Some(Person::Anonymous(id(name))),
        _ => None,
    }
}

/// Sorted, as all lists of persons are.
fn persons<'a>(words: impl Iterator<Item = &'a str>) -> Option<Vec<Person>> {
    let mut persons = words.map(person).collect::<Option<Vec<Person>>>()?;
    persons.sort();
    Some(persons)
}

fn full_type(name: &str) -> String {
    match name {
        "created" => "identity.anonymous_created".to_owned(),
        "signed_up" | "aliased" | "unlinked" => format!("identity.{name}"),
        _ => name.to_owned(),
    }
}

fn step(number: &str, time: &str, event_type: &str, rest: &[&str]) -> Option<NaiveEvent> {
    let mut event = NaiveEvent {
        seq: number.parse().ok()?,
        timestamp: time.strip_prefix("t=")?.parse().ok()?,
        event_type: full_type(event_type),
        user_id: None,
        anonymous_id: None,
        message_id: None,
        properties: None,
        context: None,
    };
    let mut properties = Map::new();
    let mut context = Map::new();
    for word in rest {
        let (name, text) = word.split_once('=')?;
        match name {
            "user" => event.user_id = Some(id(text)),
            "device" => event.anonymous_id = Some(id(text)),
            "id" => event.message_id = Some(id(text)),
            "from" | "member" => {
                let member = match person(text)? {
                    Person::User(id) => json!({ "kind": "user", "id": id }),
                    Person::Anonymous(id) => json!({ "kind": "anonymous", "id": id }),
                };
                properties.insert(name.to_owned(), member);
            }
            _ => {
                let (object, name) = match name.strip_prefix("once.") {
                    Some(name) => ("traitsOnce", name),
                    None => ("traits", name),
                };
                let traits = context.entry(object).or_insert_with(|| json!({}));
                traits.as_object_mut()?.insert(name.to_owned(), value(text));
            }
        }
    }
    event.properties = (!properties.is_empty()).then_some(Value::Object(properties));
    event.context = (!context.is_empty()).then_some(Value::Object(context));
    Some(event)
}

fn profile(of: &Person, words: &[&str]) -> Option<NaiveProfile> {
    let (named, words) = match words {
        ["as", named, rest @ ..] => (person(named)?, rest),
        _ => (of.clone(), words),
    };
    let [state, members, traits @ ..] = words else {
        return None;
    };
    let mut profile = NaiveProfile {
        person: named,
        members: persons(members.strip_prefix("members=")?.split(','))?,
        state: match *state {
            "anonymous" => NaiveState::Anonymous,
            "identified" => NaiveState::Identified,
            _ => return None,
        },
        traits: BTreeMap::new(),
    };
    for word in traits {
        let (name, rest) = word.split_once('=')?;
        let (text, time) = rest.rsplit_once('@')?;
        let set = (value(text), time.parse().ok()?);
        profile.traits.insert(name.to_owned(), set);
    }
    Some(profile)
}

fn conflict(kind: &str, event_type: &str, words: &[&str]) -> Option<NaiveConflict> {
    let kind = match kind {
        "AlreadyIdentified" => ConflictKind::AlreadyIdentified,
        "NoPlace" => ConflictKind::NoPlace,
        "BoundToAnother" => ConflictKind::BoundToAnother,
        "Unlinked" => ConflictKind::Unlinked,
        "CannotMergeIdentified" => ConflictKind::CannotMergeIdentified,
        "Cycle" => ConflictKind::Cycle,
        "NotBound" => ConflictKind::NotBound,
        _ => return None,
    };
    let mut words = words.to_vec();
    let timestamp = words.remove(0).strip_prefix("t=")?.parse().ok()?;
    let mut message_id = None;
    if let Some(text) = words.first().and_then(|word| word.strip_prefix("id=")) {
        message_id = Some(id(text));
        words.remove(0);
    }
    let Person::User(user) = person(words.pop()?)? else {
        return None;
    };
    let member = match words.as_slice() {
        [] => None,
        [member] => Some(person(member)?),
        _ => return None,
    };
    Some(NaiveConflict { kind, event_type: full_type(event_type), timestamp, message_id, member, user })
}
