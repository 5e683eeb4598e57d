//! TPC-H: its tables as dbgen makes them, the schema and the queries of `sql/tpch`.

use std::fmt::Display;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};

use crate::Client;

/// How many queries there are; the first is 1.
pub const QUERIES: u32 = 22;
/// Rows of one INSERT.
const AT_ONCE: usize = 20_000;

/// A table and its rows.
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns in the order of dbgen, which is not that of the tables.
    pub columns: &'static str,
    /// Rows as dbgen prints them: `1|ALGERIA|0|text|`.
    pub rows: Box<dyn Iterator<Item = String> + Send>,
}

/// A file of `sql/tpch`.
///
/// # Errors
/// When it is not there.
pub fn text_of(name: &str) -> anyhow::Result<String> {
    let path = directory().join(name);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// Where the schema, the queries and the answers are.
pub fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("sql/tpch")
}

/// A query, from 1 on.
///
/// # Errors
/// When there is none of this number.
pub fn query(number: u32) -> anyhow::Result<String> {
    text_of(&format!("q{number:02}.sql"))
}

/// All tables at a scale factor, the small ones first.
pub fn tables(scale: f64) -> Vec<Table> {
    fn table<R: Display>(
        name: &'static str,
        columns: &'static str,
        rows: impl Iterator<Item = R> + Send + 'static,
    ) -> Table {
        Table { name, columns, rows: Box::new(rows.map(|row| row.to_string())) }
    }
    let part = "p_partkey, p_name, p_mfgr, p_brand, p_type, p_size, p_container, p_retailprice, p_comment";
    let supplier = "s_suppkey, s_name, s_address, s_nationkey, s_phone, s_acctbal, s_comment";
    let partsupp = "ps_partkey, ps_suppkey, ps_availqty, ps_supplycost, ps_comment";
    let customer = "c_custkey, c_name, c_address, c_nationkey, c_phone, c_acctbal, c_mktsegment, c_comment";
    let orders = "o_orderkey, o_custkey, o_orderstatus, o_totalprice, o_orderdate, o_orderpriority, o_clerk, \
        o_shippriority, o_comment";
    let lineitem = "l_orderkey, l_partkey, l_suppkey, l_linenumber, l_quantity, l_extendedprice, l_discount, l_tax, \
        l_returnflag, l_linestatus, l_shipdate, l_commitdate, l_receiptdate, l_shipinstruct, l_shipmode, l_comment";
    vec![
        table("region", "r_regionkey, r_name, r_comment", RegionGenerator::new(scale, 1, 1).iter()),
        table("nation", "n_nationkey, n_name, n_regionkey, n_comment", NationGenerator::new(scale, 1, 1).iter()),
        table("supplier", supplier, SupplierGenerator::new(scale, 1, 1).iter()),
        table("part", part, PartGenerator::new(scale, 1, 1).iter()),
        table("partsupp", partsupp, PartSuppGenerator::new(scale, 1, 1).iter()),
        table("customer", customer, CustomerGenerator::new(scale, 1, 1).iter()),
        table("orders", orders, OrderGenerator::new(scale, 1, 1).iter()),
        table("lineitem", lineitem, LineItemGenerator::new(scale, 1, 1).iter()),
    ]
}

/// The database `tpch` with its tables, empty; it is the connection's current one.
///
/// # Errors
/// When a statement fails.
pub async fn create(client: &mut Client) -> anyhow::Result<()> {
    client.run("CREATE DATABASE tpch").await?;
    client.run("USE tpch").await?;
    for statement in text_of("schema.sql")?.split(';').filter(|text| !text.trim().is_empty()) {
        client.run(statement).await?;
    }
    Ok(())
}

/// Loads a table by INSERTs of many rows; how many rows it has then.
///
/// # Errors
/// When a statement fails, or when other rows are there than were loaded.
pub async fn load(client: &mut Client, table: Table) -> anyhow::Result<usize> {
    let mut rows = table.rows.map(|row| values(&row)).peekable();
    let mut count = 0;
    while rows.peek().is_some() {
        let some: Vec<String> = rows.by_ref().take(AT_ONCE).collect();
        count += some.len();
        client.run(&format!("INSERT INTO {} ({}) VALUES {}", table.name, table.columns, some.join(","))).await?;
    }
    let (found,): (usize,) = client.one(&format!("SELECT count(*) FROM {}", table.name)).await?;
    ensure!(found == count, "{}: {found} rows, not {count}", table.name);
    Ok(count)
}

/// A row of dbgen as a row of VALUES.
fn values(row: &str) -> String {
    let fields = row.trim_end_matches('|').split('|');
    let quoted: Vec<String> = fields.map(|field| format!("'{}'", field.replace('\'', "''"))).collect();
    format!("({})", quoted.join(","))
}
