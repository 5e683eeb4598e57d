//! SHOW in all its forms.

use crate::cursor::{Cursor, Parse, error_at};
use crate::grammar::{access, common, database};
use crate::names::QualifiedName;
use crate::statement::show::{DatabaseName, ShownObject};
use crate::statement::{Show, ShowFilter, Shown, Statement};

/// Those that are a word or two and a filter.
const PLAIN: &[(&[&str], Shown)] = &[
    (&["CATALOGS"], Shown::Catalogs),
    (&["ENGINES"], Shown::Engines),
    (&["STORAGE", "ENGINES"], Shown::Engines),
    (&["CHARSET"], Shown::Charset),
    (&["CHARACTER", "SET"], Shown::Charset),
    (&["CHAR", "SET"], Shown::Charset),
    (&["COLLATION"], Shown::Collation),
    (&["PLUGINS"], Shown::Plugins),
    (&["PRIVILEGES"], Shown::Privileges),
    (&["TRIGGERS"], Shown::Triggers),
    (&["EVENTS"], Shown::Events),
    (&["OPEN", "TABLES"], Shown::OpenTables),
    (&["PROCEDURE", "STATUS"], Shown::RoutineStatus),
    (&["FUNCTION", "STATUS"], Shown::RoutineStatus),
    (&["PROFILELIST"], Shown::ProfileList),
    (&["STORAGE", "VOLUMES"], Shown::StorageVolumes),
    (&["FRONTENDS"], Shown::Frontends),
    (&["COMPUTE", "NODES"], Shown::ComputeNodes),
    (&["BACKENDS"], Shown::Backends),
    (&["BROKER"], Shown::Brokers),
    (&["USERS"], Shown::Users),
    (&["USER"], Shown::Users),
    (&["ROLES"], Shown::Roles),
    (&["WAREHOUSES"], Shown::Warehouses),
    (&["STATS", "META"], Shown::StatsMeta),
    (&["ANALYZE", "STATUS"], Shown::AnalyzeStatus),
    (&["HISTOGRAM", "META"], Shown::HistogramMeta),
    (&["WARNINGS"], Shown::Warnings { count: false }),
    (&["ERRORS"], Shown::Errors { count: false }),
    (&["VARIABLES"], Shown::Variables { global: false }),
    (&["SESSION", "VARIABLES"], Shown::Variables { global: false }),
    (&["LOCAL", "VARIABLES"], Shown::Variables { global: false }),
    (&["GLOBAL", "VARIABLES"], Shown::Variables { global: true }),
    (&["STATUS"], Shown::Status { global: false }),
    (&["SESSION", "STATUS"], Shown::Status { global: false }),
    (&["LOCAL", "STATUS"], Shown::Status { global: false }),
    (&["GLOBAL", "STATUS"], Shown::Status { global: true }),
];

/// A SHOW statement.
pub(super) fn statement(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("SHOW")?;
    let (what, filter) = show(cursor)?;
    Ok(Statement::Show(Box::new(Show { what, filter })))
}

fn show(cursor: &mut Cursor<'_>) -> Parse<(Shown, ShowFilter)> {
    if let Some((_, what)) = PLAIN.iter().find(|(words, _)| cursor.take_all(words)) {
        // MySQL's SHOW TRIGGERS and the like name a database; there is nothing in any.
        if matches!(what, Shown::Triggers | Shown::Events | Shown::OpenTables) {
            in_database(cursor)?;
        }
        return Ok((what.clone(), common::show_filter(cursor)?));
    }
    if cursor.take("CREATE") {
        return Ok((create(cursor)?, ShowFilter::default()));
    }
    if cursor.take("PROC") {
        return Ok((Shown::Proc { path: cursor.string()? }, ShowFilter::default()));
    }
    if cursor.take("GRANTS") {
        let of = match cursor.take("FOR") {
            true if cursor.take("CURRENT_USER") => {
                if cursor.take_symbol("(") {
                    cursor.expect_symbol(")")?;
                }
                None
            }
            true => Some(access::grantee(cursor)?),
            false => None,
        };
        return Ok((Shown::Grants { of }, ShowFilter::default()));
    }
    let what = filtered(cursor)?;
    Ok((what, common::show_filter(cursor)?))
}

/// Those that say more before their filter.
fn filtered(cursor: &mut Cursor<'_>) -> Parse<Shown> {
    let full = cursor.take("FULL");
    let start = cursor.current();
    let of_full: [&'static str; 5] = ["TABLES", "COLUMNS", "FIELDS", "PROCESSLIST", "COLUMN"];
    if full {
        return match cursor.expect_any(&of_full[..4])? {
            "TABLES" => Ok(Shown::Tables { full, database: in_database(cursor)? }),
            "PROCESSLIST" => process_list(cursor, full),
            _ => Ok(Shown::Columns { full, table: table_in_database(cursor)? }),
        };
    }
    if cursor.take_all(&["ALL", "AUTHENTICATION"]) {
        return Ok(Shown::Authentication { all: true, user: None });
    }
    if cursor.take("AUTHENTICATION") {
        let user = if cursor.take("FOR") { Some(access::user(cursor)?) } else { None };
        return Ok(Shown::Authentication { all: false, user });
    }
    if cursor.take("PROPERTY") {
        return Ok(Shown::Property { user: if cursor.take("FOR") { Some(access::user(cursor)?) } else { None } });
    }
    if cursor.take_all(&["TABLE", "STATUS"]) {
        return Ok(Shown::TableStatus { database: in_database(cursor)? });
    }
    if cursor.take_all(&["ALTER", "TABLE"]) {
        let kind = cursor.expect_any(&["COLUMN", "ROLLUP", "OPTIMIZE"])?;
        return Ok(Shown::AlterTable { kind, database: in_database(cursor)? });
    }
    if cursor.take_all(&["COLUMN", "STATS"]) {
        return Ok(Shown::ColumnStats { table: table_in_database(cursor)? });
    }
    if cursor.take_all(&["MATERIALIZED", "VIEWS"]) {
        return Ok(Shown::MaterializedViews { database: in_database(cursor)? });
    }
    if cursor.take_all(&["DYNAMIC", "PARTITION", "TABLES"]) {
        return Ok(Shown::DynamicPartitionTables { database: in_database(cursor)? });
    }
    if cursor.take("COUNT") {
        ["(", "*", ")"].iter().try_for_each(|s| cursor.expect_symbol(s))?;
        return Ok(match cursor.expect_any(&["WARNINGS", "ERRORS"])? {
            "WARNINGS" => Shown::Warnings { count: true },
            _ => Shown::Errors { count: true },
        });
    }
    let temporary = cursor.take("TEMPORARY");
    if temporary && !cursor.at("PARTITIONS") {
        return Err(cursor.unexpected("'PARTITIONS'"));
    }
    let found = cursor.take_any(&[
        "DATABASES",
        "SCHEMAS",
        "TABLES",
        "COLUMNS",
        "FIELDS",
        "PROCESSLIST",
        "PARTITIONS",
        "INDEX",
        "INDEXES",
        "KEY",
        "KEYS",
        "DATA",
    ]);
    match found {
        Some("DATABASES" | "SCHEMAS") => Ok(Shown::Databases { catalog: in_catalog(cursor)? }),
        Some("TABLES") => Ok(Shown::Tables { full, database: in_database(cursor)? }),
        Some("COLUMNS" | "FIELDS") => Ok(Shown::Columns { full, table: table_in_database(cursor)? }),
        Some("PROCESSLIST") => process_list(cursor, full),
        Some("PARTITIONS") => {
            cursor.expect("FROM")?;
            Ok(Shown::Partitions { temporary, table: cursor.qualified_name()? })
        }
        Some("DATA") => {
            let name = if cursor.take("FROM") { Some(cursor.qualified_name()?) } else { None };
            Ok(Shown::Data { name })
        }
        Some(_) => Ok(Shown::Index { table: table_in_database(cursor)? }),
        None => Err(crate::cursor::unexpected_token(start, "'DATABASES', 'TABLES', 'CREATE', 'COLUMNS', 'VARIABLES'")),
    }
}

/// Behind `SHOW CREATE`.
fn create(cursor: &mut Cursor<'_>) -> Parse<Shown> {
    let object = match cursor.expect_any(&["DATABASE", "SCHEMA", "TABLE", "VIEW", "MATERIALIZED"])? {
        "TABLE" => ShownObject::Table,
        "VIEW" => ShownObject::View,
        "MATERIALIZED" => {
            cursor.expect("VIEW")?;
            ShownObject::MaterializedView
        }
        _ => {
            cursor.if_not_exists();
            let DatabaseName { database: name, .. } = database::name(cursor)?;
            return Ok(Shown::CreateDatabase { name });
        }
    };
    Ok(Shown::CreateTable { object, name: cursor.qualified_name()? })
}

/// Behind `SHOW PROCESSLIST`.
fn process_list(cursor: &mut Cursor<'_>, full: bool) -> Parse<Shown> {
    // FOR 'user' is what WHERE User = 'user' is; only the latter is kept.
    if cursor.at("FOR") {
        return Err(error_at(cursor.current(), "SHOW PROCESSLIST FOR is not supported yet".to_owned()));
    }
    Ok(Shown::ProcessList { full })
}

/// `FROM database` if it is there.
fn in_database(cursor: &mut Cursor<'_>) -> Parse<Option<DatabaseName>> {
    match cursor.take_any(&["FROM", "IN"]) {
        Some(_) => database::name(cursor).map(Some),
        None => Ok(None),
    }
}

/// `FROM catalog` if it is there.
fn in_catalog(cursor: &mut Cursor<'_>) -> Parse<Option<String>> {
    match cursor.take_any(&["FROM", "IN"]) {
        Some(_) => cursor.identifier().map(Some),
        None => Ok(None),
    }
}

/// `FROM [database.]table [FROM database]`.
fn table_in_database(cursor: &mut Cursor<'_>) -> Parse<QualifiedName> {
    cursor.expect_any(&["FROM", "IN"])?;
    let mut table = cursor.qualified_name()?;
    if let Some(DatabaseName { catalog, database }) = in_database(cursor)? {
        table.database = Some(database);
        table.catalog = catalog.or(table.catalog);
    }
    Ok(table)
}
