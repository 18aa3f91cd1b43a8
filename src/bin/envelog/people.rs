//! `profile` and `profiles`: what is known of people.

mod history;

use std::slice;

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use envelog::{Activity, Kind, PersonId, PersonRef, Profile, ProfileState, View};

use crate::args::Cli;
use crate::events::person;
use crate::failure::{Outcome, tell};
use crate::identity::person_json;
use crate::output::{Cell, Column, Format, Output, Shape, grouped, printable};
use crate::reading;
use crate::time::parse_time;

const PROFILE_EXAMPLES: &str = "\
Examples:
  envelog profile user_001425
  envelog profile user_001425 --format markdown
  envelog profile user_001425 --at 2024-06-01 --format json
  envelog profile user_001425 --history";

const PROFILES_EXAMPLES: &str = "\
Examples:
  envelog profiles --limit 10 --format table
  envelog profiles --state identified --format csv > profiles.csv";

/// Members that people read of one profile.
const MEMBERS_SHOWN_MAX: usize = 10;

/// Show what is known of a user.
///
/// The id of any member names the whole person. Of a user who is not there nothing is shown, which is told on standard error
/// and is no error: the exit code is 0.
#[derive(Debug, Args)]
#[command(after_help = PROFILE_EXAMPLES)]
pub(crate) struct ProfileArgs {
    /// The userId, or with --device the anonymousId.
    user: String,
    /// The id is an anonymousId.
    #[arg(long, visible_alias = "anonymous")]
    device: bool,
    /// What the profile was at this time: 2024-06-01, 2024-06-01T12:00:00Z, now, or 7d for seven days ago.
    ///
    /// Members, state and traits are those of that moment of event time, with all that is known today.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<DateTime<Utc>>,
    /// How the traits came to be what they are: each change of a value, oldest first.
    #[arg(long, conflicts_with = "at")]
    history: bool,
}

/// List all profiles of the project.
///
/// A table on a terminal has a line for each, how many ids the person has, and as much of the traits as has room; profile
/// shows all of one.
#[derive(Debug, Args)]
#[command(after_help = PROFILES_EXAMPLES)]
pub(crate) struct ProfilesArgs {
    /// Most profiles to list.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Only profiles in this state.
    #[arg(long, value_enum)]
    state: Option<StateChoice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StateChoice {
    /// Devices of nobody known, and users who have not signed up yet.
    Anonymous,
    /// Users.
    Identified,
}

const PROFILE: &[Column] = &[
    Column { name: "userId", title: "user" },
    Column { name: "anonymousId", title: "device" },
    Column { name: "traits", title: "traits" },
    Column { name: "state", title: "state" },
    Column { name: "members", title: "ids" },
    Column { name: "firstSeen", title: "first seen" },
    Column { name: "lastSeen", title: "last seen" },
    Column { name: "events", title: "events" },
];

const PROFILES: &[Column] = &[
    Column { name: "userId", title: "user" },
    Column { name: "anonymousId", title: "device" },
    Column { name: "traits", title: "traits" },
    Column { name: "state", title: "state" },
    Column { name: "members", title: "ids" },
];

/// The traits of one user are many, and `profile` shows all.
const PROFILES_SHAPE: Shape =
    Shape { is_cut: true, first: Some("traits"), known: None, then: &["anonymousId", "userId"], breaks: &[] };

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
    let mut output = Output::new(Format::of(cli.format));
    if arguments.history {
        if history::write(&mut output, &view.profile_history(person)?)? == 0 {
            tell_empty(&view, person, "nothing has set a trait of this id")?;
        }
        return Ok(());
    }
    let (profile, activity, why_none) = if let Some(time) = arguments.at {
        let why = "nothing had identified this id then, so there was no profile";
        (view.profile_at(person, time)?, None, why)
    } else {
        let why = "nothing has identified this id, so there is no profile";
        (view.profile(person)?, view.activity(person)?, why)
    };
    if let Some(profile) = profile {
        return write(&mut output, &profile, activity.as_ref());
    }
    // An empty answer is one, in the form that was asked for.
    let columns = if output.format().is_for_people() { TRAITS } else { PROFILE };
    output.list(columns).end()?;
    tell_empty(&view, person, why_none)
}

/// Says why there is nothing to show of an id.
fn tell_empty(view: &View, person: PersonRef<'_>, reason: &str) -> Outcome {
    match view.activity(person)? {
        None => reading::tell_nobody(slice::from_ref(view), person),
        Some(activity) => {
            let events = number_of_events(activity.events);
            tell(format_args!("envelog: {reason}; its timeline has {events}"));
            Ok(())
        }
    }
}

/// Writes a profile with what is known of the person's events, where that is of the same moment.
pub(crate) fn write(output: &mut Output, profile: &Profile, activity: Option<&Activity>) -> Outcome {
    if output.format().is_for_people() {
        return table(output, profile, activity);
    }
    let seen = activity.map(|seen| [Cell::Time(seen.first), Cell::Time(seen.last), Cell::Count(seen.events)]);
    let [first, last, events] = seen.unwrap_or([Cell::Missing; 3]);
    let [user, device] = ids(profile);
    let mut list = output.list(PROFILE);
    list.row(&[
        user,
        device,
        Cell::Json(&profile.traits_json()),
        Cell::Text(profile.state().as_str()),
        Cell::Json(&members_json(profile)),
        first,
        last,
        events,
    ])?;
    list.end()
}

/// The members as a JSON list.
fn members_json(profile: &Profile) -> String {
    let members: Vec<String> = profile.members().map(person_json).collect();
    format!("[{}]", members.join(","))
}

/// The members for people; none where the person has only one id.
fn members_line(profile: &Profile) -> Option<String> {
    let count = profile.members().count();
    if count < 2 {
        return None;
    }
    let shown = profile.members().take(MEMBERS_SHOWN_MAX);
    let names: Vec<String> = shown.map(|member| printable(&PersonId::from(member).to_string())).collect();
    let more = count.saturating_sub(MEMBERS_SHOWN_MAX);
    let rest = if more > 0 { format!(" and {} more", grouped(more as i128)) } else { String::new() };
    Some(format!("ids: {}{rest}", names.join(", ")))
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
    if let Some(members) = members_line(profile) {
        if output.format() == Format::Markdown {
            // Lines that follow each other are one paragraph.
            output.line(b"")?;
        }
        output.line(members.as_bytes())?;
    }
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
    let is_for_people = output.format().is_for_people();
    let mut list = output.shaped_list(PROFILES, PROFILES_SHAPE);
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
        let json;
        let members = if is_for_people {
            Cell::Count(profile.members().count() as u64)
        } else {
            json = members_json(&profile);
            Cell::Json(&json)
        };
        let state = Cell::Text(profile.state().as_str());
        list.row(&[user, device, Cell::Json(&profile.traits_json()), state, members])?;
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
