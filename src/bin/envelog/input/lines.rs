//! Cutting an input into lines, and lines into blocks.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::ANOTHER_FILE;

/// Longest line that is kept in memory: 1 MiB.
pub(crate) const LINE_BYTES_MAX: usize = 1024 * 1024;
/// A block is full when it has this many bytes ..
const BLOCK_BYTES: usize = 512 * 1024;
/// .. or this many lines, where whoever wants it does not want fewer.
const BLOCK_LINES: usize = 4_096;
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Tells of an input that may have to be waited for, a pipe or anything else that is no regular file, whether more of it
/// is there already.
pub(super) struct Live(Box<dyn Fn() -> bool + Send>);

impl Live {
    pub(super) fn of(file: File) -> Self {
        Self(Box::new(move || {
            let mut asked = [PollFd::new(&file, PollFlags::IN)];
            // At the end of the input there is something to read too: that it ends.
            poll(&mut asked, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
        }))
    }

    pub(super) fn has_more(&self) -> bool {
        (self.0)()
    }
}

/// A place between two lines of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// Bytes of the text before it, decompressed.
    pub(crate) offset: u64,
    /// Lines before it.
    pub(crate) lines: u64,
}

/// Some lines of the input, in their order.
#[derive(Debug, Default)]
pub(crate) struct Block {
    text: Vec<u8>,
    lines: Vec<Line>,
    /// Where it begins and ends. Lines without anything but blanks are in between, and not among the others.
    start: Place,
    end: Place,
}

/// One line of a block.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Counted from 1.
    pub(crate) number: u64,
    /// Its length in bytes, without its end.
    pub(crate) bytes: u64,
    /// Where in the text it ends, its end included.
    end: u64,
    range: Range<usize>,
}

impl Line {
    #[cfg(test)]
    pub(crate) fn for_tests(number: u64) -> Self {
        Self { number, bytes: 1, end: 0, range: 0..1 }
    }

    /// Whether the line was too long to be kept.
    pub(crate) fn is_too_long(&self) -> bool {
        self.range.is_empty()
    }
}

impl Block {
    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The place where it ends.
    pub(crate) fn end(&self) -> Place {
        self.end
    }

    /// The place in front of a line, by its index in the block; behind the last one it is the end of the block.
    pub(crate) fn place_before(&self, index: usize) -> Place {
        if index >= self.lines.len() {
            return self.end;
        }
        let previous = index.checked_sub(1).and_then(|previous| self.lines.get(previous));
        previous.map_or(self.start, |line| Place { offset: line.end, lines: line.number })
    }

    /// The text of a line; empty for one that was too long.
    pub(crate) fn text(&self, line: &Line) -> &[u8] {
        self.text.get(line.range.clone()).unwrap_or_default()
    }

    fn begin(&mut self, place: Place) {
        self.text.clear();
        self.lines.clear();
        self.start = place;
        self.end = place;
    }

    /// Whether not even a blank line is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

/// Cuts an input into blocks.
pub(super) struct LineReader<R> {
    reader: BufReader<R>,
    live: Option<Live>,
    lines_max: usize,
    /// Where the next line begins.
    place: Place,
    failure: Option<io::Error>,
}

impl<R: Read> LineReader<R> {
    /// A reader of what stands at a place of the input.
    pub(super) fn new(reader: BufReader<R>, live: Option<Live>, lines_max: usize, place: Place) -> Self {
        Self { reader, live, lines_max: lines_max.clamp(1, BLOCK_LINES), place, failure: None }
    }

    /// Passes over so many bytes, which must end with a line.
    pub(super) fn pass_over(&mut self, bytes: u64) -> io::Result<()> {
        let mut left = bytes;
        let mut last = b'\n';
        while left > 0 {
            let buffer = self.reader.fill_buf()?;
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let Some(end) = buffer.get(..len).and_then(<[u8]>::last) else {
                return Err(io::Error::new(io::ErrorKind::InvalidData, ANOTHER_FILE));
            };
            last = *end;
            self.reader.consume(len);
            left -= len as u64;
        }
        // The last line of an input needs no end.
        if last == b'\n' || self.reader.fill_buf()?.is_empty() {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, ANOTHER_FILE))
        }
    }

    /// Fills a block; one without lines stands at the end.
    ///
    /// Lines before an error are given first; a line that an error cut off is not given. Lines of a live input do
    /// not wait for lines that have not come yet.
    pub(super) fn fill(&mut self, block: &mut Block) -> io::Result<()> {
        block.begin(self.place);
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        while !self.is_enough(block) {
            match self.read_line(block) {
                Ok(true) => block.end = self.place,
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
        let has_to_wait = |live: &Live| !self.reader.buffer().contains(&b'\n') && !live.has_more();
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
        let mut end = self.place.offset + read as u64;
        if self.place.offset == 0 && block.text.starts_with(BYTE_ORDER_MARK) {
            block.text.drain(..BYTE_ORDER_MARK.len());
        }
        let number = self.place.lines + 1;
        if block.text.last() == Some(&b'\n') {
            block.text.pop();
        } else if read > LINE_BYTES_MAX {
            let kept = (block.text.len() - start) as u64;
            block.text.truncate(start);
            let rest = skip_line(&mut self.reader)?;
            end += rest.consumed;
            block.lines.push(Line { number, bytes: kept + rest.bytes, end, range: start..start });
            self.place = Place { offset: end, lines: number };
            return Ok(true);
        }
        let range = start..block.text.len();
        if block.text.get(start..).is_some_and(|line| line.trim_ascii().is_empty()) {
            block.text.truncate(start);
        } else {
            block.lines.push(Line { number, bytes: range.len() as u64, end, range });
        }
        self.place = Place { offset: end, lines: number };
        Ok(true)
    }
}

/// What was passed over of a line.
struct Skipped {
    /// Without the line's end.
    bytes: u64,
    /// With it.
    consumed: u64,
}

/// Passes over the rest of a line and its end.
fn skip_line(reader: &mut impl BufRead) -> io::Result<Skipped> {
    let mut bytes = 0;
    loop {
        let buffer = match reader.fill_buf() {
            Ok([]) => return Ok(Skipped { bytes, consumed: bytes }),
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let len = end.unwrap_or(buffer.len());
        bytes += len as u64;
        reader.consume(len + usize::from(end.is_some()));
        if end.is_some() {
            return Ok(Skipped { bytes, consumed: bytes + 1 });
        }
    }
}

#[cfg(test)]
mod tests;
