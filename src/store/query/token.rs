//! Where a page of a timeline ended.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::types::{Nanos, Seq};

/// Where a page of a timeline ended, so that the next one goes on there.
///
/// It is text to keep and send (`Display`, `FromStr`), and stays good when the store is opened again. It names a
/// time, a seq and a direction, and no person.
///
/// # Examples
///
/// ```
/// use envelog::{PageToken, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// for number in 0..5 {
///     store.scope(org, project, "billing").track("order.placed").user("u_1").property("number", number).append()?;
/// }
///
/// let view = store.project(project).view()?;
/// let mut page = view.timeline("u_1").newest_first().limit(3).iter();
/// assert_eq!(page.by_ref().count(), 3);
/// let text = page.page_token().expect("there were events").to_string();
///
/// let token: PageToken = text.parse()?;
/// let view = store.project(project).view()?;
/// let rest: Vec<_> = view.timeline("u_1").after(token).iter().collect::<envelog::Result<_>>()?;
/// assert_eq!(rest.len(), 2);
/// assert_eq!(rest[0].property("number").and_then(|number| number.as_i64()), Some(1));
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PageToken {
    pub(crate) timestamp: Nanos,
    pub(crate) seq: Seq,
    pub(crate) newest_first: bool,
}

const TIMESTAMP: usize = 1;
const SEQ: usize = TIMESTAMP + 16;
const LEN: usize = SEQ + 16;

impl PageToken {
    /// Whether the page goes from the newest event to the oldest.
    pub fn is_newest_first(&self) -> bool {
        self.newest_first
    }
}

impl fmt::Display for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.newest_first { 'n' } else { 'o' };
        write!(f, "{direction}{:016x}{:016x}", self.timestamp.get(), self.seq.get())
    }
}

impl FromStr for PageToken {
    type Err = Error;

    /// # Errors
    ///
    /// [`Error::Invalid`] for text that is no token.
    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            if text.len() != LEN
                || !text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
            {
                return None;
            }
            let newest_first = match text.as_bytes().first()? {
                b'n' => true,
                b'o' => false,
                _ => return None,
            };
            let timestamp = u64::from_str_radix(text.get(TIMESTAMP..SEQ)?, 16).ok()?.cast_signed();
            let seq = u64::from_str_radix(text.get(SEQ..)?, 16).ok()?;
            Some(Self { timestamp: Nanos::new(timestamp), seq: Seq::new(seq), newest_first })
        };
        parse().ok_or_else(|| Error::invalid("page token", "is not the text of a page token"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_from_their_text_and_nothing_else_is_one() {
        for (timestamp, seq) in [(0, 0), (1_704_368_738_000_000_001, 77), (i64::MAX, u64::MAX), (-1, 1)] {
            for newest_first in [true, false] {
                let token = PageToken { timestamp: Nanos::new(timestamp), seq: Seq::new(seq), newest_first };
                let text = token.to_string();
                assert_eq!(text.parse::<PageToken>().unwrap(), token);
                for len in 0..text.len() {
                    assert!(text[..len].parse::<PageToken>().is_err());
                }
                assert!(text.to_uppercase().parse::<PageToken>().is_err());
                assert!(text.replacen(text.get(1..2).unwrap(), "+", 1).parse::<PageToken>().is_err());
            }
        }
    }
}
