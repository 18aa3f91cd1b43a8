//! The one form of a number, borrowed: what the text, the tree and the owned number have in common.

use std::cmp::Ordering;
use std::fmt::Write as _;

use super::text::Text;
use crate::envelope::json::write::{DECIMAL_BYTES_MAX, decimal, write_u64};

/// Least power of ten that a number's last digit may have.
pub(crate) const EXPONENT_MIN: i64 = -32_768;
/// Greatest power of ten of a number's first digit: that of `f64::MAX`.
pub(crate) const EXPONENT_MAX: i64 = 308;

const TOO_LARGE: &str = "is larger than the largest 64-bit float";
const TOO_FINE: &str = "has digits more than 32768 places after the point";

/// Trailing zeros up to which a large integer is written out.
const WRITTEN_ZEROS_MAX: i64 = 5;
/// Zeros after the point up to which a small number is written out.
const LEADING_ZEROS_MAX: i64 = 5;

/// Significant digits that decide which `f64` is nearest; whether any follow decides the rest.
const DECIDING_DIGITS: usize = 780;

/// A mantissa times a power of ten, and no integer of 64 bits.
///
/// (N2) The mantissa does not end in the digit zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Scaled {
    pub(crate) negative: bool,
    pub(crate) mantissa: u64,
    pub(crate) exponent: i16,
}

/// A number in its one form (N1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts<'a> {
    Int(i64),
    /// Above `i64::MAX`.
    Uint(u64),
    Scaled(Scaled),
    /// ASCII digits beyond a `u64`; the first and the last are not zero.
    Digits {
        negative: bool,
        digits: &'a [u8],
        exponent: i16,
    },
}

/// The integer of that sign and magnitude, where `i64` or `u64` holds it.
pub(crate) fn integer<'a>(negative: bool, magnitude: u64) -> Option<Parts<'a>> {
    if negative {
        0_i64.checked_sub_unsigned(magnitude).map(Parts::Int)
    } else {
        Some(i64::try_from(magnitude).map_or(Parts::Uint(magnitude), Parts::Int))
    }
}

/// The number `mantissa` times ten to the `exponent`.
pub(super) fn normalise<'a>(
    negative: bool,
    mut mantissa: u64,
    mut exponent: i64,
) -> Result<Parts<'a>, &'static str> {
    if mantissa == 0 {
        return Ok(Parts::Int(0));
    }
    if exponent == 0
        && let Some(integer) = integer(negative, mantissa)
    {
        return Ok(integer);
    }
    while mantissa.is_multiple_of(10) {
        mantissa /= 10;
        exponent += 1;
    }
    if let Some(integer) = scaled_integer(negative, mantissa, exponent) {
        return Ok(integer);
    }
    let mut buffer = [0; DECIMAL_BYTES_MAX];
    let exponent = in_range(decimal(mantissa, &mut buffer), exponent)?;
    Ok(Parts::Scaled(Scaled { negative, mantissa, exponent }))
}

/// The number with those digits, which begin and end with another digit than zero and exceed a `u64`.
pub(super) fn of_digits(negative: bool, digits: &[u8], exponent: i64) -> Result<Parts<'_>, &'static str> {
    let exponent = in_range(digits, exponent)?;
    Ok(Parts::Digits { negative, digits, exponent })
}

/// The integer that mantissa and exponent make, where 64 bits hold it.
fn scaled_integer<'a>(negative: bool, mantissa: u64, exponent: i64) -> Option<Parts<'a>> {
    let power = 10_u64.checked_pow(u32::try_from(exponent).ok()?)?;
    integer(negative, mantissa.checked_mul(power)?)
}

/// Tells whether mantissa and exponent are what a [`Scaled`] may hold.
pub(crate) fn is_in_range(scaled: &Scaled) -> bool {
    let mut buffer = [0; DECIMAL_BYTES_MAX];
    let exponent = i64::from(scaled.exponent);
    !scaled.mantissa.is_multiple_of(10)
        && scaled_integer(scaled.negative, scaled.mantissa, exponent).is_none()
        && in_range(decimal(scaled.mantissa, &mut buffer), exponent).is_ok()
}

/// The exponent, where a number with those digits is in the range of numbers.
pub(super) fn in_range(digits: &[u8], exponent: i64) -> Result<i16, &'static str> {
    let leading = exponent.saturating_add(i64::try_from(digits.len()).unwrap_or(i64::MAX)) - 1;
    if leading > EXPONENT_MAX || (leading == EXPONENT_MAX && nearest(digits, exponent).is_infinite()) {
        return Err(TOO_LARGE);
    }
    i16::try_from(exponent).map_err(|_| TOO_FINE)
}

/// The `f64` nearest to the digits times ten to the `exponent`.
fn nearest(digits: &[u8], exponent: i64) -> f64 {
    let mut text = Text::<{ DECIDING_DIGITS + 32 }>::default();
    let kept = digits.get(..DECIDING_DIGITS).unwrap_or(digits);
    text.push(kept);
    let mut cut = digits.len() - kept.len();
    if cut > 0 {
        // The digits that are cut are not all zero; a one in their place rounds the same way.
        text.push(b"1");
        cut -= 1;
    }
    let exponent = exponent.saturating_add(i64::try_from(cut).unwrap_or(i64::MAX));
    // Writing to the buffer fails only where it is full, and 32 bytes are room for any exponent.
    let _ = write!(text, "e{exponent}");
    text.as_str().parse().unwrap_or(f64::INFINITY)
}

impl<'a> Parts<'a> {
    /// The number of those ASCII digits, where it is one of more digits than a `u64` holds and in its one form.
    pub(crate) fn long(negative: bool, digits: &'a [u8], exponent: i16) -> Option<Self> {
        let is_trimmed = ![digits.first(), digits.last()].contains(&Some(&b'0'));
        let is_long = match digits.len().cmp(&DECIMAL_BYTES_MAX) {
            Ordering::Less => false,
            Ordering::Equal => digits > decimal(u64::MAX, &mut [0; DECIMAL_BYTES_MAX]),
            Ordering::Greater => true,
        };
        let is_decimal = digits.iter().all(u8::is_ascii_digit);
        if !(is_trimmed && is_long && is_decimal) {
            return None;
        }
        of_digits(negative, digits, exponent.into()).ok()
    }
}

impl Parts<'_> {
    pub(crate) fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::Int(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::Int(value) => u64::try_from(value).ok(),
            Self::Uint(value) => Some(value),
            _ => None,
        }
    }

    /// The nearest `f64`.
    #[expect(clippy::cast_precision_loss, reason = "the nearest float is what is asked for")]
    pub(crate) fn as_f64(&self) -> f64 {
        match *self {
            Self::Int(value) => value as f64,
            Self::Uint(value) => value as f64,
            Self::Scaled(scaled) => scaled.as_f64(),
            Self::Digits { negative, digits, exponent } => {
                let magnitude = nearest(digits, exponent.into());
                if negative { -magnitude } else { magnitude }
            }
        }
    }

    /// All digits of an integer, which has at most 309; none where there is a fraction.
    pub(super) fn integer_text(&self) -> Option<String> {
        let mut buffer = [0; DECIMAL_BYTES_MAX];
        let decimal = self.decimal(&mut buffer);
        let zeros = usize::try_from(decimal.exponent).ok()?;
        let sign = if decimal.sign < 0 { "-" } else { "" };
        Some(format!("{sign}{}{:0<zeros$}", String::from_utf8_lossy(decimal.digits), ""))
    }

    /// The order by value.
    pub(crate) fn cmp_value(&self, other: &Parts<'_>) -> Ordering {
        if let (Self::Int(one), Parts::Int(two)) = (self, other) {
            return one.cmp(two);
        }
        let (mut one, mut two) = ([0; DECIMAL_BYTES_MAX], [0; DECIMAL_BYTES_MAX]);
        let (one, two) = (self.decimal(&mut one), other.decimal(&mut two));
        let by_sign = one.sign.cmp(&two.sign);
        let by_magnitude = || {
            let by_first_digit = one.leading().cmp(&two.leading());
            by_first_digit.then_with(|| one.digits.cmp(two.digits))
        };
        by_sign.then_with(|| if one.sign < 0 { by_magnitude().reverse() } else { by_magnitude() })
    }

    /// Appends the canonical JSON text.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Int(value) => {
                if value < 0 {
                    out.push(b'-');
                }
                write_u64(out, value.unsigned_abs());
            }
            Self::Uint(value) => write_u64(out, value),
            Self::Scaled(_) | Self::Digits { .. } => {
                self.decimal(&mut [0; DECIMAL_BYTES_MAX]).write_json(out);
            }
        }
    }

    /// The number as digits without trailing zeros and an exponent.
    fn decimal<'s>(&'s self, buffer: &'s mut [u8; DECIMAL_BYTES_MAX]) -> Decimal<'s> {
        let (negative, digits, exponent) = match *self {
            Self::Int(value) => (value < 0, decimal(value.unsigned_abs(), buffer), 0),
            Self::Uint(value) => (false, decimal(value, buffer), 0),
            Self::Scaled(scaled) => (scaled.negative, decimal(scaled.mantissa, buffer), scaled.exponent),
            Self::Digits { negative, digits, exponent } => (negative, digits, exponent),
        };
        let zeros = digits.iter().rev().take_while(|byte| **byte == b'0').count();
        let kept = digits.get(..digits.len() - zeros).unwrap_or_default();
        let sign = match (kept.is_empty(), negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let exponent = i64::from(exponent) + i64::try_from(zeros).unwrap_or(i64::MAX);
        Decimal { sign, digits: kept, exponent }
    }
}

impl Scaled {
    pub(crate) fn as_f64(&self) -> f64 {
        let magnitude = self.exact().unwrap_or_else(|| {
            let mut buffer = [0; DECIMAL_BYTES_MAX];
            nearest(decimal(self.mantissa, &mut buffer), self.exponent.into())
        });
        if self.negative { -magnitude } else { magnitude }
    }

    /// The nearest `f64` where one rounding gives it: mantissa and power are both exact floats (Clinger 1990).
    #[expect(clippy::cast_precision_loss, reason = "the mantissa has at most 53 bits")]
    fn exact(&self) -> Option<f64> {
        let power = POWERS.get(usize::from(self.exponent.unsigned_abs()))?;
        let mantissa = (self.mantissa <= 1 << 53).then_some(self.mantissa as f64)?;
        Some(if self.exponent < 0 { mantissa / power } else { mantissa * power })
    }
}

/// The powers of ten that an `f64` holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

struct Decimal<'a> {
    sign: i8,
    digits: &'a [u8],
    /// Power of ten of the last digit.
    exponent: i64,
}

impl Decimal<'_> {
    /// Power of ten of the first digit.
    fn leading(&self) -> i64 {
        self.exponent + i64::try_from(self.digits.len()).unwrap_or(i64::MAX) - 1
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        if self.sign < 0 {
            out.push(b'-');
        }
        let leading = self.leading();
        if (0..=WRITTEN_ZEROS_MAX).contains(&self.exponent) {
            out.extend_from_slice(self.digits);
            push_zeros(out, self.exponent);
        } else if self.exponent < 0 && leading >= 0 {
            self.write_split(out, usize::try_from(leading).unwrap_or(0) + 1);
        } else if self.exponent < 0 && leading >= -LEADING_ZEROS_MAX {
            out.extend_from_slice(b"0.");
            push_zeros(out, -leading - 1);
            out.extend_from_slice(self.digits);
        } else {
            self.write_split(out, 1);
            out.push(b'e');
            if leading < 0 {
                out.push(b'-');
            }
            write_u64(out, leading.unsigned_abs());
        }
    }

    /// Writes the digits with a point after the first `whole` ones, if any follow.
    fn write_split(&self, out: &mut Vec<u8>, whole: usize) {
        let (whole, fraction) = self.digits.split_at_checked(whole).unwrap_or((self.digits, &[]));
        out.extend_from_slice(whole);
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
    }
}

fn push_zeros(out: &mut Vec<u8>, count: i64) {
    out.extend(std::iter::repeat_n(b'0', usize::try_from(count).unwrap_or(0)));
}
