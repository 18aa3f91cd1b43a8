//! Tables of Markdown: a row a line, as long as it is.

use super::cell::{Cell, Column};

/// Characters that Markdown takes for more than themselves wherever they stand.
const SIGNS: &[char] = &['\\', '|', '`', '*', '<', '~'];

/// The headings and the line below them, which says where numbers stand.
pub(super) fn write_head(out: &mut String, columns: &[Column], cells: &[Cell<'_>]) {
    write_cells(out, columns.iter().map(|column| column.title.to_owned()));
    out.push('\n');
    let dashes = |index: usize| cells.get(index).is_some_and(|cell| cell.is_number());
    write_marks(out, (0..columns.len()).map(dashes));
}

pub(super) fn write_row(out: &mut String, cells: &[Cell<'_>]) {
    write_cells(out, cells.iter().map(|cell| escaped(&cell.to_people())));
}

fn write_cells(out: &mut String, texts: impl Iterator<Item = String>) {
    out.push('|');
    for text in texts {
        out.push(' ');
        out.push_str(&text);
        out.push_str(" |");
    }
}

fn write_marks(out: &mut String, numbers: impl Iterator<Item = bool>) {
    out.push('|');
    for is_number in numbers {
        out.push_str(if is_number { " ---: |" } else { " --- |" });
    }
}

/// The text with a backslash before what Markdown would take for more than itself.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        let rest = text.get(at + letter.len_utf8()..).unwrap_or_default();
        let is_more = match letter {
            // Inside a word it is only itself, and names of event types have many.
            '_' => !(before.is_alphanumeric() && rest.starts_with(char::is_alphanumeric)),
            // Without the target behind it, a text in brackets is no link.
            '(' => before == ']',
            '&' => is_rest_of_entity(rest),
            _ => SIGNS.contains(&letter),
        };
        if is_more {
            out.push('\\');
        }
        out.push(letter);
        before = letter;
    }
    out
}

/// Whether the text goes on as `amp;` or `#38;` does.
fn is_rest_of_entity(rest: &str) -> bool {
    let name = rest.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric() || letter == '#');
    name.len() < rest.len() && name.starts_with(';')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_of_a_cell_ends_it_or_begins_something_else() {
        for (text, expected) in [
            ("a|b", "a\\|b"),
            ("a\\|b", "a\\\\\\|b"),
            ("<b>*x*", "\\<b>\\*x\\*"),
            ("cart.item_added", "cart.item_added"),
            ("_x_", "\\_x\\_"),
            ("&amp;", "\\&amp;"),
            ("?a=1&b=2&c;", "?a=1&b=2\\&c;"),
            ("{\"a\":[1]}", "{\"a\":[1]}"),
            ("[x](y)", "[x]\\(y)"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn numbers_stand_to_the_right() {
        let columns = [Column { name: "a", title: "A" }, Column { name: "b", title: "B" }];
        let cells = [Cell::Text("x"), Cell::Count(1_000)];
        let mut out = String::new();
        write_head(&mut out, &columns, &cells);
        out.push('\n');
        write_row(&mut out, &cells);
        assert_eq!(out, "| A | B |\n| --- | ---: |\n| x | 1,000 |");
    }
}
