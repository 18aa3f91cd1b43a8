//! Ordinals that may be events of a query, in rising order, from either end.

use std::collections::VecDeque;
use std::ops::Range;

use super::filter::{contains, includes, overlap};
use crate::error::Result;
use crate::index::{BLOCK, ModuleNo, NONE, Postings, SegmentIndex, TimeRange, TypeNo};
use crate::types::{Nanos, Ordinal};

/// A set of event types of one index.
#[derive(Debug, Clone, Default)]
pub(crate) struct TypeSet {
    words: Vec<u64>,
}

impl TypeSet {
    fn insert(&mut self, no: TypeNo) {
        let word = no.index() / 64;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word |= 1 << (no.index() % 64);
        }
    }

    #[inline]
    pub(crate) fn contains(&self, no: TypeNo) -> bool {
        self.words.get(no.index() / 64).is_some_and(|word| word >> (no.index() % 64) & 1 == 1)
    }
}

impl FromIterator<TypeNo> for TypeSet {
    fn from_iter<I: IntoIterator<Item = TypeNo>>(numbers: I) -> Self {
        let mut set = Self::default();
        numbers.into_iter().for_each(|no| set.insert(no));
        set
    }
}

/// The candidates of one segment.
#[derive(Debug)]
pub(crate) enum Candidates<'v> {
    OneType(Box<Postings<'v>>),
    Types(Merged<'v>),
    Scan(Box<Scan<'v>>),
    List(std::vec::IntoIter<Ordinal>),
}

impl<'v> Candidates<'v> {
    /// Those of one or several types.
    pub(crate) fn of_postings(mut postings: Vec<Postings<'v>>) -> Self {
        match (postings.pop(), postings.is_empty()) {
            (Some(only), true) => Self::OneType(Box::new(only)),
            (last, _) => Self::Types(Merged::new(postings.into_iter().chain(last))),
        }
    }

    #[inline]
    pub(crate) fn step(&mut self, from_back: bool) -> Result<Option<Ordinal>> {
        Ok(match self {
            Self::OneType(postings) if from_back => postings.next_back(),
            Self::OneType(postings) => postings.next(),
            Self::Types(merged) => merged.step(from_back),
            Self::Scan(scan) => return scan.step(from_back),
            Self::List(list) if from_back => list.next_back(),
            Self::List(list) => list.next(),
        })
    }
}

/// The postings of a few types, merged. No ordinal is in two of them.
#[derive(Debug)]
pub(crate) struct Merged<'v> {
    arms: Vec<Arm<'v>>,
}

/// The postings of one type, and the ones taken from its ends that were not passed on yet.
#[derive(Debug)]
struct Arm<'v> {
    postings: Postings<'v>,
    front: Option<Ordinal>,
    back: Option<Ordinal>,
}

impl Arm<'_> {
    #[inline]
    fn front(&mut self) -> Option<Ordinal> {
        if self.front.is_none() {
            self.front = self.postings.next().or_else(|| self.back.take());
        }
        self.front
    }

    #[inline]
    fn back(&mut self) -> Option<Ordinal> {
        if self.back.is_none() {
            self.back = self.postings.next_back().or_else(|| self.front.take());
        }
        self.back
    }
}

impl<'v> Merged<'v> {
    fn new(postings: impl Iterator<Item = Postings<'v>>) -> Self {
        Self { arms: postings.map(|postings| Arm { postings, front: None, back: None }).collect() }
    }

    fn step(&mut self, from_back: bool) -> Option<Ordinal> {
        if from_back {
            let arms = self.arms.iter_mut();
            arms.filter_map(|arm| Some((arm.back()?, arm))).max_by_key(|(ordinal, _)| *ordinal)?.1.back.take()
        } else {
            let arms = self.arms.iter_mut();
            arms.filter_map(|arm| Some((arm.front()?, arm)))
                .min_by_key(|(ordinal, _)| *ordinal)?
                .1
                .front
                .take()
        }
    }
}

/// The columns, scanned block by block from either end; zone maps rule blocks out.
#[derive(Debug)]
pub(crate) struct Scan<'v> {
    index: &'v SegmentIndex,
    within: Range<u32>,
    /// Blocks that were not read from either end.
    blocks: Range<u32>,
    types: TypeSet,
    times: Option<TimeRange>,
    module: Option<ModuleNo>,
    /// What blocks read from the front hold, and what those from the back do, each in rising order.
    front: VecDeque<u32>,
    back: VecDeque<u32>,
    numbers: [u32; BLOCK],
    timestamps: [i64; BLOCK],
}

const BLOCK_U32: u32 = 1024;
const _: () = assert!(BLOCK_U32 as usize == BLOCK);

impl<'v> Scan<'v> {
    pub(crate) fn new(
        index: &'v SegmentIndex,
        within: Range<u32>,
        types: TypeSet,
        times: Option<TimeRange>,
        module: Option<ModuleNo>,
    ) -> Self {
        let blocks = within.start / BLOCK_U32..within.end.div_ceil(BLOCK_U32);
        Self {
            index,
            within,
            blocks,
            types,
            times,
            module,
            front: VecDeque::new(),
            back: VecDeque::new(),
            numbers: [NONE; BLOCK],
            timestamps: [0; BLOCK],
        }
    }

    #[inline]
    fn step(&mut self, from_back: bool) -> Result<Option<Ordinal>> {
        let taken = if from_back {
            while self.back.is_empty()
                && let Some(block) = self.blocks.next_back()
            {
                let mut matches = std::mem::take(&mut self.back);
                let read = self.read(block, &mut matches);
                self.back = matches;
                read?;
            }
            self.back.pop_back().or_else(|| self.front.pop_back())
        } else {
            while self.front.is_empty()
                && let Some(block) = self.blocks.next()
            {
                let mut matches = std::mem::take(&mut self.front);
                let read = self.read(block, &mut matches);
                self.front = matches;
                read?;
            }
            self.front.pop_front().or_else(|| self.back.pop_front())
        };
        Ok(taken.map(Ordinal::new))
    }

    /// Finds the candidates of one block.
    fn read(&mut self, block: u32, matches: &mut VecDeque<u32>) -> Result<()> {
        let place = block as usize;
        let mut times = None;
        if let Some(wanted) = self.times {
            match self.index.zone(place)? {
                Some(zone) if overlap(zone, wanted) => times = (!contains(wanted, zone)).then_some(wanted),
                _ => return Ok(()),
            }
        }
        let start = block * BLOCK_U32;
        let len = self.index.fill_types(place, &mut self.numbers)?;
        let (types, within) = (&self.types, &self.within);
        let numbers = self.numbers.get(..len).unwrap_or_default();
        let typed = (start..).zip(numbers).filter(|(_, no)| types.contains(TypeNo::new(**no)));
        matches.extend(typed.map(|(ordinal, _)| ordinal).filter(|ordinal| within.contains(ordinal)));
        if let (Some(module), false) = (self.module, matches.is_empty()) {
            self.index.fill_modules(place, &mut self.numbers)?;
            let numbers = &self.numbers;
            matches.retain(|ordinal| numbers.get((ordinal - start) as usize) == Some(&module.get()));
        }
        if let (Some(times), false) = (times, matches.is_empty()) {
            self.index.fill_times(place, &mut self.timestamps)?;
            let timestamps = &self.timestamps;
            matches.retain(|ordinal| {
                let time = timestamps.get((ordinal - start) as usize);
                time.is_some_and(|time| includes(times, Nanos::new(*time)))
            });
        }
        Ok(())
    }
}
