//! Numbers by value: 1, 1.0 and 1e0 are one number, and no digit is lost.
//!
//! A number is kept in the one form that its value has: an integer of 64 bits, else a mantissa of 64 bits times a
//! power of ten, else its digits times a power of ten. Neither form ends in a zero, so that equal numbers are equal
//! field by field. Nothing is ever expanded: 1e300 takes as many bytes as 1.5.

mod float;
mod parse;
mod parts;
mod text;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

pub(crate) use parse::{Scanned, scan};
pub(crate) use parts::{EXPONENT_MIN, Parts, Scaled, integer, is_in_range};

use crate::error::Error;
use crate::error::Result;

/// A JSON number (RFC 8259, section 6), equal, ordered and hashed by value.
///
/// Integers and decimals of any length keep all their digits; nothing is rounded. The magnitude is that of an
/// `f64` (IEEE 754 binary64): what would round to infinity is refused, and so are more than 32,768 digits after the
/// point.
///
/// # Examples
///
/// ```
/// use envelog::Number;
///
/// let price: Number = "19.90".parse()?;
/// assert_eq!(price, Number::from_text("1.99e1")?);
/// assert_eq!(price.to_string(), "19.9");
/// assert!(price < Number::from(20));
///
/// let wide: Number = "123456789012345678901234567890".parse()?;
/// assert_eq!(wide.to_string(), "123456789012345678901234567890");
/// assert_eq!(wide.as_u64(), None);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Number(Repr);

/// (N1) A value has one representation: the first of these that holds it.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    Int(i64),
    /// Above `i64::MAX`.
    Uint(u64),
    Scaled(Scaled),
    /// More digits than a `u64` holds; the first and the last are not zero.
    Digits {
        negative: bool,
        digits: Box<str>,
        exponent: i16,
    },
    /// A float of the host that no JSON text stands for. It never enters a tree.
    NotFinite,
}

impl Number {
    /// The number whose decimal text is the shortest that reads back as `value`; none for NaN and infinities.
    ///
    /// Of two equally short and equally near texts the one with the even last digit is taken, as `serde_json`,
    /// JavaScript and Python do.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::Number;
    ///
    /// assert_eq!(Number::from_f64(0.1), Some(Number::from_text("0.1")?));
    /// assert_eq!(Number::from_f64(f64::NAN), None);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn from_f64(value: f64) -> Option<Self> {
        let number = Self::from(value);
        (number.0 != Repr::NotFinite).then_some(number)
    }

    /// The number that a JSON text stands for, without white space around it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the text is no JSON number or its value is out of range.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::Number;
    ///
    /// assert_eq!(Number::from_text("1e3")?, Number::from(1_000));
    /// assert!(Number::from_text("1e999").is_err());
    /// assert!(Number::from_text("007").is_err());
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn from_text(text: &str) -> Result<Self> {
        let refused = |reason| Error::invalid("number", reason);
        let scanned = scan(text.as_bytes()).map_err(refused)?;
        if scanned.len != text.len() {
            return Err(refused("is not a JSON number"));
        }
        let mut digits = Vec::new();
        let parts = scanned.parts(text.as_bytes(), &mut digits).map_err(refused)?;
        Ok(Self::from_parts(&parts))
    }

    pub(crate) fn from_parts(parts: &Parts<'_>) -> Self {
        Self(match *parts {
            Parts::Int(value) => Repr::Int(value),
            Parts::Uint(value) => Repr::Uint(value),
            Parts::Scaled(scaled) => Repr::Scaled(scaled),
            Parts::Digits { negative, digits, exponent } => {
                Repr::Digits { negative, digits: digits.iter().map(|&b| char::from(b)).collect(), exponent }
            }
        })
    }

    /// The parts of the number; none for a float that is not finite.
    pub(crate) fn parts(&self) -> Option<Parts<'_>> {
        Some(match &self.0 {
            Repr::Int(value) => Parts::Int(*value),
            Repr::Uint(value) => Parts::Uint(*value),
            Repr::Scaled(scaled) => Parts::Scaled(*scaled),
            Repr::Digits { negative, digits, exponent } => {
                Parts::Digits { negative: *negative, digits: digits.as_bytes(), exponent: *exponent }
            }
            Repr::NotFinite => return None,
        })
    }

    /// The value, where it is an integer that an `i64` holds.
    pub fn as_i64(&self) -> Option<i64> {
        self.parts()?.as_i64()
    }

    /// The value, where it is an integer that a `u64` holds.
    pub fn as_u64(&self) -> Option<u64> {
        self.parts()?.as_u64()
    }

    /// All digits of an integer of any size; none where there is a fraction.
    pub(crate) fn integer_text(&self) -> Option<String> {
        self.parts()?.integer_text()
    }

    /// The nearest `f64`, ties to even. NaN for a number made from a float that was not finite.
    pub fn as_f64(&self) -> f64 {
        self.parts().map_or(f64::NAN, |parts| parts.as_f64())
    }
}

impl Ord for Number {
    /// By value. What was made from a float that is not finite comes last.
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.parts(), other.parts()) {
            (Some(one), Some(two)) => one.cmp_value(&two),
            (one, two) => one.is_none().cmp(&two.is_none()),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Number {
    /// The canonical JSON text, which reads back as the same number. `null` for a float that was not finite.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(24);
        match self.parts() {
            Some(parts) => parts.write_json(&mut text),
            None => text.extend_from_slice(b"null"),
        }
        f.pad(&String::from_utf8_lossy(&text))
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Number {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::from_text(text)
    }
}

impl From<f64> for Number {
    /// A float that is not finite is kept as such and refused when an envelope with it is accepted.
    fn from(value: f64) -> Self {
        float::of_f64(value).map_or(Self(Repr::NotFinite), |parts| Self::from_parts(&parts))
    }
}

impl From<f32> for Number {
    /// The shortest decimal that reads back as the same `f32`: `0.1_f32` is the number 0.1.
    fn from(value: f32) -> Self {
        float::of_f32(value).map_or(Self(Repr::NotFinite), |parts| Self::from_parts(&parts))
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self(i64::try_from(value).map_or(Repr::Uint(value), Repr::Int))
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(Repr::Int(value))
    }
}

macro_rules! from_small {
    ($($small:ty),*) => {$(
        impl From<$small> for Number {
            fn from(value: $small) -> Self {
                Self(Repr::Int(value.into()))
            }
        }
    )*};
}

from_small!(i8, i16, i32, u8, u16, u32);

macro_rules! from_wide {
    ($($wide:ty),*) => {$(
        impl From<$wide> for Number {
            fn from(value: $wide) -> Self {
                if let Ok(value) = i64::try_from(value) {
                    return Self(Repr::Int(value));
                }
                // At most 40 digits: always a number, and far inside the range.
                Self::from_text(&value.to_string()).unwrap_or(Self(Repr::NotFinite))
            }
        }
    )*};
}

from_wide!(i128, u128, usize, isize);

#[cfg(test)]
mod tests;
