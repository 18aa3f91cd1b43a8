//! Tables for people, as wide as the terminal.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Row, Table, Width, presets};

use super::cell::{Cell, Column};

/// Rows that are laid out together, so that memory does not grow with the answer.
const ROWS_MAX: usize = 1_000;

/// Rows that wait to be laid out.
pub(super) struct Rows {
    columns: Vec<Column>,
    /// Whether a row is cut to one line of the terminal.
    is_short: bool,
    /// The widths of columns whose rows are written as they come; any others fit their content.
    widths: Option<Vec<u16>>,
    table: Option<Table>,
    has_head: bool,
}

impl Rows {
    pub(super) fn new(columns: &[Column], is_short: bool) -> Self {
        Self { columns: columns.to_vec(), is_short, widths: None, table: None, has_head: false }
    }

    /// Gives the columns widths, their margins included, which hold for all rows; the headings come once.
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
        let mut row: Row = cells.iter().map(|cell| table_cell(*cell)).into();
        if self.is_short {
            row.max_height(1);
        }
        table.add_row(row);
        if let Some(widths) = &self.widths {
            table
                .set_constraints(widths.iter().map(|width| ColumnConstraint::Absolute(Width::Fixed(*width))));
        } else {
            for (index, cell) in cells.iter().enumerate() {
                if let (Cell::Time(_), Some(column)) = (cell, table.column_mut(index)) {
                    // The other columns give way.
                    column.set_constraint(ColumnConstraint::ContentWidth);
                }
            }
        }
        if table.row_count() >= ROWS_MAX { self.take() } else { None }
    }

    /// What is not written yet.
    pub(super) fn take(&mut self) -> Option<String> {
        self.table.take().map(|table| table.trim_fmt())
    }
}

/// Columns of the terminal that standard output is.
pub(super) fn terminal_width() -> Option<u16> {
    // One without a size says 0.
    Table::new().width().filter(|width| *width > 0)
}

fn table_cell(cell: Cell<'_>) -> comfy_table::Cell {
    let alignment = if cell.is_number() { CellAlignment::Right } else { CellAlignment::Left };
    comfy_table::Cell::new(cell.to_people()).set_alignment(alignment)
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
