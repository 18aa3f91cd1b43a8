//! The events of several projects in one order.

use std::collections::{BinaryHeap, HashSet};

use envelog::{EventQuery, EventRef, Events, OnCorruption, Project, Seq, Store, View};

use crate::args::Cli;
use crate::failure::{Outcome, tell};
use crate::reading;

/// The project that was named, or all of the store.
pub(crate) fn projects(cli: &Cli, store: &Store) -> Outcome<Vec<Project>> {
    if cli.project.is_some() {
        return Ok(vec![reading::project(cli, store)?]);
    }
    Ok(store.projects()?.into_iter().map(|id| store.project(id)).collect())
}

/// A moment of each project. Where nothing is written meanwhile it is one moment of the store.
pub(crate) fn views(projects: &[Project]) -> envelog::Result<Vec<View>> {
    projects.iter().map(Project::view).collect()
}

/// The events of several projects by seq.
///
/// A damaged range that answers may be without is told once, also where it is missing in several projects.
pub(crate) struct Merged<'v> {
    skips_gaps: bool,
    newest_first: bool,
    sources: Vec<Source<'v>>,
    /// The next event of each source by its rank, the greatest first, and the number of the source.
    heads: BinaryHeap<(u64, usize)>,
    /// The source that the last event came from, of which no head is there yet.
    taken_from: Option<usize>,
    told: HashSet<(Seq, Seq)>,
}

struct Source<'v> {
    events: Events<'v>,
    head: Option<EventRef<'v>>,
}

impl<'v> Merged<'v> {
    /// The events of questions that are in seq order, or all in the other.
    pub(crate) fn of(
        cli: &Cli,
        queries: impl IntoIterator<Item = EventQuery<'v>>,
        newest_first: bool,
    ) -> Outcome<Self> {
        Self::begin(cli.on_corruption() == OnCorruption::Quarantine, HashSet::new(), queries, newest_first)
    }

    fn begin(
        skips_gaps: bool,
        told: HashSet<(Seq, Seq)>,
        queries: impl IntoIterator<Item = EventQuery<'v>>,
        newest_first: bool,
    ) -> Outcome<Self> {
        let turned = |query: EventQuery<'v>| if newest_first { query.newest_first() } else { query };
        let source = |query| Source { events: turned(query).iter(), head: None };
        let mut merged = Self {
            skips_gaps,
            newest_first,
            sources: queries.into_iter().map(source).collect(),
            heads: BinaryHeap::new(),
            taken_from: None,
            told,
        };
        for number in 0..merged.sources.len() {
            merged.advance(number)?;
        }
        Ok(merged)
    }

    /// The answers to other questions; what was told is not told again.
    pub(crate) fn again(
        self,
        queries: impl IntoIterator<Item = EventQuery<'v>>,
        newest_first: bool,
    ) -> Outcome<Self> {
        let Self { skips_gaps, told, .. } = self;
        Self::begin(skips_gaps, told, queries, newest_first)
    }

    /// The next event; none at the end.
    pub(crate) fn next(&mut self) -> Outcome<Option<EventRef<'v>>> {
        // Only now, so that damage takes nothing away that lies before it.
        if let Some(number) = self.taken_from.take() {
            self.advance(number)?;
        }
        let Some((_, number)) = self.heads.pop() else { return Ok(None) };
        self.taken_from = Some(number);
        Ok(self.sources.get_mut(number).and_then(|source| source.head.take()))
    }

    /// Puts the next event of a source among the heads, if there is one.
    fn advance(&mut self, number: usize) -> Outcome {
        let Some(source) = self.sources.get_mut(number) else { return Ok(()) };
        for event in source.events.by_ref() {
            let event = match event {
                Err(envelog::Error::Gap { from, to }) if self.skips_gaps => {
                    if self.told.insert((from, to)) {
                        tell(format_args!("envelog: {}", envelog::Error::Gap { from, to }));
                    }
                    continue;
                }
                event => event?,
            };
            let seq = event.seq().get();
            let rank = if self.newest_first { seq } else { u64::MAX - seq };
            source.head = Some(event);
            self.heads.push((rank, number));
            break;
        }
        Ok(())
    }
}
