//! The lines of a file or of standard input, gzip or not, in blocks.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::ops::Range;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

use flate2::bufread::MultiGzDecoder;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Longest line that is kept in memory: 1 MiB.
pub(crate) const LINE_BYTES_MAX: usize = 1024 * 1024;
/// A block is full when it has this many bytes ..
const BLOCK_BYTES: usize = 512 * 1024;
/// .. or this many lines, where whoever wants it does not want fewer.
const BLOCK_LINES: usize = 4_096;
/// Blocks that are read ahead.
const BLOCKS_AHEAD: usize = 3;
const READ_BYTES: usize = 128 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An input that was opened, and how far it has been read.
pub(crate) struct Input {
    reader: BufReader<Box<dyn Read + Send>>,
    live: Option<Live>,
    /// Bytes of the file, before decompression, where they are known.
    pub(crate) bytes_total: Option<u64>,
    /// Bytes that were read of them.
    pub(crate) bytes_read: Arc<AtomicU64>,
}

/// Tells of an input that may have to be waited for, a pipe or anything else that is no regular file, whether more of it
/// is there already.
struct Live(Box<dyn Fn() -> bool + Send>);

impl Live {
    fn of(file: File) -> Self {
        Self(Box::new(move || {
            let mut asked = [PollFd::new(&file, PollFlags::IN)];
            // At the end of the input there is something to read too: that it ends.
            poll(&mut asked, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
        }))
    }
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
        let bytes_total = (metadata.is_file() && !is_stdin(path)).then_some(metadata.len());
        let live = if metadata.is_file() { None } else { Some(Live::of(file.try_clone()?)) };
        let counted = Counted { inner: file, bytes: Arc::clone(&bytes_read) };
        Ok(Self { reader: decompressed(counted)?, live, bytes_total, bytes_read })
    }
}

pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Looks at the first bytes, and decompresses what is gzip.
fn decompressed(mut raw: impl Read + Send + 'static) -> io::Result<BufReader<Box<dyn Read + Send>>> {
    let mut head = Vec::with_capacity(GZIP_MAGIC.len());
    raw.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut head)?;
    let is_gzip = head == GZIP_MAGIC;
    let whole = Cursor::new(head).chain(raw);
    let reader: Box<dyn Read + Send> = if is_gzip {
        Box::new(MultiGzDecoder::new(BufReader::with_capacity(READ_BYTES, whole)))
    } else {
        Box::new(whole)
    };
    Ok(BufReader::with_capacity(READ_BYTES, reader))
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        // Relaxed: a figure to show, nothing is ordered by it.
        self.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Some lines of the input, in their order.
#[derive(Debug, Default)]
pub(crate) struct Block {
    text: Vec<u8>,
    lines: Vec<Line>,
    /// Lines without anything but blanks; they are not among the others.
    pub(crate) blank: u64,
}

/// One line of a block.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Counted from 1.
    pub(crate) number: u64,
    /// Its length in bytes, without its end.
    pub(crate) bytes: u64,
    range: Range<usize>,
}

impl Line {
    /// Whether the line was too long to be kept.
    pub(crate) fn is_too_long(&self) -> bool {
        self.range.is_empty()
    }
}

impl Block {
    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Number of a line by its index in the block.
    pub(crate) fn number(&self, index: usize) -> u64 {
        self.lines.get(index).map_or(0, |line| line.number)
    }

    /// The text of a line; empty for one that was too long.
    pub(crate) fn text(&self, line: &Line) -> &[u8] {
        self.text.get(line.range.clone()).unwrap_or_default()
    }

    fn clear(&mut self) {
        self.text.clear();
        self.lines.clear();
        self.blank = 0;
    }

    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.blank == 0
    }
}

/// Cuts an input into blocks.
struct LineReader<R> {
    reader: BufReader<R>,
    live: Option<Live>,
    lines_max: usize,
    number: u64,
    failure: Option<io::Error>,
}

impl<R: Read> LineReader<R> {
    fn new(reader: BufReader<R>, live: Option<Live>, lines_max: usize) -> Self {
        Self { reader, live, lines_max: lines_max.clamp(1, BLOCK_LINES), number: 0, failure: None }
    }

    /// Fills a block; one without lines stands at the end.
    ///
    /// Lines before an error are given first; a line that an error cut off is not given. Lines of a live input do
    /// not wait for lines that have not come yet.
    fn fill(&mut self, block: &mut Block) -> io::Result<()> {
        block.clear();
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        while !self.is_enough(block) {
            match self.read_line(block) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if block.is_empty() => return Err(error),
                Err(error) => {
                    self.failure = Some(error);
                    break;
                }
            }
        }
        Ok(())
    }

    fn is_enough(&self, block: &Block) -> bool {
        let is_full = block.text.len() >= BLOCK_BYTES || block.lines.len() >= self.lines_max;
        let has_to_wait = |live: &Live| !self.reader.buffer().contains(&b'\n') && !(live.0)();
        is_full || (!block.is_empty() && self.live.as_ref().is_some_and(has_to_wait))
    }

    fn read_line(&mut self, block: &mut Block) -> io::Result<bool> {
        let start = block.text.len();
        let mut limited = self.reader.by_ref().take(LINE_BYTES_MAX as u64 + 1);
        let read = match limited.read_until(b'\n', &mut block.text) {
            Ok(read) => read,
            Err(error) => {
                block.text.truncate(start);
                return Err(error);
            }
        };
        if read == 0 {
            return Ok(false);
        }
        self.number += 1;
        if self.number == 1 && block.text.starts_with(BYTE_ORDER_MARK) {
            block.text.drain(..BYTE_ORDER_MARK.len());
        }
        if block.text.last() == Some(&b'\n') {
            block.text.pop();
        } else if read > LINE_BYTES_MAX {
            let bytes = (block.text.len() - start) as u64;
            block.text.truncate(start);
            let bytes = bytes + skip_line(&mut self.reader)?;
            block.lines.push(Line { number: self.number, bytes, range: start..start });
            return Ok(true);
        }
        let range = start..block.text.len();
        if block.text.get(start..).is_some_and(|line| line.trim_ascii().is_empty()) {
            block.text.truncate(start);
            block.blank += 1;
        } else {
            block.lines.push(Line { number: self.number, bytes: range.len() as u64, range });
        }
        Ok(true)
    }
}

/// Passes over the rest of a line and its end, and tells how many bytes it had without its end.
fn skip_line(reader: &mut impl BufRead) -> io::Result<u64> {
    let mut bytes = 0;
    loop {
        let buffer = match reader.fill_buf() {
            Ok([]) => return Ok(bytes),
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let len = end.unwrap_or(buffer.len());
        bytes += len as u64;
        reader.consume(len + usize::from(end.is_some()));
        if end.is_some() {
            return Ok(bytes);
        }
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
    /// There is no more, for a reason or because the input is at its end.
    End(io::Result<()>),
}

impl Blocks {
    /// Begins to read, into blocks of at most so many lines. The thread ends with the input, or when nobody wants
    /// blocks any more and its read returns.
    pub(crate) fn of(input: Input, lines_max: usize) -> Self {
        let (full, full_blocks) = sync_channel(BLOCKS_AHEAD);
        let (empty, empty_blocks) = sync_channel::<Block>(BLOCKS_AHEAD + 1);
        thread::spawn(move || {
            let mut lines = LineReader::new(input.reader, input.live, lines_max);
            loop {
                let mut block = empty_blocks.try_recv().unwrap_or_default();
                let filled = lines.fill(&mut block).map(|()| block);
                let is_last = filled.as_ref().map_or(true, Block::is_empty);
                if full.send(filled).is_err() || is_last {
                    return;
                }
            }
        });
        Self { full: full_blocks, empty }
    }

    /// The next block; where none was read yet it is waited for, or not.
    pub(crate) fn next(&self, waits: bool) -> Next {
        let received = if waits {
            self.full.recv().ok()
        } else {
            match self.full.try_recv() {
                Ok(block) => Some(block),
                Err(TryRecvError::Empty) => return Next::NotYet,
                Err(TryRecvError::Disconnected) => None,
            }
        };
        match received {
            Some(Ok(block)) if block.is_empty() => Next::End(Ok(())),
            Some(Ok(block)) => Next::Block(block),
            Some(Err(error)) => Next::End(Err(error)),
            None => Next::End(Err(io::Error::other("reading ended unexpectedly"))),
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
