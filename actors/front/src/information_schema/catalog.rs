//! Tables that the catalog fills with StarRocks' own columns, and a few that are always the same.

use storage_catalog::Catalog;
use storage_model::{GrantObject, Partition, Table};

use crate::privileges::Asker;
use crate::sheet::{Item, Kind, Sheet, row};
use crate::show::{self, COLLATIONS};

use super::empty::columns;

pub(super) fn partitions_meta(catalog: &Catalog) -> Sheet {
    let mut sheet = columns(
        "DB_NAME,TABLE_NAME,PARTITION_NAME,PARTITION_ID@b,COMPACT_VERSION@b,VISIBLE_VERSION@b,VISIBLE_VERSION_TIME@d,\
         NEXT_VERSION@b,DATA_VERSION@b,VERSION_EPOCH@b,VERSION_TXN_TYPE,PARTITION_KEY,PARTITION_VALUE,DISTRIBUTION_KEY,\
         BUCKETS@i,REPLICATION_NUM@i,STORAGE_MEDIUM,COOLDOWN_TIME@d,LAST_CONSISTENCY_CHECK_TIME@d,IS_IN_MEMORY,IS_TEMP,\
         DATA_SIZE,ROW_COUNT@b,ENABLE_DATACACHE,AVG_CS@f,P50_CS@f,MAX_CS@f,STORAGE_PATH,STORAGE_SIZE,\
         METADATA_SWITCH_VERSION@b",
    );
    for database in catalog.databases() {
        for table in catalog.tables_of(database.id) {
            for partition in catalog.partitions_of(table) {
                sheet.push(partition_row(catalog, &database.name, table, (partition, false)));
            }
            for partition in catalog.temporary_partitions_of(table) {
                sheet.push(partition_row(catalog, &database.name, table, (partition, true)));
            }
        }
    }
    sheet
}

fn partition_row(
    catalog: &Catalog,
    database: &str,
    table: &Table,
    (partition, temporary): (&Partition, bool),
) -> Vec<Item> {
    let (average, median, most) = show::runs_of_tablets(partition);
    let cache = table.properties.get("datacache.enable").is_none_or(|v| v.eq_ignore_ascii_case("true"));
    let service = &catalog.identity().service_id;
    let path = catalog.volume(table.volume).map(|volume| {
        let location = volume.location.trim_end_matches('/');
        format!("{location}/{service}/db{}/{}/{}", table.database, table.id, partition.id)
    });
    let (version, size) = (partition.visible_version, show::size_text(partition.bytes()));
    vec![
        database.into(),
        (&table.name).into(),
        (&partition.name).into(),
        partition.id.0.into(),
        0_u64.into(),
        version.into(),
        Item::at(partition.visible_at),
        (version + 1).into(),
        version.into(),
        version.into(),
        "TXN_NORMAL".into(),
        show::column_names(table, &table.partition_positions()).into(),
        show::range_text(table, partition).into(),
        show::distribution_key(table).into(),
        partition.buckets.into(),
        1_u32.into(),
        "HDD".into(),
        Item::Null,
        Item::Null,
        false.into(),
        temporary.into(),
        (&size).into(),
        partition.rows().into(),
        cache.into(),
        Item::Double(average),
        Item::Double(median),
        Item::Double(most),
        path.into(),
        (&size).into(),
        0_u64.into(),
    ]
}

/// What RECOVER could bring back.
pub(super) fn recycle_bin(catalog: &Catalog) -> Sheet {
    let mut sheet = columns("TYPE,NAME,DB_ID@b,TABLE_ID@b,PARTITION_ID@b,DROP_TIME@d");
    for trash in catalog.trash() {
        let at = Item::at(trash.dropped_at);
        if let Some(database) = &trash.database {
            sheet.push(vec![
                "Database".into(),
                (&database.name).into(),
                database.id.0.into(),
                Item::Null,
                Item::Null,
                at.clone(),
            ]);
        }
        for table in &trash.tables {
            let (database, id) = (table.database.0, table.id.0);
            sheet.push(vec!["Table".into(), (&table.name).into(), database.into(), id.into(), Item::Null, at.clone()]);
        }
        for partition in trash.partitions.iter().filter_map(|id| catalog.partition(*id)) {
            let database = catalog.table(partition.table).map(|table| table.database.0);
            let (table, id) = (partition.table.0, partition.id.0);
            let name = &partition.name;
            sheet.push(vec!["Partition".into(), name.into(), database.into(), table.into(), id.into(), at.clone()]);
        }
    }
    sheet
}

pub(super) fn collations() -> Sheet {
    let mut sheet = columns("COLLATION_NAME,CHARACTER_SET_NAME,ID@b,IS_DEFAULT,IS_COMPILED,SORTLEN@b");
    for (at, (name, id)) in COLLATIONS.into_iter().enumerate() {
        let default = if at == 0 { "Yes" } else { "" };
        sheet.push(row![name, show::charset_of(name), id, default, "Yes", 1_u32]);
    }
    sheet
}

pub(super) fn collation_charsets() -> Sheet {
    let mut sheet = columns("COLLATION_NAME,CHARACTER_SET_NAME");
    COLLATIONS.into_iter().for_each(|(name, _)| sheet.push(row![name, show::charset_of(name)]));
    sheet
}

pub(super) fn warehouses(catalog: &Catalog) -> Sheet {
    let nodes = catalog.compute_nodes().count() as u64;
    Sheet::new(&[("ID", Kind::BigInt), ("NAME", Kind::Text), ("STATE", Kind::Text), ("NODE_COUNT", Kind::BigInt)])
        .with(row![0_u64, "default_warehouse", "AVAILABLE", nodes])
}

/// What one may do with the system.
pub(super) fn user_privileges(asker: Option<&Asker>) -> Sheet {
    let mut sheet = columns("GRANTEE,TABLE_CATALOG,PRIVILEGE_TYPE,IS_GRANTABLE");
    let Some(asker) = asker else { return sheet };
    let grantee = asker.user().name.to_string();
    for privilege in GrantObject::System.privileges() {
        if asker.may(*privilege, GrantObject::System) {
            let grantable = if asker.may_grant(*privilege, GrantObject::System) { "YES" } else { "NO" };
            sheet.push(row![&grantee, "def", privilege.name(), grantable]);
        }
    }
    sheet
}
