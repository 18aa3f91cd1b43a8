//! `sign-up`, `alias` and `unlink`: acts of identity, decided against all that is stored, and stored as events.

use std::str::FromStr;

use clap::Args;
use envelog::{Ack, Error, Options, PersonRef, Scope, Store, Value};
use uuid::Uuid;

use crate::args::Cli;
use crate::failure::{Failure, Outcome};
use crate::filters::value_of;
use crate::output::{Cell, Column, Format, Output};
use crate::reading;
use crate::secret::SecretArgs;
use crate::summary::json_name;

const SIGN_UP_EXAMPLES: &str = "\
Examples:
  envelog sign-up anna --trait plan=free --trait name=Anna
  envelog sign-up bert --message-id signup-2024-117";

const ALIAS_EXAMPLES: &str = "\
Examples:
  envelog alias --anonymous d_2 anna
  envelog alias --user visitor_7 anna";

const UNLINK_EXAMPLES: &str = "\
Examples:
  envelog unlink --anonymous d_2 anna
  envelog unlink --user visitor_7 anna --message-id support-4711";

/// The module of a scope, which acts take no notice of: they are all of the module profiles.
const MODULE: &str = "profiles";

const COLUMNS: &[Column] =
    &[Column { name: "position", title: "position" }, Column { name: "notes", title: "notes" }];

/// Sign a user up: the user is identified from then on, in place.
///
/// A user who was anonymous keeps the id and all events, and one who is not known is made. One who is identified already is
/// refused, with exit code 1. The answer is where the event stands that says so, and notes.
#[derive(Debug, Args)]
#[command(after_help = SIGN_UP_EXAMPLES)]
pub(crate) struct SignUpArgs {
    /// The userId.
    user: String,
    /// A trait, such as plan=pro; may be given several times.
    ///
    /// A number, true, false, null and text in quotes are read as JSON, and anything else is a text as it stands: zip=123
    /// is a number, and zip="0123" a text. null unsets.
    #[arg(long = "trait", value_name = "NAME=VALUE")]
    traits: Vec<TraitChoice>,
    #[command(flatten)]
    act: ActArgs,
}

/// Join a device or an anonymous user to a user: what they did, and will do, is that user's.
///
/// Where that breaks a rule of identity the exit code is 1 and nothing is stored: a user who is identified is not joined
/// to another one, and a member of one user is not taken from there, which unlink does.
#[derive(Debug, Args)]
#[command(after_help = ALIAS_EXAMPLES)]
pub(crate) struct AliasArgs {
    #[command(flatten)]
    member: MemberArgs,
    /// The userId of the user to join it to, who is made where nobody has it.
    #[arg(value_name = "TO")]
    to: String,
    #[command(flatten)]
    act: ActArgs,
}

/// Take a device or user from the user that it was joined to: its events and traits are its own again.
///
/// Where it does not belong to that user directly the exit code is 1 and nothing is stored.
#[derive(Debug, Args)]
#[command(after_help = UNLINK_EXAMPLES)]
pub(crate) struct UnlinkArgs {
    #[command(flatten)]
    member: MemberArgs,
    /// The userId of the user to take it from.
    #[arg(value_name = "FROM")]
    from: String,
    #[command(flatten)]
    act: ActArgs,
}

/// Which id is joined or taken.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct MemberArgs {
    /// The userId of a user.
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// The anonymousId of a device.
    #[arg(long, visible_alias = "device", value_name = "ID")]
    anonymous: Option<String>,
}

impl MemberArgs {
    /// The command line has one of the two.
    fn person(&self) -> PersonRef<'_> {
        match (&self.user, &self.anonymous) {
            (Some(user), _) => PersonRef::User(user),
            (None, device) => PersonRef::Anonymous(device.as_deref().unwrap_or_default()),
        }
    }
}

/// What all acts may be given.
#[derive(Debug, Args)]
pub(crate) struct ActArgs {
    /// Id of this act, which makes it harmless to repeat: the same command with the same id stores nothing again.
    #[arg(long, value_name = "ID")]
    message_id: Option<String>,
    /// Organisation of the project, where the project is new; sign-up and alias then make a store that is missing.
    #[arg(long, value_name = "UUID")]
    org: Option<Uuid>,
    #[command(flatten)]
    secret: SecretArgs,
}

/// A trait and its value.
#[derive(Debug, Clone)]
struct TraitChoice {
    name: String,
    value: Value,
}

impl FromStr for TraitChoice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=').map(|(name, value)| (name.trim(), value)) {
            Some((name, value)) if !name.is_empty() => {
                Ok(Self { name: name.to_owned(), value: value_of(value) })
            }
            _ => Err("a trait is written name=value, as in plan=pro"),
        }
    }
}

/// Signs a user up.
pub(crate) fn sign_up(cli: &Cli, arguments: &SignUpArgs) -> Outcome {
    act(cli, &arguments.act, Make::IfMissing, |scope| {
        let mut act = scope.sign_up(&arguments.user);
        for TraitChoice { name, value } in &arguments.traits {
            act = act.set(name, value.clone());
        }
        if let Some(id) = &arguments.act.message_id {
            act = act.message_id(id);
        }
        act.append()
    })
}

/// Joins a member to a user.
pub(crate) fn alias(cli: &Cli, arguments: &AliasArgs) -> Outcome {
    act(cli, &arguments.act, Make::IfMissing, |scope| {
        let mut act = scope.alias(arguments.member.person(), &arguments.to);
        if let Some(id) = &arguments.act.message_id {
            act = act.message_id(id);
        }
        act.append()
    })
}

/// Takes a member from its user.
pub(crate) fn unlink(cli: &Cli, arguments: &UnlinkArgs) -> Outcome {
    // In a new store nobody belongs to anybody.
    act(cli, &arguments.act, Make::Never, |scope| {
        let mut act = scope.unlink(arguments.member.person(), &arguments.from);
        if let Some(id) = &arguments.act.message_id {
            act = act.message_id(id);
        }
        act.append()
    })
}

/// Whether an act makes the store that it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Make {
    /// Where it is missing and the act begins a project.
    IfMissing,
    Never,
}

/// Opens the store, does the act, and writes where it stands. It is durable when that is told.
fn act(
    cli: &Cli,
    arguments: &ActArgs,
    make: Make,
    act: impl FnOnce(&Scope) -> envelog::Result<Ack>,
) -> Outcome {
    let options = Options::new()
        // A project that is new, in a store that may be.
        .create(make == Make::IfMissing && arguments.org.is_some() && cli.project.is_some())
        .on_corruption(cli.on_corruption());
    let store = arguments.secret.apply(options)?.open(cli.store()?)?;
    reading::tell_damage(&store);
    let done = scope(cli, &store, arguments.org).and_then(|scope| Ok(act(&scope)?));
    // The first failure is the one to tell.
    let closed = store.close();
    let ack = done?;
    closed?;
    write(cli, &ack)
}

/// The project that was named, or the only one, for writing.
fn scope(cli: &Cli, store: &Store, org: Option<Uuid>) -> Outcome<Scope> {
    let projects = store.projects()?;
    let project = match (cli.project, projects.as_slice()) {
        (Some(project), _) => project,
        (None, [only]) => *only,
        (None, []) => {
            let message = "the store has no project; name a new one with --project UUID and --org UUID";
            return Err(Failure::Usage(message.to_owned()));
        }
        (None, known) => return Err(reading::ambiguous(known)),
    };
    let org = match org {
        Some(org) => org,
        None if projects.contains(&project) => org_of(store, project)?,
        None => {
            let known = reading::listed(&projects);
            let message = format!("the store has no such project; --org UUID begins it; {known}");
            return Err(Failure::Message(message));
        }
    };
    Ok(store.scope(org, project, MODULE))
}

/// The organisation of a project, which all its events have.
fn org_of(store: &Store, project: Uuid) -> Outcome<Uuid> {
    let view = store.project(project).view()?;
    for event in &view.events().newest_first() {
        match event {
            Ok(event) => return Ok(event.org_id()),
            // Any other event tells as well.
            Err(Error::Gap { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let message = "no event of the project can be read; name its organisation with --org UUID";
    Err(Failure::Message(message.to_owned()))
}

fn write(cli: &Cli, ack: &Ack) -> Outcome {
    let mut output = Output::new(Format::of(cli.format));
    let format = output.format();
    let notes: Vec<String> = if format.is_for_people() {
        ack.notes.iter().map(|note| note.to_string()).collect()
    } else {
        ack.notes.iter().map(json_name).collect()
    };
    let (json, text);
    let notes = if format.is_json() {
        json = format!("[{}]", notes.iter().map(|note| format!("\"{note}\"")).collect::<Vec<_>>().join(","));
        Cell::Json(&json)
    } else {
        text = notes.join(if format.is_for_people() { "; " } else { " " });
        Cell::Text(&text)
    };
    let position = ack.position.to_string();
    let mut list = output.list(COLUMNS);
    list.row(&[Cell::Text(&position), notes])?;
    list.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trait_has_a_name_and_a_json_value_or_plain_text() {
        let read = |text: &str| text.parse::<TraitChoice>().map(|each| (each.name, each.value));
        assert_eq!(read("plan=pro"), Ok(("plan".to_owned(), Value::from("pro"))));
        assert_eq!(read("seats=5"), Ok(("seats".to_owned(), Value::from(5))));
        assert_eq!(read("zip=\"0123\""), Ok(("zip".to_owned(), Value::from("0123"))));
        assert_eq!(read("note=a=b"), Ok(("note".to_owned(), Value::from("a=b"))));
        assert_eq!(read("note="), Ok(("note".to_owned(), Value::from(""))));
        for wrong in ["", "plan", "=pro", " =pro"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
