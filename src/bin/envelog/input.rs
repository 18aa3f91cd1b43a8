//! The lines of a file or of standard input, gzip or not, in blocks.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use flate2::bufread::MultiGzDecoder;

/// Longest line that is kept in memory: 1 MiB.
pub(crate) const LINE_BYTES_MAX: usize = 1024 * 1024;
/// A block is full when it has this many bytes ..
const BLOCK_BYTES: usize = 256 * 1024;
/// .. or this many lines.
const BLOCK_LINES: usize = 4_096;
/// Blocks that are read ahead.
const BLOCKS_AHEAD: usize = 3;
const READ_BYTES: usize = 128 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An input that was opened, and how far it has been read.
pub(crate) struct Input {
    reader: Box<dyn BufRead + Send>,
    /// Bytes of the file, before decompression, where they are known.
    pub(crate) bytes_total: Option<u64>,
    /// Bytes that were read of them.
    pub(crate) bytes_read: Arc<AtomicU64>,
}

/// Opens a file, or standard input for `-`.
pub(crate) fn open(path: &Path) -> io::Result<Input> {
    let bytes_read = Arc::new(AtomicU64::new(0));
    let (raw, bytes_total): (Box<dyn Read + Send>, _) = if is_stdin(path) {
        (Box::new(io::stdin()), None)
    } else {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        (Box::new(file), metadata.is_file().then_some(metadata.len()))
    };
    let counted = Counted { inner: raw, bytes: Arc::clone(&bytes_read) };
    Ok(Input { reader: decompressed(counted)?, bytes_total, bytes_read })
}

pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Looks at the first bytes, and decompresses what is gzip.
fn decompressed(mut raw: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let mut head = Vec::with_capacity(GZIP_MAGIC.len());
    raw.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut head)?;
    let is_gzip = head == GZIP_MAGIC;
    let whole = BufReader::with_capacity(READ_BYTES, Cursor::new(head).chain(raw));
    Ok(if is_gzip {
        Box::new(BufReader::with_capacity(READ_BYTES, MultiGzDecoder::new(whole)))
    } else {
        Box::new(whole)
    })
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

    /// The text of a line; empty for one that was too long.
    pub(crate) fn text(&self, line: &Line) -> &[u8] {
        self.text.get(line.range.clone()).unwrap_or_default()
    }

    fn clear(&mut self) {
        self.text.clear();
        self.lines.clear();
        self.blank = 0;
    }

    fn is_full(&self) -> bool {
        self.text.len() >= BLOCK_BYTES || self.lines.len() >= BLOCK_LINES
    }
}

/// Cuts an input into blocks.
struct LineReader<R> {
    reader: R,
    number: u64,
    failure: Option<io::Error>,
}

impl<R: BufRead> LineReader<R> {
    /// Fills a block; one without lines stands at the end.
    ///
    /// Lines before an error are given first; a line that an error cut off is not given.
    fn fill(&mut self, block: &mut Block) -> io::Result<()> {
        block.clear();
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        while !block.is_full() {
            match self.read_line(block) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if block.lines.is_empty() && block.blank == 0 => return Err(error),
                Err(error) => {
                    self.failure = Some(error);
                    break;
                }
            }
        }
        Ok(())
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
            block.text.truncate(start);
            let rest = self.reader.skip_until(b'\n')?;
            let bytes = (read + rest) as u64;
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

/// The blocks of an input, read and decompressed ahead by a thread of their own.
pub(crate) struct Blocks {
    full: Receiver<io::Result<Block>>,
    empty: SyncSender<Block>,
}

impl Blocks {
    /// Begins to read. The thread ends with the input, or when nobody wants blocks any more and its read returns.
    pub(crate) fn of(input: Input) -> Self {
        let (full, full_blocks) = sync_channel(BLOCKS_AHEAD);
        let (empty, empty_blocks) = sync_channel::<Block>(BLOCKS_AHEAD + 1);
        thread::spawn(move || {
            let mut lines = LineReader { reader: input.reader, number: 0, failure: None };
            loop {
                let mut block = empty_blocks.try_recv().unwrap_or_default();
                let filled = lines.fill(&mut block).map(|()| block);
                let is_last = match &filled {
                    Ok(block) => block.lines.is_empty() && block.blank == 0,
                    Err(_) => true,
                };
                if full.send(filled).is_err() || is_last {
                    return;
                }
            }
        });
        Self { full: full_blocks, empty }
    }

    /// The next block; none at the end.
    pub(crate) fn next(&self) -> io::Result<Option<Block>> {
        let ended = || io::Error::other("reading ended unexpectedly");
        let block = self.full.recv().map_err(|_| ended())??;
        Ok((!block.lines.is_empty() || block.blank > 0).then_some(block))
    }

    /// Gives a block back for its memory.
    pub(crate) fn give_back(&self, block: Block) {
        // Where the reader has ended or has enough of them, the block is dropped.
        let _ = self.empty.try_send(block);
    }
}

#[cfg(test)]
mod tests;
