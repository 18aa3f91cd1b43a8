//! The five texts of an envelope that stand outside its record, in one allocation.

use super::fields::TextField;

/// Texts, back to back in the order of [`TextField`]. None is empty, so an empty one is absent.
#[derive(Clone, Default)]
pub(super) struct Texts {
    text: String,
    /// Where each begins and ends in `text`.
    spans: [(usize, usize); 5],
    /// A text has come after one that stands behind it.
    shuffled: bool,
}

impl Texts {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.spans = Default::default();
        self.shuffled = false;
    }

    /// Makes room for `bytes` more.
    pub(super) fn reserve(&mut self, bytes: usize) {
        self.text.reserve(bytes);
    }

    /// Takes one text; each field at most once.
    pub(super) fn push(&mut self, which: TextField, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        let mut later = self.spans.iter_mut().skip(which as usize);
        if let Some(span) = later.next() {
            *span = (start, self.text.len());
        }
        self.shuffled |= later.any(|span| *span != (0, 0));
    }

    /// Puts the texts into their order. To be called once, after the last `push`.
    pub(super) fn finish(&mut self) {
        if self.shuffled {
            let mut sorted = String::with_capacity(self.text.len());
            for span in &mut self.spans {
                let start = sorted.len();
                sorted.push_str(self.text.get(span.0..span.1).unwrap_or_default());
                *span = (start, sorted.len());
            }
            self.text = sorted;
            self.shuffled = false;
        }
    }

    /// One of the texts, empty where it is absent.
    pub(super) fn get(&self, which: TextField) -> &str {
        let (start, end) = self.spans.get(which as usize).copied().unwrap_or_default();
        self.text.get(start..end).unwrap_or_default()
    }

    /// All texts, back to back.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Texts {
    fn eq(&self, other: &Self) -> bool {
        TextField::ALL.iter().all(|which| self.get(*which) == other.get(*which))
    }
}

impl Eq for Texts {}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(texts: &Texts) -> [&str; 5] {
        TextField::ALL.map(|which| texts.get(which))
    }

    #[test]
    fn texts_come_back_whatever_their_order_of_arrival() {
        let given = [
            (TextField::Module, "m"),
            (TextField::EventType, "event"),
            (TextField::UserId, "user"),
            (TextField::AnonymousId, "an"),
            (TextField::MessageId, "message"),
        ];
        let mut texts = Texts::default();
        for shift in 0..given.len() {
            for backwards in [false, true] {
                texts.clear();
                let mut order = given;
                order.rotate_left(shift);
                if backwards {
                    order.reverse();
                }
                for (which, text) in order {
                    texts.push(which, text);
                }
                texts.finish();
                assert_eq!(all(&texts), given.map(|(_, text)| text));
                assert_eq!(texts.as_str(), "meventuseranmessage");
            }
        }
    }

    #[test]
    fn absent_texts_are_empty() {
        let mut texts = Texts::default();
        texts.push(TextField::MessageId, "message");
        texts.push(TextField::EventType, "event");
        texts.finish();
        assert_eq!(all(&texts), ["", "event", "", "", "message"]);
        texts.clear();
        texts.finish();
        assert_eq!(all(&texts), [""; 5]);
    }
}
