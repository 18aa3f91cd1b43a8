//! `profile` and `profiles`: what is known of people.

use envelog::{Activity, Kind, PersonRef, Profile, ProfileState};

use crate::args::{Cli, ProfileArgs, ProfilesArgs, StateChoice};
use crate::events::person;
use crate::failure::{Failure, Outcome};
use crate::output::{Cell, Column, Format, Output, grouped};
use crate::reading;

const PROFILE: &[Column] = &[
    Column { name: "userId", title: "user" },
    Column { name: "anonymousId", title: "device" },
    Column { name: "traits", title: "traits" },
    Column { name: "state", title: "state" },
    Column { name: "firstSeen", title: "first seen" },
    Column { name: "lastSeen", title: "last seen" },
    Column { name: "events", title: "events" },
];

const PROFILES: &[Column] = &[
    Column { name: "userId", title: "user" },
    Column { name: "anonymousId", title: "device" },
    Column { name: "traits", title: "traits" },
    Column { name: "state", title: "state" },
];

const NAMES: &[Column] = &[
    Column { name: "trait", title: "trait" },
    Column { name: "kinds", title: "kinds of values" },
    Column { name: "profiles", title: "profiles" },
];

const TRAITS: &[Column] = &[
    Column { name: "trait", title: "trait" },
    Column { name: "value", title: "value" },
    Column { name: "at", title: "since (UTC)" },
];

/// Shows the profile of one person.
pub(crate) fn profile(cli: &Cli, arguments: &ProfileArgs) -> Outcome {
    let store = reading::open(cli)?;
    let view = reading::project(cli, &store)?.view()?;
    let person = person(&arguments.user, arguments.device);
    let activity = view.activity(person)?;
    let Some(profile) = view.profile(person)? else {
        return Err(Failure::Message(match activity {
            None if store.projects()?.is_empty() => "the store has no events".to_owned(),
            None => "the project knows nobody of this id".to_owned(),
            Some(activity) => format!(
                "nothing has identified this id, so there is no profile; its timeline has {}",
                number_of_events(activity.events)
            ),
        }));
    };
    write(&mut Output::new(Format::of(cli.format)), &profile, activity.as_ref())
}

/// Writes a profile with what is known of the person's events.
pub(crate) fn write(output: &mut Output, profile: &Profile, activity: Option<&Activity>) -> Outcome {
    if output.format().is_for_people() {
        return table(output, profile, activity);
    }
    let (first, last) = activity.map(|seen| (Cell::Time(seen.first), Cell::Time(seen.last))).unzip();
    let [user, device] = ids(profile);
    let mut list = output.list(PROFILE);
    list.row(&[
        user,
        device,
        Cell::Json(&profile.traits_json()),
        Cell::Text(profile.state().as_str()),
        first.unwrap_or(Cell::Missing),
        last.unwrap_or(Cell::Missing),
        Cell::Count(activity.map_or(0, |seen| seen.events)),
    ])?;
    list.end()
}

/// Writes a profile as a few lines and a table of its traits.
fn table(output: &mut Output, profile: &Profile, activity: Option<&Activity>) -> Outcome {
    let mut heading = profile.state().as_str().to_owned();
    if let Some(activity) = activity {
        let day = |time: chrono::DateTime<chrono::Utc>| time.format("%Y-%m-%d").to_string();
        heading = format!(
            "{heading}, {} from {} to {}",
            number_of_events(activity.events),
            day(activity.first),
            day(activity.last)
        );
    }
    output.line(heading.as_bytes())?;
    if output.format() == Format::Markdown {
        // A paragraph ends where a line is empty.
        output.line(b"")?;
    }
    let mut list = output.list(TRAITS);
    for each in profile.traits() {
        let mut value = Vec::new();
        each.value.write_json(&mut value);
        list.row(&[
            Cell::Text(each.name),
            Cell::Json(&String::from_utf8_lossy(&value)),
            Cell::Time(each.at),
        ])?;
    }
    list.end()
}

fn number_of_events(events: u64) -> String {
    format!("{} {}", grouped(i128::from(events)), if events == 1 { "event" } else { "events" })
}

/// Lists the profiles.
pub(crate) fn profiles(cli: &Cli, arguments: &ProfilesArgs) -> Outcome {
    let store = reading::open(cli)?;
    let view = reading::project(cli, &store)?.view()?;
    let mut output = Output::new(Format::of(cli.format));
    let mut list = output.list(PROFILES);
    let mut left = arguments.limit.unwrap_or(usize::MAX);
    for profile in view.profiles()? {
        if left == 0 {
            break;
        }
        let profile = profile?;
        if arguments.state.is_some_and(|state| !is_in(state, profile.state())) {
            continue;
        }
        left -= 1;
        let [user, device] = ids(&profile);
        list.row(&[user, device, Cell::Json(&profile.traits_json()), Cell::Text(profile.state().as_str())])?;
    }
    list.end()
}

fn is_in(choice: StateChoice, state: ProfileState) -> bool {
    match choice {
        StateChoice::Anonymous => state == ProfileState::Anonymous,
        StateChoice::Identified => state == ProfileState::Identified,
    }
}

/// Lists the names of the traits in use.
pub(crate) fn traits(cli: &Cli) -> Outcome {
    let store = reading::open(cli)?;
    let view = reading::project(cli, &store)?.view()?;
    let mut output = Output::new(Format::of(cli.format));
    let is_json = output.format().is_json();
    let mut list = output.list(NAMES);
    for each in view.traits()? {
        let kinds = each.kinds.iter().map(|kind| kind_name(*kind));
        let (json, text);
        let kinds = if is_json {
            json = format!("[{}]", kinds.map(|kind| format!("\"{kind}\"")).collect::<Vec<_>>().join(","));
            Cell::Json(&json)
        } else {
            text = kinds.collect::<Vec<_>>().join(" ");
            Cell::Text(&text)
        };
        list.row(&[Cell::Text(&each.name), kinds, Cell::Count(each.profiles)])?;
    }
    list.end()
}

/// A kind of value as JSON names it.
const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Null => "null",
        Kind::Bool => "boolean",
        Kind::Number => "number",
        Kind::String => "string",
        Kind::List => "array",
        Kind::Object => "object",
    }
}

/// The cells of `userId` and `anonymousId`, of which one is there.
fn ids(profile: &Profile) -> [Cell<'_>; 2] {
    match profile.person() {
        PersonRef::User(id) => [Cell::Text(id), Cell::Missing],
        PersonRef::Anonymous(id) => [Cell::Missing, Cell::Text(id)],
    }
}
