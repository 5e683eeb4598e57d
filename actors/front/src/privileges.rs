//! The one place where a statement asks whether its user may, before anything of it is looked at or done. What a query reads
//! is asked by the planner, table by table, wherever in the statement it is named (see [`Reading`]).

mod asker;
mod login;
mod reading;

use runtime_mysql::MySqlError;
use runtime_sql::statement::access::{AccessStatement, GranteeName, UserAlteration};
use runtime_sql::statement::{AlterTableAction, Properties, Show, Shown, VariableScope};
use runtime_sql::{QualifiedName, Statement};
use storage_model::{GrantObject, Privilege, RelationKind, RoleId, UserId};

use crate::names;

pub(crate) use asker::Asker;
pub(crate) use login::{Account, find, password_is_right, prove};
pub(crate) use reading::{Reading, seen};

/// What becomes of a statement that its user may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It runs.
    Go,
    /// IF EXISTS: what it names is not there, and it is not for this user to look whether that stays so.
    Nothing,
}

use Verdict::{Go, Nothing};

type Checked = Result<Verdict, MySqlError>;

/// Whether the user may run a statement.
pub(crate) fn check(asker: &Asker, statement: &Statement) -> Checked {
    match statement {
        // The planner asks for every table that is read.
        Statement::Query(_) => Ok(Go),
        Statement::Explain { statement, .. } => check(asker, statement),
        Statement::Insert(insert) => on_table(asker, Privilege::Insert, &insert.table),
        Statement::Delete(delete) => on_table(asker, Privilege::Delete, &delete.table),
        Statement::Update(update) => on_table(asker, Privilege::Update, &update.table),

        Statement::CreateDatabase { properties, .. } => {
            asker.needs(Privilege::CreateDatabase, GrantObject::Catalog)?;
            uses_volume(asker, properties)
        }
        Statement::RecoverDatabase { .. } => go(asker.needs(Privilege::CreateDatabase, GrantObject::Catalog)),
        Statement::DropDatabase { name, if_exists, .. } => on_database(asker, Privilege::Drop, name, *if_exists),
        Statement::RenameDatabase { name, .. } => on_database(asker, Privilege::Alter, name, false),
        Statement::UseDatabase { catalog, database } => {
            names::check_catalog(catalog.as_deref())?;
            enters(asker, database)
        }
        Statement::SetCatalog { .. } => Ok(Go),

        Statement::CreateTable(create) => {
            in_database(asker, Privilege::CreateTable, &create.name)?;
            uses_volume(asker, &create.properties)
        }
        Statement::CreateTableAs { table, .. } => {
            in_database(asker, Privilege::CreateTable, &table.name)?;
            uses_volume(asker, &table.properties)
        }
        Statement::CreateTableLike { name, source, properties, .. } => {
            on_table(asker, Privilege::Select, source)?;
            in_database(asker, Privilege::CreateTable, name)?;
            uses_volume(asker, properties)
        }
        Statement::CreateView { or_replace, definition, .. } => {
            in_database(asker, Privilege::CreateView, &definition.name)?;
            match asker.relation(&definition.name) {
                Ok(Some(there)) if *or_replace => go(asker.needs(Privilege::Drop, there)),
                _ => Ok(Go),
            }
        }
        Statement::AlterView { definition } => {
            relation(asker, RelationKind::View, Privilege::Alter, &definition.name, false)
        }
        Statement::DropView { name, if_exists } => {
            relation(asker, RelationKind::View, Privilege::Drop, name, *if_exists)
        }
        Statement::DropTable { name, if_exists, .. } => {
            relation(asker, RelationKind::Table, Privilege::Drop, name, *if_exists)
        }
        Statement::TruncateTable { name, .. } => on_table(asker, Privilege::Delete, name),
        Statement::AlterTable { name, action } => {
            if let AlterTableAction::Swap { other } = action.as_ref() {
                on_table(asker, Privilege::Alter, &QualifiedName { name: other.clone(), ..name.clone() })?;
            }
            on_table(asker, Privilege::Alter, name)
        }
        Statement::CancelAlterTable { name, .. } => on_table(asker, Privilege::Alter, name),
        Statement::RecoverTable { name } => in_database(asker, Privilege::CreateTable, name),
        Statement::RecoverPartition { table, .. } => {
            on_table(asker, Privilege::Insert, table)?;
            on_table(asker, Privilege::Alter, table)
        }

        Statement::CreateStorageVolume { .. } => go(asker.needs(Privilege::CreateStorageVolume, GrantObject::System)),
        Statement::AlterStorageVolume { name, if_exists, .. } => volume(asker, Privilege::Alter, name, *if_exists),
        Statement::DropStorageVolume { name, if_exists } => volume(asker, Privilege::Drop, name, *if_exists),
        Statement::DescribeStorageVolume { name } => volume(asker, Privilege::Usage, name, false),
        Statement::SetDefaultStorageVolume { name } => match asker.operates() {
            true => Ok(Go),
            false => volume(asker, Privilege::Alter, name, false),
        },

        Statement::AdminSetAutomatedSnapshotOn { .. }
        | Statement::AdminSetAutomatedSnapshotOff
        | Statement::AdminAlterAutomatedSnapshot { .. }
        | Statement::AdminShowAutomatedSnapshot
        | Statement::CreateClusterSnapshot { .. }
        | Statement::DropClusterSnapshot { .. }
        | Statement::CancelClusterSnapshot { .. }
        | Statement::AdminVerifyClusterSnapshot { .. }
        | Statement::AdminFinishRestore
        | Statement::AdminSetFrontendConfig { .. } => operate(asker),
        Statement::RestoreTable { target, .. } => {
            operate(asker)?;
            in_database(asker, Privilege::CreateTable, target)
        }
        Statement::AlterSystemAddComputeNode { .. }
        | Statement::AlterSystemDropComputeNode { .. }
        | Statement::AlterSystemAddFrontend { .. }
        | Statement::AlterSystemDropFrontend { .. }
        | Statement::AlterSystemCreateImage => go(asker.needs(Privilege::Node, GrantObject::System)),

        Statement::Show(show) => check_show(asker, show),
        Statement::Set(assignments) => {
            match assignments.iter().any(|assignment| assignment.scope == VariableScope::Global) {
                true => operate(asker),
                false => Ok(Go),
            }
        }
        // Whose session or statement it is, is seen when it is found.
        Statement::Kill { .. } | Statement::AnalyzeProfile { .. } => Ok(Go),
        Statement::Analyze { table: Some(table), .. } | Statement::DropStatistics { table, .. } => {
            on_table(asker, Privilege::Select, table)?;
            on_table(asker, Privilege::Insert, table)
        }
        // What was prepared is asked for when it is executed.
        Statement::PrepareText { .. } | Statement::Execute { .. } | Statement::Deallocate { .. } => Ok(Go),
        Statement::Help { .. }
        | Statement::Begin { .. }
        | Statement::Commit
        | Statement::Rollback
        | Statement::LockTables
        | Statement::UnlockTables
        | Statement::Sync
        | Statement::Analyze { table: None, .. } => Ok(Go),
        Statement::Access(statement) => check_access(asker, statement),
        Statement::Unsupported { .. } => Ok(Go),
    }
}

fn check_show(asker: &Asker, show: &Show) -> Checked {
    match &show.what {
        Shown::CreateDatabase { name } => enters(asker, name),
        Shown::Tables { database, .. } => match database {
            Some(named) => {
                names::check_catalog(named.catalog.as_deref())?;
                enters(asker, &named.database)
            }
            None => asker.database().map_or(Ok(Go), |current| enters(asker, current)),
        },
        Shown::CreateTable { name: table, .. }
        | Shown::Describe { table, .. }
        | Shown::Columns { table, .. }
        | Shown::Partitions { table, .. }
        | Shown::Index { table } => sees(asker, table),
        // The least and the greatest value are shown.
        Shown::ColumnStats { table } => on_table(asker, Privilege::Select, table),
        Shown::Data { name: Some(name) } => match asker.table(name) {
            Ok(Some(_)) => sees(asker, name),
            _ => Ok(Go),
        },
        Shown::Frontends
        | Shown::ComputeNodes
        | Shown::Backends
        | Shown::Brokers
        | Shown::Proc { .. }
        | Shown::FrontendConfig => operate(asker),
        Shown::Grants { of } => match of {
            Some(GranteeName::User(name)) if *name != asker.user().name => grants(asker),
            Some(GranteeName::Role(name)) if !asker.has_role(name) => grants(asker),
            _ => Ok(Go),
        },
        Shown::Users | Shown::Roles | Shown::Authentication { all: true, .. } => grants(asker),
        Shown::Authentication { all: false, user } | Shown::Property { user } => match user {
            Some(name) if *name != asker.user().name => grants(asker),
            _ => Ok(Go),
        },
        // Lists of what the user may see, and what is everybody's.
        Shown::Catalogs
        | Shown::Databases { .. }
        | Shown::TableStatus { .. }
        | Shown::Data { name: None }
        | Shown::AlterTable { .. }
        | Shown::DynamicPartitionTables { .. }
        | Shown::MaterializedViews { .. }
        | Shown::StatsMeta
        | Shown::AnalyzeStatus
        | Shown::HistogramMeta
        | Shown::ProcessList { .. }
        | Shown::ProfileList
        | Shown::StorageVolumes
        | Shown::Variables { .. }
        | Shown::Status { .. }
        | Shown::Warnings { .. }
        | Shown::Errors { .. }
        | Shown::Engines
        | Shown::Charset
        | Shown::Collation
        | Shown::Plugins
        | Shown::Privileges
        | Shown::Triggers
        | Shown::Events
        | Shown::OpenTables
        | Shown::RoutineStatus
        | Shown::Warehouses => Ok(Go),
    }
}

fn check_access(asker: &Asker, statement: &AccessStatement) -> Checked {
    match statement {
        AccessStatement::AlterUser { user, change, .. } => {
            let own = *user == asker.user().name;
            minds_root(asker, user)?;
            match change {
                UserAlteration::Password(_) | UserAlteration::DefaultRole(_) if own => Ok(Go),
                _ => grants(asker),
            }
        }
        AccessStatement::SetPassword { user, .. } => match user {
            Some(user) if *user != asker.user().name => {
                minds_root(asker, user)?;
                grants(asker)
            }
            _ => Ok(Go),
        },
        AccessStatement::SetDefaultRole { user, .. } => {
            minds_root(asker, user)?;
            if *user == asker.user().name { Ok(Go) } else { grants(asker) }
        }
        AccessStatement::CreateUser { default_roles: roles, .. }
        | AccessStatement::GrantRole { roles, .. }
        | AccessStatement::RevokeRole { roles, .. } => {
            grants(asker)?;
            let great = |name: &String| {
                asker.catalog().role_by_name(name).is_some_and(|r| matches!(r.id, RoleId::ROOT | RoleId::CLUSTER_ADMIN))
            };
            if roles.iter().any(great) && asker.user().id != UserId::ROOT {
                let text = "Can not grant root or cluster_admin role except root user";
                return Err(MySqlError::analyzing(text));
            }
            Ok(Go)
        }
        AccessStatement::SetProperty { user, .. } => {
            if let Some(user) = user {
                minds_root(asker, user)?;
            }
            grants(asker)
        }
        AccessStatement::DropUser { .. }
        | AccessStatement::CreateRole { .. }
        | AccessStatement::AlterRole { .. }
        | AccessStatement::DropRole { .. } => grants(asker),
        // Each object is asked for when it is found.
        AccessStatement::Grant { .. } | AccessStatement::Revoke { .. } => Ok(Go),
        // A user can choose among roles that it has, and no others.
        AccessStatement::SetRole(_) => Ok(Go),
        AccessStatement::ExecuteAs { user, .. } => match asker.catalog().user_by_name(user) {
            Some(found) => go(asker.needs(Privilege::Impersonate, GrantObject::User(found.id))),
            None => go(asker.needs(Privilege::Impersonate, GrantObject::AllUsers)),
        },
    }
}

/// Only root changes root.
fn minds_root(asker: &Asker, user: &storage_model::UserName) -> Result<(), MySqlError> {
    let is_root = asker.catalog().user_by_name(user).is_some_and(|found| found.id == UserId::ROOT);
    if is_root && asker.user().id != UserId::ROOT {
        return Err(MySqlError::analyzing("Can not modify root user, except root itself"));
    }
    Ok(())
}

fn go(may: Result<(), MySqlError>) -> Checked {
    may.map(|()| Go)
}

fn operate(asker: &Asker) -> Checked {
    go(asker.needs(Privilege::Operate, GrantObject::System))
}

fn grants(asker: &Asker) -> Checked {
    go(asker.needs(Privilege::Grant, GrantObject::System))
}

/// On a table that has to be there.
fn on_table(asker: &Asker, privilege: Privilege, name: &QualifiedName) -> Checked {
    relation(asker, RelationKind::Table, privilege, name, false)
}

/// On a table or a view, whichever has the name. Who has no say about all of its kind in the database is not told later of one
/// that comes after the look.
fn relation(asker: &Asker, kind: RelationKind, privilege: Privilege, name: &QualifiedName, if_exists: bool) -> Checked {
    let database = names::database_name(name, asker.database())?;
    if names::is_virtual(&database) {
        return Ok(Go);
    }
    let Some(found) = asker.catalog().database_by_name(&database) else {
        let unknown = MySqlError::unknown_database(&database);
        return absent(asker.may(privilege, GrantObject::AllRelations(kind)), if_exists, unknown);
    };
    let Ok((_, there)) = names::named(asker.catalog(), name, asker.database()) else {
        let unknown = MySqlError::unknown_table(format_args!("{database}.{}", name.name));
        return absent(asker.may(privilege, GrantObject::RelationsOf(kind, found.id)), if_exists, unknown);
    };
    go(asker.needs(privilege, there.object()))
}

fn absent(may: bool, if_exists: bool, unknown: MySqlError) -> Checked {
    match (may, if_exists) {
        (true, _) => Ok(Go),
        (false, true) => Ok(Nothing),
        (false, false) => Err(unknown),
    }
}

/// Any privilege on a table or a view, computed ones are everybody's.
fn sees(asker: &Asker, name: &QualifiedName) -> Checked {
    if let Some(there) = asker.relation(name)? {
        asker.needs_anything(there)?;
    }
    Ok(Go)
}

/// On the database that a name lies in.
fn in_database(asker: &Asker, privilege: Privilege, name: &QualifiedName) -> Checked {
    let database = names::database_name(name, asker.database())?;
    on_database(asker, privilege, &database, false)
}

fn on_database(asker: &Asker, privilege: Privilege, name: &str, if_exists: bool) -> Checked {
    if names::is_virtual(name) {
        return Ok(Go);
    }
    match asker.catalog().database_by_name(name) {
        Some(found) => go(asker.needs(privilege, GrantObject::Database(found.id))),
        None => {
            let unknown = match privilege {
                Privilege::Drop => MySqlError::cannot_drop_database(name),
                _ => MySqlError::unknown_database(name),
            };
            absent(asker.may(privilege, GrantObject::AllDatabases), if_exists, unknown)
        }
    }
}

/// Any privilege on a database or in it.
pub(crate) fn enters(asker: &Asker, name: &str) -> Checked {
    match asker.catalog().database_by_name(name) {
        Some(found) if !names::is_virtual(name) => go(asker.needs_anything_in(found.id)),
        _ => Ok(Go),
    }
}

fn volume(asker: &Asker, privilege: Privilege, name: &str, if_exists: bool) -> Checked {
    match asker.catalog().volume_by_name(name) {
        Some(found) => go(asker.needs(privilege, GrantObject::Volume(found.id))),
        None => {
            let unknown = MySqlError::analyzing(format_args!("Storage volume '{name}' does not exist"));
            absent(asker.may(privilege, GrantObject::AllVolumes), if_exists, unknown)
        }
    }
}

/// Putting data into a volume that is named.
fn uses_volume(asker: &Asker, properties: &Properties) -> Checked {
    match properties.get("storage_volume") {
        Some(name) => volume(asker, Privilege::Usage, name, false),
        None => Ok(Go),
    }
}
