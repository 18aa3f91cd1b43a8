use super::super::READ_BYTES;
use super::*;

impl Block {
    fn blank(&self) -> u64 {
        self.end.lines - self.start.lines - self.lines.len() as u64
    }
}

fn blocks_of(input: &[u8]) -> io::Result<Vec<(u64, u64, Vec<u8>)>> {
    let mut reader = LineReader::new(BufReader::new(input), None, usize::MAX, Place::default());
    let mut lines = Vec::new();
    let mut block = Block::default();
    loop {
        reader.fill(&mut block)?;
        if block.is_empty() {
            return Ok(lines);
        }
        lines.extend(block.lines().iter().map(|line| (line.number, line.bytes, block.text(line).to_vec())));
    }
}

fn line(number: u64, text: &[u8]) -> (u64, u64, Vec<u8>) {
    (number, text.len() as u64, text.to_vec())
}

#[test]
fn blank_lines_count_and_the_last_line_needs_no_end() {
    let lines = blocks_of(b"\xef\xbb\xbfa\n\n \t\r\nbb\r\n\nccc").unwrap();
    assert_eq!(lines, [line(1, b"a"), line(4, b"bb\r"), line(6, b"ccc")]);
    assert_eq!(blocks_of(b"").unwrap(), []);
    assert_eq!(blocks_of(b"\n\n").unwrap(), []);
}

#[test]
fn a_line_at_the_limit_is_kept_and_one_past_it_is_dropped() {
    for end in [&b"\n"[..], b""] {
        let longest = vec![b'x'; LINE_BYTES_MAX];
        let mut input = longest.clone();
        input.extend_from_slice(end);
        assert_eq!(blocks_of(&input).unwrap(), [line(1, &longest)]);
        let mut input = vec![b'x'; 3 * LINE_BYTES_MAX];
        input.extend_from_slice(b"\nnext");
        input.extend_from_slice(end);
        let lines = blocks_of(&input).unwrap();
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].0, lines[0].1, lines[0].2.len()), (1, 3 * LINE_BYTES_MAX as u64, 0));
        assert_eq!(lines[1], line(2, b"next"));
    }
}

#[test]
fn the_bytes_of_a_dropped_line_are_those_without_its_end() {
    for bytes in [LINE_BYTES_MAX + 1, LINE_BYTES_MAX + 2, READ_BYTES * 9, 3 * LINE_BYTES_MAX] {
        for end in [&b"\n"[..], b"\n\n", b""] {
            for mark in [BYTE_ORDER_MARK, b""] {
                let input = [mark, &vec![b'x'; bytes], end].concat();
                assert_eq!(blocks_of(&input).unwrap(), [(1, bytes as u64, Vec::new())]);
            }
        }
    }
}

#[test]
fn many_lines_come_in_blocks_and_in_order() {
    let text = (1..=20_000).map(|number| format!("line {number}\n")).collect::<Vec<_>>().concat();
    let lines = blocks_of(text.as_bytes()).unwrap();
    assert_eq!(lines.len(), 20_000);
    for (index, (number, _, text)) in lines.iter().enumerate() {
        assert_eq!(*number, index as u64 + 1);
        assert_eq!(text, format!("line {number}").as_bytes());
    }
}

/// Gives its text, then an error.
struct Failing<'a>(&'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("gone")),
            read => Ok(read),
        }
    }
}

#[test]
fn lines_before_an_error_are_given_and_the_cut_line_is_not() {
    let mut reader =
        LineReader::new(BufReader::new(Failing(b"one\ntwo\nthr")), None, usize::MAX, Place::default());
    let mut block = Block::default();
    reader.fill(&mut block).unwrap();
    let lines: Vec<_> = block.lines().iter().map(|line| block.text(line).to_vec()).collect();
    assert_eq!(lines, [b"one".to_vec(), b"two".to_vec()]);
    assert!(reader.fill(&mut block).is_err());
}

/// Gives one piece a read, as a pipe does whose writer is slow, and counts the reads.
struct Slow<'a>(&'a [&'a [u8]], std::rc::Rc<std::cell::Cell<usize>>);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1.set(self.1.get() + 1);
        let Some((piece, rest)) = self.0.split_first() else { return Ok(0) };
        self.0 = rest;
        buffer[..piece.len()].copy_from_slice(piece);
        Ok(piece.len())
    }
}

#[test]
fn lines_of_a_live_input_do_not_wait_for_the_next_ones() {
    let pieces: &[&[u8]] = &[b"one\ntwo\n", b"\n", b"three\nfo", b"ur\nfi", b"v", b"e"];
    let blocks = |live| {
        let reads = std::rc::Rc::default();
        let mut reader = LineReader::new(
            BufReader::new(Slow(pieces, std::rc::Rc::clone(&reads))),
            live,
            usize::MAX,
            Place::default(),
        );
        let mut blocks = Vec::new();
        let mut block = Block::default();
        loop {
            reader.fill(&mut block).unwrap();
            if block.is_empty() {
                return blocks;
            }
            let numbers: Vec<_> = block.lines().iter().map(|line| line.number).collect();
            blocks.push((numbers, block.blank(), reads.get()));
        }
    };
    // The last read is the one that finds the end.
    assert_eq!(
        blocks(Some(Live(Box::new(|| false)))),
        [(vec![1, 2], 0, 1), (vec![], 1, 2), (vec![4], 0, 3), (vec![5], 0, 4), (vec![6], 0, 7),]
    );
    // Nor is a block given up before its time where there is more to read.
    for live in [None, Some(Live(Box::new(|| true)))] {
        let (numbers, blank, _) = &blocks(live)[0];
        assert_eq!((numbers.as_slice(), *blank), (&[1, 2, 4, 5, 6][..], 1));
    }
}

#[test]
fn what_stands_in_a_pipe_is_one_block_and_is_not_held_back() {
    let (from, mut to) = io::pipe().unwrap();
    let from = File::from(std::os::fd::OwnedFd::from(from));
    let live = Live::of(from.try_clone().unwrap());
    let mut reader =
        LineReader::new(BufReader::with_capacity(8, from), Some(live), usize::MAX, Place::default());
    let mut block = Block::default();
    let mut fill = |to: Option<&[u8]>| {
        reader.fill(&mut block).unwrap();
        let lines: Vec<_> = block.lines().iter().map(|line| block.text(line).to_vec()).collect();
        assert_eq!(lines.join(&b' '), to.unwrap_or_default());
    };
    io::Write::write_all(&mut to, b"one\ntwo\nthree\nfour\nfi").unwrap();
    fill(Some(b"one two three four"));
    io::Write::write_all(&mut to, b"ve\nsix").unwrap();
    fill(Some(b"five"));
    drop(to);
    fill(Some(b"six"));
    fill(None);
}

#[test]
fn a_block_has_no_more_lines_than_wanted() {
    let mut reader = LineReader::new(BufReader::new(&b"a\nb\nc\nd\ne"[..]), None, 2, Place::default());
    let mut block = Block::default();
    let mut counts = Vec::new();
    loop {
        reader.fill(&mut block).unwrap();
        if block.is_empty() {
            break;
        }
        counts.push(block.lines().len());
    }
    assert_eq!(counts, [2, 2, 1]);
}

#[test]
fn reading_goes_on_at_any_place_where_a_line_ends() {
    let long = "x".repeat(LINE_BYTES_MAX + 5);
    let input = format!("\u{feff}one\n\n{long}\n  \r\ntwo\r\nlast");
    let input = input.as_bytes();
    let all = |reader: &mut LineReader<&[u8]>| {
        let mut lines = Vec::new();
        let mut block = Block::default();
        loop {
            reader.fill(&mut block).unwrap();
            if block.is_empty() {
                return (lines, block.end());
            }
            for (index, line) in block.lines().iter().enumerate() {
                lines.push((
                    line.number,
                    line.bytes,
                    block.text(line).to_vec(),
                    block.place_before(index + 1),
                ));
            }
        }
    };
    let (lines, end) = all(&mut LineReader::new(BufReader::new(input), None, 1, Place::default()));
    assert_eq!(end, Place { offset: input.len() as u64, lines: 6 });
    assert_eq!(lines.iter().map(|line| line.0).collect::<Vec<_>>(), [1, 3, 5, 6]);
    for (index, (_, _, _, place)) in lines.iter().enumerate() {
        let mut passed = LineReader::new(BufReader::new(input), None, 1, *place);
        passed.pass_over(place.offset).unwrap();
        assert_eq!(all(&mut passed), (lines[index + 1..].to_vec(), end), "passed over {index}");
        let rest = &input[usize::try_from(place.offset).unwrap()..];
        let mut sought = LineReader::new(BufReader::new(rest), None, 1, *place);
        assert_eq!(all(&mut sought), (lines[index + 1..].to_vec(), end), "sought {index}");
    }
}

#[test]
fn what_is_passed_over_ends_with_a_line_or_is_of_another_file() {
    let reader = || LineReader::new(BufReader::with_capacity(2, &b"one\ntwo"[..]), None, 1, Place::default());
    for (bytes, is_right) in
        [(0, true), (1, false), (3, false), (4, true), (5, false), (7, true), (8, false), (100, false)]
    {
        assert_eq!(reader().pass_over(bytes).is_ok(), is_right, "{bytes}");
    }
}
