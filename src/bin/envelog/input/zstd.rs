//! Reading zstd: frames one after another, with skippable ones between them.

use std::error::Error as StdError;
use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The end of a frame as the decoder would find it: a last block of no bytes, and room for a checksum.
const EMPTY_LAST_BLOCK: &[u8] = &[1, 0, 0, 0, 0, 0, 0];

/// Decompresses zstd. What was decompressed before an error is given first.
///
/// A frame whose window is over 128 MiB is refused, so that an input cannot ask for any amount of memory.
pub(super) struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    state: State,
}

/// Where in the input it stands.
enum State {
    Between,
    InFrame,
    /// What is left in the decoder is given, then this.
    Failed(Option<io::Error>),
}

impl<R: BufRead> Zstd<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, decoder: FrameDecoder::new(), state: State::Between }
    }

    /// Begins the next frame with content; tells whether there is one.
    fn begin_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.init(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let skipped = io::copy(&mut self.source.by_ref().take(length.into()), &mut io::sink())?;
                    if skipped < u64::from(length) {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(plain(&error)),
            }
        }
    }

    /// After the last byte of a frame: whether it is what was compressed.
    fn check_frame(&self) -> io::Result<()> {
        match self.decoder.get_checksum_from_data() {
            Some(checksum) if self.decoder.get_calculated_checksum() != Some(checksum) => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "a frame does not have its checksum"))
            }
            _ => Ok(()),
        }
    }

    /// Makes the decoder give what it keeps back for blocks that do not come any more.
    fn fail(&mut self, error: io::Error) {
        let _ = self.decoder.decode_blocks(EMPTY_LAST_BLOCK, BlockDecodingStrategy::UptoBlocks(1));
        self.state = State::Failed(Some(error));
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match &mut self.state {
                State::Between => match self.begin_frame() {
                    Ok(true) => self.state = State::InFrame,
                    Ok(false) => return Ok(0),
                    Err(error) => self.state = State::Failed(Some(error)),
                },
                State::InFrame if self.decoder.can_collect() > 0 => return self.decoder.read(buffer),
                State::InFrame if self.decoder.is_finished() => match self.check_frame() {
                    Ok(()) => self.state = State::Between,
                    Err(error) => self.state = State::Failed(Some(error)),
                },
                State::InFrame => {
                    let next = BlockDecodingStrategy::UptoBlocks(1);
                    if let Err(error) = self.decoder.decode_blocks(&mut self.source, next) {
                        self.fail(plain(&error));
                    }
                }
                State::Failed(error) => match self.decoder.read(buffer)? {
                    0 => return error.take().map_or(Ok(0), Err),
                    read => return Ok(read),
                },
            }
        }
    }
}

/// The input's own error where there was one, else one that says what is wrong with the data.
fn plain(error: &FrameDecoderError) -> io::Error {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(error) = inner.downcast_ref::<io::Error>() {
            return match error.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::new(error.kind(), error.to_string()),
            };
        }
        cause = inner.source();
    }
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

#[cfg(test)]
mod tests;
