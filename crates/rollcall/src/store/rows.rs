//! Many rows by few statements: with a database on another machine each statement is a round trip. Does not know: what
//! the rows say.

use std::fmt::Write;

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};

/// One value of a row.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'a> {
    Text(Option<&'a str>),
    Number(i64),
}

/// A statement with `rows` where it says `{rows}`: a list of rows as `VALUES` wants it, whose columns both databases call
/// `column1` and so on. All rows have as many cells of the same kinds.
pub(super) fn statement<'q, const COLUMNS: usize>(
    text: &str,
    rows: &'q [[Cell<'q>; COLUMNS]],
) -> Query<'q, Any, AnyArguments> {
    let mut values = String::with_capacity(rows.len() * COLUMNS * 24);
    let mut number = 0;
    for (place, row) in rows.iter().enumerate() {
        values.push_str(if place == 0 { "(" } else { ", (" });
        for (column, cell) in row.iter().enumerate() {
            number += 1;
            let comma = if column == 0 { "" } else { ", " };
            // PostgreSQL takes a parameter in such a list for a text.
            let kind = match cell {
                Cell::Text(_) => "TEXT",
                Cell::Number(_) => "BIGINT",
            };
            let _ = write!(values, "{comma}CAST(${number} AS {kind})"); // writing into a string cannot fail
        }
        values.push(')');
    }
    // Made of constants and numbers alone.
    let mut query = sqlx::query(AssertSqlSafe(text.replacen("{rows}", &values, 1)));
    for cell in rows.iter().flatten() {
        query = match *cell {
            Cell::Text(text) => query.bind(text),
            Cell::Number(number) => query.bind(number),
        };
    }
    query
}

/// The rows in pieces of at most [`PIECE_MAX`], each a power of two, so that there are few different statements.
pub(super) fn pieces<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let size = 1 << rest.len().min(PIECE_MAX).checked_ilog2()?;
        let (piece, behind) = rest.split_at(size);
        rest = behind;
        Some(piece)
    })
}

/// With eleven columns some 1,400 parameters; SQLite takes 32,766 and PostgreSQL 65,535.
const PIECE_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_leave_nothing_out_and_have_few_sizes() {
        for count in [0, 1, 2, 3, 127, 128, 129, 1000] {
            let rows: Vec<usize> = (0..count).collect();
            let all: Vec<&[usize]> = pieces(&rows).collect();
            assert_eq!(all.concat(), rows);
            assert!(all.iter().all(|piece| piece.len().is_power_of_two() && piece.len() <= PIECE_MAX));
        }
    }
}
