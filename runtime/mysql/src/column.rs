//! The shape of a result set: one [`ColumnDef`] per column, and the bytes that describe it to a client.

use mysql_common::constants::{ColumnFlags, ColumnType};
use mysql_common::io::BufMutExt;

/// utf8mb4_general_ci: text.
const TEXT: u16 = 45;
/// binary: everything that is not text.
const BINARY: u16 = 63;
/// In `decimals` of FLOAT and DOUBLE: as many digits as it takes.
const DECIMALS_NOT_FIXED: u8 = 31;

/// One column of a result set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDef {
    /// The database of the table that the column comes from; empty for an expression.
    pub schema: String,
    /// The table, or its alias in the statement.
    pub table: String,
    /// The table's own name.
    pub original_table: String,
    /// The column's name in the result: what clients print.
    pub name: String,
    /// The column's name in its table.
    pub original_name: String,
    /// How the values are encoded in the binary protocol, and what clients make of the text.
    pub column_type: ColumnType,
    /// NOT NULL, UNSIGNED, keys.
    pub flags: ColumnFlags,
    /// The collation id: 45 for text, 63 for everything else.
    pub collation: u16,
    /// The longest value as text, in bytes; display width for numbers.
    pub length: u32,
    /// Digits after the point: of decimals, and of the seconds of times.
    pub decimals: u8,
}

impl ColumnDef {
    /// A nullable column of an expression, with the length, collation and decimals that MySQL gives to the type.
    pub fn new(name: impl Into<String>, column_type: ColumnType) -> Self {
        let name = name.into();
        let (length, collation, decimals) = usual_shape(column_type);
        let flags = if collation == BINARY { ColumnFlags::BINARY_FLAG } else { ColumnFlags::empty() };
        Self {
            schema: String::new(),
            table: String::new(),
            original_table: String::new(),
            original_name: String::new(),
            name,
            column_type,
            flags,
            collation,
            length,
            decimals,
        }
    }

    /// A text column (VARCHAR), what nearly every SHOW statement returns.
    pub fn text(name: impl Into<String>) -> Self {
        Self::new(name, ColumnType::MYSQL_TYPE_VAR_STRING)
    }

    /// A signed 64-bit column.
    pub fn bigint(name: impl Into<String>) -> Self {
        Self::new(name, ColumnType::MYSQL_TYPE_LONGLONG)
    }

    /// The column as one of `schema.table`.
    pub fn of_table(mut self, schema: &str, table: &str) -> Self {
        schema.clone_into(&mut self.schema);
        table.clone_into(&mut self.table);
        table.clone_into(&mut self.original_table);
        self.original_name.clone_from(&self.name);
        self
    }

    /// The column without a sign.
    pub fn unsigned(mut self) -> Self {
        self.flags |= ColumnFlags::UNSIGNED_FLAG;
        self
    }

    /// The column without NULLs.
    pub fn not_null(mut self) -> Self {
        self.flags |= ColumnFlags::NOT_NULL_FLAG;
        self
    }

    /// The column with another display length, in bytes.
    pub fn with_length(mut self, length: u32) -> Self {
        self.length = length;
        self
    }

    /// The column with this many digits after the point.
    pub fn with_decimals(mut self, decimals: u8) -> Self {
        self.decimals = decimals;
        self
    }

    /// Pushes the column definition (protocol 4.1).
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_lenenc_str(b"def");
        for text in [&self.schema, &self.table, &self.original_table, &self.name, &self.original_name] {
            out.put_lenenc_str(text.as_bytes());
        }
        out.push(0x0c);
        out.extend_from_slice(&self.collation.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out.push(self.column_type as u8);
        out.extend_from_slice(&self.flags.bits().to_le_bytes());
        out.push(self.decimals);
        out.extend_from_slice(&[0, 0]);
    }
}

/// Length, collation and decimals of a type when nothing more is known.
fn usual_shape(column_type: ColumnType) -> (u32, u16, u8) {
    use ColumnType::*;
    match column_type {
        MYSQL_TYPE_TINY => (4, BINARY, 0),
        MYSQL_TYPE_SHORT => (6, BINARY, 0),
        MYSQL_TYPE_INT24 => (9, BINARY, 0),
        MYSQL_TYPE_LONG => (11, BINARY, 0),
        MYSQL_TYPE_LONGLONG => (20, BINARY, 0),
        MYSQL_TYPE_YEAR => (4, BINARY, 0),
        MYSQL_TYPE_FLOAT => (12, BINARY, DECIMALS_NOT_FIXED),
        MYSQL_TYPE_DOUBLE => (22, BINARY, DECIMALS_NOT_FIXED),
        MYSQL_TYPE_DECIMAL | MYSQL_TYPE_NEWDECIMAL => (40, BINARY, 0),
        MYSQL_TYPE_DATE | MYSQL_TYPE_NEWDATE => (10, BINARY, 0),
        MYSQL_TYPE_TIME => (10, BINARY, 0),
        MYSQL_TYPE_DATETIME | MYSQL_TYPE_TIMESTAMP => (19, BINARY, 0),
        MYSQL_TYPE_NULL => (0, BINARY, 0),
        MYSQL_TYPE_BLOB
        | MYSQL_TYPE_TINY_BLOB
        | MYSQL_TYPE_MEDIUM_BLOB
        | MYSQL_TYPE_LONG_BLOB
        | MYSQL_TYPE_BIT
        | MYSQL_TYPE_GEOMETRY
        | MYSQL_TYPE_VECTOR => (u32::MAX, BINARY, 0),
        MYSQL_TYPE_JSON => (u32::MAX, TEXT, 0),
        _ => (65_535 * 4, TEXT, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mysql_common::io::ParseBuf;
    use mysql_common::packets::Column;

    #[test]
    fn a_client_reads_what_was_described() {
        let column = ColumnDef::new("größe", ColumnType::MYSQL_TYPE_NEWDECIMAL)
            .of_table("quickstart", "crashdata")
            .not_null()
            .with_length(12)
            .with_decimals(3);
        let mut bytes = Vec::new();
        column.encode(&mut bytes);
        let read: Column = ParseBuf(&bytes).parse(()).unwrap();
        assert_eq!(read.name_str(), "größe");
        assert_eq!(read.org_name_str(), "größe");
        assert_eq!(read.schema_str(), "quickstart");
        assert_eq!(read.table_str(), "crashdata");
        assert_eq!(read.org_table_str(), "crashdata");
        assert_eq!(read.column_type(), ColumnType::MYSQL_TYPE_NEWDECIMAL);
        assert_eq!(read.column_length(), 12);
        assert_eq!(read.decimals(), 3);
        assert_eq!(read.character_set(), 63);
        assert_eq!(read.flags(), ColumnFlags::NOT_NULL_FLAG | ColumnFlags::BINARY_FLAG);
    }

    #[test]
    fn text_is_utf8_and_the_rest_is_binary() {
        assert_eq!(ColumnDef::text("a").collation, 45);
        assert_eq!(ColumnDef::bigint("a").collation, 63);
        assert_eq!(ColumnDef::new("a", ColumnType::MYSQL_TYPE_BLOB).collation, 63);
    }
}
