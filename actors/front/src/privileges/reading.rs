//! What the planner asks: which tables a statement may read, and what lists may hold.

use std::sync::Arc;

use runtime_mysql::MySqlError;
use runtime_query::{Access, QueryError};
use storage_catalog::Catalog;
use storage_catalog::access::{object_of, object_of_view};
use storage_model::{Kind, Privilege, TableId};

use super::asker::Asker;

/// What one statement may read.
pub(crate) struct Reading {
    /// Why nothing may be read, when the user is gone.
    asker: Result<Asker, MySqlError>,
    /// What the statement changes, for which another privilege was asked.
    changes: Option<TableId>,
}

impl Reading {
    pub(crate) fn new(asker: Result<Asker, MySqlError>) -> Reading {
        Reading { asker, changes: None }
    }

    /// For a statement that changes a table, and finds its rows by looking at them.
    pub(crate) fn changing(self, table: TableId) -> Reading {
        Reading { changes: Some(table), ..self }
    }
}

fn told(error: &MySqlError) -> QueryError {
    QueryError::new(error.code, Kind::Invalid, error.message.clone())
}

impl Access for Reading {
    fn may_read(&self, database: &str, table: &str) -> Result<(), QueryError> {
        let asker = self.asker.as_ref().map_err(told)?;
        let found = asker.catalog().database_by_name(database);
        if let Some(view) = found.and_then(|found| asker.catalog().view_by_name(found.id, table)) {
            return asker.needs(Privilege::Select, object_of_view(view)).map_err(|error| told(&error));
        }
        let Some(table) = found.and_then(|found| asker.catalog().table_by_name(found.id, table)) else {
            // What is not there has no rows.
            return Ok(());
        };
        if self.changes == Some(table.id) {
            return Ok(());
        }
        asker.needs(Privilege::Select, object_of(table)).map_err(|error| told(&error))
    }

    fn seen(&self, catalog: &Arc<Catalog>) -> Arc<Catalog> {
        seen(self.asker.as_ref().ok(), catalog)
    }
}

/// The catalog as somebody may see it in lists; nobody sees anything.
pub(crate) fn seen(asker: Option<&Asker>, catalog: &Catalog) -> Arc<Catalog> {
    let nothing = || Arc::new(Catalog::genesis(catalog.identity().clone(), catalog.header.clock));
    asker.map_or_else(nothing, Asker::seen)
}
