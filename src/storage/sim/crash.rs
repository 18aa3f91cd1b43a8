//! Power loss, process death and writeback on the simulated disk.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::super::env::SimRng;
use super::file::{Dirt, Image, Inode, SECTOR};
use super::names::{Change, Directory, Names};
use super::{SimDisk, SimOptions};

/// A torn sector keeps a whole number of these from the new contents, in bytes.
const ATOM: usize = 8;
/// Most dirty sectors that [`SimDisk::crash_exhaustive`] takes on.
const SECTORS_MAX: usize = 8;
/// Most bits that all of its choices together may have.
const CHOICES_MAX: usize = 16;

/// How much of what is not durable survives.
#[derive(Debug, Clone, Copy)]
enum Survival {
    Nothing,
    Everything,
    /// Each by itself, with this probability in thousandths.
    Some(u64),
}

impl Survival {
    /// One in eight times nothing, one in eight everything, else anything between.
    fn draw(rng: &mut SimRng) -> Self {
        match rng.below(8) {
            0 => Self::Nothing,
            1 => Self::Everything,
            _ => Self::Some(rng.below(1001)),
        }
    }

    fn decide(self, rng: &mut SimRng) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Some(per_mille) => rng.chance(per_mille),
        }
    }
}

impl SimDisk {
    /// The disk after a power loss now: what is durable, and what `rng` lets survive of the rest.
    ///
    /// Each sector that is not durable survives or does not, some torn; each length is the durable one, the cached
    /// one or between; each change of a name has happened or has not. This disk is left as it is, so that one
    /// moment can be crashed many times.
    #[must_use]
    pub fn crash(&self, rng: &mut SimRng) -> Self {
        let state = self.state();
        let sectors = Survival::draw(rng);
        let torn_per_mille = if rng.chance(500) { 0 } else { rng.below(400) };
        let names = surviving_names(&state.directory, rng);
        let mut crashed = Rebuilt::new(&state.options);
        let names = names
            .map(|_, inode| crashed.file(inode, |dirt| surviving_bytes(dirt, sectors, torn_per_mille, rng)));
        Self::with_directory(state.options, settled(names))
    }

    /// The disk after the process died: nothing that was written is lost, and locks are released.
    ///
    /// Nothing becomes durable by it. Handles of the dead process keep this disk and cannot reach the new one.
    #[must_use]
    pub fn kill(&self) -> Self {
        self.state().copy()
    }

    /// Makes some of what is not durable so, as the kernel may at any time.
    pub fn writeback(&self, rng: &mut SimRng) {
        let mut state = self.state();
        let sectors = Survival::draw(rng);
        for inode in state.directory.inodes() {
            let mut dirt = inode.dirt();
            dirt.sectors.retain(|sector| !sector.is_forgotten && sectors.decide(rng));
            let mut durable = Arc::clone(&dirt.durable);
            for sector in &dirt.sectors {
                let end = ((sector.index + 1) * SECTOR).min(dirt.volatile.len());
                let bytes = Arc::make_mut(&mut durable);
                bytes.resize(bytes.len().max(end), 0);
                keep_sector(bytes, &dirt.volatile, sector.index, SECTOR);
            }
            inode.set_durable(durable);
        }
        let changes = rng.below(state.directory.pending.len() as u64 + 1);
        state.directory.sync_oldest(super::super::to_usize(changes));
    }

    /// Every disk that a power loss now may leave, without torn sectors: all subsets of the dirty sectors, of the
    /// lengths and of the changes of names.
    ///
    /// `None` where there are more than 8 dirty sectors, or more than 16 choices in all.
    pub fn crash_exhaustive(&self) -> Option<ExhaustiveCrashes> {
        let state = self.state();
        let files: Vec<_> = state.directory.inodes().into_iter().map(|inode| (inode.dirt(), inode)).collect();
        let sectors: usize = files.iter().map(|(dirt, _)| dirt.sectors.len()).sum();
        let lengths = files.iter().filter(|(dirt, _)| dirt.has_length()).count();
        let choices = sectors + lengths + state.directory.pending.len();
        if sectors > SECTORS_MAX || choices > CHOICES_MAX {
            return None;
        }
        Some(ExhaustiveCrashes {
            options: state.options,
            durable: state.directory.durable.clone(),
            pending: state.directory.pending.clone(),
            files,
            next: 0,
            end: 1 << choices,
        })
    }
}

/// The disks that a power loss may leave; see [`SimDisk::crash_exhaustive`].
pub struct ExhaustiveCrashes {
    options: SimOptions,
    durable: Names,
    pending: Vec<Change>,
    files: Vec<(Dirt, Arc<Inode>)>,
    /// The next subset, a bit for each choice.
    next: u32,
    end: u32,
}

impl fmt::Debug for ExhaustiveCrashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExhaustiveCrashes({} of {})", self.next, self.end)
    }
}

impl Iterator for ExhaustiveCrashes {
    type Item = SimDisk;

    fn next(&mut self) -> Option<SimDisk> {
        if self.next == self.end {
            return None;
        }
        let mut bits = self.next;
        self.next += 1;
        let mut choose = || {
            let chosen = bits & 1 == 1;
            bits >>= 1;
            chosen
        };
        let mut names = self.durable.clone();
        for change in &self.pending {
            if choose() {
                names.apply(change);
            }
        }
        let mut contents: HashMap<*const Inode, Arc<Inode>> = HashMap::new();
        for (dirt, inode) in &self.files {
            let keeps_length = dirt.has_length() && choose();
            let length = if keeps_length { dirt.volatile.len() } else { dirt.durable.len() };
            let mut bytes = dirt.padded();
            for sector in &dirt.sectors {
                if choose() {
                    keep_sector(&mut bytes, &dirt.volatile, sector.index, SECTOR);
                }
            }
            bytes.truncate(length);
            let image = Arc::new(bytes);
            let file = Inode::new(inode.name(), &self.options, Arc::clone(&image), image);
            contents.insert(Arc::as_ptr(inode), file);
        }
        let names = names.map(|_, inode| contents.get(&Arc::as_ptr(inode)).unwrap_or(inode).clone());
        Some(SimDisk::with_directory(self.options, settled(names)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.end - self.next) as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for ExhaustiveCrashes {}

/// The files of a disk after a power loss, one for each file before it.
struct Rebuilt<'a> {
    options: &'a SimOptions,
    files: HashMap<*const Inode, Arc<Inode>>,
}

impl<'a> Rebuilt<'a> {
    fn new(options: &'a SimOptions) -> Self {
        Self { options, files: HashMap::new() }
    }

    fn file(&mut self, inode: &Arc<Inode>, image: impl FnOnce(&Dirt) -> Image) -> Arc<Inode> {
        let options = self.options;
        let rebuild = || {
            let image = image(&inode.dirt());
            Inode::new(inode.name(), options, Arc::clone(&image), image)
        };
        Arc::clone(self.files.entry(Arc::as_ptr(inode)).or_insert_with(rebuild))
    }
}

impl Dirt {
    fn has_length(&self) -> bool {
        self.volatile.len() != self.durable.len()
    }

    /// The durable bytes and zeros up to the cached length.
    fn padded(&self) -> Vec<u8> {
        let mut bytes = self.durable.to_vec();
        bytes.resize(self.volatile.len().max(bytes.len()), 0);
        bytes
    }
}

/// A directory in which nothing is left to sync.
fn settled(names: Names) -> Directory {
    Directory { volatile: names.clone(), durable: names, pending: Vec::new() }
}

/// The durable names with some of the pending changes made, each as a whole or not at all.
fn surviving_names(directory: &Directory, rng: &mut SimRng) -> Names {
    let mut names = directory.durable.clone();
    // A journal keeps the oldest changes; a file system without one any of them.
    let journalled = rng.chance(400).then(|| rng.below(directory.pending.len() as u64 + 1));
    let survival = Survival::draw(rng);
    for (index, change) in directory.pending.iter().enumerate() {
        let survives = match journalled {
            Some(count) => (index as u64) < count,
            None => survival.decide(rng),
        };
        if survives {
            names.apply(change);
        }
    }
    names
}

fn surviving_bytes(dirt: &Dirt, survival: Survival, torn_per_mille: u64, rng: &mut SimRng) -> Image {
    if dirt.sectors.is_empty() && !dirt.has_length() {
        return Arc::clone(&dirt.durable);
    }
    let mut bytes = dirt.padded();
    for sector in &dirt.sectors {
        // No one will ever write a forgotten sector, but part of the write that failed may have arrived.
        let survival = match survival {
            Survival::Everything if sector.is_forgotten => Survival::Nothing,
            survival => survival,
        };
        if survival.decide(rng) {
            let torn = rng.chance(torn_per_mille);
            let kept =
                if torn { super::super::to_usize(rng.below((SECTOR / ATOM) as u64)) * ATOM } else { SECTOR };
            keep_sector(&mut bytes, &dirt.volatile, sector.index, kept);
        }
    }
    let durable = dirt.durable.len();
    let length = match (survival, rng.below(4)) {
        (Survival::Nothing, _) | (Survival::Some(_), 0) => durable,
        (Survival::Some(_), 1) => {
            durable + super::super::to_usize(rng.below((bytes.len() - durable) as u64 + 1))
        }
        _ => bytes.len(),
    };
    bytes.truncate(length);
    Arc::new(bytes)
}

/// Copies the first `count` bytes of a sector.
fn keep_sector(to: &mut [u8], from: &[u8], index: usize, count: usize) {
    let start = index * SECTOR;
    let end = (start + count).min(from.len()).min(to.len());
    if let (Some(to), Some(from)) = (to.get_mut(start..end), from.get(start..end)) {
        to.copy_from_slice(from);
    }
}
