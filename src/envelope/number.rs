//! Numbers by value.
use std::fmt;
/// A JSON number, by value.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Number(i64);
impl Number {
    /// The number `value`; none for NaN and infinities.
    pub fn from_f64(value: f64) -> Option<Self> { todo!() }
    /// The number that a JSON text stands for.
    pub fn from_text(text: &str) -> crate::Result<Self> { todo!() }
    /// i64
    pub fn as_i64(&self) -> Option<i64> { todo!() }
    /// u64
    pub fn as_u64(&self) -> Option<u64> { todo!() }
    /// Nearest f64.
    pub fn as_f64(&self) -> f64 { todo!() }
}
impl fmt::Display for Number { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { todo!() } }
