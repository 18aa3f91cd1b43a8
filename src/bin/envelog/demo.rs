//! `demo`: a generated shop's half year goes in, and a few answers come out.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, fmt, fs, io, process};

use envelog::sample::{self, Generator};
use envelog::{DateTime, Durability, Options, Period, PersonRef, Store, View};

use crate::args::{Cli, DemoArgs, FormatChoice};
use crate::counts::period_name;
use crate::events::Listing;
use crate::failure::{Failure, Outcome, tell};
use crate::output::{Cell, Column, Format, Output, grouped};
use crate::people;
use crate::progress::per_second;

/// Steps on the way to an order.
const STEPS: &[&str] = &["product.viewed", "cart.item_added", "order.placed"];
const BATCH_EVENTS: usize = 1_000;
const TIMELINE_EVENTS: usize = 10;

const FUNNEL: &[Column] = &[
    Column { name: "eventType", title: "event" },
    Column { name: "count", title: "events" },
    Column { name: "users", title: "users" },
];
const MONTHS: &[Column] = &[
    Column { name: "month", title: "month" },
    Column { name: "count", title: "events" },
    Column { name: "orders", title: "orders" },
    Column { name: "amount", title: "sum of amounts" },
];

/// Fills a store and asks it.
pub(crate) fn run(cli: &Cli, arguments: &DemoArgs) -> Outcome {
    cli.without_store("the demo makes a store of its own; --keep DIR keeps it")?;
    cli.without_project("the shop has one project of its own")?;
    // It is a show: tables, unless something else is asked for.
    let format = match cli.format {
        FormatChoice::Auto => Format::Table,
        FormatChoice::Json | FormatChoice::Csv => {
            let reason = "the demo gives several answers, which are no single array or file of fields";
            return Err(Failure::Usage(format!("{reason}; use table, markdown or ndjson")));
        }
        choice => Format::of(choice),
    };
    let directory = match &arguments.keep {
        Some(path) => Directory::kept(path)?,
        None => Directory::temporary()?,
    };
    let mut show = Show { output: Output::new(format) };
    fill(&directory.path, &mut show)?;
    ask(&directory.path, &mut show)?;
    if let Some(path) = &arguments.keep {
        let path = shell_word(&path.display().to_string());
        show.heading(format_args!("The store is kept. Go on with: envelog --store {path} count --by type"))?;
    }
    show.output.flush()
}

/// The text as one word of a shell's command line.
fn shell_word(text: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-+,:@%".contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Generates the shop's events and stores them.
fn fill(directory: &Path, show: &mut Show) -> Outcome {
    let store = Options::new().durability(Durability::Buffered).open(directory)?;
    let mut generator = Generator::new(sample::Options::shop());
    let mut text = String::new();
    let (mut events, mut bytes) = (0, 0);
    let mut generating = Duration::ZERO;
    let start = Instant::now();
    loop {
        let generation = Instant::now();
        text.clear();
        let lines = (0..BATCH_EVENTS).take_while(|_| {
            let is_there = generator.next_line(&mut text);
            text.push('\n');
            is_there
        });
        let lines = lines.count();
        generating += generation.elapsed();
        if lines == 0 {
            break;
        }
        let mut batch = store.batch();
        for line in text.lines().take(lines) {
            batch.push_json(line.as_bytes())?;
            bytes += line.len();
        }
        events += batch.commit()?.len() as u64;
    }
    store.close()?;
    let storing = start.elapsed().saturating_sub(generating).as_secs_f64();
    show.heading(format_args!(
        "{} events of a shop's half year, {} MB of JSON, are stored in {storing:.2} s: {} a second.",
        grouped(i128::from(events)),
        bytes / 1_000_000,
        grouped(i128::from(per_second(events, storing)))
    ))
}

/// Opens the store anew, as any other program would, and asks it.
fn ask(directory: &Path, show: &mut Show) -> Outcome {
    let start = Instant::now();
    let store = Store::open_read_only(directory)?;
    let took = start.elapsed();
    let Some(project) = store.projects()?.first().copied() else {
        return Err(Failure::Message("the store has no events".to_owned()));
    };
    let view = store.project(project).view()?;
    show.heading(format_args!("It is open again after {}. On the way to an order:", Took(took)))?;
    funnel(&view, show)?;
    months(&view, show)?;
    let newest_order = view.events().of_type("order.placed").newest_first().limit(1).iter().next();
    let Some(order) = newest_order.transpose()? else {
        return Err(Failure::Message("the store has no orders".to_owned()));
    };
    let Some(person) = order.person() else {
        return Err(Failure::Message("the newest order has no user".to_owned()));
    };
    timeline(&view, person, show)?;
    profile(&view, person, show)
}

fn funnel(view: &View, show: &mut Show) -> Outcome {
    let start = Instant::now();
    let mut rows = Vec::with_capacity(STEPS.len());
    for step in STEPS {
        let query = view.events().of_type(*step);
        rows.push((step, query.count()?, query.users()?));
    }
    let took = start.elapsed();
    let mut list = show.output.list(FUNNEL);
    for (step, events, users) in rows {
        list.row(&[Cell::Text(step), Cell::Count(events), Cell::Count(users)])?;
    }
    list.end()?;
    show.heading(format_args!("Counted in {}. Month by month:", Took(took)))
}

fn months(view: &View, show: &mut Show) -> Outcome {
    let start = Instant::now();
    // A few late events lie before the half year.
    let begin = DateTime::from_timestamp(sample::Options::shop().start.cast_signed(), 0).unwrap_or_default();
    let events = view.events().since(begin).by(Period::Month).count()?;
    let sums = view.events().of_type("order.placed").by(Period::Month).sum("amount")?;
    let took = start.elapsed();
    let mut list = show.output.list(MONTHS);
    for month in events {
        let orders = sums.iter().find(|orders| orders.key == month.key).map(|orders| orders.value);
        let orders = orders.unwrap_or_default();
        list.row(&[
            Cell::Text(&period_name(Period::Month, month.key)),
            Cell::Count(month.value),
            Cell::Count(orders.count),
            Cell::Integer(orders.integers),
        ])?;
    }
    list.end()?;
    show.heading(format_args!("Counted and added up in {}.", Took(took)))
}

fn timeline(view: &View, person: PersonRef<'_>, show: &mut Show) -> Outcome {
    let timeline = view.timeline(person).newest_first().limit(TIMELINE_EVENTS);
    let start = Instant::now();
    let events = timeline.iter().count();
    let took = start.elapsed();
    show.heading(format_args!("The newest {events} events of who ordered last, found in {}:", Took(took)))?;
    let mut listing = Listing::of_person(&mut show.output);
    for event in &timeline {
        listing.add(&event?)?;
    }
    listing.end()
}

fn profile(view: &View, person: PersonRef<'_>, show: &mut Show) -> Outcome {
    let start = Instant::now();
    let profile = view.profile(person)?;
    let took = start.elapsed();
    let activity = view.activity(person)?;
    match profile {
        Some(profile) => {
            show.heading(format_args!("And the profile, found in {}:", Took(took)))?;
            people::write(&mut show.output, &profile, activity.as_ref())
        }
        None => show.heading(format_args!("Nothing has identified this person, so there is no profile.")),
    }
}

/// Headings and tables on standard output; with NDJSON the headings go to standard error.
struct Show {
    output: Output,
}

impl Show {
    fn heading(&mut self, text: fmt::Arguments<'_>) -> Outcome {
        match self.output.format() {
            Format::Table => self.output.line(format!("\n{text}").as_bytes())?,
            Format::Markdown => self.output.line(format!("\n{text}\n").as_bytes())?,
            _ => tell(text),
        }
        self.output.flush()
    }
}

/// A time for people.
struct Took(Duration);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_secs_f64() * 1e6;
        if micros < 1_000.0 { write!(f, "{micros:.0} us") } else { write!(f, "{:.1} ms", micros / 1e3) }
    }
}

/// Where the demo's store is.
struct Directory {
    path: PathBuf,
    is_temporary: bool,
}

impl Directory {
    /// A directory that was named and has nothing in it.
    fn kept(path: &Path) -> Outcome<Self> {
        let name = path.display();
        match fs::read_dir(path).map(|mut entries| entries.next().is_some()) {
            Ok(true) => return Err(Failure::Message(format!("{name}: the directory is not empty"))),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Failure::io(&name.to_string(), &error));
            }
            _ => {}
        }
        Ok(Self { path: path.to_owned(), is_temporary: false })
    }

    /// A new directory for temporary files.
    fn temporary() -> Outcome<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let path = env::temp_dir().join(format!("envelog-demo-{}-{now}", process::id()));
        fs::create_dir(&path).map_err(|error| Failure::io(&path.display().to_string(), &error))?;
        Ok(Self { path, is_temporary: true })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.is_temporary {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_for_the_shell() {
        for (text, word) in [
            ("dk", "dk"),
            ("/tmp/shop-1", "/tmp/shop-1"),
            ("my shop", "'my shop'"),
            ("it's", "'it'\\''s'"),
            ("a$b", "'a$b'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(text), word);
        }
    }
}
