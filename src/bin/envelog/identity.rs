//! `explain` and `conflicts`: how the rules of identity were applied.

use std::str::FromStr;

use clap::Args;
use envelog::{Epoch, Error, Explanation, PersonId, PersonRef, Position, Reason, Seq, View};

use crate::args::Cli;
use crate::failure::{Outcome, tell};
use crate::output::{Cell, Column, Format, Output, Shape, write_object};
use crate::reading;

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  envelog explain 1.5
  envelog explain 5 --format table";

pub(crate) const CONFLICTS_EXAMPLES: &str = "\
Examples:
  envelog conflicts --format json
  envelog conflicts --format csv > conflicts.csv";

const ID: &[Column] = &[Column { name: "id", title: "" }, Column { name: "kind", title: "" }];

const EXPLANATION: &[Column] = &[
    Column { name: "position", title: "" },
    Column { name: "person", title: "" },
    Column { name: "member", title: "" },
    Column { name: "reasons", title: "" },
];

/// What people read of it.
const TABLE: &[Column] = &[Column { name: "name", title: "the event" }, Column { name: "value", title: "" }];

/// What a reason has, by its kind; names in byte order, as in all objects that are values.
const REASON: &[Column] = &[
    Column { name: "eventType", title: "" },
    Column { name: "from", title: "" },
    Column { name: "member", title: "" },
    Column { name: "messageId", title: "" },
    Column { name: "reason", title: "" },
    Column { name: "text", title: "" },
    Column { name: "timestamp", title: "" },
    Column { name: "to", title: "" },
    Column { name: "user", title: "" },
];

const CONFLICTS: &[Column] = &[
    Column { name: "timestamp", title: "time (UTC)" },
    Column { name: "eventType", title: "fact" },
    Column { name: "member", title: "member" },
    Column { name: "userId", title: "user" },
    Column { name: "rule", title: "rule" },
    Column { name: "messageId", title: "message id" },
];

/// Types and the words of rules stay whole, where a terminal is narrow: rules and then ids go on in the next line.
const CONFLICTS_SHAPE: Shape = Shape {
    is_cut: false,
    first: Some("messageId"),
    known: None,
    then: &["rule"],
    breaks: &["userId", "member"],
};

/// Say whose an event is, and why.
///
/// Of a position where no event of the project stands, and of an event without ids, nothing is shown, which is told on
/// standard error and is no error: the exit code is 0.
#[derive(Debug, Args)]
#[command(after_help = EXPLAIN_EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// Where the event stands, as an act answers it: 1.42 is seq 42 of the first epoch. A seq alone, as events lists it, is
    /// enough.
    #[arg(value_name = "POSITION")]
    place: PlaceChoice,
}

/// A position, or a seq of any epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlaceChoice {
    Seq(Seq),
    Position(Position),
}

impl FromStr for PlaceChoice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok());
        let place = match text.split_once('.') {
            None => number(text).flatten().map(|seq| Self::Seq(Seq::new(seq))),
            Some((epoch, seq)) => {
                let epoch = number(epoch).flatten().and_then(|epoch: u64| u32::try_from(epoch).ok());
                let seq = number(seq).flatten();
                epoch.zip(seq).map(|(epoch, seq)| {
                    Self::Position(Position { seq: Seq::new(seq), epoch: Epoch::new(epoch) })
                })
            }
        };
        place.ok_or("not a position; write 1.42, or 42 for the seq alone")
    }
}

impl PlaceChoice {
    /// Where in the store that is; none for a seq at which no event of the project stands.
    fn position(self, view: &View) -> envelog::Result<Option<Position>> {
        match self {
            Self::Position(position) => Ok(Some(position)),
            Self::Seq(seq) => {
                let found = view.events().seq_range(seq..seq.next()).iter().next().transpose()?;
                Ok(found.map(|event| event.position()))
            }
        }
    }
}

/// Says whose an event is.
pub(crate) fn explain(cli: &Cli, arguments: &ExplainArgs) -> Outcome {
    let store = reading::open(cli)?;
    let view = reading::project(cli, &store)?.view()?;
    let mut output = Output::new(Format::of(cli.format));
    let columns = if output.format().is_for_people() { TABLE } else { EXPLANATION };
    let position = arguments.place.position(&view)?;
    let explanation = match position.map(|position| view.explain(position)).transpose() {
        Ok(explanation) => explanation.flatten(),
        // What stood there is gone, and no event stands there: an empty answer, with what there is to say of it.
        Err(error @ Error::TakenBack { .. }) => {
            output.list(columns).end()?;
            tell(format_args!("envelog: {error}"));
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    if let (Some(position), Some(explanation)) = (position, &explanation) {
        return write(&mut output, position, explanation);
    }
    output.list(columns).end()?;
    let is_there = position.map(|position| view.get(position)).transpose()?.flatten().is_some();
    tell(format_args!(
        "envelog: {}",
        if is_there {
            "the event has neither a userId nor an anonymousId, and is nobody's"
        } else {
            "no event of the project stands there"
        }
    ));
    Ok(())
}

fn write(output: &mut Output, position: Position, explanation: &Explanation) -> Outcome {
    let position = position.to_string();
    let Explanation { person, member, reasons, .. } = explanation;
    if !output.format().is_for_people() {
        let reasons: Vec<String> = reasons.iter().map(reason_json).collect();
        let mut list = output.list(EXPLANATION);
        list.row(&[
            Cell::Text(&position),
            Cell::Json(&person_json(person.as_ref())),
            Cell::Json(&person_json(member.as_ref())),
            Cell::Json(&format!("[{}]", reasons.join(","))),
        ])?;
        return list.end();
    }
    let mut list = output.list(TABLE);
    let (person, member) = (person.to_string(), member.to_string());
    for (name, value) in [("stands at", &position), ("is of", &person), ("came by", &member)] {
        list.row(&[Cell::Text(name), Cell::Text(value)])?;
    }
    for (index, reason) in reasons.iter().enumerate() {
        let name = if index == 0 { "because" } else { "" };
        list.row(&[Cell::Text(name), Cell::Text(&reason.to_string())])?;
    }
    list.end()
}

/// Kind and id as a JSON object, as in the events that state acts of identity.
pub(crate) fn person_json(person: PersonRef<'_>) -> String {
    let kind = match person {
        PersonRef::User(_) => "user",
        PersonRef::Anonymous(_) => "anonymous",
    };
    object(ID, &[Cell::Text(person.id()), Cell::Text(kind)])
}

fn reason_json(reason: &Reason) -> String {
    let text = reason.to_string();
    let mut cells = [Cell::Missing; REASON.len()];
    let [event_type, from, member, message_id, name, words, timestamp, to, user] = &mut cells;
    *words = Cell::Text(&text);
    let id = |id: &PersonId| person_json(id.as_ref());
    let (first, second);
    match reason {
        Reason::HasUserId(person) => {
            first = id(person);
            (*name, *member) = (Cell::Text("hasUserId"), Cell::Json(&first));
        }
        Reason::HasAnonymousId(person) => {
            first = id(person);
            (*name, *member) = (Cell::Text("hasAnonymousId"), Cell::Json(&first));
        }
        Reason::Joined { member: joined, user: to, event_type: by, timestamp: at, message_id: with } => {
            (first, second) = (id(joined), id(to));
            (*name, *member, *user) = (Cell::Text("joined"), Cell::Json(&first), Cell::Json(&second));
            (*event_type, *timestamp, *message_id) =
                (Cell::Text(by), Cell::Time(*at), Cell::maybe(with.as_deref()));
        }
        Reason::Shared { device, from: since, to: until } => {
            first = id(device);
            (*name, *member) = (Cell::Text("shared"), Cell::Json(&first));
            (*from, *to) = (Cell::Time(*since), Cell::maybe_time(*until));
        }
        Reason::Free(person) => {
            first = id(person);
            (*name, *member) = (Cell::Text("free"), Cell::Json(&first));
        }
        // One that this tool does not know has words.
        _ => {}
    }
    object(REASON, &cells)
}

fn object(columns: &[Column], cells: &[Cell<'_>]) -> String {
    let mut json = Vec::new();
    write_object(&mut json, columns, cells);
    String::from_utf8_lossy(&json).into_owned()
}

/// Lists the facts that have no effect.
pub(crate) fn conflicts(cli: &Cli) -> Outcome {
    let store = reading::open(cli)?;
    let view = reading::project(cli, &store)?.view()?;
    let conflicts = view.identity_conflicts()?;
    let mut output = Output::new(Format::of(cli.format));
    let is_for_people = output.format().is_for_people();
    let mut list = output.shaped_list(CONFLICTS, CONFLICTS_SHAPE);
    for conflict in &conflicts {
        let (rule, member);
        let rule = if is_for_people {
            rule = conflict.rule.to_string();
            Cell::Text(&rule)
        } else {
            Cell::Text(conflict.rule.as_str())
        };
        let member = match &conflict.member {
            None => Cell::Missing,
            Some(id) if is_for_people => {
                member = id.to_string();
                Cell::Text(&member)
            }
            Some(id) => {
                member = person_json(id.as_ref());
                Cell::Json(&member)
            }
        };
        list.row(&[
            Cell::Time(conflict.timestamp),
            Cell::Text(conflict.event_type),
            member,
            Cell::Text(conflict.user.id()),
            rule,
            Cell::maybe(conflict.message_id.as_deref()),
        ])?;
    }
    list.end()?;
    if conflicts.is_empty() && is_for_people {
        tell(format_args!("envelog: every fact of identity has an effect"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_position_or_a_seq() {
        let position =
            |epoch, seq| Ok(PlaceChoice::Position(Position { seq: Seq::new(seq), epoch: Epoch::new(epoch) }));
        assert_eq!("1.42".parse(), position(1, 42));
        assert_eq!("3.18446744073709551615".parse(), position(3, u64::MAX));
        assert_eq!("42".parse(), Ok(PlaceChoice::Seq(Seq::new(42))));
        for wrong in ["", ".", "1.", ".1", "1.2.3", "+1", "1.-2", "4294967296.1", "18446744073709551616", "x"]
        {
            assert!(wrong.parse::<PlaceChoice>().is_err(), "{wrong}");
        }
    }
}
