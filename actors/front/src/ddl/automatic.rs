//! Partitions that a load needs and that are not there: which they are, and what StarRocks calls them.

use storage_catalog::PartitionDraft;
use storage_model::{DataType, PartitionRange, PartitionValues, Partitioning, Table, Value};

use super::partitions::least;
use super::table::default_buckets;

/// Longer names of list partitions are cut here, in characters, and end in a number of their own.
const LONGEST_LISTED: usize = 50;

/// The partitions for rows with these values, each of which begins a step or stands for itself.
pub(crate) fn drafts(table: &Table, missing: &[PartitionValues], alive: usize) -> Vec<PartitionDraft> {
    let buckets = table.buckets_given.unwrap_or_else(|| default_buckets(alive));
    let draft = |values: &PartitionValues| {
        let (name, range) = match &table.partitioning {
            Partitioning::Expression { step, column } => {
                let data_type = &table.schema.columns.iter().find(|c| c.id == *column)?.data_type;
                // NULL is where the least value is.
                let start = values.first().cloned().flatten().or_else(|| least(data_type))?;
                (step.partition_name(&start), step.range(&start)?)
            }
            _ => (list_name(table, values), PartitionRange::among(vec![values.clone()])),
        };
        Some(PartitionDraft { name, range, buckets })
    };
    missing.iter().filter_map(draft).collect()
}

/// `pbeijing`, `p20260101_1`, `pNULL`.
fn list_name(table: &Table, values: &PartitionValues) -> String {
    let types = table.partition_positions().into_iter().map(|at| &table.schema.columns[at].data_type);
    let parts: Vec<String> =
        values.iter().zip(types).map(|(value, data_type)| part(value.as_ref(), data_type)).collect();
    let name = format!("p{}", parts.join("_"));
    match name.char_indices().nth(LONGEST_LISTED) {
        None => name,
        Some((end, _)) => format!("{}_{:x}", &name[..end], java_hash(&name)),
    }
}

fn part(value: Option<&Value>, data_type: &DataType) -> String {
    let Some(value) = value else { return "NULL".to_owned() };
    let text = match (value, data_type) {
        (Value::Integer(number), DataType::Boolean) => if *number == 0 { "FALSE" } else { "TRUE" }.to_owned(),
        (value, _) => value.to_string(),
    };
    let mut part = String::new();
    if text.starts_with('-') {
        part.push('_');
    }
    for letter in text.chars() {
        match letter {
            letter if letter.is_ascii_alphanumeric() => part.push(letter),
            '-' | ':' | ' ' | '*' => {}
            other => part.push_str(&format!("{:x}", u32::from(other))),
        }
    }
    part
}

/// As `String.hashCode` of Java counts.
fn java_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_starrocks() {
        let text = |text: &str| part(Some(&Value::Text(text.to_owned())), &DataType::Varchar(20));
        assert_eq!(text("Beijing"), "Beijing");
        assert_eq!(text("2026-01-01 10:00:00"), "20260101100000");
        assert_eq!(text("a.b_c"), "a2eb5fc");
        assert_eq!(text("北京"), "53174eac");
        assert_eq!(part(Some(&Value::Integer(-5)), &DataType::Int), "_5");
        assert_eq!(part(Some(&Value::Integer(1)), &DataType::Boolean), "TRUE");
        assert_eq!(part(Some(&Value::Date(0)), &DataType::Date), "19700101");
        assert_eq!(part(None, &DataType::Int), "NULL");
        assert_eq!(java_hash("hello"), 99_162_322);
    }
}
