//! The properties of bloom filters: which columns may have one, and how often it may be wrong.

use std::collections::BTreeMap;

use runtime_mysql::MySqlError;
use storage_model::bloom_filter::{COLUMNS, FPP, FPP_RANGE, fpp};
use storage_model::{Column, KeyModel};

/// Checks what is said of bloom filters of these columns, and spells the columns as they are declared.
pub(super) fn check(
    properties: &mut BTreeMap<String, String>,
    columns: &[Column],
    model: KeyModel,
) -> Result<(), MySqlError> {
    if let Some(said) = properties.get(COLUMNS).cloned() {
        let mut spelled: Vec<&str> = Vec::new();
        for name in said.split(',').map(str::trim).filter(|_| !said.is_empty()) {
            let column = checked(name, columns, model)?;
            if spelled.contains(&column.name.as_str()) {
                return Err(MySqlError::analyzing(format_args!("Duplicate bloom filter column '{name}'")));
            }
            spelled.push(&column.name);
        }
        properties.insert(COLUMNS.to_owned(), spelled.join(", "));
    }
    if let Some(said) = properties.get(FPP) {
        if said.trim().parse::<f64>().is_err() {
            return Err(MySqlError::analyzing("Bloom filter fpp is not Double"));
        }
        if fpp(properties).is_none() {
            let (least, most) = (FPP_RANGE.start(), FPP_RANGE.end());
            return Err(MySqlError::analyzing(format_args!("Bloom filter fpp should in [{least:.6}, {most:.6}]")));
        }
    }
    Ok(())
}

/// The column of this name, which may have a filter.
fn checked<'a>(name: &str, columns: &'a [Column], model: KeyModel) -> Result<&'a Column, MySqlError> {
    let column = columns
        .iter()
        .find(|column| column.name.eq_ignore_ascii_case(name))
        .ok_or_else(|| MySqlError::analyzing(format_args!("Invalid bloom filter column '{name}': not exists")))?;
    if !column.data_type.can_have_bloom_filter() {
        let data_type = column.data_type.to_sql().to_uppercase();
        return Err(MySqlError::analyzing(format_args!(
            "Invalid bloom filter column '{name}': unsupported type {data_type}"
        )));
    }
    if !model.filters_by(column) {
        return Err(MySqlError::analyzing(format_args!(
            "Bloom filter index only used in columns of DUP_KEYS/PRIMARY table or key columns of UNIQUE_KEYS/AGG_KEYS \
             table. invalid column: {name}"
        )));
    }
    Ok(column)
}
