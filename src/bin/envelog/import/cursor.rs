//! How far an import has come, kept in the store beside what it stored.
//!
//! The cursor of an import is one of the whole store. It is set in the same batch as the events, so that it is never
//! ahead of them nor behind. Its name is `envelog.import.` and 32 hex digits, the first half of the SHA-256 of the
//! input's path from the root without links. Its state has 112 bytes, integers little-endian:
//!
//! ```text
//! offset size
//!      0    1  version        1
//!      1    1  done           0, or 1 when the import has ended
//!      2    1  form           of the lines: 0 envelopes, 1 Segment calls, 2 CloudEvents
//!      3    5  zeros
//!      8    8  file size      of the input, in bytes
//!     16   32  head           SHA-256 of the input's first 64 KiB, or of all of it
//!     48    8  offset         bytes of the decompressed text up to the next line
//!     56    8  lines          lines before it
//!     64    8  stored         events stored of these
//!     72    8  rejected       refused of these; where no line is a batch of calls the others are blank
//!     80    8  rejects size   bytes of the rejects file that belong to these lines
//!     88   16  rejects file   first half of the SHA-256 of its path
//!    104    8  zeros
//! ```

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use envelog::{CursorKey, Store};
use sha2::{Digest as _, Sha256};

use super::form::{ENVELOPES, FORM_MAX};
use crate::failure::{Failure, Outcome};
use crate::input::Place;
use crate::output::grouped;

const VERSION: u8 = 1;
const STATE_BYTES: usize = 112;
/// Bytes of the input that are compared.
const HEAD_BYTES: usize = 64 * 1024;
const RESTART: &str =
    "use --restart to forget that import and begin with line 1, which stores again what it stored";

/// Half a SHA-256, enough to tell paths apart.
type PathHash = [u8; 16];

/// What a file is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fingerprint {
    size: u64,
    head: [u8; 32],
}

impl Fingerprint {
    fn of(file: &File) -> io::Result<Self> {
        let size = file.metadata()?.len();
        let mut head = vec![0; HEAD_BYTES];
        let mut len = 0;
        while let Some(room) = head.get_mut(len..).filter(|room| !room.is_empty()) {
            match file.read_at(room, len as u64) {
                Ok(0) => break,
                Ok(read) => len += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let head = Sha256::digest(head.get(..len).unwrap_or_default()).into();
        Ok(Self { size, head })
    }
}

/// What an import has done up to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Done {
    pub(super) place: Place,
    pub(super) stored: u64,
    pub(super) rejected: u64,
    /// Bytes of the rejects file.
    pub(super) rejects_len: u64,
}

/// The state of a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    is_done: bool,
    form: u8,
    file: Fingerprint,
    done: Done,
    rejects: PathHash,
}

impl State {
    fn encode(&self) -> [u8; STATE_BYTES] {
        let mut state = [0; STATE_BYTES];
        let mut out = state.as_mut_slice();
        let mut put = |bytes: &[u8]| {
            // The fields have as many bytes as the state; a test says so.
            let _ = io::Write::write_all(&mut out, bytes);
        };
        put(&[VERSION, u8::from(self.is_done), self.form, 0, 0, 0, 0, 0]);
        put(&self.file.size.to_le_bytes());
        put(&self.file.head);
        let Done { place, stored, rejected, rejects_len } = self.done;
        for number in [place.offset, place.lines, stored, rejected, rejects_len] {
            put(&number.to_le_bytes());
        }
        put(&self.rejects);
        state
    }

    /// Reads a state back; `None` where it is none of this version.
    fn parse(state: &[u8]) -> Option<Self> {
        fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
            let (bytes, left) = rest.split_first_chunk()?;
            *rest = left;
            Some(*bytes)
        }
        let rest = &mut &*state;
        let (is_done, form) = match take(rest)? {
            [VERSION, done @ 0..=1, form @ 0..=FORM_MAX, 0, 0, 0, 0, 0] => (done == 1, form),
            _ => return None,
        };
        let file = Fingerprint { size: u64::from_le_bytes(take(rest)?), head: take(rest)? };
        let mut number = || take(rest).map(u64::from_le_bytes);
        let place = Place { offset: number()?, lines: number()? };
        let done = Done { place, stored: number()?, rejected: number()?, rejects_len: number()? };
        let taken = done.stored.checked_add(done.rejected);
        // A line of another form may have been a batch.
        let is_possible = taken.is_some_and(|taken| taken <= place.lines || form != ENVELOPES);
        let rejects = take(rest)?;
        (**rest == [0; 8] && is_possible).then_some(Self { is_done, form, file, done, rejects })
    }
}

/// The cursor of one input's import.
pub(super) struct Cursor {
    name: String,
    form: u8,
    file: Fingerprint,
    rejects: PathHash,
}

/// What an earlier import of the input left.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfinished {
    pub(super) done: Done,
    /// Its rejects go to the file that this import's go to.
    pub(super) is_same_rejects: bool,
}

impl Cursor {
    /// The cursor for an input that was opened at a path, and whose rejects go to a file.
    pub(super) fn of(path: &Path, file: &File, form: u8, rejects: &Path) -> io::Result<Self> {
        let hash = path_hash(&path.canonicalize()?);
        let name = format!("envelog.import.{:032x}", u128::from_be_bytes(hash));
        Ok(Self { name, form, file: Fingerprint::of(file)?, rejects: path_hash(rejects) })
    }

    pub(super) fn key(&self) -> CursorKey<'_> {
        CursorKey::Store(&self.name)
    }

    /// The state of an import that has done this much, and is at its end or not.
    pub(super) fn state(&self, done: Done, is_done: bool) -> [u8; STATE_BYTES] {
        State { is_done, form: self.form, file: self.file, done, rejects: self.rejects }.encode()
    }

    /// What an unfinished import of this input did, if the store has one.
    ///
    /// # Errors
    ///
    /// Where the input has changed since.
    pub(super) fn unfinished(&self, store: &Store, input: &str) -> Outcome<Option<Unfinished>> {
        let Some(state) = store.cursor(self.key())? else { return Ok(None) };
        let Some(state) = State::parse(&state) else {
            return Err(Failure::Message(format!(
                "{input}: an import of it was left unfinished by another version of envelog; {RESTART}"
            )));
        };
        if state.is_done {
            return Ok(None);
        }
        if state.file != self.file {
            return Err(Failure::Message(format!(
                "{input}: an import of it stopped after line {}, and {} since; put the file back as it was to go on \
                 there, or {RESTART}",
                grouped(i128::from(state.done.place.lines)),
                self.change(&state.file)
            )));
        }
        if state.form != self.form {
            return Err(Failure::Message(format!(
                "{input}: an import of it stopped after line {} whose --format was another one; use that to go on \
                 there, or {RESTART}",
                grouped(i128::from(state.done.place.lines))
            )));
        }
        Ok(Some(Unfinished { done: state.done, is_same_rejects: state.rejects == self.rejects }))
    }

    /// In what the file differs from what it was.
    fn change(&self, before: &Fingerprint) -> String {
        let (was, is) = (grouped(i128::from(before.size)), grouped(i128::from(self.file.size)));
        // What a file that is shorter than the head begins with changes when it grows.
        match self.file.size.cmp(&before.size) {
            std::cmp::Ordering::Equal => "the file's first bytes have changed".to_owned(),
            std::cmp::Ordering::Less => format!("the file has shrunk from {was} to {is} bytes"),
            std::cmp::Ordering::Greater => format!("the file has grown from {was} to {is} bytes"),
        }
    }
}

fn path_hash(path: &Path) -> PathHash {
    let hash: [u8; 32] = Sha256::digest(path.as_os_str().as_bytes()).into();
    hash.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State {
            is_done: false,
            form: 0,
            file: Fingerprint { size: 1 << 40, head: [7; 32] },
            done: Done {
                place: Place { offset: 1 << 33, lines: 1000 },
                stored: 900,
                rejected: 60,
                rejects_len: 5_000,
            },
            rejects: [9; 16],
        }
    }

    #[test]
    fn a_state_comes_back_as_it_went_in() {
        for (is_done, form) in [(false, 0), (true, 0), (false, 1), (true, FORM_MAX)] {
            let state = State { is_done, form, ..state() };
            let bytes = state.encode();
            assert_eq!(State::parse(&bytes), Some(state));
            assert_eq!(bytes[88..104], [9; 16], "the documented place of the last field");
        }
    }

    #[test]
    fn a_state_of_another_version_or_of_no_sense_is_none() {
        let good = state().encode();
        for len in 0..STATE_BYTES {
            assert_eq!(State::parse(&good[..len]), None);
        }
        assert_eq!(State::parse(&[&good[..], &[0]].concat()), None);
        for (at, byte) in [(0, 2), (1, 2), (2, FORM_MAX + 1), (3, 1), (7, 1), (104, 1), (111, 1), (71, 0xff)]
        {
            let mut bad = good;
            bad[at] = byte;
            assert_eq!(State::parse(&bad), None, "byte {at}");
        }
        let more = Done { stored: 941, ..state().done };
        assert_eq!(
            State::parse(&State { done: more, ..state() }.encode()),
            None,
            "more lines than there are"
        );
        let of_batches = State { form: 1, done: more, ..state() };
        assert_eq!(State::parse(&of_batches.encode()), Some(of_batches), "a line may be many calls");
    }
}
