//! Floats of the host by their shortest decimal text.
//!
//! Where two texts are equally short and equally near, the one with the even last digit is taken, as `serde_json`,
//! JavaScript and Python do, so that a float and its JSON text are one number.

use std::fmt::{LowerExp, Write as _};
use std::str::FromStr;

use super::parse::scan;
use super::parts::Parts;
use super::text::Text;

/// Digits beyond which no float lies next to a decimal of 17 digits without being it.
const TELLING_DIGITS: usize = 60;

/// The number of an `f64`; none where it is not finite.
pub(super) fn of_f64<'a>(value: f64) -> Option<Parts<'a>> {
    // Two decimals of fewer digits never read back as the same float.
    let tie_digits = if value.is_subnormal() { 1 } else { 16 };
    of_float(value, value, tie_digits)
}

/// The number of an `f32`; none where it is not finite.
pub(super) fn of_f32<'a>(value: f32) -> Option<Parts<'a>> {
    let tie_digits = if value.is_subnormal() { 1 } else { 7 };
    of_float(value, value.into(), tie_digits)
}

/// The number of a float that is given in its own and in double width.
fn of_float<'a, F>(value: F, wide: f64, tie_digits: usize) -> Option<Parts<'a>>
where
    F: LowerExp + FromStr + PartialEq + Copy,
{
    if !wide.is_finite() {
        return None;
    }
    // The shortest text of an integer of 24 bits is its digits, in either width.
    if wide.fract() == 0.0 && wide.abs() < 16_777_216.0 {
        #[expect(clippy::cast_possible_truncation, reason = "an integer of at most 24 bits")]
        return Some(Parts::Int(wide as i64));
    }
    let mut text = Text::<40>::default();
    write!(text, "{value:e}").ok()?;
    break_tie(&mut text, value, wide, tie_digits);
    let scanned = scan(text.as_bytes()).ok()?;
    match scanned.parts(text.as_bytes(), &mut Vec::new()).ok()? {
        // The shortest text of a float has at most 17 digits.
        Parts::Digits { .. } => None,
        Parts::Int(value) => Some(Parts::Int(value)),
        Parts::Uint(value) => Some(Parts::Uint(value)),
        Parts::Scaled(scaled) => Some(Parts::Scaled(scaled)),
    }
}

/// Makes an odd last digit even where the float lies exactly in the middle; the standard library rounds up there.
fn break_tie<F: FromStr + PartialEq>(text: &mut Text<40>, value: F, wide: f64, tie_digits: usize) {
    let count = digits(text).count();
    let last = text.as_bytes().iter().rposition(|byte| *byte == b'e').and_then(|end| end.checked_sub(1));
    let (Some(last), true) = (last, count >= tie_digits) else { return };
    let mut exact = Text::<128>::default();
    let precision = count + TELLING_DIGITS;
    if digits(text).last().is_none_or(|digit| digit % 2 == 0) || write!(exact, "{wide:.precision$e}").is_err()
    {
        return;
    }
    let mut behind = digits(&exact).skip(count);
    if behind.next() != Some(b'5') || behind.any(|digit| digit != b'0') {
        return;
    }
    let Some(digit) = text.bytes.get_mut(last) else { return };
    *digit -= 1;
    // Below a power of two the floats are denser, and the lower text may belong to the next one.
    if text.as_str().parse().ok() != Some(value)
        && let Some(digit) = text.bytes.get_mut(last)
    {
        *digit += 1;
    }
}

/// The digits before the exponent, as ASCII.
fn digits<const SIZE: usize>(text: &Text<SIZE>) -> impl Iterator<Item = u8> {
    text.as_bytes().iter().copied().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit)
}
