//! Opening, and questions of the kinds that a host asks most.

use std::path::Path;
use std::time::Instant;

use envelog::{PersonRef, Store, View};

use super::figures::Samples;
use super::ground::Ground;
use crate::failure::{Failure, Outcome};

const OPENINGS: usize = 5;
/// How often each question is asked, each time about another user or type as far as there are any.
const ASKED: usize = 2_000;
/// How often a question is asked whose answer is a count of a whole type.
const COUNTED: usize = 500;
/// Events of a page.
const PAGE: usize = 50;

/// Opens a closed store for reading.
pub(super) fn open(path: &Path, ground: &Ground) -> Outcome<Samples> {
    let mut samples = Samples::default();
    for _ in 0..OPENINGS {
        ground.go_on()?;
        let call = Instant::now();
        let store = Store::open_read_only(path)?;
        samples.add(call.elapsed());
        drop(store);
    }
    Ok(samples)
}

/// Asks each kind of question many times.
pub(super) fn all(store: &Store, ground: &Ground) -> Outcome<Vec<(&'static str, Samples)>> {
    let nothing = || Failure::Message("the store has no events".to_owned());
    let project = store.projects()?.first().copied().ok_or_else(nothing)?;
    let view = store.project(project).view()?;
    let types: Vec<String> = view.event_types()?.into_iter().map(|each| each.name).collect();
    let users = view.users()?.map(|user| user.map(str::to_owned)).collect::<envelog::Result<Vec<_>>>()?;
    let type_at = |number: usize| types.get(number % types.len().max(1)).map_or("", String::as_str);
    // A step that has no divisor in common with their number reaches all of them, in an order that is none.
    let user_at = |number: usize| users.get(number * 7919 % users.len().max(1)).map_or("", String::as_str);
    Ok(vec![
        ("newest 50 of a type", asked(ASKED, ground, |number| newest(&view, type_at(number)))?),
        ("newest 50 of a user", asked(ASKED, ground, |number| newest_of_user(&view, user_at(number)))?),
        (
            "count of a type",
            asked(COUNTED, ground, |number| Ok(view.events().of_type(type_at(number)).count()?))?,
        ),
        ("profile of a user", asked(ASKED, ground, |number| profile(&view, user_at(number)))?),
    ])
}

fn asked(times: usize, ground: &Ground, ask: impl Fn(usize) -> Outcome<u64>) -> Outcome<Samples> {
    let mut samples = Samples::default();
    for number in 0..times {
        ground.go_on()?;
        let call = Instant::now();
        std::hint::black_box(ask(number)?);
        samples.add(call.elapsed());
    }
    Ok(samples)
}

/// Reads a page and looks at every event of it.
fn newest(view: &View, event_type: &str) -> Outcome<u64> {
    let mut seen = 0;
    for event in &view.events().of_type(event_type).newest_first().limit(PAGE) {
        seen += event?.seq().get();
    }
    Ok(seen)
}

fn newest_of_user(view: &View, user: &str) -> Outcome<u64> {
    let mut seen = 0;
    for event in &view.timeline(PersonRef::User(user)).newest_first().limit(PAGE) {
        seen += event?.seq().get();
    }
    Ok(seen)
}

fn profile(view: &View, user: &str) -> Outcome<u64> {
    let profile = view.profile(PersonRef::User(user))?;
    Ok(profile.map_or(0, |profile| profile.traits().count() as u64))
}
