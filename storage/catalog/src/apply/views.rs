//! CREATE, ALTER and DROP VIEW. What its query reads is nobody's concern here: tables come and go under a view.

use std::sync::Arc;

use storage_model::{TableId, View};

use crate::catalog::Catalog;
use crate::command::{Outcome, Rejection, Reply, ViewDraft, ViewPut};

impl Catalog {
    pub(super) fn put_view(&mut self, database: &str, draft: &ViewDraft, how: ViewPut) -> Reply {
        let db = self.find_database(database)?;
        let name = &draft.name;
        let there = self.table_names.get(&(db, name.clone())).copied();
        let old = there.and_then(|id| self.views.get(&id)).cloned();
        match (how, there, &old) {
            (ViewPut::CreateIfNotExists, Some(_), _) => return Ok(Outcome::Nothing),
            (ViewPut::Create, Some(_), _) | (ViewPut::Replace, Some(_), None) => {
                return Err(Rejection::TableExists(name.clone()));
            }
            (ViewPut::Alter, Some(_), None) => return Err(not_a_view(database, name)),
            (ViewPut::Alter, None, _) => return Err(Rejection::UnknownTable(format!("{database}.{name}"))),
            _ => {}
        }
        let id = old.as_ref().map_or_else(|| TableId(self.draw_id()), |old| old.id);
        let comment = match (&old, how) {
            (Some(old), ViewPut::Alter) => old.comment.clone(),
            _ => draft.comment.clone(),
        };
        let view = View {
            id,
            database: db,
            name: name.clone(),
            columns: draft.columns.clone(),
            query: draft.query.clone(),
            home: draft.home.as_deref().map(|home| self.find_database(home)).transpose()?,
            // ALTER VIEW says nothing of it: what was strict stays so.
            invoker: draft.invoker || (how == ViewPut::Alter && old.as_ref().is_some_and(|old| old.invoker)),
            comment,
            created_at: old.map_or(self.header.clock, |old| old.created_at),
        };
        self.table_names.insert((db, name.clone()), id);
        self.views.insert(id, Arc::new(view));
        Ok(Outcome::Table(id))
    }

    pub(super) fn drop_view(&mut self, database: &str, name: &str, if_exists: bool) -> Reply {
        let db = match self.find_database(database) {
            Err(_) if if_exists => return Ok(Outcome::Nothing),
            found => found?,
        };
        let key = (db, name.to_owned());
        let Some(id) = self.table_names.get(&key).copied() else {
            let missing = Err(Rejection::UnknownTable(format!("{database}.{name}")));
            return if if_exists { Ok(Outcome::Nothing) } else { missing };
        };
        if self.views.remove(&id).is_none() {
            return Err(not_a_view(database, name));
        }
        self.table_names.remove(&key);
        Ok(Outcome::Done)
    }
}

fn not_a_view(database: &str, name: &str) -> Rejection {
    Rejection::WrongObject(format!("'{database}.{name}' is not VIEW"))
}
