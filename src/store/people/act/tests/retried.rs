//! A sign-in that is tried again gives the user of the first try.

use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::super::*;
use crate::envelope::Value;
use crate::storage::sim::SimDisk;
use crate::storage::{Access, Disk, File, Lock, LockMode, Map, MapWriter};
use crate::store::open::open_writer;
use crate::{Durability, OnIdConflict, Options, Store, Uuid};

const PROJECT: Uuid = Uuid::from_u128(2);

fn shop(store: &Store) -> Scope {
    store.scope(Uuid::from_u128(1), PROJECT, "shop")
}

fn event(event_type: &str, user: &str) -> Envelope {
    Envelope::new(Uuid::from_u128(1), PROJECT, "profiles", event_type).user(user)
}

/// Whether syncs wait.
#[derive(Debug, Default)]
struct Held {
    is_held: Mutex<bool>,
    changed: Condvar,
}

impl Held {
    fn set(&self, is_held: bool) {
        *self.is_held.lock() = is_held;
        self.changed.notify_all();
    }

    fn wait(&self) {
        let mut is_held = self.is_held.lock();
        while *is_held {
            self.changed.wait(&mut is_held);
        }
    }
}

/// A disk on which syncs of files wait while they are held.
#[derive(Debug)]
struct HeldDisk {
    inner: SimDisk,
    held: Arc<Held>,
}

#[derive(Debug)]
struct HeldFile {
    inner: Arc<dyn File>,
    held: Arc<Held>,
}

impl HeldDisk {
    fn file(&self, inner: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(HeldFile { inner, held: Arc::clone(&self.held) })
    }
}

impl Disk for HeldDisk {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn list(&self) -> Result<Vec<String>> {
        self.inner.list()
    }

    fn list_quarantine(&self) -> Result<Vec<String>> {
        self.inner.list_quarantine()
    }

    fn create(&self, name: &str) -> Result<Arc<dyn File>> {
        self.inner.create(name).map(|file| self.file(file))
    }

    fn open(&self, name: &str, access: Access) -> Result<Arc<dyn File>> {
        self.inner.open(name, access).map(|file| self.file(file))
    }

    fn exists(&self, name: &str) -> Result<bool> {
        self.inner.exists(name)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.inner.remove(name)
    }

    fn sync_dir(&self) -> Result<()> {
        self.inner.sync_dir()
    }

    fn make_dir(&self, name: &str) -> Result<()> {
        self.inner.make_dir(name)
    }

    fn lock(&self, mode: LockMode) -> Result<Option<Lock>> {
        self.inner.lock(mode)
    }

    fn mapped_writes(&self) -> bool {
        self.inner.mapped_writes()
    }

    fn check_process(&self) -> Result<()> {
        self.inner.check_process()
    }
}

impl File for HeldFile {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn len(&self) -> Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.inner.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.inner.write_at(offset, bytes)
    }

    fn sync(&self) -> Result<()> {
        self.held.wait();
        self.inner.sync()
    }

    fn map_log(&self, floor: u64, committed: u64, capacity: u64) -> Result<(MapWriter, Map)> {
        self.inner.map_log(floor, committed, capacity)
    }

    fn map_whole(&self) -> Result<Map> {
        self.inner.map_whole()
    }
}

#[test]
fn a_sign_in_waits_for_an_earlier_one_with_its_message_id_that_is_not_durable_and_gives_its_user() {
    let held = Arc::new(Held::default());
    let disk = HeldDisk { inner: SimDisk::default(), held: Arc::clone(&held) };
    let options = Options::new().durability(Durability::Synced).tiny_segments(1 << 16);
    let store = open_writer(Arc::new(disk), options).unwrap();
    let shop = shop(&store);
    shop.track("page.viewed").anonymous("phone").append().unwrap();

    held.set(true);
    let created = event(EventType::ANONYMOUS_CREATED, "minted").message_id("k");
    let ticket = store.submit(created).unwrap();
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| tell.send(shop.sign_in_anonymously().message_id("k").append()).unwrap());
        // One that did not wait would answer by now.
        let early = told.recv_timeout(Duration::from_millis(200)).ok();
        let durable = store.durable();
        held.set(false);
        assert!(early.is_none(), "{early:?} while {durable} is durable");
        let signed_in = told.recv().unwrap().unwrap();
        assert_eq!(signed_in.user_id, "minted");
        assert!(signed_in.ack.notes.contains(Note::Duplicate));
        assert!(store.durable() >= signed_in.ack.position.seq);
        assert_eq!(signed_in.ack.position, ticket.wait().unwrap().position);
    });
}

#[test]
fn threads_that_sign_in_with_one_message_id_at_once_get_one_user() {
    const THREADS: usize = 4;
    for on_conflict in [OnIdConflict::Refuse, OnIdConflict::Store] {
        let store = Options::new().on_id_conflict(on_conflict).open_in_memory().unwrap();
        for round in 0..400 {
            let barrier = Barrier::new(THREADS);
            let sign_in = || {
                barrier.wait();
                shop(&store).sign_in_anonymously().message_id(format!("k{round}")).append().unwrap()
            };
            let all: Vec<SignedIn> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(sign_in)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(all.iter().all(|each| each.user_id == all[0].user_id), "{on_conflict:?}, round {round}");
            let new = all.iter().filter(|each| !each.ack.notes.contains(Note::Duplicate));
            assert_eq!(new.count(), 1, "{on_conflict:?}, round {round}");
        }
        assert_eq!(store.stats().unwrap().events, 400);
    }
}

#[test]
fn a_sign_in_takes_no_user_of_another_event_with_its_message_id() {
    let other = || event("order.placed", "u_1").property("amount", Value::from(7)).message_id("k");
    let store = Store::in_memory().unwrap();
    store.append(other()).unwrap();
    let refused = shop(&store).sign_in_anonymously().message_id("k").append();
    assert!(matches!(refused, Err(Error::IdConflict { .. })), "{refused:?}");
    assert_eq!(store.stats().unwrap().events, 1);

    let store = Options::new().on_id_conflict(OnIdConflict::Store).open_in_memory().unwrap();
    store.append(other()).unwrap();
    let first = shop(&store).sign_in_anonymously().message_id("k").append().unwrap();
    assert_ne!(first.user_id, "u_1");
    assert!(first.ack.notes.contains(Note::IdConflict));
    let again = shop(&store).sign_in_anonymously().message_id("k").append().unwrap();
    assert_eq!((&again.user_id, again.ack.position), (&first.user_id, first.ack.position));
    assert_eq!(store.stats().unwrap().events, 2);
}
