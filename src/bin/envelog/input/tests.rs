use std::io::Write as _;

use super::*;

/// All that is read of an input, and how the reading ended.
fn read(input: Input) -> (String, io::Result<Place>) {
    let blocks = Blocks::of(input, 3);
    let mut text = String::new();
    loop {
        match blocks.next(true) {
            Next::Block(block) => {
                for line in block.lines() {
                    text.push_str(&String::from_utf8_lossy(block.text(line)));
                    text.push('\n');
                }
                blocks.give_back(block);
            }
            Next::NotYet => {}
            Next::End(end) => return (text, end),
        }
    }
}

fn input(content: &[u8]) -> Input {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file.rewind().unwrap();
    Input::of(file, Path::new("in")).unwrap()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest)
}

#[test]
fn an_input_goes_on_at_any_line_however_it_is_packed() {
    // More than is looked at beforehand, and than a buffer holds.
    let lines = (0..40_000).map(|number| format!("{{\"line\":{number}}}\n"));
    let text = lines.collect::<Vec<_>>().concat();
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    for packed in [text.as_bytes().to_vec(), gzip(text.as_bytes()), zstd(text.as_bytes())] {
        for lines in [0_usize, 1, 2, 20_000, 39_999, 40_000] {
            let offset = lines.checked_sub(1).map_or(0, |last| ends[last]);
            let place = Place { offset: offset as u64, lines: lines as u64 };
            let mut input = input(&packed);
            input.go_to(place).unwrap();
            let (rest, end) = read(input);
            assert_eq!(rest, text[offset..], "from line {lines}");
            assert_eq!(end.unwrap(), Place { offset: text.len() as u64, lines: 40_000 });
        }
        for offset in [1, ends[20_000] as u64 - 1, text.len() as u64 + 1] {
            let mut input = input(&packed);
            let gone = input.go_to(Place { offset, lines: 1 });
            assert!(gone.and_then(|()| read(input).1).is_err(), "{offset}");
        }
    }
}

#[test]
fn what_was_looked_at_beforehand_is_read_and_an_error_behind_it_is_told() {
    let text = "{\"a\":1}\n".repeat(1_000);
    for (mut packed, name) in [(gzip(text.as_bytes()), "gzip"), (zstd(text.as_bytes()), "zstd")] {
        packed.truncate(packed.len() - 2);
        let (read, end) = read(input(&packed));
        let error = end.unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("ends early"), "{error}");
        assert!(text.starts_with(&read) && !read.is_empty(), "{name}: {} lines", read.lines().count());
    }
}

#[test]
fn the_beginning_of_what_is_packed_is_looked_at_too() {
    assert!(input(&gzip(b"[{\"a\":1}]")).objection().is_some());
    assert!(input(&zstd(b"\x7fELF\0\0\0")).objection().is_some());
    assert!(input(&zstd(b"{\"a\":1}")).objection().is_none());
    assert!(input(b"").objection().is_none());
}

#[test]
fn a_live_input_is_not_waited_for_longer_than_for_its_first_bytes() {
    let (from, mut to) = io::pipe().unwrap();
    to.write_all(b"on").unwrap();
    let from = File::from(std::os::fd::OwnedFd::from(from));
    let input = Input::of(from, Path::new("-")).unwrap();
    to.write_all(b"e\ntwo\n").unwrap();
    drop(to);
    assert_eq!(read(input).0, "one\ntwo\n");
}

#[test]
fn a_file_that_became_shorter_while_it_was_read_is_an_error_and_its_last_line_is_no_line() {
    let text = "{\"a\":1}\n".repeat(20_000);
    for lines in [0_u64, 10_000] {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.rewind().unwrap();
        let cut = file.try_clone().unwrap();
        let mut input = Input::of(file, Path::new("in")).unwrap();
        input.go_to(Place { offset: lines * 8, lines }).unwrap();
        cut.set_len(15_000 * 8 + 3).unwrap();
        let (read, end) = read(input);
        assert_eq!(end.unwrap_err().to_string(), SHORTER);
        assert!(read.lines().all(|line| line == "{\"a\":1}"), "no half line");
    }
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"{}\n").unwrap();
    file.rewind().unwrap();
    let mut longer = file.try_clone().unwrap();
    let input = Input::of(file, Path::new("in")).unwrap();
    longer.write_all(b"{}\n").unwrap();
    assert!(read(input).1.is_ok(), "one that became longer is read");
}
