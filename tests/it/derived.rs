//! Files that are derived from the log are never believed where they do not fit it, and never missed.

use std::collections::BTreeMap;

use envelog::testing::{SimDisk, SimRng};
use envelog::{Durability, Options, Period, PersonRef, Store, View};

use crate::support::answers::{self, Thorough};
use crate::support::oracle::{self, Found, History};
use crate::support::workload::{Numbers, Work, cursor_key, work};
use crate::support::{DEVICES, Tally, USERS, anonymous_id, count, index, options, say, user_id};

struct Sample {
    disk: SimDisk,
    found: Found,
}

impl Sample {
    /// A store with sealed segments, closed or killed.
    fn new(rng: &mut SimRng, closed: bool) -> Self {
        let disk = SimDisk::default();
        let store = options(rng, Durability::Buffered, 4096).open_on(&disk).unwrap();
        let mut history = History::default();
        let done = work(&store, rng, &Numbers::new(1), Work { threads: 1, calls: 60, stops_at_error: false });
        store.wait_sealed().unwrap();
        history.add(done, store.durable().get());
        history.promise_all();
        if closed {
            store.close().unwrap();
        }
        let disk = disk.kill();
        drop(store);
        let store = open(&disk.kill());
        let found = history.verify(&store);
        assert!(found.lost == 0 && derived(&disk).len() > 4, "{:?}", disk.names());
        Self { disk, found }
    }

    fn history(&self) -> History {
        let mut history = History::default();
        history.settle(self.found.clone());
        history
    }

    /// Opens a changed copy: a reader and a writer find the same as ever, the reader changes nothing, and what the
    /// writer leaves is in order.
    fn check(&self, disk: &SimDisk, rng: &mut SimRng, what: &str) {
        let before = oracle::files(disk);
        let reader = Options::new().tiny_segments(4096).open_read_only_on(disk);
        let reader = reader.unwrap_or_else(|error| panic!("{what}: a reader opens it: {error}"));
        self.same(&reader, rng);
        drop(reader);
        assert!(oracle::files(disk) == before, "{what}: a reader changes nothing");
        let store = open(disk);
        self.same(&store, rng);
        store.close().unwrap();
        drop(store);
        let store = open(disk);
        self.same(&store, rng);
        let removed = &store.recovery().removed;
        assert!(removed.is_empty(), "{what}: the first opening left {removed:?}");
        let listed = store.stats().unwrap();
        assert_eq!(
            listed.sealed_segments,
            count_of(disk, ".idx"),
            "{what}: each sealed segment has its index"
        );
        assert_eq!(disk.names().iter().filter(|name| name.ends_with(".tmp")).count(), 0);
    }

    /// Asks for everything once.
    fn read_all(&self, store: &Store) -> envelog::Result<()> {
        for name in self.found.cursors.keys() {
            store.cursor(cursor_key(name))?;
        }
        store.projects()?.into_iter().try_for_each(|id| Self::read_view(&store.project(id).view()?))
    }

    /// Asks a view for everything once.
    fn read_view(view: &View) -> envelog::Result<()> {
        view.events().iter().try_for_each(|event| event.map(drop))?;
        view.profiles()?.try_for_each(|profile| profile.map(drop))?;
        for (name, values) in [("event_types", view.event_types()?), ("modules", view.modules()?)] {
            for value in values {
                let events = view.events();
                let events =
                    if name == "modules" { events.module(value.name) } else { events.of_type(value.name) };
                events.iter().try_for_each(|event| event.map(drop))?;
                events.count()?;
                events.users()?;
            }
        }
        view.users()?.try_for_each(|user| user.map(drop))?;
        let users = (0..USERS).map(user_id).collect::<Vec<_>>();
        let devices = (0..DEVICES).map(anonymous_id).collect::<Vec<_>>();
        let persons = users.iter().map(|id| PersonRef::User(id));
        for person in persons.chain(devices.iter().map(|id| PersonRef::Anonymous(id))) {
            view.profile(person)?;
            view.activity(person)?;
            view.timeline(person).iter().try_for_each(|event| event.map(drop))?;
            view.timeline(person).newest_first().iter().try_for_each(|event| event.map(drop))?;
        }
        view.events().by(Period::Day).count()?;
        view.traits()?;
        Ok(())
    }

    /// Reads everything of a copy with one flipped bit, as a reader and as a writer, who puts it right.
    fn check_flipped(
        &self,
        disk: &SimDisk,
        (name, sound): (&str, &[u8]),
        rng: &mut SimRng,
        tally: &Tally,
        what: &str,
    ) {
        let ending = &name[name.len() - 3..];
        let before = oracle::files(disk);
        let reader = Options::new().tiny_segments(4096).open_read_only_on(disk).unwrap();
        self.read_all(&reader).unwrap_or_else(|error| panic!("{what}: {error}"));
        self.same(&reader, rng);
        let by_opening = reader.recovery().rebuilt.iter().any(|rebuilt| rebuilt.file == name);
        let by_query = reader.stats().unwrap().rebuilt;
        assert!(by_query <= u64::from(!by_opening), "{what}: made anew once");
        drop(reader);
        assert!(oracle::files(disk) == before, "{what}: a reader changes nothing");

        let store = open(disk);
        let rebuilt = store.recovery().rebuilt.iter().any(|rebuilt| rebuilt.file == name);
        // A reader has no use for the ids of messages, and a writer looks them up when it appends.
        let is_ids = name.starts_with("ids-");
        assert!(rebuilt == by_opening || is_ids, "{what}");
        let by_opening = rebuilt;
        self.read_all(&store).unwrap_or_else(|error| panic!("{what}: {error}"));
        self.same(&store, rng);
        for _ in 0..4 {
            oracle::repeat(&store, &self.found.kept, rng);
        }
        store.wait_sealed().unwrap();
        let by_query = if is_ids { store.stats().unwrap().rebuilt } else { by_query };
        assert_eq!(store.stats().unwrap().rebuilt, by_query, "{what}");
        if by_opening {
            tally.add(format!("{ending} files rebuilt by opening"));
        } else if by_query > 0 {
            tally.add(format!("{ending} files rebuilt by a query"));
            assert!(disk.file_bytes(name).unwrap() == sound, "{what}: the file is as it was");
        } else {
            tally.add("flips that nothing reads");
        }
        self.same(&store, rng);
        store.close().unwrap();
        drop(store);
        self.check(disk, rng, what);
    }

    fn same(&self, store: &Store, rng: &mut SimRng) {
        let found = self.history().verify(store);
        assert_eq!(found.kept, self.found.kept);
        answers::check(store, &found.kept, rng, Thorough::No);
    }
}

fn open(disk: &SimDisk) -> Store {
    Options::new()
        .durability(Durability::Buffered)
        .tiny_segments(4096)
        .open_on(disk)
        .unwrap_or_else(|error| panic!("{error}"))
}

fn is_derived(name: &str) -> bool {
    name.ends_with(".idx") || name.ends_with(".run")
}

fn derived(disk: &SimDisk) -> BTreeMap<String, Vec<u8>> {
    let mut files = oracle::files(disk);
    files.retain(|name, _| is_derived(name));
    files
}

fn count_of(disk: &SimDisk, ending: &str) -> u64 {
    disk.names().iter().filter(|name| name.ends_with(ending)).count() as u64
}

fn seeded() -> SimRng {
    let seed = SimRng::seed_of_run();
    say(format_args!("derived: ENVELOG_SEED={seed}"));
    SimRng::new(seed)
}

#[test]
fn a_missing_derived_file_is_made_anew() {
    let mut rng = seeded();
    for closed in [true, false] {
        let sample = Sample::new(&mut rng, closed);
        for name in derived(&sample.disk).keys() {
            let disk = sample.disk.kill();
            disk.remove_file(name);
            sample.check(&disk, &mut rng, &format!("{name} is missing"));
        }
        let disk = sample.disk.kill();
        for name in derived(&disk).keys() {
            disk.remove_file(name);
        }
        sample.check(&disk, &mut rng, "all are missing");
    }
}

#[test]
fn a_derived_file_that_is_cut_or_longer_is_made_anew() {
    let mut rng = seeded();
    let sample = Sample::new(&mut rng, true);
    for (name, bytes) in derived(&sample.disk) {
        let length = bytes.len() as u64;
        for to in [0, 1, 7, length / 2, length - 1, length + 1, length + 4096, rng.below(length)] {
            let disk = sample.disk.kill();
            assert!(disk.truncate(&name, to));
            sample.check(&disk, &mut rng, &format!("{name} has {to} of {length} bytes"));
        }
    }
}

/// Every byte of every derived file in the campaign, a sample of them else. While the log is sound, no answer is
/// wrong and none is an error: opening rebuilds what it finds damaged, and the query that meets other damage does.
#[test]
fn a_derived_file_with_a_flipped_bit_is_rebuilt_and_every_answer_is_right() {
    let mut rng = seeded();
    let sample = Sample::new(&mut rng, true);
    let flips = count(40, 400, 1_000_000);
    let tally = Tally::default();
    for (name, bytes) in derived(&sample.disk) {
        let all = bytes.len() as u64 <= flips;
        for flip in 0..flips.min(bytes.len() as u64) {
            let at = if all { usize::try_from(flip).unwrap() } else { index(&mut rng, bytes.len()) };
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << rng.below(8);
            let disk = sample.disk.kill();
            disk.set_file_bytes(&name, &damaged);
            let what = format!("{name} has a flipped bit at {at}");
            tally.add("flips");
            sample.check_flipped(&disk, (&name, &bytes), &mut rng, &tally, &what);
        }
    }
    tally.print("derived");
    assert!(tally.get("flips") >= 100);
    for ending in ["idx", "run"] {
        assert!(tally.get(&format!("{ending} files rebuilt by opening")) > 0);
        assert!(tally.get(&format!("{ending} files rebuilt by a query")) > 0);
    }
}

/// A view that was taken before the damage was met reads on, also when the file is another one by then.
#[test]
fn a_view_of_a_damaged_file_stays_usable() {
    let mut rng = seeded();
    let sample = Sample::new(&mut rng, true);
    let disk = sample.disk.kill();
    for (name, mut bytes) in derived(&disk) {
        if name.starts_with("ids-") {
            continue; // No view reads it.
        }
        // The last block of the content, and the first of the rows.
        let at = if name.ends_with(".idx") { bytes.len() - 1 } else { 130 };
        if at >= bytes.len() {
            continue; // A run without rows.
        }
        bytes[at] ^= 8;
        disk.set_file_bytes(&name, &bytes);
    }
    let store = open(&disk);
    let pinned: Vec<_> =
        store.projects().unwrap().into_iter().map(|id| store.project(id).view().unwrap()).collect();
    sample.read_all(&store).unwrap();
    store.wait_sealed().unwrap();
    assert!(store.stats().unwrap().rebuilt > 1, "{:?}", store.stats());
    assert!(derived(&disk) == derived(&sample.disk), "the files are as they were");
    sample.same(&store, &mut rng);
    store.close().unwrap();
    drop(store);
    for view in &pinned {
        Sample::read_view(view).unwrap();
    }
    let events: usize = pinned.iter().map(|view| view.events().iter().count()).sum();
    assert_eq!(events, sample.found.kept.len());
    let store = open(&disk);
    sample.read_all(&store).unwrap();
    assert_eq!(store.stats().unwrap().rebuilt, 0);
    assert!(store.recovery().rebuilt.is_empty());
}

#[test]
fn a_derived_file_of_another_store_or_place_is_not_believed() {
    let mut rng = seeded();
    let seed = rng.next_u64();
    let sample = Sample::new(&mut SimRng::new(seed), true);
    let other = Sample::new(&mut rng, true);
    let (mine, others) = (derived(&sample.disk), derived(&other.disk));
    for (name, bytes) in &mine {
        if let Some(foreign) = others.get(name) {
            let disk = sample.disk.kill();
            disk.set_file_bytes(name, foreign);
            sample.check(&disk, &mut rng, &format!("{name} is of another store"));
        }
        for elsewhere in mine.keys().filter(|other| *other != name) {
            let disk = sample.disk.kill();
            disk.set_file_bytes(elsewhere, bytes);
            sample.check(&disk, &mut rng, &format!("{elsewhere} is a copy of {name}"));
        }
    }
}

/// Derived files of a later moment, beside a log that does not reach so far.
#[test]
fn a_derived_file_ahead_of_the_log_is_not_believed() {
    let mut rng = seeded();
    for _ in 0..count(6, 40, 400) {
        let sample = Sample::new(&mut rng, false);
        let later = sample.disk.kill();
        let store = open(&later);
        let mut history = sample.history();
        let done = work(
            &store,
            &mut rng,
            &Numbers::new(1 << 20),
            Work { threads: 1, calls: 40, stops_at_error: false },
        );
        store.wait_sealed().unwrap();
        history.add(done, store.durable().get());
        let later = derived(&later);
        drop(store);
        let mine = derived(&sample.disk);
        let disk = sample.disk.kill();
        for (name, bytes) in later.iter().filter(|(name, _)| !mine.contains_key(*name)) {
            disk.set_file_bytes(name, bytes);
        }
        sample.check(&disk, &mut rng, "unlisted files of a later moment");
        let disk = sample.disk.kill();
        for (name, bytes) in &later {
            disk.set_file_bytes(name, bytes);
        }
        // Files for segments that are not sealed yet, under every name that they may get.
        for log in sample.disk.names().iter().filter(|name| name.ends_with(".log")) {
            let index = log.replace(".log", ".idx");
            if let (false, Some((_, bytes))) = (mine.contains_key(&index), later.last_key_value()) {
                disk.set_file_bytes(&index, bytes);
            }
        }
        sample.check(&disk, &mut rng, "all files of a later moment");
    }
}

#[test]
fn left_over_and_unlisted_files_are_removed_by_a_writer_and_ignored_by_a_reader() {
    let mut rng = seeded();
    for closed in [true, false] {
        let sample = Sample::new(&mut rng, closed);
        for name in ["MANIFEST.tmp", "SECRET.tmp", "seg-900.idx", "profiles-900.run", "seg-1.idx.tmp"] {
            let disk = sample.disk.kill();
            let junk: Vec<u8> = (0..rng.below(3_000)).map(|_| rng.next_u64().to_le_bytes()[0]).collect();
            disk.set_file_bytes(name, &junk);
            sample.check(&disk, &mut rng, name);
            assert!(!disk.names().contains(&name.to_owned()), "{name} is removed by a writer");
        }
    }
}
