//! Explicit transactions: BEGIN, some INSERTs, UPDATEs and DELETEs of tables of one database, COMMIT. What each of them writes
//! waits in the store; one log entry makes all of it true. Until then nobody sees it, this session neither, so it may not read
//! what it has written to: an UPDATE, a DELETE, or an INSERT that keeps a part of rows is the first statement that changes its
//! table. What these have read must still be the newest at COMMIT, or the transaction is rolled back: there is nobody who could
//! run them again. ROLLBACK, a lost connection, or a frontend that ends: it has never happened, and the orphan sweep takes the
//! files.

mod statements;

use std::collections::{BTreeMap, BTreeSet};

use runtime_mysql::{MySqlError, OkInfo};
use runtime_sql::Statement;
use storage_catalog::{Catalog, Command, Outcome, Rejection, ReplacedPartition, TransactionLoad};
use storage_model::{DatabaseId, KeyModel, Superseded, TableId};
use tokio::sync::OwnedMutexGuard;

use crate::insert::{is_label, visible};
use crate::session::{Limit, Running, Session};
use crate::supersede::Looks;
use crate::{errors, turns};

/// What a session has written since BEGIN.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    label: Option<String>,
    /// All tables are in it.
    database: Option<DatabaseId>,
    loads: Vec<TransactionLoad>,
    tables: BTreeSet<TableId>,
    /// The rows that DELETEs take away of PRIMARY KEY tables.
    deleted: BTreeMap<TableId, Superseded>,
    /// Rows that its statements have changed.
    rows: u64,
}

impl Session {
    /// BEGIN.
    pub(crate) fn begin_transaction(&mut self, label: Option<&str>) -> Result<(), MySqlError> {
        if self.transaction.is_some() {
            return Err(MySqlError::begin_transaction_failed(
                "a transaction is open in this session: COMMIT or ROLLBACK it",
            ));
        }
        if let Some(label) = label.filter(|label| !is_label(label)) {
            return Err(MySqlError::wrong_label(label));
        }
        self.transaction = Some(Transaction { label: label.map(str::to_owned), ..Transaction::default() });
        Ok(())
    }

    /// ROLLBACK; without a transaction there is nothing to take back.
    pub(crate) fn roll_back(&mut self) {
        if let Some(given_up) = self.transaction.take().filter(|t| !t.loads.is_empty()) {
            let files: usize = given_up.loads.iter().map(|load| load.files.len()).sum();
            tracing::debug!(files, "a transaction was rolled back: its files are left to the sweep");
        }
    }

    /// COMMIT. Whatever the answer, the transaction is over.
    pub(crate) async fn commit_transaction(&mut self, running: &Running) -> Result<OkInfo, MySqlError> {
        let Some(open) = self.transaction.take() else { return Ok(OkInfo::default()) };
        let Some(first) = open.loads.first().map(|load| load.txn) else { return Ok(OkInfo::default()) };
        let said = open.label.clone().unwrap_or_else(|| format!("txn_{}", uuid::Uuid::new_v4()));
        let limit = Limit::new("Commit", "insert_timeout", self.variables.number("insert_timeout"));
        let mut looks = Looks::of(open.loads.last().map_or(first, |load| load.txn));
        let mut attempt = 1;
        loop {
            let held = running.within_limit(&limit, self.turns_of(&open.tables)).await?;
            // Held until the commit: indexes of files are read.
            let (catalog, _point) = self.front().reads.begin(|| self.front().view.now());
            check_as_read(&catalog, &open.loads)?;
            let looking = self.superseded(&catalog, &open, &mut looks, running);
            let superseded = running.within_limit(&limit, running.reading(looking)).await?;
            let (label, loads) = (open.label.clone(), open.loads.clone());
            let command = Command::CommitTransaction { label, loads, superseded };
            match self.front().propose_unless_stale(command).await? {
                Ok(Outcome::Committed { .. }) => return Ok(visible(&said, first, open.rows)),
                Ok(other) => {
                    return Err(MySqlError::unknown_error(format_args!("unexpected answer to a commit: {other:?}")));
                }
                Err(Rejection::Overtaken(_)) if attempt < turns::ATTEMPTS => {
                    drop(held);
                    running.within_limit(&limit, turns::rest(attempt)).await?;
                    attempt += 1;
                }
                Err(stale) => {
                    check_as_read(&self.catalog(), &open.loads)?;
                    return Err(errors::rejection(&stale));
                }
            }
        }
    }

    /// The turns of those tables that keys are looked up in, always in one order.
    async fn turns_of(&self, tables: &BTreeSet<TableId>) -> Result<Vec<OwnedMutexGuard<()>>, MySqlError> {
        let catalog = self.catalog();
        let primary = tables.iter().filter(|id| catalog.table(**id).is_some_and(|t| t.model == KeyModel::Primary));
        let mut held = Vec::new();
        for table in primary {
            held.push(self.shared.turns.of(*table).lock_owned().await);
        }
        Ok(held)
    }

    /// What all statements together take away.
    async fn superseded(
        &self,
        catalog: &Catalog,
        open: &Transaction,
        looks: &mut Looks,
        running: &Running,
    ) -> Result<Superseded, MySqlError> {
        let mut all = Superseded::default();
        for table in open.tables.iter().filter_map(|id| catalog.table(*id)).filter(|t| t.model == KeyModel::Primary) {
            let of_table = open.loads.iter().filter(|load| load.table == table.id);
            let files: Vec<_> = of_table.flat_map(|load| load.files.iter().cloned()).collect();
            let deleted = open.deleted.get(&table.id).cloned().unwrap_or_default();
            // The version of a partition stays when it is compacted; its files do not.
            let tablets = catalog.keyed_tablets_after(&files, &deleted).ok_or_else(|| conflict(&table.name))?;
            let found = looks.look_up(&self.shared, catalog, table, tablets, running).await?;
            all.add(deleted.then(found));
        }
        Ok(all)
    }

    /// Whether a statement may run while a transaction is open.
    pub(crate) fn check_in_transaction(&self, statement: &Statement) -> Result<(), MySqlError> {
        if self.transaction.is_none() {
            return Ok(());
        }
        match statement {
            Statement::Insert(insert) if !insert.overwrite => Ok(()),
            Statement::Update(_)
            | Statement::Delete(_)
            | Statement::Query(_)
            | Statement::Explain { .. }
            | Statement::Show(_)
            | Statement::Set(_)
            | Statement::UseDatabase { .. }
            | Statement::SetCatalog { .. }
            | Statement::Begin { .. }
            | Statement::Commit
            | Statement::Rollback
            | Statement::Kill { .. }
            | Statement::Help { .. }
            | Statement::PrepareText { .. }
            | Statement::Execute { .. }
            | Statement::Deallocate { .. }
            | Statement::LockTables
            | Statement::UnlockTables
            | Statement::Sync
            | Statement::AnalyzeProfile { .. }
            | Statement::Analyze { .. } => Ok(()),
            other => Err(errors::unsupported(format_args!(
                "{} in an explicit transaction",
                other.statement_kind().to_uppercase()
            ))),
        }
    }

    /// Whether these tables may be read: none that the open transaction has written to.
    pub(crate) fn check_unwritten(&self, tables: &[TableId]) -> Result<(), MySqlError> {
        match &self.transaction {
            Some(open) if tables.iter().any(|table| open.tables.contains(table)) => {
                Err(MySqlError::table_already_written())
            }
            _ => Ok(()),
        }
    }
}

/// Whether all that the statements have read is still the newest.
fn check_as_read(catalog: &Catalog, loads: &[TransactionLoad]) -> Result<(), MySqlError> {
    for load in loads {
        let Some(table) = catalog.table(load.table) else { continue };
        let version = |id| catalog.partition(id).filter(|_| table.has_partition(id)).map(|found| found.visible_version);
        let is_other = |read: &ReplacedPartition| version(read.partition) != read.base;
        if load.partitions.iter().any(is_other) {
            return Err(conflict(&table.name));
        }
    }
    Ok(())
}

/// Somebody else was quicker.
fn conflict(table: &str) -> MySqlError {
    MySqlError::transaction_conflict(format_args!(
        "rows of table {table} were changed by others after a statement of the transaction had read them: the transaction was \
         rolled back; try it again"
    ))
}
