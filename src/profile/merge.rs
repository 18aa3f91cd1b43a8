//! Many sorted layers of rows walked as one, fragments of one key joined.

use super::delta::Delta;
use super::join::Joiner;
use super::run::Run;
use crate::error::Result;

/// A layer on its way from key to key.
pub(crate) struct Source<'a> {
    head: Option<(&'a [u8], &'a [u8])>,
    rest: Rest<'a>,
}

enum Rest<'a> {
    Delta(Box<dyn Iterator<Item = (&'a [u8], &'a [u8])> + Send + Sync + 'a>),
    Run { run: &'a Run, next: u32 },
}

impl<'a> Source<'a> {
    /// The rows of a delta whose keys are at or after `from` and begin with `prefix`.
    pub(crate) fn delta(delta: &'a Delta, from: &[u8], prefix: &[u8]) -> Self {
        let mut rows = delta.sorted(from, prefix);
        let head = rows.next();
        Self { head, rest: Rest::Delta(Box::new(rows)) }
    }

    /// The rows of a run whose keys are at or after `from`.
    pub(crate) fn run(run: &'a Run, from: &[u8]) -> Result<Self> {
        let first = if from.is_empty() { 0 } else { run.lower_bound(from)? };
        Ok(Self { head: run.row(first)?, rest: Rest::Run { run, next: first.saturating_add(1) } })
    }

    fn advance(&mut self) -> Result<()> {
        self.head = match &mut self.rest {
            Rest::Delta(rows) => rows.next(),
            Rest::Run { run, next } => {
                let row = run.row(*next)?;
                *next = next.saturating_add(1);
                row
            }
        };
        Ok(())
    }
}

/// The joined rows of several layers, in the order of keys.
pub(crate) struct Merge<'a> {
    sources: Vec<Source<'a>>,
    joiner: Joiner,
    joined: Vec<u8>,
    spare: Vec<u8>,
}

impl<'a> Merge<'a> {
    pub(crate) fn new(sources: Vec<Source<'a>>) -> Self {
        Self { sources, joiner: Joiner::default(), joined: Vec::new(), spare: Vec::new() }
    }

    /// The least key that is left, and its joined row, which lives until the next call.
    ///
    /// # Errors
    ///
    /// What a run reports when it is read.
    pub(crate) fn next_row(&mut self) -> Result<Option<(&'a [u8], &[u8])>> {
        let Some((key, first)) =
            self.sources.iter().filter_map(|source| source.head).min_by_key(|(key, _)| *key)
        else {
            return Ok(None);
        };
        let mut row = Some(first);
        let mut is_first = true;
        for source in &mut self.sources {
            let Some((_, fragment)) = source.head.filter(|(other, _)| *other == key) else { continue };
            if is_first {
                is_first = false;
            } else {
                let left = row.take().unwrap_or(&self.joined);
                self.joiner.join(key, left, fragment, &mut self.spare);
                std::mem::swap(&mut self.joined, &mut self.spare);
            }
            source.advance()?;
        }
        Ok(Some((key, row.unwrap_or(&self.joined))))
    }
}
