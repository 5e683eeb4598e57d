//! `FROM t PARTITION (p)` and `FROM t TEMPORARY PARTITION (p)`: which partitions of a table a query reads. Syntax trees have no
//! place for it, so it travels within the name of the table, behind a character that no name has.

/// Stands behind the name of the table and before that of each partition.
const MARK: char = '\u{1}';
const TEMPORARY: &str = "TEMPORARY";
const OWN: &str = "PARTITION";

/// The partitions of a table that a query names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionNames {
    /// TEMPORARY.
    pub temporary: bool,
    /// As written.
    pub names: Vec<String>,
}

/// The name of a table with the partitions that are read of it.
pub(crate) fn join(table: &str, partitions: &PartitionNames) -> String {
    let kind = if partitions.temporary { TEMPORARY } else { OWN };
    let mut joined = format!("{table}{MARK}{kind}");
    for name in &partitions.names {
        joined.push(MARK);
        joined.push_str(name);
    }
    joined
}

/// Whether a name carries partitions.
pub fn has_partitions(name: &str) -> bool {
    name.contains(MARK)
}

/// The name of the table alone, and the partitions that are read of it; None: all.
pub fn split(name: &str) -> (&str, Option<PartitionNames>) {
    let Some((table, rest)) = name.split_once(MARK) else { return (name, None) };
    let mut parts = rest.split(MARK);
    let temporary = parts.next() == Some(TEMPORARY);
    (table, Some(PartitionNames { temporary, names: parts.map(str::to_owned).collect() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_joined_is_split_again() {
        let partitions = PartitionNames { temporary: true, names: vec!["p 1".to_owned(), "Q".to_owned()] };
        let joined = join("T", &partitions);
        assert!(has_partitions(&joined) && !has_partitions("T"));
        assert_eq!(split(&joined), ("T", Some(partitions)));
        assert_eq!(split("T"), ("T", None));
    }
}
