use std::io::BufReader;

use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;

fn packed(text: &[u8]) -> Vec<u8> {
    compress_to_vec(text, CompressionLevel::Fastest)
}

/// What comes out, and how it ended.
fn unpacked(bytes: &[u8]) -> (Vec<u8>, io::Result<()>) {
    let mut out = Vec::new();
    let read = Zstd::new(BufReader::with_capacity(7, bytes)).read_to_end(&mut out);
    (out, read.map(drop))
}

fn text(lines: u32) -> Vec<u8> {
    // Not so regular that all of it is one repetition.
    (0..lines).flat_map(|line| format!("{}\n", line.wrapping_mul(2_654_435_761)).into_bytes()).collect()
}

/// Frames of the reference implementation in hex: `seq 1 40 | zstd -19 --check`, and eight times that with
/// `-3 --no-check`.
const BY_REFERENCE: [(&str, usize); 2] = [
    (
        "28b52ffd0468cd0100f2460d09b0eb24498870529875837cb1c515533cb1c41137660cf175ebd5a94f971ebd9d1dfa71\
     e3c5890f171ebc9c1cf86dd7f42cc79d01009932fff3",
        1,
    ),
    (
        "28b52ffd0058050200f2860d0ba0c50d4f768bc47fe31e02871c3ae8d5a94f97decebe1e3d70c08b131f2ebc9c7c3c78\
     d860d7a63d5b7637f776ec30b8a667b9f3050100af41b90a51",
        8,
    ),
];

#[test]
fn frames_of_the_reference_implementation_are_read() {
    let numbers = (1..=40).map(|number| format!("{number}\n")).collect::<Vec<_>>().concat();
    for (hex, times) in BY_REFERENCE {
        let digits = hex.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).unwrap());
        let frame: Vec<u8> = digits.map(|two| u8::from_str_radix(two, 16).unwrap()).collect();
        let (out, end) = unpacked(&frame);
        end.unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), numbers.repeat(times));
        if times == 1 {
            let mut bad = frame;
            *bad.last_mut().unwrap() ^= 1;
            assert!(unpacked(&bad).1.unwrap_err().to_string().contains("checksum"));
        }
    }
}

#[test]
fn frames_one_after_another_are_one_text_and_skippable_ones_are_passed_over() {
    let (one, two) = (text(50_000), text(3));
    let skippable =
        |bytes: u8| [&[0x50 + bytes, 0x2a, 0x4d, 0x18, bytes, 0, 0, 0][..], &vec![9; bytes.into()]].concat();
    let input =
        [skippable(5), packed(&one), skippable(0), packed(b""), skippable(15), packed(&two), skippable(1)]
            .concat();
    let (out, end) = unpacked(&input);
    end.unwrap();
    assert!(out == [one, two].concat());
    assert_eq!(unpacked(b"").0, b"");
}

#[test]
fn an_input_that_is_cut_off_anywhere_gives_what_came_before_and_says_so() {
    let (one, two) = (text(60_000), text(10));
    let frames = [packed(&one), packed(&two)];
    let (whole, whole_packed) = ([one.clone(), two].concat(), frames.concat());
    for len in (1..whole_packed.len()).step_by(997).chain([1, 3, frames[0].len() - 1, whole_packed.len() - 1])
    {
        if len == frames[0].len() {
            continue;
        }
        let (out, end) = unpacked(&whole_packed[..len]);
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "{len}");
        assert!(whole.starts_with(&out), "{len}");
        // A block that is there is given, though the decoder would keep it back for the next ones.
        let blocks_behind = one.len().saturating_sub(out.len()) / (128 * 1024);
        assert!(len < frames[0].len() - 40_000 || blocks_behind <= 2, "{len}: only {} bytes", out.len());
    }
    let (out, end) = unpacked(&[&packed(&one)[..], &[0x50, 0x2a, 0x4d, 0x18, 9, 0, 0, 0, 1]].concat());
    assert_eq!((out == one, end.unwrap_err().kind()), (true, io::ErrorKind::UnexpectedEof));
}

#[test]
fn damage_is_an_error_wherever_it_is_and_never_a_panic() {
    let whole = text(400);
    let good = packed(&whole);
    let mut told = 0;
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        let (out, end) = unpacked(&bad);
        assert!(end.is_err() || out == whole, "byte {at}");
        told += usize::from(end.is_err());
    }
    assert!(told > good.len() * 9 / 10, "{told} of {}", good.len());
    let (_, end) = unpacked(&[&good[..], b"more"].concat());
    assert!(end.is_err(), "what follows the last frame is no frame");
}

#[test]
fn a_window_that_asks_for_too_much_memory_is_refused() {
    // A window of 2 GiB: exponent 21, no mantissa.
    let (_, end) = unpacked(&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00]);
    assert!(end.is_err());
    let (out, end) = unpacked(&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 10 << 3, 0x01, 0x00, 0x00]);
    assert_eq!((out, end.is_ok()), (Vec::new(), true));
}
