//! Explicit transactions: BEGIN, some INSERTs into tables of one database, COMMIT. What each of them writes waits in the store;
//! one log entry makes all of it true. Until then nobody sees it, this session neither, so it may not read what it has
//! written to. ROLLBACK, a lost connection, or a frontend that ends: it has never happened, and the orphan sweep takes the
//! files.

use std::collections::BTreeSet;

use runtime_mysql::{MySqlError, OkInfo};
use runtime_sql::Statement;
use runtime_sql::statement::Insert;
use storage_catalog::{Catalog, Command, Outcome, Rejection, TransactionLoad};
use storage_model::{DatabaseId, KeyModel, Superseded, TableId};
use tokio::sync::OwnedMutexGuard;

use crate::insert::{is_label, load, visible};
use crate::session::{Limit, Running, Session};
use crate::supersede::Looks;
use crate::{errors, names, turns};

/// What a session has written since BEGIN.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    label: Option<String>,
    /// All tables are in it.
    database: Option<DatabaseId>,
    loads: Vec<TransactionLoad>,
    tables: BTreeSet<TableId>,
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
        let Some(Transaction { label, loads, tables, .. }) = self.transaction.take() else {
            return Ok(OkInfo::default());
        };
        let Some(first) = loads.first().map(|load| load.txn) else { return Ok(OkInfo::default()) };
        let said = label.clone().unwrap_or_else(|| format!("txn_{}", uuid::Uuid::new_v4()));
        let limit = Limit::new("Commit", "insert_timeout", self.variables.number("insert_timeout"));
        let mut looks = Looks::of(loads.last().map_or(first, |load| load.txn));
        let mut attempt = 1;
        loop {
            let held = running.within_limit(&limit, self.turns_of(&tables)).await?;
            // Held until the commit: indexes of files are read.
            let (catalog, _point) = self.front().reads.begin(|| self.front().view.now());
            let looking = self.superseded(&catalog, &loads, &tables, &mut looks, running);
            let superseded = running.within_limit(&limit, running.reading(looking)).await?;
            let command = Command::CommitTransaction { label: label.clone(), loads: loads.clone(), superseded };
            match self.front().propose_unless_stale(command).await? {
                Ok(Outcome::Committed { rows }) => return Ok(visible(&said, first, rows)),
                Ok(other) => {
                    return Err(MySqlError::unknown_error(format_args!("unexpected answer to a commit: {other:?}")));
                }
                Err(Rejection::Overtaken(_)) if attempt < turns::ATTEMPTS => {
                    drop(held);
                    running.within_limit(&limit, turns::rest(attempt)).await?;
                    attempt += 1;
                }
                Err(stale) => return Err(errors::rejection(&stale)),
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

    /// What all loads together take away.
    async fn superseded(
        &self,
        catalog: &Catalog,
        loads: &[TransactionLoad],
        tables: &BTreeSet<TableId>,
        looks: &mut Looks,
        running: &Running,
    ) -> Result<Superseded, MySqlError> {
        let mut all = Superseded::default();
        for table in tables.iter().filter_map(|id| catalog.table(*id)) {
            let of_table = loads.iter().filter(|load| load.table == table.id);
            let files: Vec<_> = of_table.flat_map(|load| load.files.iter().cloned()).collect();
            all.add(looks.superseded(&self.shared, catalog, table, (&files, false), running).await?);
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
            Statement::Query(_)
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

    /// INSERT while a transaction is open: its rows are written, and wait.
    pub(crate) async fn insert_in_transaction(
        &mut self,
        ast: &Insert,
        text: &str,
        running: &Running,
    ) -> Result<OkInfo, MySqlError> {
        if ast.label.is_some() {
            return Err(MySqlError::analyzing("an INSERT in a transaction has the label of the transaction"));
        }
        let (database, _) = names::stored_table(&self.catalog(), &ast.table, self.database.as_deref())?;
        let own = self.transaction.as_ref().and_then(|open| open.database);
        if own.is_some_and(|own| own != database.id) {
            return Err(MySqlError::cross_database_transaction());
        }
        let limit = Limit::new("Insert", "insert_timeout", self.variables.number("insert_timeout"));
        let loaded = running.within_limit(&limit, running.reading(load(self, ast, text, running))).await?;
        if loaded.merged.is_some() {
            return Err(errors::unsupported(format_args!(
                "INSERT that names some columns of the PRIMARY KEY table {} in an explicit transaction",
                loaded.table.name
            )));
        }
        let Some(open) = &mut self.transaction else {
            return Err(MySqlError::unknown_error("the transaction is gone"));
        };
        open.database = Some(database.id);
        open.tables.insert(loaded.table.id);
        let (txn, rows) = (loaded.txn, loaded.done.rows);
        open.loads.push(TransactionLoad { txn, table: loaded.table.id, files: loaded.done.files });
        let label = open.label.as_deref().unwrap_or_default();
        let info = format!("{{'label':'{label}', 'status':'PREPARE', 'txnId':'{txn}'}}");
        Ok(OkInfo { affected_rows: rows, info, ..OkInfo::default() })
    }
}
