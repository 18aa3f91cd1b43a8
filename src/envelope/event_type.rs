//! Event types: the convention for their names, and those that the store itself acts upon.

/// Names of event types.
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
    /// stored all the same.
    pub fn follows_convention(name: &str) -> bool {
        name == Self::IDENTIFY || (name.contains('.') && name.split('.').all(is_word))
    }
}

fn is_word(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes.last() != Some(&b'_')
        && !word.contains("__")
        && bytes.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
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
