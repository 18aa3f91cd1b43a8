//! `profile --history`: how the traits of a person came to be what they are.

use envelog::{TraitChange, Value};

use crate::failure::Outcome;
use crate::identity::person_json;
use crate::output::{Cell, Column, Output, Shape};

const COLUMNS: &[Column] = &[
    Column { name: "timestamp", title: "time (UTC)" },
    Column { name: "trait", title: "trait" },
    Column { name: "before", title: "before" },
    Column { name: "after", title: "after" },
    Column { name: "member", title: "id" },
    Column { name: "position", title: "position" },
];

/// Names of traits stay whole, where a terminal is narrow, and values as long as positions can be left out for them.
const SHAPE: Shape = Shape {
    is_cut: false,
    first: Some("member"),
    known: Some("position"),
    then: &["before", "after"],
    breaks: &["before", "after"],
};

/// Writes the changes, and tells how many they are.
pub(super) fn write(output: &mut Output, changes: &[TraitChange]) -> Outcome<usize> {
    let is_for_people = output.format().is_for_people();
    let mut list = output.shaped_list(COLUMNS, SHAPE);
    for change in changes {
        let member =
            if is_for_people { change.member.to_string() } else { person_json(change.member.as_ref()) };
        let member = if is_for_people { Cell::Text(&member) } else { Cell::Json(&member) };
        let (before, after) = (json(change.before.as_ref()), json(change.after.as_ref()));
        list.row(&[
            Cell::Time(change.timestamp),
            Cell::Text(&change.name),
            cell(change.before.as_ref(), before.as_deref(), is_for_people),
            cell(change.after.as_ref(), after.as_deref(), is_for_people),
            member,
            Cell::Text(&change.position.to_string()),
        ])?;
    }
    list.end()?;
    Ok(changes.len())
}

/// A value as JSON text; none for a trait that is not set.
fn json(value: Option<&Value>) -> Option<String> {
    let mut json = Vec::new();
    value?.write_json(&mut json);
    Some(String::from_utf8_lossy(&json).into_owned())
}

/// The cell of a value. People see a text with quotes, as in the table of a profile.
fn cell<'a>(value: Option<&'a Value>, json: Option<&'a str>, is_for_people: bool) -> Cell<'a> {
    match value.and_then(Value::as_str) {
        Some(text) if !is_for_people => Cell::Text(text),
        _ => json.map_or(Cell::Missing, Cell::Json),
    }
}
