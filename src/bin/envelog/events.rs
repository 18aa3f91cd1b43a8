//! `events` and `timeline`: events as they are.

use envelog::{EventRef, PageToken, PersonRef};

use crate::args::{Cli, EventsArgs, TimelineArgs};
use crate::failure::{Failure, Outcome, tell};
use crate::output::{Cell, Column, Format, List, Output};
use crate::reading;

/// Events that a table lists unless it is asked for more.
const TABLE_EVENTS_DEFAULT: usize = 50;
/// Bytes of properties that a table shows of one event.
const PROPERTIES_SHOWN_MAX: usize = 100;

const COLUMNS: &[Column] = &[
    Column { name: "timestamp", title: "time (UTC)" },
    Column { name: "eventType", title: "event" },
    Column { name: "module", title: "module" },
    Column { name: "id", title: "who" },
    Column { name: "properties", title: "properties" },
];

/// Lists events in seq order.
pub(crate) fn events(cli: &Cli, arguments: &EventsArgs) -> Outcome {
    let store = reading::open(cli)?;
    let view = reading::project(cli, &store)?.view()?;
    let mut output = Output::new(Format::of(cli.format));
    let limit = match output.format() {
        Format::Table => arguments.limit.or(Some(TABLE_EVENTS_DEFAULT)),
        Format::Ndjson => arguments.limit,
    };
    let mut query = arguments.person.query(arguments.filters.query(view.events()));
    if arguments.newest {
        query = query.newest_first();
    }
    if let Some(limit) = limit {
        // One more tells whether there are more.
        query = query.limit(limit.saturating_add(1));
    }
    let mut listing = Listing::new(&mut output);
    let mut is_cut = false;
    for (index, event) in query.iter().enumerate() {
        if limit == Some(index) {
            is_cut = true;
            break;
        }
        listing.add(event)?;
    }
    listing.end()?;
    if is_cut && arguments.limit.is_none() {
        tell(format_args!("there are more; --limit N shows N of them"));
    }
    Ok(())
}

/// Lists the events of a person by time.
pub(crate) fn timeline(cli: &Cli, arguments: &TimelineArgs) -> Outcome {
    let token: Option<PageToken> = match &arguments.after {
        Some(text) => Some(text.parse().map_err(|error: envelog::Error| Failure::Usage(error.to_string()))?),
        None => None,
    };
    let store = reading::open(cli)?;
    let view = reading::project(cli, &store)?.view()?;
    let person = person(&arguments.user, arguments.device);
    let mut timeline = arguments.filters.timeline(view.timeline(person));
    if !arguments.oldest {
        timeline = timeline.newest_first();
    }
    if let Some(token) = token {
        timeline = timeline.after(token);
    }
    let timeline = timeline.limit(arguments.limit.saturating_add(1));

    let mut output = Output::new(Format::of(cli.format));
    let mut listing = Listing::new(&mut output);
    let mut next_page = None;
    let mut events = timeline.iter();
    for _ in 0..arguments.limit {
        let Some(event) = events.next() else { break };
        listing.add(event)?;
        next_page = events.page_token();
    }
    listing.end()?;
    if let (Some(_), Some(token)) = (events.next(), next_page) {
        tell(format_args!("there are more; go on with --after {token}"));
    }
    Ok(())
}

/// A person as the command line names one.
pub(crate) fn person(id: &str, is_device: bool) -> PersonRef<'_> {
    if is_device { PersonRef::Anonymous(id) } else { PersonRef::User(id) }
}

/// Events on their way out: envelopes as NDJSON, or rows of a table.
pub(crate) enum Listing<'o> {
    Rows(Box<List<'o>>),
    Lines(&'o mut Output, Vec<u8>),
}

impl<'o> Listing<'o> {
    pub(crate) fn new(output: &'o mut Output) -> Self {
        match output.format() {
            Format::Table => Self::Rows(Box::new(output.short_list(COLUMNS))),
            Format::Ndjson => Self::Lines(output, Vec::new()),
        }
    }

    pub(crate) fn add(&mut self, event: envelog::Result<EventRef<'_>>) -> Outcome {
        let event = event?;
        match self {
            Self::Rows(list) => add_row(list, &event),
            Self::Lines(output, line) => {
                line.clear();
                event.to_json_with_meta(line);
                output.line(line)
            }
        }
    }

    pub(crate) fn end(self) -> Outcome {
        match self {
            Self::Rows(list) => list.end(),
            Self::Lines(output, _) => output.flush(),
        }
    }
}

fn add_row(list: &mut List<'_>, event: &EventRef<'_>) -> Outcome {
    let time = event.timestamp().format("%Y-%m-%d %H:%M:%S").to_string();
    let mut json = Vec::new();
    if let Some(properties) = event.properties() {
        properties.write_json(&mut json);
    }
    let properties = cut(&json);
    list.row(&[
        Cell::Text(&time),
        Cell::Text(event.event_type()),
        Cell::Text(event.module()),
        Cell::maybe(event.person().map(|person| person.id())),
        Cell::Text(&properties),
    ])
}

/// The text, or its beginning where it is long.
fn cut(text: &[u8]) -> String {
    let shown = text.get(..text.len().min(PROPERTIES_SHOWN_MAX)).unwrap_or_default();
    let mut shown = String::from_utf8_lossy(shown).into_owned();
    if text.len() > PROPERTIES_SHOWN_MAX {
        // The cut may have gone through a character.
        shown.truncate(shown.trim_end_matches(char::REPLACEMENT_CHARACTER).len());
        shown.push_str(" ..");
    }
    shown
}
