//! `tail -f`: standard input goes into the store, and what is stored is listed.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use envelog::{Durability, Envelope, Error, Note, Options, Store};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::TailArgs;
use crate::args::Cli;
use crate::events::Listing;
use crate::failure::{Failure, Outcome, tell};
use crate::input::LINE_BYTES_MAX;
use crate::merged;
use crate::output::{Format, Output};
use crate::reading;

/// A signal that comes just before a wait for input begins is noticed so much later.
const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };
const READ_BYTES: usize = 128 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Stores what comes and lists it.
pub(super) fn run(cli: &Cli, arguments: &TailArgs) -> Outcome {
    if io::stdin().is_terminal() {
        let what = "-f lists what this command stores from standard input, which is a terminal; pipe envelopes into it";
        let not_yet = "following a store that another process writes is not there yet";
        return Err(Failure::Usage(format!("{what}. {not_yet}")));
    }
    let mut lines = Lines::of_stdin().map_err(|error| Failure::io("standard input", &error))?;
    let options = Options::new().durability(Durability::Buffered).on_corruption(cli.on_corruption());
    let store = arguments.secret.apply(options)?.open(cli.store()?)?;
    reading::tell_damage(&store);
    let followed = follow(cli, arguments, &store, &mut lines);
    // Closing syncs, also where the reader of the list has gone.
    let closed = store.close();
    match followed {
        Ok(()) | Err(Failure::ReaderGone) => Ok(closed?),
        failed => failed,
    }
}

fn follow(cli: &Cli, arguments: &TailArgs, store: &Store, lines: &mut Lines) -> Outcome {
    let mut output = Output::new(Format::of(cli.format));
    let width = output.width();
    let mut listing = super::listing(cli, store, &mut output)?;
    listing.fix(width);
    // A project may begin with what comes.
    let projects = match cli.project {
        Some(id) => vec![store.project(id)],
        None => merged::projects(cli, store)?,
    };
    super::newest(cli, arguments, &projects, &mut listing)?;
    listing.flush()?;
    let (mut stored, mut refused) = (0, 0);
    loop {
        if !lines.has_more() {
            listing.flush()?;
        }
        let Some(line) = lines.next().map_err(|error| Failure::io("standard input", &error))? else { break };
        let result = match line {
            Line::Blank => continue,
            Line::TooLong => Err(format!("the line is longer than {LINE_BYTES_MAX} bytes")),
            Line::Text(text) => take(cli, arguments, store, &mut listing, text)?,
        };
        match result {
            Ok(()) => stored += 1,
            Err(reason) => {
                refused += 1;
                tell(format_args!("envelog: line {}: {reason}", lines.number));
            }
        }
    }
    listing.end()?;
    if refused > 0 && stored == 0 {
        return Err(Failure::Message("standard input: no line of it is an envelope".to_owned()));
    }
    Ok(())
}

/// Stores a line and lists its event; tells why it is refused, if it is.
fn take(
    cli: &Cli,
    arguments: &TailArgs,
    store: &Store,
    listing: &mut Listing<'_>,
    text: &[u8],
) -> Outcome<Result<(), String>> {
    let appended = Envelope::from_json(text)
        .and_then(|envelope| store.append(&envelope).map(|ack| (envelope.project_id, ack)));
    let (project, ack) = match appended {
        Ok(appended) => appended,
        Err(error @ (Error::Invalid { .. } | Error::TooLarge { .. } | Error::IdConflict { .. })) => {
            return Ok(Err(error.to_string()));
        }
        Err(error) => return Err(error.into()),
    };
    let is_new = !ack.notes.contains(Note::Duplicate);
    if is_new && cli.project.is_none_or(|wanted| wanted == project) {
        let view = store.project(project).view()?;
        let seq = ack.position.seq;
        if let Some(event) = arguments.query(&view).seq_range(seq..seq.next()).iter().next() {
            listing.add(&event?)?;
        }
    }
    Ok(Ok(()))
}

/// A line of the input.
enum Line<'a> {
    Text(&'a [u8]),
    Blank,
    TooLong,
}

/// The lines of standard input as they come, until a signal asks to stop.
struct Lines {
    reader: BufReader<File>,
    stopped: Arc<AtomicBool>,
    line: Vec<u8>,
    /// Number of the last line, counted from 1.
    number: u64,
}

impl Lines {
    fn of_stdin() -> io::Result<Self> {
        let stopped = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // A second one ends the process at once.
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&stopped))?;
            signal_hook::flag::register(signal, Arc::clone(&stopped))?;
        }
        let file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        Ok(Self { reader: BufReader::with_capacity(READ_BYTES, file), stopped, line: Vec::new(), number: 0 })
    }

    /// Whether a whole line is there without waiting.
    fn has_more(&self) -> bool {
        self.reader.buffer().contains(&b'\n')
    }

    /// The next line without its end; none at the end of the input, nor after a signal, which may cut a line off. Of a
    /// line that is too long nothing is kept.
    fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let (mut is_too_long, mut is_there) = (false, false);
        loop {
            if !self.wait()? {
                return Ok(None);
            }
            let buffer = match self.reader.fill_buf() {
                Ok([]) if !is_there => return Ok(None),
                Ok([]) => break,
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            is_there = true;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
            is_too_long |= self.line.len() + part.len() > LINE_BYTES_MAX;
            if !is_too_long {
                self.line.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                break;
            }
        }
        self.number += 1;
        let line = self.line.as_slice();
        let line = if self.number == 1 { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
        Ok(Some(match line {
            _ if is_too_long => Line::TooLong,
            line if line.trim_ascii().is_empty() => Line::Blank,
            line => Line::Text(line),
        }))
    }

    /// Waits until there is something to read; tells whether there is, and no signal came.
    fn wait(&self) -> io::Result<bool> {
        loop {
            // Relaxed: the flag orders nothing.
            if self.stopped.load(Ordering::Relaxed) {
                return Ok(false);
            }
            if !self.reader.buffer().is_empty() {
                return Ok(true);
            }
            let mut asked = [PollFd::new(self.reader.get_ref(), PollFlags::IN)];
            match poll(&mut asked, Some(&WAIT)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
