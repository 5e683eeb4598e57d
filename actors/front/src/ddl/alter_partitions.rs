//! ALTER TABLE on partitions: what was written becomes a command.

use runtime_mysql::MySqlError;
use runtime_query::partitions_where;
use runtime_sql::QualifiedName;
use runtime_sql::statement::Properties;
use runtime_sql::statement::table::{AlterTableAction, ChosenPartitions};
use storage_catalog::Command;
use storage_model::Table;

use super::{check_properties, partitions, properties};
use crate::session::Session;
use crate::{errors, names};

/// The command of an action on partitions or properties; None: there is nothing to do.
pub(super) async fn command(
    session: &Session,
    name: &QualifiedName,
    action: &AlterTableAction,
) -> Result<Option<Command>, MySqlError> {
    let current = session.database.as_deref();
    let database = names::writable_database(name, current)?;
    let catalog = session.catalog();
    let (_, found) = names::stored_table(&catalog, name, current)?;
    let table = name.name.clone();
    Ok(Some(match action {
        AlterTableAction::AddPartitions { temporary, partitions, distribution, properties } => {
            properties::of_partition(properties)?;
            let alive = session.front().alive_nodes().len();
            let (mut drafts, if_not_exists) =
                partitions::to_add(&catalog, &found, partitions, distribution.as_ref(), (*temporary, alive))?;
            match (drafts.pop(), drafts.is_empty(), *temporary) {
                (Some(draft), true, false) => Command::AddPartition { database, table, draft, if_not_exists },
                (last, _, temporary) => {
                    drafts.extend(last);
                    match temporary {
                        true => Command::AddTemporaryPartitions { database, table, drafts, if_not_exists },
                        false => Command::AddPartitions { database, table, drafts },
                    }
                }
            }
        }
        AlterTableAction::DropPartitions { temporary, if_exists, which, force } => {
            let (partitions, is_sure) = chosen(session, name, &found, which, *temporary).await?;
            let (temporary, if_exists, force) = (*temporary, *if_exists || is_sure, *force);
            Command::DropPartitions { database, table, partitions, temporary, if_exists, force }
        }
        AlterTableAction::TruncatePartitions { partitions } => {
            Command::TruncateTable { database, table, partitions: partitions.clone() }
        }
        AlterTableAction::ReplacePartitions { partitions, temporary, properties } => {
            let (strict_range, keep_new_names) = of_replacement(properties)?;
            let (partitions, temporary) = (partitions.clone(), temporary.clone());
            Command::ReplacePartitions { database, table, partitions, temporary, strict_range, keep_new_names }
        }
        AlterTableAction::ModifyPartitions { partitions, properties } => {
            properties::of_partition(properties)?;
            let is_there = |name: &&String| catalog.partitions_of(&found).any(|p| p.name.eq_ignore_ascii_case(name));
            if let Some(missing) = partitions.iter().flatten().find(|name| !is_there(name)) {
                return Err(MySqlError::no_such_partition(missing));
            }
            // What may be set of a single partition has no effect where all data is in one store.
            return Ok(None);
        }
        AlterTableAction::SetProperties { properties } => {
            let properties = properties::to_set(&found, properties)?;
            Command::SetTableProperties { database, table, properties }
        }
        _ => return Ok(None),
    }))
}

/// The partitions by name, and whether they were only looked for, so that some may be gone by now.
async fn chosen(
    session: &Session,
    name: &QualifiedName,
    table: &std::sync::Arc<Table>,
    which: &ChosenPartitions,
    temporary: bool,
) -> Result<(Vec<String>, bool), MySqlError> {
    let catalog = session.catalog();
    match which {
        ChosenPartitions::Named(names) => Ok((names.clone(), false)),
        ChosenPartitions::All => {
            let all = catalog.temporary_partitions_of(table).map(|partition| partition.name.clone());
            Ok((all.collect(), true))
        }
        ChosenPartitions::Batch(batch) => Ok((partitions::names_of(table, batch)?, false)),
        ChosenPartitions::Where(_) if temporary => Err(errors::unsupported("DROP TEMPORARY PARTITIONS WHERE")),
        ChosenPartitions::Where(condition) => {
            let cx = session.plan_context(catalog, "").await;
            let cx = session.changing(&cx, table);
            let found = partitions_where(&cx, table, name, condition);
            Ok((found.map_err(|e| crate::dispatch::with_similar_names(errors::query(&e)))?, true))
        }
    }
}

/// `strict_range` and `use_temp_partition_name` of REPLACE PARTITION.
fn of_replacement(properties: &Properties) -> Result<(bool, bool), MySqlError> {
    const STRICT: &str = "strict_range";
    const NAMES: &str = "use_temp_partition_name";
    check_properties(properties, |key| [STRICT, NAMES].contains(&key))?;
    let read = |key: &str, default: bool| match properties.get(key).map(|text| text.to_ascii_lowercase()) {
        None => Ok(default),
        Some(text) if text == "true" => Ok(true),
        Some(text) if text == "false" => Ok(false),
        Some(_) => Err(MySqlError::analyzing(format_args!("{key} must be true or false"))),
    };
    Ok((read(STRICT, true)?, read(NAMES, false)?))
}
