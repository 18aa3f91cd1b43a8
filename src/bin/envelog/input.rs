//! The lines of a file or of standard input, gzip, zstd or plain, in blocks.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek as _, SeekFrom};
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

mod form;
mod lines;
mod packing;
mod zstd;

pub(crate) use lines::{Block, LINE_BYTES_MAX, Line, Place};

use lines::{LineReader, Live};
use packing::Packing;

/// Blocks that are read ahead.
const BLOCKS_AHEAD: usize = 3;
const READ_BYTES: usize = 128 * 1024;
/// Bytes of the text that are looked at before anything is done with it.
const HEAD_BYTES: usize = 64 * 1024;
/// How long is waited for a block before whoever waits may look around.
const PATIENCE: Duration = Duration::from_millis(50);

const ANOTHER_FILE: &str =
    "where the earlier import stopped no line ends, so this is not the file that it read";

const SHORTER: &str = "the file became shorter while it was read";

/// An input that was opened, and how far it has been read.
pub(crate) struct Input {
    reader: BufReader<Box<dyn Read + Send>>,
    live: Option<Live>,
    /// The file, where its bytes are the text.
    plain: Option<File>,
    start: Place,
    /// Bytes of the text that are to be passed over before the first line.
    skip: u64,
    /// Why it cannot be NDJSON, from how it begins.
    objection: Option<String>,
    /// The first line, or as much of it as was looked at.
    first_line: Vec<u8>,
    /// Bytes of the file, before decompression, where they are known.
    pub(crate) bytes_total: Option<u64>,
    /// Bytes that were read of them.
    pub(crate) bytes_read: Arc<AtomicU64>,
}

/// Opens a file, or standard input for `-`, and reads nothing of it.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let file = if is_stdin(path) {
        File::from(io::stdin().as_fd().try_clone_to_owned()?)
    } else {
        File::open(path)?
    };
    if file.metadata()?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    Ok(file)
}

impl Input {
    /// Begins to read what was opened at the path.
    pub(crate) fn of(file: File, path: &Path) -> io::Result<Self> {
        let bytes_read = Arc::new(AtomicU64::new(0));
        let metadata = file.metadata()?;
        let is_file = metadata.is_file() && !is_stdin(path);
        let bytes_total = is_file.then_some(metadata.len());
        let live = if metadata.is_file() { None } else { Some(Live::of(file.try_clone()?)) };
        let plain = if is_file { Some(file.try_clone()?) } else { None };
        let least = bytes_total.unwrap_or(0);
        let counted = Counted { inner: file, bytes: Arc::clone(&bytes_read), least };
        let (reader, packing) = packing::unpacked(counted)?;
        let begun = Begun::of(reader, live.as_ref());
        let head = begun.head.get_ref();
        Ok(Self {
            objection: form::objection(head),
            first_line: head.split(|byte| *byte == b'\n').next().unwrap_or_default().to_vec(),
            reader: BufReader::with_capacity(READ_BYTES, Box::new(begun)),
            live,
            plain: plain.filter(|_| packing == Packing::None),
            start: Place::default(),
            skip: 0,
            bytes_total,
            bytes_read,
        })
    }

    /// Why it cannot be NDJSON; `None` where it may be some.
    pub(crate) fn objection(&self) -> Option<&str> {
        self.objection.as_deref()
    }

    /// How the text begins: its first line, or as much of it as was looked at.
    pub(crate) fn first_line(&self) -> &[u8] {
        &self.first_line
    }

    /// Goes to a place where an earlier reading stopped. Of what is compressed the text before it is passed over with the
    /// first block.
    pub(crate) fn go_to(&mut self, place: Place) -> io::Result<()> {
        self.start = place;
        let Some(file) = &mut self.plain else {
            self.skip = place.offset;
            return Ok(());
        };
        let bytes_total = file.metadata()?.len();
        let mut last = [0];
        if let Some(before) = place.offset.checked_sub(1)
            && place.offset != bytes_total
        {
            match file.read_exact_at(&mut last, before) {
                Ok(()) if last == *b"\n" => {}
                Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
                _ => return Err(io::Error::new(io::ErrorKind::InvalidData, ANOTHER_FILE)),
            }
        }
        file.seek(SeekFrom::Start(place.offset))?;
        // Relaxed: a figure to show.
        self.bytes_read.store(place.offset, Ordering::Relaxed);
        let bytes = Arc::clone(&self.bytes_read);
        let rest = Counted { inner: file.try_clone()?, bytes, least: bytes_total };
        self.reader = BufReader::with_capacity(READ_BYTES, Box::new(rest));
        Ok(())
    }
}

pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// An input whose beginning was read already, up to an error if there was one.
struct Begun<R> {
    head: Cursor<Vec<u8>>,
    failure: Option<io::Error>,
    rest: R,
}

impl<R: Read> Begun<R> {
    /// Reads the beginning; of a live input no more than there is.
    fn of(mut rest: R, live: Option<&Live>) -> Self {
        let mut head = vec![0; HEAD_BYTES];
        let mut len = 0;
        let mut failure = None;
        while let Some(room) = head.get_mut(len..).filter(|room| !room.is_empty()) {
            if len > 0 && live.is_some_and(|live| !live.has_more()) {
                break;
            }
            match rest.read(room) {
                Ok(0) => break,
                Ok(read) => len += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        head.truncate(len);
        Self { head: Cursor::new(head), failure, rest }
    }
}

impl<R: Read> Read for Begun<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.head.read(buffer)? {
            0 => self.failure.take().map_or_else(|| self.rest.read(buffer), Err),
            read => Ok(read),
        }
    }
}

/// Counts what is read. An end before so many bytes as there were in the beginning is an error: lines would be missing,
/// and the last one would be half of what it was.
struct Counted<R> {
    inner: R,
    bytes: Arc<AtomicU64>,
    least: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        // Relaxed: nothing is ordered by it, and this reader alone writes it.
        let before = self.bytes.fetch_add(read as u64, Ordering::Relaxed);
        if read == 0 && !buffer.is_empty() && before < self.least {
            return Err(io::Error::new(io::ErrorKind::InvalidData, SHORTER));
        }
        Ok(read)
    }
}

/// The blocks of an input, read and decompressed ahead by a thread of their own.
pub(crate) struct Blocks {
    full: Receiver<io::Result<Block>>,
    empty: SyncSender<Block>,
}

/// What an input has for whoever asks.
pub(crate) enum Next {
    Block(Block),
    /// Nothing was read yet.
    NotYet,
    /// There is no more, for a reason or because the input is at its end, which is here.
    End(io::Result<Place>),
}

impl Blocks {
    /// Begins to read, into blocks of at most so many lines. The thread ends with the input, or when nobody wants
    /// blocks any more and its read returns.
    pub(crate) fn of(input: Input, lines_max: usize) -> Self {
        let (full, full_blocks) = sync_channel(BLOCKS_AHEAD);
        let (empty, empty_blocks) = sync_channel::<Block>(BLOCKS_AHEAD + 1);
        thread::spawn(move || {
            let Input { reader, live, start, mut skip, .. } = input;
            let mut lines = LineReader::new(reader, live, lines_max, start);
            loop {
                let mut block = empty_blocks.try_recv().unwrap_or_default();
                let filled = lines.pass_over(std::mem::take(&mut skip));
                let filled = filled.and_then(|()| lines.fill(&mut block)).map(|()| block);
                let is_last = filled.as_ref().map_or(true, Block::is_empty);
                if full.send(filled).is_err() || is_last {
                    return;
                }
            }
        });
        Self { full: full_blocks, empty }
    }

    /// The next block; where none was read yet it is waited for a little while, or not at all.
    pub(crate) fn next(&self, waits: bool) -> Next {
        let received = if waits {
            self.full.recv_timeout(PATIENCE).map_err(|error| error == RecvTimeoutError::Timeout)
        } else {
            self.full.try_recv().map_err(|error| error == TryRecvError::Empty)
        };
        match received {
            Ok(Ok(block)) if block.is_empty() => Next::End(Ok(block.end())),
            Ok(Ok(block)) => Next::Block(block),
            Ok(Err(error)) => Next::End(Err(error)),
            Err(true) => Next::NotYet,
            Err(false) => Next::End(Err(io::Error::other("reading ended unexpectedly"))),
        }
    }

    /// Gives a block back for its memory.
    pub(crate) fn give_back(&self, block: Block) {
        // Where the reader has ended or has enough of them, the block is dropped.
        let _ = self.empty.try_send(block);
    }
}

#[cfg(test)]
mod tests;
