//! Whether the comparison is of the same work, and whether the report says what was measured.

use std::collections::BTreeMap;

use anyhow::Result;
use envelog::Uuid;

use crate::peer::{Level, Peer, Sum, View as _, Visited};
use crate::peers::{self, Visitor};
use crate::report::{self, Held};
use crate::result::Results;
use crate::{plot, workload};

const EVENTS: u64 = 20_000;

/// Everything that a store answers about the same events.
#[derive(Debug, PartialEq, Default)]
struct Answers {
    events: u64,
    visits: Vec<Visited>,
    counts: Vec<u64>,
    sums: Vec<Sum>,
    lens: Vec<Option<usize>>,
    traits: Vec<BTreeMap<String, serde_json::Value>>,
}

fn answers<P: Peer>(peer: &P) -> Result<Answers> {
    let view = peer.view()?;
    let projects = workload::projects();
    let mut answers = Answers { events: view.events()?, ..Answers::default() };
    for project in &projects {
        for event_type in envelog::sample::event_types().chain(["identify", "never.sent"]) {
            answers.visits.push(view.visit_type(*project, event_type)?);
            answers.counts.push(view.count(*project, event_type)?);
            let [from, until] = workload::MONTH;
            answers.counts.push(view.count_between(*project, event_type, from, until)?);
            answers.sums.push(view.sum_type(*project, event_type, workload::AMOUNT)?);
        }
    }
    answers.sums.push(view.sum_all(&projects, workload::AMOUNT)?);
    let people = workload::people(EVENTS, 300, false).into_iter();
    for (project, user) in people.chain(workload::people(EVENTS, 10_000, true)) {
        answers.visits.push(view.newest(project, &user, 50)?);
        answers.lens.push(view.trait_len(project, &user, workload::TRAIT)?);
        answers.traits.push(view.traits(project, &user)?);
    }
    answers.visits.push(view.newest(Uuid::nil(), "nobody", 50).unwrap_or_default());
    Ok(answers)
}

/// How the events come into the store.
#[derive(Debug, Clone, Copy)]
enum Way {
    Single,
    Batches,
    Lines,
}

struct Ask(Level, Way);

impl Visitor for Ask {
    type Output = Result<Answers>;

    fn visit<P: Peer>(self) -> Result<Answers> {
        let directory = tempfile::tempdir()?;
        let lines: Vec<String> = workload::lines(EVENTS).collect();
        let peer = P::open(directory.path(), self.0)?;
        match self.1 {
            Way::Lines => lines.chunks(1_000).try_for_each(|lines| peer.import(lines))?,
            way => {
                let ready = lines.iter().map(|line| peer.ready(line)).collect::<Result<Vec<_>>>()?;
                let commit = if matches!(way, Way::Single) { 1 } else { 1_000 };
                ready.chunks(commit).try_for_each(|events| peer.append(events))?;
            }
        }
        peer.settle()?;
        let before = answers(&peer)?;
        peer.close()?;
        let peer = P::open(directory.path(), self.0)?;
        assert!(answers(&peer)? == before, "{} answers otherwise after it was opened again", P::NAME);
        // What is stored from here on is stored after the rest.
        peer.append(&[peer.ready(&lines[0])?])?;
        assert_eq!(peer.view()?.events()?, EVENTS + 1, "{}", P::NAME);
        peer.close()?;
        Ok(before)
    }
}

fn all_agree(level: Level, way: Way) {
    let ours = peers::with(peers::OURS, Ask(level, way)).unwrap().unwrap();
    assert_eq!(ours.events, EVENTS);
    assert!(ours.sums.iter().any(|sum| sum.total > 0), "nothing was summed");
    assert!(ours.visits.iter().any(|visited| visited.events == 50), "nobody has 50 events");
    assert!(ours.traits.iter().filter(|traits| traits.len() > 3).count() > 100, "there are no profiles");
    assert!(ours.lens.iter().any(Option::is_some), "nobody has a city");
    for name in &peers::NAMES[1..] {
        let theirs = peers::with(name, Ask(level, way)).unwrap().unwrap();
        assert_eq!(theirs.counts, ours.counts, "counts of {name}");
        assert_eq!(theirs.sums, ours.sums, "sums of {name}");
        assert_eq!(theirs.visits, ours.visits, "types and timelines of {name}");
        assert_eq!(theirs.traits, ours.traits, "profiles of {name}");
        assert!(theirs == ours, "{name}");
    }
}

#[test]
fn every_store_answers_as_envelog_does_for_batches() {
    all_agree(Level::Durable, Way::Batches);
}

#[test]
fn every_store_answers_as_envelog_does_for_single_appends() {
    all_agree(Level::Buffered, Way::Single);
}

#[test]
fn every_store_answers_as_envelog_does_for_ndjson() {
    all_agree(Level::Buffered, Way::Lines);
}

fn fixed() -> Results {
    serde_json::from_str(include_str!("../fixtures/results.json")).unwrap()
}

fn row<'r>(rows: &'r [report::Row], title: &str) -> &'r report::Row {
    rows.iter().find(|row| row.title == title).unwrap()
}

#[test]
fn a_row_is_the_ratio_of_medians_to_the_store_that_the_goal_names() {
    let rows = report::rows(&fixed()).unwrap();
    let append = row(&rows, "append, not synced, 1 a call");
    // The median of 0.5, 1 and 2 million a second, to fjall's 100,000; LMDB is faster than fjall.
    assert_eq!((append.ratio, append.to.as_str(), append.held), (Some(10.0), "fjall", Some(Held::Floor)));
    assert_eq!(append.best.map(|at| append.medians[at].peer.as_str()), Some("lmdb"));
    assert!((append.medians[0].spread - 0.75).abs() < 1e-9, "{append:?}");
}

#[test]
fn less_time_is_a_ratio_above_one() {
    let rows = report::rows(&fixed()).unwrap();
    let visit = row(&rows, "by type, 8 %, an event");
    assert_eq!((visit.ratio, visit.held), (Some(20.0), Some(Held::Goal)));
    assert_eq!((visit.shown[0].as_str(), visit.floor.as_str()), ("10 ns", "7.00 x"));
}

#[test]
fn limits_and_goals_without_a_store_are_held_too() {
    let rows = report::rows(&fixed()).unwrap();
    let durable = row(&rows, "durable, 1 a commit, to raw write and sync");
    assert_eq!((durable.ratio, durable.held), (Some(0.5), Some(Held::Missed)));
    assert_eq!(durable.limit.as_deref(), Some("10k/s"));
    let latency = |title| row(&rows, title).held;
    assert_eq!(latency("append at 200,000/s offered, p99.9"), Some(Held::Missed));
    assert_eq!(latency("append at 200,000/s offered, longest"), Some(Held::Goal));
    assert_eq!(row(&rows, "disk, an event").shown, ["500 B"]);
    assert!(!rows.iter().any(|row| row.title == "durable, tickets"), "what was not measured has no row");
}

#[test]
fn two_answers_to_one_question_are_no_comparison() {
    let mut results = fixed();
    report::rows(&results).unwrap();
    let other = results.measured.iter_mut().find(|measured| measured.peer == "redb").unwrap();
    other.answer = Some([79, 5]);
    let error = report::rows(&results).unwrap_err().to_string();
    assert!(error.contains("redb") && error.contains("type_8"), "{error}");
}

#[test]
fn the_tables_have_every_row_and_name_no_place() {
    let results = fixed();
    let rows = report::rows(&results).unwrap();
    let text = report::markdown(&results, &rows);
    for row in &rows {
        assert_eq!(text.matches(&format!("| {} |", row.title)).count(), 2, "{}", row.title);
    }
    let first = "| append, not synced, 1 a call | 1.00M/s | 111k/s (lmdb) | 10.0 x | fjall |  | 8.00 x | 16.0 x | floor |";
    assert!(text.lines().any(|line| line == first), "{text}");
    assert!(
        text.contains("| redb | to the last durable commit |") && text.contains("| 600 events |"),
        "{text}"
    );
    assert!(!text.contains("/tmp") && !text.contains("/home") && text.is_ascii(), "{text}");
}

#[test]
fn the_plot_has_a_bar_for_each_ratio() {
    let rows = report::rows(&fixed()).unwrap();
    let svg = plot::draw(&rows);
    let ratios = rows.iter().filter(|row| row.ratio.is_some()).count();
    assert!(ratios >= 3 && svg.matches("class=\"bar ").count() == ratios, "{svg}");
    assert_eq!(svg, plot::draw(&rows));
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
}
