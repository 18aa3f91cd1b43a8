//! `events` and `timeline`: events as they are.

use envelog::{EventRef, OnCorruption, PageToken, PersonRef};

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
    if let (Some(limit), OnCorruption::Fail) = (limit, cli.on_corruption()) {
        // One more tells whether there are more. Gaps that are passed over would count.
        query = query.limit(limit.saturating_add(1));
    }
    let mut listing = Listing::new(&mut output);
    let mut listed = 0;
    let mut is_cut = false;
    for event in &query {
        let Some(event) = reading::or_gap(cli, event)? else { continue };
        if limit == Some(listed) {
            is_cut = true;
            break;
        }
        listing.add(&event)?;
        listed += 1;
    }
    listing.end()?;
    if is_cut && arguments.limit.is_none() {
        tell(format_args!("there are more; --limit N shows N of them"));
    }
    Ok(())
}

/// Lists the events of a person by time.
pub(crate) fn timeline(cli: &Cli, arguments: &TimelineArgs) -> Outcome {
    let token = arguments.after.as_deref().map(|text| page_token(text, arguments)).transpose()?;
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

    let mut output = Output::new(Format::of(cli.format));
    let mut listing = Listing::new(&mut output);
    let mut next_page = None;
    let mut listed = 0;
    let mut is_cut = false;
    let mut events = timeline.iter();
    while let Some(event) = events.next() {
        let Some(event) = reading::or_gap(cli, event)? else { continue };
        if listed == arguments.limit {
            is_cut = true;
            break;
        }
        listing.add(&event)?;
        listed += 1;
        next_page = events.page_token();
    }
    listing.end()?;
    if output.format() == Format::Table && view.activity(person)?.is_none() {
        tell(format_args!("there is nothing of this {}", if arguments.device { "device" } else { "user" }));
    }
    if let (true, Some(token)) = (is_cut, next_page) {
        tell(format_args!("there are more; go on with --after {token}"));
    }
    Ok(())
}

/// The token of the page before, whose direction must be the one that was asked for.
fn page_token(text: &str, arguments: &TimelineArgs) -> Outcome<PageToken> {
    let token: PageToken = text.parse().map_err(|error: envelog::Error| Failure::Usage(error.to_string()))?;
    let (is_other, flag) =
        if token.is_newest_first() { (arguments.oldest, "--oldest") } else { (arguments.newest, "--newest") };
    if is_other {
        let reason = "the page before went the other way, and the next one goes on in its direction";
        return Err(Failure::Usage(format!("{flag} contradicts --after: {reason}")));
    }
    Ok(token)
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

    pub(crate) fn add(&mut self, event: &EventRef<'_>) -> Outcome {
        match self {
            Self::Rows(list) => add_row(list, event),
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
    let mut json = Vec::new();
    if let Some(properties) = event.properties() {
        properties.write_json(&mut json);
    }
    let properties = cut(&json);
    list.row(&[
        Cell::Time(event.timestamp()),
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
