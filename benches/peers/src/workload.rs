//! The events that all stores are given, and what they are asked.

use envelog::Uuid;
use envelog::sample::{Generator, Options, event_types, project_id};

/// The type that 7 to 8 % of the events are of: the third in frequency.
pub fn frequent_type() -> &'static str {
    event_types().nth(2).unwrap_or_default()
}

/// The type that 0.14 % of the events are of.
pub fn rare_type() -> &'static str {
    event_types().nth(55).unwrap_or_default()
}

/// A type with an amount.
pub const PRICED_TYPE: &str = "order.placed";

/// The property that is summed, an integer where it is there.
pub const AMOUNT: &str = "amount";

/// A trait that is a text.
pub const TRAIT: &str = "city";

/// A month in the middle of the half year, in milliseconds since 1970.
pub const MONTH: [u64; 2] = [1_709_251_200_000, 1_711_843_200_000];

/// The default half year of four projects, 60 types and 100,000 users, all fields.
pub fn options(events: u64) -> Options {
    Options { events, ..Options::default() }
}

/// Its lines, each for itself.
pub fn lines(events: u64) -> impl Iterator<Item = String> {
    Generator::new(options(events))
}

/// The lines of identify events only.
pub fn identifies(events: u64) -> Vec<String> {
    let all = Generator::new(Options { seed: 3, ..options(u64::MAX) });
    let wanted = usize::try_from(events).unwrap_or(usize::MAX);
    all.filter(|line| line.contains(r#""eventType":"identify""#)).take(wanted).collect()
}

/// The projects.
pub fn projects() -> Vec<Uuid> {
    (0..options(0).projects).map(project_id).collect()
}

/// So many users with their projects, as often as they occur in the events: those of events at even distances, or
/// of the identify events after them.
pub fn people(events: u64, wanted: u64, only_identified: bool) -> Vec<(Uuid, String)> {
    let mut generator = Generator::new(options(events));
    let mut line = String::new();
    let mut found = Vec::new();
    let step = (events / wanted.max(1)).max(1);
    let mut skip = 0;
    while generator.next_line(&mut line) {
        if skip == 0 && (!only_identified || line.contains(r#""eventType":"identify""#)) {
            found.extend(person(&line));
            skip = step;
        }
        skip = skip.saturating_sub(1);
        line.clear();
    }
    found
}

fn person(line: &str) -> Option<(Uuid, String)> {
    let text = |name: &str| line.split_once(name)?.1.split_once('"').map(|(text, _)| text);
    Some((Uuid::try_parse(text(r#""projectId":""#)?).ok()?, text(r#""userId":""#)?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_are_as_frequent_as_their_rows_say() {
        let (mut frequent, mut rare) = (0, 0);
        for line in lines(100_000) {
            frequent += u32::from(line.contains(&format!("\"eventType\":\"{}\"", frequent_type())));
            rare += u32::from(line.contains(&format!("\"eventType\":\"{}\"", rare_type())));
        }
        assert!((6_500..8_500).contains(&frequent), "{frequent}");
        assert!((90..190).contains(&rare), "{rare}");
    }

    #[test]
    fn people_are_drawn_as_often_as_they_occur() {
        let people = people(50_000, 1_000, false);
        assert!((950..=1_050).contains(&people.len()), "{}", people.len());
        let first = people.iter().filter(|(_, user)| *user == envelog::sample::user_id(0)).count();
        assert!((40..160).contains(&first), "the first user has a twelfth of the events: {first}");
    }
}
