//! The statements of an open transaction: their rows are written, and wait.

use runtime_mysql::{MySqlError, OkInfo};
use runtime_sql::statement::{Delete, Insert, Update};
use runtime_sql::{Parsed, QualifiedName, Statement};
use storage_catalog::TransactionLoad;
use storage_model::{DatabaseId, KeyModel, Superseded};

use crate::insert::load;
use crate::session::{Limit, Running, Session};
use crate::{delete, names, update};

/// What one statement has written.
struct Written {
    load: TransactionLoad,
    /// Of a PRIMARY KEY table: the rows that a DELETE takes away.
    deleted: Superseded,
    /// That it changes.
    rows: u64,
}

impl Session {
    /// INSERT, UPDATE or DELETE while a transaction is open.
    pub(crate) async fn write_in_transaction(
        &mut self,
        parsed: &Parsed,
        running: &Running,
    ) -> Result<OkInfo, MySqlError> {
        let Some((what, target)) = target(&parsed.statement) else { return Err(changes_nothing()) };
        let database = self.check_database(target)?;
        let limit = Limit::new(what, "insert_timeout", self.variables.number("insert_timeout"));
        let work = running.reading(self.written(parsed, running));
        let Written { load, deleted, rows } = running.within_limit(&limit, work).await?;
        let Some(open) = &mut self.transaction else {
            return Err(MySqlError::unknown_error("the transaction is gone"));
        };
        open.database = Some(database);
        open.tables.insert(load.table);
        open.rows += rows;
        let txn = load.txn;
        if !deleted.tablets.is_empty() {
            open.deleted.insert(load.table, deleted);
        }
        open.loads.push(load);
        let label = open.label.as_deref().unwrap_or_default();
        let info = format!("{{'label':'{label}', 'status':'PREPARE', 'txnId':'{txn}'}}");
        Ok(OkInfo { affected_rows: rows, info, ..OkInfo::default() })
    }

    /// The database of a table that is to be changed: that of the transaction.
    fn check_database(&self, target: &QualifiedName) -> Result<DatabaseId, MySqlError> {
        let (database, _) = names::stored_table(&self.catalog(), target, self.database.as_deref())?;
        let own = self.transaction.as_ref().and_then(|open| open.database);
        if own.is_some_and(|own| own != database.id) {
            return Err(MySqlError::cross_database_transaction());
        }
        Ok(database.id)
    }

    async fn written(&self, parsed: &Parsed, running: &Running) -> Result<Written, MySqlError> {
        let text = &parsed.text;
        match &parsed.statement {
            Statement::Insert(ast) => Box::pin(self.inserted(ast, text, running)).await,
            Statement::Update(ast) => Box::pin(self.updated(ast, text, running)).await,
            Statement::Delete(ast) => Box::pin(self.deleted(ast, text, running)).await,
            _ => Err(changes_nothing()),
        }
    }

    async fn inserted(&self, ast: &Insert, text: &str, running: &Running) -> Result<Written, MySqlError> {
        if ast.label.is_some() {
            return Err(MySqlError::analyzing("an INSERT in a transaction has the label of the transaction"));
        }
        let loaded = load(self, ast, text, running).await?;
        let (table, rows) = (loaded.table.id, loaded.done.rows);
        if loaded.merged.is_some() {
            // It was made from rows as they were before the statements that came before.
            self.check_unwritten(&[table])?;
        }
        let partitions = loaded.merged.unwrap_or_default();
        let load = TransactionLoad { txn: loaded.txn, table, files: loaded.done.files, partitions, replaces: false };
        Ok(Written { load, deleted: Superseded::default(), rows })
    }

    async fn updated(&self, ast: &Update, text: &str, running: &Running) -> Result<Written, MySqlError> {
        // A row that was acknowledged by another frontend and is not yet seen on this one would be changed as it was before.
        self.front().may_read(true).await?;
        let changed = update::write_rows(self, ast, text, running).await?;
        let (txn, table, rows) = (changed.txn, changed.table.id, changed.done.rows);
        // Where nothing is changed it does not matter what was read.
        let partitions = if rows == 0 { Vec::new() } else { changed.partitions };
        let load = TransactionLoad { txn, table, files: changed.done.files, partitions, replaces: false };
        Ok(Written { load, deleted: Superseded::default(), rows })
    }

    async fn deleted(&self, ast: &Delete, text: &str, running: &Running) -> Result<Written, MySqlError> {
        self.front().may_read(true).await?;
        let rest = delete::write_rest(self, ast, text, running).await?;
        let replaces = rest.table.model != KeyModel::Primary;
        let (txn, table, files) = (rest.txn, rest.table.id, rest.done.files);
        let load = TransactionLoad { txn, table, files, partitions: rest.replaced, replaces };
        Ok(Written { load, deleted: rest.superseded, rows: rest.deleted })
    }
}

/// What a time limit calls a statement, and the table that it changes.
fn target(statement: &Statement) -> Option<(&'static str, &QualifiedName)> {
    match statement {
        Statement::Insert(ast) => Some(("Insert", &ast.table)),
        Statement::Update(ast) => Some(("Update", &ast.table)),
        Statement::Delete(ast) => Some(("Delete", &ast.table)),
        _ => None,
    }
}

fn changes_nothing() -> MySqlError {
    MySqlError::unknown_error("the statement changes no rows")
}
