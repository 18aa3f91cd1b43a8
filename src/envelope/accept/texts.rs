//! The five texts of an envelope that stand outside its record, in one allocation.

use super::fields::TextField;

/// Texts, back to back in the order of [`TextField`]. None is empty, so an empty one is absent.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Texts {
    text: String,
    /// Where each ends in `text`.
    ends: [usize; 5],
    /// The texts in the order of arrival, while they arrive: which, and where it ends.
    arrived: Vec<(TextField, usize)>,
}

impl Texts {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.ends = [0; 5];
        self.arrived.clear();
    }

    /// Takes one text; each field at most once.
    pub(super) fn push(&mut self, which: TextField, text: &str) {
        self.text.push_str(text);
        self.arrived.push((which, self.text.len()));
    }

    /// Puts the texts into their order. To be called once, after the last `push`.
    pub(super) fn finish(&mut self) {
        if !self.arrived.is_sorted_by_key(|(which, _)| *which as usize) {
            self.sort();
        }
        let mut arrived = self.arrived.iter().peekable();
        let mut end = 0;
        for (which, place) in TextField::ALL.into_iter().zip(&mut self.ends) {
            if let Some((_, its_end)) = arrived.next_if(|(arrived, _)| *arrived == which) {
                end = *its_end;
            }
            *place = end;
        }
        self.arrived.clear();
    }

    fn sort(&mut self) {
        let mut sorted = String::with_capacity(self.text.len());
        let mut order = Vec::with_capacity(self.arrived.len());
        for which in TextField::ALL {
            let mut start = 0;
            for (arrived, end) in &self.arrived {
                if *arrived == which {
                    sorted.push_str(self.text.get(start..*end).unwrap_or_default());
                    order.push((which, sorted.len()));
                }
                start = *end;
            }
        }
        self.text = sorted;
        self.arrived = order;
    }

    /// One of the texts, empty where it is absent.
    pub(super) fn get(&self, which: TextField) -> &str {
        let which = which as usize;
        let start = if which == 0 { 0 } else { self.ends.get(which - 1).copied().unwrap_or_default() };
        let end = self.ends.get(which).copied().unwrap_or_default();
        self.text.get(start..end).unwrap_or_default()
    }

    /// All texts, back to back.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

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
