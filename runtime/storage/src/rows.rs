//! Reading columns back into types that cannot be wrong; a column that does not fit is an error, never a guess.

use std::error::Error;
use std::str::FromStr;

use rusqlite::Row;
use rusqlite::types::Type;

/// A text column, parsed.
pub(crate) fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: Error + Send + Sync + 'static,
{
    text(row, column)?.parse().map_err(|error| unfit(column, error))
}

/// A text column holding one of a fixed set of names.
pub(crate) fn named<T>(row: &Row<'_>, column: usize, from_name: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let name = text(row, column)?;
    from_name(name).ok_or_else(|| unfit(column, format!("`{name}` is no name this build knows")))
}

/// A text column, borrowed.
pub(crate) fn text<'row>(row: &'row Row<'_>, column: usize) -> rusqlite::Result<&'row str> {
    row.get_ref(column)?.as_str().map_err(|error| unfit(column, error))
}

/// An error about one column.
pub(crate) fn unfit(column: usize, error: impl Into<Box<dyn Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
}
