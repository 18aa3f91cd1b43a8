//! Tables for people, as wide as the terminal.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Row, Table, Width, presets};

use super::cell::{Cell, Column};
use super::layout::{self, Need, Shape};

/// Rows that are laid out together, so that memory does not grow with the answer.
const ROWS_MAX: usize = 1_000;
/// Columns that a text keeps at least where rows are cut, and its heading.
const CUT_LEAST: usize = 8;
/// What no text for people has, so that a cut row is as long as its column, and does not end with a word.
const NOWHERE: char = '\0';

/// Rows that wait to be laid out.
pub(super) struct Rows {
    columns: Vec<Column>,
    shape: Shape,
    /// Which columns have times, which are never broken.
    has_times: Vec<bool>,
    /// The widths of columns whose rows are written as they come; any others fit their content.
    widths: Option<Vec<u16>>,
    table: Option<Table>,
    has_head: bool,
}

impl Rows {
    pub(super) fn new(columns: &[Column], shape: Shape) -> Self {
        let has_times = vec![false; columns.len()];
        Self { columns: columns.to_vec(), shape, has_times, widths: None, table: None, has_head: false }
    }

    /// Gives the columns widths, their margins included, which hold for all rows; the headings come once. A column
    /// without any is left out.
    pub(super) fn fix(&mut self, widths: &[u16]) {
        self.widths = Some(widths.to_vec());
    }

    /// Adds a row; returns what is full and to be written.
    pub(super) fn add(&mut self, cells: &[Cell<'_>]) -> Option<String> {
        let table = self.table.get_or_insert_with(|| {
            let with_head = self.widths.is_none() || !self.has_head;
            self.has_head = true;
            new_table(&self.columns, with_head)
        });
        let is_cut = self.shape.is_cut;
        let mut row: Row = cells.iter().map(|cell| table_cell(*cell, is_cut)).into();
        if is_cut {
            row.max_height(1);
        }
        table.add_row(row);
        for (has_times, cell) in self.has_times.iter_mut().zip(cells) {
            *has_times |= matches!(cell, Cell::Time(_));
        }
        if table.row_count() >= ROWS_MAX { self.take() } else { None }
    }

    /// What is not written yet.
    pub(super) fn take(&mut self) -> Option<String> {
        let mut table = self.table.take()?;
        if let Some(widths) = &self.widths {
            table.set_constraints(widths.iter().map(|width| match width {
                0 => ColumnConstraint::Hidden,
                width => ColumnConstraint::Absolute(Width::Fixed(*width)),
            }));
        } else if let Some(terminal) = terminal_width() {
            self.fit(&mut table, terminal);
        }
        Some(table.trim_fmt())
    }

    /// Gives the columns widths with which the table fits the terminal.
    fn fit(&self, table: &mut Table, terminal: u16) {
        let whole = table.column_max_content_widths();
        let words = if self.shape.is_cut { Vec::new() } else { longest_words(table) };
        let need = |(index, column): (usize, &Column)| {
            let whole = whole.get(index).copied().map_or(1, usize::from);
            let least = match words.get(index) {
                _ if self.has_times.get(index).is_some_and(|has| *has) => whole,
                Some(word) => usize::from(*word),
                None => CUT_LEAST.max(column.title.len()),
            };
            Need { name: column.name, whole, least: least.min(whole) }
        };
        let needs: Vec<Need> = self.columns.iter().enumerate().map(need).collect();
        let widths = layout::widths(&needs, &self.shape, terminal.into());
        table.set_constraints(widths.into_iter().map(|width| match width {
            // With a margin of one column at either side.
            Some(width) => {
                ColumnConstraint::Absolute(Width::Fixed(u16::try_from(width + 2).unwrap_or(u16::MAX)))
            }
            None => ColumnConstraint::Hidden,
        }));
    }
}

/// The width of the longest word of each column, its heading included.
fn longest_words(table: &Table) -> Vec<u16> {
    let mut words = Table::new();
    for row in table.header().into_iter().chain(table.row_iter()) {
        // A word a line, of which the widest counts.
        words.add_row(row.cell_iter().map(|cell| cell.content().replace(' ', "\n")));
    }
    words.column_max_content_widths()
}

/// Columns of the terminal that standard output is.
pub(super) fn terminal_width() -> Option<u16> {
    // One without a size says 0.
    Table::new().width().filter(|width| *width > 0)
}

fn table_cell(cell: Cell<'_>, is_cut: bool) -> comfy_table::Cell {
    let alignment = if cell.is_number() { CellAlignment::Right } else { CellAlignment::Left };
    let cell = comfy_table::Cell::new(cell.to_people()).set_alignment(alignment);
    if is_cut { cell.set_delimiter(NOWHERE) } else { cell }
}

fn new_table(columns: &[Column], with_head: bool) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    if terminal_width().is_some() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    if with_head {
        table.set_header(columns.iter().map(|column| column.title));
    }
    table
}
