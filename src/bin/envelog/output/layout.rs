//! How wide the columns of a table are where the terminal is too narrow for all that stands in them.

/// Columns between the contents of two columns of a table, and those at its sides.
const BETWEEN: usize = 3;
const SIDES: usize = 4;
/// Columns of the first to give way, from which on something known is left out for it.
const COMFORTABLE: usize = 24;
/// Columns that a text keeps as long as an id can give way instead.
const READABLE: usize = 16;
/// Columns of an id's pieces, before anything else gives way for it.
const PIECE: usize = 8;

/// What gives way where a table is too wide for the terminal. Columns are named as in JSON.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shape {
    /// Each row is cut to one line; else texts go on in the next line, broken at spaces.
    pub(crate) is_cut: bool,
    /// It gives way before all others, and is left out before another one gives way.
    pub(crate) first: Option<&'static str>,
    /// It says what the question says already, and is left out where the first has little room.
    pub(crate) known: Option<&'static str>,
    /// Then these, one after the other; what is not named here comes last.
    pub(crate) then: &'static [&'static str],
    /// Ids and values: these break before the words of any other column do.
    pub(crate) breaks: &'static [&'static str],
}

/// How wide the content of a column is, and how narrow it may become before words break.
#[derive(Debug, Clone, Copy)]
pub(super) struct Need {
    pub(super) name: &'static str,
    pub(super) whole: usize,
    pub(super) least: usize,
}

/// The widths of the columns' contents, so that the table fits the terminal; none for a column that is left out.
pub(super) fn widths(needs: &[Need], shape: &Shape, terminal: usize) -> Vec<Option<usize>> {
    let mut layout = Layout { needs, widths: needs.iter().map(|need| Some(need.whole)).collect(), terminal };
    let first = shape.first.and_then(|name| layout.find(name));
    if let Some(first) = first {
        layout.give(first, COMFORTABLE);
        if let (true, Some(known)) = (layout.excess() > 0, shape.known.and_then(|name| layout.find(name))) {
            layout.set(known, None);
        }
        layout.set(first, needs.get(first).map(|need| need.whole));
        layout.give(first, 0);
        if layout.excess() > 0 {
            layout.set(first, None);
        }
    }
    if !shape.breaks.is_empty() {
        layout.give_each(shape.then, READABLE);
        layout.give_each(shape.breaks, 0);
        layout.narrow_widest(|need| if shape.breaks.contains(&need.name) { PIECE } else { usize::MAX });
    }
    layout.give_each(shape.then, 0);
    // The widest of the others; words break only where nothing else is left.
    layout.narrow_widest(|need| need.least);
    layout.narrow_widest(|_| 1);
    layout.widths
}

struct Layout<'n> {
    needs: &'n [Need],
    widths: Vec<Option<usize>>,
    terminal: usize,
}

impl Layout<'_> {
    fn find(&self, name: &str) -> Option<usize> {
        self.needs.iter().position(|need| need.name == name)
    }

    /// Columns that the table has more than the terminal.
    fn excess(&self) -> usize {
        let shown = self.widths.iter().flatten();
        let (count, content) = shown.fold((0, 0), |(count, sum), width| (count + 1, sum + width));
        (content + count * BETWEEN + SIDES).saturating_sub(self.terminal + BETWEEN)
    }

    fn set(&mut self, at: usize, width: Option<usize>) {
        if let Some(slot) = self.widths.get_mut(at) {
            *slot = width;
        }
    }

    /// Narrows a column as far as the table needs it, and not below what it must have or `floor`.
    fn give(&mut self, at: usize, floor: usize) {
        let excess = self.excess();
        if let (Some(Some(width)), Some(need)) = (self.widths.get_mut(at), self.needs.get(at)) {
            *width = width.saturating_sub(excess).max(need.least.max(floor)).min(*width);
        }
    }

    fn give_each(&mut self, names: &[&str], floor: usize) {
        for name in names {
            if let Some(at) = self.find(name) {
                self.give(at, floor);
            }
        }
    }

    /// Narrows whichever column is the widest, again and again, none below its floor.
    fn narrow_widest(&mut self, floor: impl Fn(&Need) -> usize) {
        for _ in 0..self.excess() {
            let candidates = self.widths.iter_mut().zip(self.needs);
            let wide =
                candidates.filter_map(|(width, need)| width.as_mut().filter(|width| **width > floor(need)));
            let Some(widest) = wide.max_by_key(|width| **width) else { return };
            *widest -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: Shape = Shape {
        is_cut: true,
        first: Some("properties"),
        known: None,
        then: &["who", "module", "event"],
        breaks: &[],
    };

    fn events(who: usize, properties: usize) -> [Need; 5] {
        let need = |name, whole: usize, least: usize| Need { name, whole, least: least.min(whole) };
        [
            need("time", 19, 19),
            need("event", 19, 8),
            need("module", 9, 8),
            need("who", who, 8),
            need("properties", properties, 10),
        ]
    }

    fn taken(widths: &[Option<usize>]) -> usize {
        widths.iter().flatten().map(|width| width + 3).sum::<usize>() + 1
    }

    #[test]
    fn what_fits_is_left_as_it_is() {
        let widths = widths(&events(11, 20), &EVENTS, 94);
        assert_eq!(widths, [19, 19, 9, 11, 20].map(Some));
        assert_eq!(taken(&widths), 94);
    }

    #[test]
    fn properties_give_way_first_and_are_left_out_before_a_type_is_cut() {
        let at = |terminal| widths(&events(11, 300), &EVENTS, terminal);
        assert_eq!(at(200), [Some(19), Some(19), Some(9), Some(11), Some(126)]);
        assert_eq!(at(84), [19, 19, 9, 11, 10].map(Some));
        assert_eq!(at(83), [Some(19), Some(19), Some(9), Some(11), None]);
        assert_eq!(at(71), at(83));
        assert_eq!(at(69), [Some(19), Some(19), Some(9), Some(9), None]);
        assert_eq!(at(60), [Some(19), Some(12), Some(8), Some(8), None]);
    }

    #[test]
    fn what_is_known_is_left_out_where_the_properties_would_have_little_room() {
        let shape = Shape { known: Some("who"), ..EVENTS };
        let at = |terminal| widths(&events(11, 300), &shape, terminal);
        assert_eq!(at(98), [19, 19, 9, 11, 24].map(Some));
        assert_eq!(at(80), [Some(19), Some(19), Some(9), None, Some(20)]);
    }

    #[test]
    fn ids_break_before_the_words_of_other_columns_do() {
        let shape = Shape { then: &["rule"], breaks: &["user", "member"], ..Shape::default() };
        let need = |name, whole, least| Need { name, whole, least };
        let needs = [
            need("time", 19, 19),
            need("fact", 16, 16),
            need("user", 36, 36),
            need("member", 46, 36),
            need("rule", 60, 7),
        ];
        let at = |terminal| widths(&needs, &shape, terminal);
        assert_eq!(at(193), [19, 16, 36, 46, 60].map(Some));
        assert_eq!(at(160), [19, 16, 36, 46, 27].map(Some));
        assert_eq!(at(139), [19, 16, 36, 36, 16].map(Some), "members break at spaces");
        assert_eq!(at(99), [19, 16, 16, 16, 16].map(Some));
        assert_eq!(at(80), [19, 16, 8, 8, 13].map(Some));
        assert_eq!(at(74), [19, 16, 8, 8, 7].map(Some), "types are whole");
    }

    #[test]
    fn the_widest_gives_way_where_nothing_is_named_and_words_break_last() {
        let need = |whole, least| Need { name: "", whole, least };
        let needs = [need(30, 9), need(14, 6), need(7, 7)];
        let at = |terminal| widths(&needs, &Shape::default(), terminal);
        assert_eq!(at(61), [30, 14, 7].map(Some));
        assert_eq!(at(51), [20, 14, 7].map(Some));
        assert_eq!(at(32), [9, 6, 7].map(Some));
        assert_eq!(taken(&at(25)), 25);
        assert_eq!(taken(&at(3)), 13, "a column has one letter at least");
    }
}
