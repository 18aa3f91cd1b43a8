//! JSON text to number, without rounding and without expanding an exponent.

use super::parts::{self, Parts};

/// Digits that a `u64` holds whatever they are.
const EXACT_DIGITS: usize = 19;

/// An explicit exponent is clamped here: far outside every range, far inside `i64`.
const EXPONENT_CLAMP: i64 = 1 << 40;

/// A number as it stands in a text: syntax checked, value not yet normalised.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scanned {
    /// Bytes of the text that belong to the number.
    pub(crate) len: usize,
    negative: bool,
    /// The digits from the first that is not zero, where they are at most [`EXACT_DIGITS`].
    mantissa: u64,
    /// Count of the digits from the first that is not zero.
    significant: usize,
    /// Power of ten of the last digit.
    exponent: i64,
}

/// Reads the JSON number at the start of `text`. Which byte may follow is the caller's to say.
pub(crate) fn scan(text: &[u8]) -> Result<Scanned, &'static str> {
    let negative = text.first() == Some(&b'-');
    let mut at = usize::from(negative);
    let mut digits = Digits::default();
    let start = at;
    at = digits.take(text, at);
    if at == start {
        return Err("expected a digit");
    }
    if at - start > 1 && text.get(start) == Some(&b'0') {
        return Err("a number must not begin with a zero");
    }
    let mut exponent = 0_i64;
    if text.get(at) == Some(&b'.') {
        let fraction = at + 1;
        at = digits.take(text, fraction);
        if at == fraction {
            return Err("expected a digit after the point");
        }
        exponent = -i64::try_from(at - fraction).unwrap_or(EXPONENT_CLAMP);
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let (value, end) = explicit_exponent(text, at + 1)?;
        exponent += value;
        at = end;
    }
    Ok(Scanned { len: at, negative, mantissa: digits.mantissa, significant: digits.significant, exponent })
}

fn explicit_exponent(text: &[u8], mut at: usize) -> Result<(i64, usize), &'static str> {
    let negative = text.get(at) == Some(&b'-');
    if matches!(text.get(at), Some(b'-' | b'+')) {
        at += 1;
    }
    let start = at;
    let mut value = 0_i64;
    while let Some(digit) = digit_at(text, at) {
        value = (value * 10 + i64::from(digit)).min(EXPONENT_CLAMP);
        at += 1;
    }
    if at == start {
        return Err("expected a digit in the exponent");
    }
    Ok((if negative { -value } else { value }, at))
}

fn digit_at(text: &[u8], at: usize) -> Option<u8> {
    text.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10)
}

#[derive(Default)]
struct Digits {
    mantissa: u64,
    significant: usize,
}

impl Digits {
    /// Takes in all digits from `at` on and returns where they end.
    fn take(&mut self, text: &[u8], mut at: usize) -> usize {
        while let Some(digit) = digit_at(text, at) {
            // Past the nineteenth digit the mantissa is no longer used.
            self.mantissa = self.mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
            self.significant += usize::from(self.significant > 0 || digit > 0);
            at += 1;
        }
        at
    }
}

impl Scanned {
    /// The number in its one form; `text` is what was scanned. Digits beyond 64 bits are put into `digits`.
    pub(crate) fn parts<'d>(&self, text: &[u8], digits: &'d mut Vec<u8>) -> Result<Parts<'d>, &'static str> {
        if self.significant <= EXACT_DIGITS {
            return parts::normalise(self.negative, self.mantissa, self.exponent);
        }
        digits.clear();
        let number = text.iter().take(self.len).take_while(|byte| !matches!(byte, b'e' | b'E'));
        digits.extend(number.filter(|byte| byte.is_ascii_digit()).skip_while(|byte| **byte == b'0'));
        let zeros = digits.iter().rev().take_while(|byte| **byte == b'0').count();
        digits.truncate(digits.len() - zeros);
        let exponent = self.exponent + i64::try_from(zeros).unwrap_or(EXPONENT_CLAMP);
        let mantissa = digits.iter().try_fold(0_u64, |value, byte| {
            value.checked_mul(10)?.checked_add(u64::from(byte.wrapping_sub(b'0')))
        });
        match mantissa {
            Some(mantissa) => parts::normalise(self.negative, mantissa, exponent),
            None => parts::of_digits(self.negative, digits, exponent),
        }
    }
}
