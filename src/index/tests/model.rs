use std::collections::BTreeMap;

use super::*;
use crate::storage::sim::{SimDisk, SimOptions};
use crate::storage::{DerivedSource, write_file_atomic};
use crate::types::Ordinal;

/// An event below the bound, with its ordinal.
type Shown<'a> = Vec<(u32, &'a Event)>;

fn range_of<'a>(times: impl Iterator<Item = &'a Event>) -> Option<TimeRange> {
    let times: Vec<i64> = times.map(|event| event.time).collect();
    Some(TimeRange { min: Nanos::new(*times.iter().min()?), max: Nanos::new(*times.iter().max()?) })
}

/// Compares everything that an index says with what the frames say.
fn compare(index: &SegmentIndex, frames: &[Frame], bound: u32, random: &mut Random) {
    let shown: Shown<'_> =
        (0..bound).zip(frames).filter_map(|(at, (_, event))| Some((at, event.as_ref()?))).collect();
    assert_eq!(index.frames(), bound);
    assert_eq!(index.times().unwrap(), range_of(shown.iter().map(|(_, event)| *event)));

    let mut projects: BTreeMap<[u8; 16], Shown<'_>> = BTreeMap::new();
    for (at, event) in &shown {
        projects.entry(event.project).or_default().push((*at, event));
    }
    let listed = index.projects().unwrap();
    assert_eq!(
        listed.iter().map(|project| project.id).collect::<Vec<_>>(),
        projects.keys().copied().collect::<Vec<_>>()
    );
    for project in listed {
        let events = &projects[&project.id];
        assert_eq!(project.events as usize, events.len());
        assert_eq!(Some(project.times), range_of(events.iter().map(|(_, event)| *event)));
        assert_eq!(index.project(&project.id).unwrap(), Some(project.no));
        compare_names(index, project.no, events, random);
        for kind in IdKind::ALL {
            compare_ids(index, project.no, kind, events, random);
        }
    }
    for (_, event) in frames.iter().skip(bound as usize).filter_map(|(at, event)| Some((at, event.as_ref()?)))
    {
        let known = projects.contains_key(&event.project);
        assert_eq!(index.project(&event.project).unwrap().is_some(), known);
    }
    assert_eq!(index.project(b"no such project!").unwrap(), None);
    compare_rows(index, frames, bound, random);
}

fn compare_names(index: &SegmentIndex, project: ProjectNo, events: &Shown<'_>, random: &mut Random) {
    let mut types: BTreeMap<&str, Shown<'_>> = BTreeMap::new();
    let mut modules: BTreeMap<&str, Shown<'_>> = BTreeMap::new();
    for (at, event) in events {
        types.entry(&event.kind).or_default().push((*at, event));
        modules.entry(&event.module).or_default().push((*at, event));
    }
    let listed = index.modules(project).unwrap();
    assert_eq!(
        listed.iter().map(|each| &*each.name).collect::<Vec<_>>(),
        modules.keys().copied().collect::<Vec<_>>()
    );
    for module in listed {
        let events = &modules[&*module.name];
        assert_eq!(module.count as usize, events.len());
        assert_eq!(Some(module.times), range_of(events.iter().map(|(_, event)| *event)));
        assert_eq!(index.module_no(project, &module.name).unwrap(), Some(module.no));
    }
    let listed = index.types(project).unwrap();
    assert_eq!(
        listed.iter().map(|each| &*each.name).collect::<Vec<_>>(),
        types.keys().copied().collect::<Vec<_>>()
    );
    for each in listed {
        let events = &types[&*each.name];
        assert_eq!(each.count as usize, events.len());
        assert_eq!(Some(each.times), range_of(events.iter().map(|(_, event)| *event)));
        assert_eq!(index.type_no(project, &each.name).unwrap(), Some(each.no));
        assert_eq!(index.count(each.no).unwrap() as usize, events.len());
        assert_eq!(index.type_times(each.no).unwrap(), Some(each.times));
        compare_postings(index, each.no, events, random);
    }
    assert_eq!(index.type_no(project, "no such type").unwrap(), None);
    assert_eq!(index.module_no(project, "no such module").unwrap(), None);
}

fn compare_postings(index: &SegmentIndex, no: TypeNo, events: &Shown<'_>, random: &mut Random) {
    let expected: Vec<Ordinal> = events.iter().map(|(at, _)| Ordinal::new(*at)).collect();
    let postings = index.postings(no).unwrap();
    assert_eq!(postings.len(), expected.len());
    assert_eq!(postings.clone().collect::<Vec<_>>(), expected);
    assert_eq!(
        postings.clone().rev().collect::<Vec<_>>(),
        expected.iter().rev().copied().collect::<Vec<_>>()
    );
    for _ in 0..3 {
        let mut postings = postings.clone();
        let mut left = &expected[..];
        for _ in 0..random.below(20) {
            let at = Ordinal::new(u32::try_from(random.below(u64::from(index.frames()) + 2)).unwrap());
            match random.below(8) {
                0 => {
                    postings.seek(at);
                    left = &left[left.partition_point(|each| *each < at)..];
                }
                1 => {
                    postings.seek_back(at);
                    left = &left[..left.partition_point(|each| *each < at)];
                }
                2..=4 => {
                    assert_eq!(postings.next(), left.first().copied());
                    left = left.get(1..).unwrap_or_default();
                }
                _ => {
                    assert_eq!(postings.next_back(), left.last().copied());
                    left = &left[..left.len().saturating_sub(1)];
                }
            }
            assert_eq!(postings.len(), left.len());
        }
        assert_eq!(postings.collect::<Vec<_>>(), left);
    }
    for _ in 0..6 {
        let mut time = || match random.below(10) {
            0 => i64::MIN,
            1 => i64::MAX,
            _ => {
                let event = usize::try_from(random.below(events.len() as u64)).unwrap();
                events[event].1.time + i64::try_from(random.below(3)).unwrap() - 1
            }
        };
        let (from, to) = (time(), time());
        let expected = events.iter().filter(|(_, event)| from <= event.time && event.time < to).count();
        let counted = index.count_between(no, Nanos::new(from), Nanos::new(to)).unwrap();
        assert_eq!(counted as usize, expected, "{from} to {to}");
    }
}

fn compare_ids(
    index: &SegmentIndex,
    project: ProjectNo,
    kind: IdKind,
    events: &Shown<'_>,
    random: &mut Random,
) {
    let mut ids: BTreeMap<IdHash, Vec<IdPosting>> = BTreeMap::new();
    let mut texts: BTreeMap<IdHash, &str> = BTreeMap::new();
    for (at, event) in events {
        let Some(hash) = event.hash(kind) else { continue };
        let posting = IdPosting { timestamp: Nanos::new(event.time), ordinal: Ordinal::new(*at) };
        ids.entry(hash).or_default().push(posting);
        texts.insert(hash, event.id(kind).unwrap());
    }
    for postings in ids.values_mut() {
        postings.sort();
    }
    let listed: Vec<IdSummary> = index.ids(project, kind).unwrap().map(Result::unwrap).collect();
    assert_eq!(
        listed.iter().map(|each| each.hash).collect::<Vec<_>>(),
        ids.keys().copied().collect::<Vec<_>>()
    );
    for each in listed {
        let expected = &ids[&each.hash];
        let (first, last) = (expected[0], *expected.last().unwrap());
        assert_eq!(each.count as usize, expected.len());
        assert_eq!(each.times, TimeRange { min: first.timestamp, max: last.timestamp });
        assert_eq!(each.last, last.ordinal);
        assert_eq!(index.id_hash(kind, each.no).unwrap(), each.hash);
        assert_eq!(index.id_no(project, kind, each.hash).unwrap(), Some(each.no));
        assert_eq!(index.id_summary(kind, each.no).unwrap(), Some(each));
        compare_timeline(index, project, kind, each.hash, expected, random);
    }
    for _ in 0..20 {
        let unknown = IdHash::new(random.next());
        assert_eq!(index.id_no(project, kind, unknown).unwrap(), None);
        assert_eq!(index.id_postings(project, kind, unknown).unwrap().count(), 0);
    }
}

fn compare_timeline(
    index: &SegmentIndex,
    project: ProjectNo,
    kind: IdKind,
    hash: IdHash,
    expected: &[IdPosting],
    random: &mut Random,
) {
    let walk = || index.id_postings(project, kind, hash).unwrap();
    assert_eq!(walk().map(Result::unwrap).collect::<Vec<_>>(), expected);
    let newest_first: Vec<_> = walk().rev().map(Result::unwrap).collect();
    assert_eq!(newest_first, expected.iter().rev().copied().collect::<Vec<_>>());
    let mut walk = walk();
    let mut left = expected;
    for _ in 0..random.below(12) {
        let mut at = expected[usize::try_from(random.below(expected.len() as u64)).unwrap()];
        if random.one_in(3) {
            at.timestamp = Nanos::new(at.timestamp.get() + 1);
        }
        match random.below(8) {
            0 => {
                walk.seek(at).unwrap();
                left = &left[left.partition_point(|each| *each < at)..];
            }
            1 => {
                walk.seek_back(at).unwrap();
                left = &left[..left.partition_point(|each| *each < at)];
            }
            2 => {
                assert_eq!(walk.next().transpose().unwrap(), left.first().copied());
                left = left.get(1..).unwrap_or_default();
            }
            _ => {
                assert_eq!(walk.next_back().transpose().unwrap(), left.last().copied());
                left = &left[..left.len().saturating_sub(1)];
            }
        }
    }
    assert_eq!(walk.map(Result::unwrap).collect::<Vec<_>>(), left);
}

fn compare_rows(index: &SegmentIndex, frames: &[Frame], bound: u32, random: &mut Random) {
    let types: BTreeMap<u32, String> = names(index, SegmentIndex::types, |no: TypeNo| no.get());
    let modules: BTreeMap<u32, String> = names(index, SegmentIndex::modules, |no: ModuleNo| no.get());
    let (mut offsets, mut timestamps) = (index.offsets(), index.timestamps());
    for at in (0..bound).rev() {
        let (offset, event) = &frames[at as usize];
        let ordinal = Ordinal::new(at);
        assert_eq!(offsets.get(ordinal).unwrap(), i64::from(*offset));
        if let Some(event) = event {
            assert_eq!(timestamps.get(ordinal).unwrap(), event.time);
        }
        assert_eq!(index.offset(ordinal).unwrap(), *offset);
        assert_eq!(index.timestamp(ordinal).unwrap(), event.as_ref().map(|event| Nanos::new(event.time)));
        let pair = index.type_and_module(ordinal).unwrap();
        let pair = pair.map(|(no, module)| (&*types[&no.get()], &*modules[&module.get()]));
        assert_eq!(pair, event.as_ref().map(|event| (&*event.kind, &*event.module)));
        for kind in IdKind::ALL {
            let id = index.id_of(kind, ordinal).unwrap().map(|id| index.id_hash(kind, id).unwrap());
            assert_eq!(id, event.as_ref().and_then(|event| event.hash(kind)));
        }
    }
    let beyond = Ordinal::new(bound);
    assert_eq!(index.timestamp(beyond).unwrap(), None);
    assert_eq!(index.type_and_module(beyond).unwrap(), None);
    assert_eq!(index.id_of(IdKind::User, beyond).unwrap(), None);

    for block in 0..=(bound as usize).div_ceil(BLOCK) {
        let end = (bound as usize).min((block + 1) * BLOCK);
        let rows = frames.get(block * BLOCK..end).unwrap_or_default();
        let expected = range_of(rows.iter().filter_map(|(_, event)| event.as_ref()));
        assert_eq!(index.zone(block).unwrap(), expected, "zone {block}");
        if random.one_in(2) {
            compare_block(index, block, rows);
        }
    }
}

fn names<No>(
    index: &SegmentIndex,
    list: impl Fn(&SegmentIndex, ProjectNo) -> crate::Result<Vec<NameSummary<No>>>,
    number: impl Fn(No) -> u32,
) -> BTreeMap<u32, String> {
    let projects = index.projects().unwrap();
    let names = projects.iter().flat_map(|project| list(index, project.no).unwrap());
    names.map(|each| (number(each.no), each.name.into())).collect()
}

fn compare_block(index: &SegmentIndex, block: usize, rows: &[Frame]) {
    let start = u32::try_from(block * BLOCK).unwrap();
    let (mut numbers, mut times) = ([0; BLOCK], [0; BLOCK]);
    assert_eq!(index.fill_times(block, &mut times).unwrap(), rows.len());
    for (time, row) in times.iter().zip(rows) {
        if let Some(event) = &row.1 {
            assert_eq!(*time, event.time);
        }
    }
    let mut columns = Vec::new();
    assert_eq!(index.fill_types(block, &mut numbers).unwrap(), rows.len());
    columns.push(numbers);
    assert_eq!(index.fill_modules(block, &mut numbers).unwrap(), rows.len());
    columns.push(numbers);
    for (at, ordinal) in (start..).map(Ordinal::new).take(rows.len()).enumerate() {
        let pair = index.type_and_module(ordinal).unwrap();
        assert_eq!(columns[0][at], pair.map_or(NONE, |(no, _)| no.get()));
        assert_eq!(columns[1][at], pair.map_or(NONE, |(_, module)| module.get()));
    }
}

const MIXES: [Mix; 7] = [
    Mix { frames: 1, projects: 1, types: 1, users: 1, late: 100, others: 1000, step: 1 },
    Mix { frames: 3, projects: 2, types: 2, users: 2, late: 2, others: 1, step: 1 },
    Mix { frames: 200, projects: 3, types: 10, users: 20, late: 20, others: 10, step: 1_000_000 },
    Mix { frames: 1500, projects: 4, types: 20, users: 300, late: 100, others: 50, step: 1_000_000 },
    Mix { frames: 3000, projects: 1, types: 3, users: 5, late: 100, others: 20, step: 1 },
    Mix { frames: 1100, projects: 2, types: 3, users: 50, late: 1, others: 100, step: 1_000 },
    Mix { frames: 2048, projects: 200, types: 500, users: 2000, late: 7, others: 3, step: 1_000_000_000 },
];

#[test]
fn active_and_sealed_indexes_say_what_the_frames_say_at_every_bound() {
    let mut random = Random::from_env();
    for mix in MIXES {
        let frames = frames(&mut random, mix);
        let len = u32::try_from(frames.len()).unwrap();
        let writer = active_of(&frames);
        let sealed = SegmentIndex::sealed(sealed_of(&frames));
        let random_bound = u32::try_from(random.below(u64::from(len) + 1)).unwrap();
        for bound in [len, random_bound, len / 2, 128.min(len), 0] {
            let active = SegmentIndex::active(Arc::clone(writer.index()), bound);
            compare(&active, &frames, bound, &mut random);
            compare(&sealed.below(bound), &frames, bound, &mut random);
        }
    }
}

#[test]
fn an_active_index_answers_alike_while_it_grows() {
    let mut random = Random::from_env();
    let frames = frames(&mut random, Mix { frames: 700, ..MIXES[3] });
    let mut writer = ActiveWriter::new(KEY, 1 << 20);
    for (pushed, (offset, event)) in (1u32..).zip(&frames) {
        match event {
            Some(event) => writer.push_event(*offset, &event.keys()),
            None => writer.push_other(*offset),
        }
        if random.one_in(60) {
            let bound = u32::try_from(random.below(u64::from(pushed) + 1)).unwrap();
            for bound in [pushed, bound] {
                let index = SegmentIndex::active(Arc::clone(writer.index()), bound);
                compare(&index, &frames, bound, &mut random);
            }
        }
    }
}

#[test]
fn a_segment_has_one_file_however_it_is_made() {
    let mut random = Random::from_env();
    for mix in MIXES {
        let frames = frames(&mut random, mix);
        let file = seal(active_of(&frames).index(), &origin_of(&frames)).unwrap();
        assert_eq!(file, built(&frames));
        assert_eq!(file.listed.len, file.bytes.len() as u64);
        assert_eq!(file.listed.crc, crc32fast::hash(&file.bytes));
    }
}

#[test]
fn a_segment_without_events_has_an_index_that_says_so() {
    let frames: Vec<Frame> = vec![(4096, None), (4128, None)];
    let index = SegmentIndex::sealed(sealed_of(&frames));
    assert_eq!(index.times().unwrap(), None);
    assert!(index.projects().unwrap().is_empty());
    assert_eq!(index.offset(Ordinal::new(1)).unwrap(), 4128);
    let nothing = SegmentIndex::sealed(sealed_of(&[]));
    assert_eq!(nothing.frames(), 0);
    assert!(nothing.projects().unwrap().is_empty());
}

#[test]
fn a_file_is_read_through_its_mapping() {
    let frames = frames(&mut Random::from_env(), MIXES[3]);
    let (file, origin) = (built(&frames), origin_of(&frames));
    let disk = SimDisk::new(SimOptions::default());
    write_file_atomic(&disk, NAME, &file.bytes).unwrap();
    let source = DerivedSource { disk: Arc::new(disk), name: NAME.to_owned(), remake: None };
    let index = Arc::new(SealedIndex::open(source, &file.listed, &origin).unwrap());
    index.verify().unwrap();
    compare(&SegmentIndex::sealed(index), &frames, origin.frames, &mut Random(1));
}

#[test]
fn extreme_timestamps_keep_their_order() {
    let mut random = Random::from_env();
    let mut frames = frames(&mut random, MIXES[2]);
    for (_, event) in &mut frames {
        if let Some(event) = event {
            event.time = match random.below(6) {
                0 => i64::MAX,
                1 => i64::MIN + 1,
                2 => 0,
                _ => random.next().cast_signed(),
            };
        }
    }
    let len = u32::try_from(frames.len()).unwrap();
    let active = SegmentIndex::active(Arc::clone(active_of(&frames).index()), len);
    let sealed = SegmentIndex::sealed(sealed_of(&frames));
    for (_, event) in frames.iter().filter_map(|(at, event)| Some((at, event.as_ref()?))) {
        for kind in IdKind::ALL {
            let Some(hash) = event.hash(kind) else { continue };
            let walk = |index: &SegmentIndex| {
                let project = index.project(&event.project).unwrap().unwrap();
                let postings = index.id_postings(project, kind, hash).unwrap();
                postings.rev().map(Result::unwrap).collect::<Vec<_>>()
            };
            assert_eq!(walk(&active), walk(&sealed));
            assert!(walk(&active).is_sorted_by(|a, b| a > b));
        }
    }
}
