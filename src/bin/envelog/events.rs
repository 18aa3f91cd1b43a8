//! `events` and `timeline`: events as they are.

use std::{mem, slice};

use envelog::{EventRef, OnCorruption, PageToken, PersonRef, ValueRef};

use crate::args::{Cli, EventsArgs, TimelineArgs};
use crate::failure::{Failure, Outcome, tell};
use crate::output::{Cell, Column, Format, List, Output, Shape};
use crate::reading;

/// Events that a table lists unless it is asked for more.
const TABLE_EVENTS_DEFAULT: usize = 50;
/// Bytes of properties that a table shows of one event where there is no terminal to be as wide as.
const PROPERTIES_SHOWN_MAX: usize = 100;
/// Columns of a table of fixed widths where there is no terminal.
const FIXED_WIDTH_DEFAULT: u16 = 160;
/// Widths of times and projects, their margins included.
const FIXED_TIME: u16 = 21;
const FIXED_PROJECT: u16 = 38;
/// So much the heading of the properties needs.
const FIXED_PROPERTIES_LEAST: u16 = 12;

/// What people see of an event; the project only where there may be several.
const COLUMNS: &[Column] = &[
    Column { name: "projectId", title: "project" },
    Column { name: "timestamp", title: "time (UTC)" },
    Column { name: "eventType", title: "event" },
    Column { name: "module", title: "module" },
    Column { name: "id", title: "who" },
    Column { name: "properties", title: "properties" },
];

/// Event types are what a list of events is read by.
const SHAPE: Shape = Shape {
    is_cut: true,
    first: Some("properties"),
    known: None,
    then: &["projectId", "id", "module", "eventType"],
    breaks: &[],
};

/// What programs see of an event that read no JSON.
const FIELDS: &[Column] = &[
    Column { name: "projectId", title: "" },
    Column { name: "timestamp", title: "" },
    Column { name: "eventType", title: "" },
    Column { name: "module", title: "" },
    Column { name: "userId", title: "" },
    Column { name: "anonymousId", title: "" },
    Column { name: "messageId", title: "" },
    Column { name: "seq", title: "" },
    Column { name: "receivedAt", title: "" },
    Column { name: "properties", title: "" },
    Column { name: "context", title: "" },
];

/// Lists events in seq order.
pub(crate) fn events(cli: &Cli, arguments: &EventsArgs) -> Outcome {
    let store = reading::open(cli)?;
    let view = reading::project(cli, &store)?.view()?;
    let mut output = Output::new(Format::of(cli.format));
    let limit = match output.format() {
        format if format.is_for_people() => arguments.limit.or(Some(TABLE_EVENTS_DEFAULT)),
        _ => arguments.limit,
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
    if listed == 0 {
        arguments.person.tell_nobody(slice::from_ref(&view))?;
    }
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
    let mut listing = Listing::of_person(&mut output);
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
    if listed == 0 {
        reading::tell_nobody(slice::from_ref(&view), person)?;
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

/// Events on their way out: envelopes in JSON, fields of them in CSV, and what fits a line for people.
pub(crate) struct Listing<'o> {
    list: List<'o>,
    format: Format,
    /// Bytes of properties that a row shows.
    properties_max: usize,
    json: Vec<u8>,
    names_projects: bool,
}

impl<'o> Listing<'o> {
    /// A list of one project's events.
    pub(crate) fn new(output: &'o mut Output) -> Self {
        Self::of(output, false, SHAPE)
    }

    /// A list of one person's events.
    pub(crate) fn of_person(output: &'o mut Output) -> Self {
        Self::of(output, false, Shape { known: Some("id"), ..SHAPE })
    }

    /// A list of events that says of each which project it is of.
    pub(crate) fn with_projects(output: &'o mut Output) -> Self {
        Self::of(output, true, SHAPE)
    }

    fn of(output: &'o mut Output, names_projects: bool, shape: Shape) -> Self {
        let format = output.format();
        let width = output.width().map(usize::from);
        let properties_max = match format {
            // A character has at most four bytes, and what does not fit is cut by the table.
            Format::Table => width.map_or(PROPERTIES_SHOWN_MAX, |columns| columns * 4),
            _ => usize::MAX,
        };
        let columns = if format.is_for_people() { COLUMNS } else { FIELDS };
        let columns = if names_projects { columns } else { columns.get(1..).unwrap_or_default() };
        Self {
            list: output.shaped_list(columns, shape),
            format,
            properties_max,
            json: Vec::new(),
            names_projects,
        }
    }

    pub(crate) fn add(&mut self, event: &EventRef<'_>) -> Outcome {
        self.json.clear();
        if self.format.is_json() {
            event.to_json_with_meta(&mut self.json);
            return self.list.object(&self.json);
        }
        let project = if self.names_projects { event.project_id().to_string() } else { String::new() };
        if self.format.is_for_people() {
            self.add_row(event, &project)
        } else {
            self.add_fields(event, &project)
        }
    }

    fn add_row(&mut self, event: &EventRef<'_>, project: &str) -> Outcome {
        if let Some(properties) = event.properties() {
            properties.write_json(&mut self.json);
        }
        let properties = cut(&self.json, self.properties_max);
        let cells = [
            Cell::Text(project),
            Cell::Time(event.timestamp()),
            Cell::Text(event.event_type()),
            Cell::Text(event.module()),
            Cell::maybe(event.person().map(|person| person.id())),
            Cell::Text(&properties),
        ];
        self.list.row(self.without_project(&cells))
    }

    fn add_fields(&mut self, event: &EventRef<'_>, project: &str) -> Outcome {
        let text = |value: Option<ValueRef<'_>>| {
            let mut json = Vec::new();
            value?.write_json(&mut json);
            Some(String::from_utf8_lossy(&json).into_owned())
        };
        let (properties, context) = (text(event.properties()), text(event.context()));
        let cells = [
            Cell::Text(project),
            Cell::Time(event.timestamp()),
            Cell::Text(event.event_type()),
            Cell::Text(event.module()),
            Cell::maybe(event.user_id()),
            Cell::maybe(event.anonymous_id()),
            Cell::maybe(event.message_id()),
            Cell::Count(event.seq().get()),
            Cell::Time(event.received_at()),
            Cell::maybe(properties.as_deref()),
            Cell::maybe(context.as_deref()),
        ];
        self.list.row(self.without_project(&cells))
    }

    fn without_project<'c, 'a>(&self, cells: &'c [Cell<'a>]) -> &'c [Cell<'a>] {
        if self.names_projects { cells } else { cells.get(1..).unwrap_or_default() }
    }

    /// Lets every row be written as it comes, in columns that do not change; `width` is that of the terminal.
    pub(crate) fn fix(&mut self, width: Option<u16>) {
        let project = if self.names_projects { FIXED_PROJECT } else { 0 };
        let bars = u16::try_from(COLUMNS.len() + 1).unwrap_or_default();
        let taken = FIXED_TIME + project + bars;
        let left = width.unwrap_or(FIXED_WIDTH_DEFAULT).saturating_sub(taken);
        let (mut event, module) = ((left * 3 / 8).clamp(10, 32), (left / 5).clamp(11, 18));
        let who = (left / 4).clamp(10, 40);
        let mut properties = left.saturating_sub(event + module + who);
        if properties < FIXED_PROPERTIES_LEAST {
            // Left out, as in a table whose rows are known; types have their room.
            event += mem::take(&mut properties);
        }
        let widths = [project, FIXED_TIME, event, module, who, properties];
        let [_, without_project @ ..] = &widths;
        self.list.fix(if self.names_projects { &widths } else { without_project });
    }

    /// Hands the rows so far to the reader.
    pub(crate) fn flush(&mut self) -> Outcome {
        self.list.flush()
    }

    pub(crate) fn end(self) -> Outcome {
        self.list.end()
    }
}

/// The text, or its beginning where it is long.
fn cut(text: &[u8], bytes_max: usize) -> String {
    let shown = text.get(..text.len().min(bytes_max)).unwrap_or_default();
    let mut shown = String::from_utf8_lossy(shown).into_owned();
    if text.len() > bytes_max {
        // The cut may have gone through a character.
        shown.truncate(shown.trim_end_matches(char::REPLACEMENT_CHARACTER).len());
        shown.push_str(" ..");
    }
    shown
}
