//! `starkeep snapshot diff A B`, for people: a line for everything that is not the same.

use storage_snapshot::diff::{Change, Diff, PartitionDiff, Side, Size, TableDiff};

/// Prints it.
pub(super) fn print(diff: &Diff) {
    print_side("a", &diff.a);
    print_side("b", &diff.b);
    if diff.same {
        println!("they hold the same");
        return;
    }
    for database in &diff.databases {
        println!("{} database {}", sign(database.change), database.name);
        for table in &database.tables {
            print_table(&database.name, table);
        }
    }
    let files = diff.files;
    println!("data files: {} ({} bytes) in both", files.both.files, files.both.bytes);
    println!("  {} ({} bytes) only in a", files.only_a.files, files.only_a.bytes);
    println!("  {} ({} bytes) only in b", files.only_b.files, files.only_b.bytes);
}

fn print_side(name: &str, side: &Side) {
    let c = &side.counts;
    println!("{name}: {}", side.path);
    println!("   revision {}, epoch {}, created {} UTC", side.revision, side.epoch, side.created.text);
    println!(
        "   {} databases, {} tables, {} partitions, {} data files, {} rows, {} bytes",
        c.databases, c.tables, c.partitions, c.files, c.rows, c.bytes
    );
}

fn print_table(database: &str, table: &TableDiff) {
    println!("{}   table {database}.{}  {}", sign(table.change), table.name, sizes(table.change, table.a, table.b));
    for what in &table.what {
        println!("      {what}");
    }
    for PartitionDiff { name, change, a, b } in &table.partitions {
        println!("{}     partition {name}  {}", sign(*change), sizes(*change, *a, *b));
    }
}

fn sign(change: Change) -> char {
    match change {
        Change::Added => '+',
        Change::Removed => '-',
        Change::Changed => '~',
    }
}

fn sizes(change: Change, a: Size, b: Size) -> String {
    match change {
        Change::Added => format!("{} rows, {} bytes", b.rows, b.bytes),
        Change::Removed => format!("{} rows, {} bytes", a.rows, a.bytes),
        Change::Changed if a == b => format!("{} rows, {} bytes", a.rows, a.bytes),
        Change::Changed => format!("{} -> {} rows, {} -> {} bytes", a.rows, b.rows, a.bytes, b.bytes),
    }
}
