//! Event types: the convention for their names, and those that the store itself acts upon.

/// Names of event types: those that the store acts upon, and the convention for all others.
///
/// A type is any text of 1 to 128 bytes without control characters; nothing has to be declared.
///
/// # Examples
///
/// ```
/// use envelog::EventType;
///
/// assert!(EventType::follows_convention("order.placed"));
/// assert!(EventType::follows_convention(EventType::IDENTIFY));
/// assert!(!EventType::follows_convention("Order Placed"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {}

impl EventType {
    /// Its `context.traits` land on a profile.
    pub const IDENTIFY: &'static str = "identify";
    /// A user id was minted before sign-up.
    pub const ANONYMOUS_CREATED: &'static str = "identity.anonymous_created";
    /// A user signed up; its row is upgraded in place.
    pub const SIGNED_UP: &'static str = "identity.signed_up";
    /// A device or a minted user became part of another user.
    pub const ALIASED: &'static str = "identity.aliased";
    /// A member was taken from a user again.
    pub const UNLINKED: &'static str = "identity.unlinked";

    /// Tells whether a name follows the convention, lower-case `object.past_tense_verb` such as `order.placed`.
    ///
    /// Two words or more, joined by dots, each of lower-case letters, digits and single `_` between them, a letter
    /// first. The tense is not looked at. [`EventType::IDENTIFY`] follows it by definition. A name that does not is
    /// stored all the same, with [`Note::OddEventType`](crate::Note::OddEventType).
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::EventType;
    ///
    /// assert!(EventType::follows_convention("cart.item_added"));
    /// assert!(!EventType::follows_convention("cart"));
    /// assert!(!EventType::follows_convention("cart.item__added"));
    /// ```
    #[expect(
        clippy::needless_bitwise_bool,
        reason = "names are as varied as what happens: branches would be guessed wrong"
    )]
    pub fn follows_convention(name: &str) -> bool {
        // A word ends where a dot or the name does.
        let (mut follows, mut dots, mut previous) = (true, 0, b'.');
        for &byte in name.as_bytes().iter().chain(b".") {
            let after_joint = (previous == b'.') | (previous == b'_');
            let is_joint = (byte == b'.') | (byte == b'_');
            follows &= byte.is_ascii_lowercase()
                | (byte.is_ascii_digit() & (previous != b'.'))
                | (is_joint & !after_joint);
            dots += usize::from(byte == b'.');
            previous = byte;
        }
        (follows && dots > 1) || name == Self::IDENTIFY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_case_dotted_words_follow_the_convention() {
        for name in [
            "order.placed",
            "checkout.payment.failed",
            "a.b",
            "cart.item_added",
            "v2.api_key3.made",
            "identify",
        ] {
            assert!(EventType::follows_convention(name), "{name}");
        }
    }

    #[test]
    fn anything_else_does_not() {
        for name in [
            "",
            ".",
            "order",
            "Order.placed",
            "order placed",
            "order.",
            ".placed",
            "order..placed",
            "order._placed",
            "order.placed_",
            "order.item__added",
            "1order.placed",
            "order.pl\u{e4}ced",
            "$identify",
            "order-placed",
        ] {
            assert!(!EventType::follows_convention(name), "{name}");
        }
    }
}
