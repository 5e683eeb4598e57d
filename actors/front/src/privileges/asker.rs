//! Who asks: a user with its active roles, against one revision of the catalog.

use std::collections::BTreeSet;
use std::sync::Arc;

use runtime_mysql::MySqlError;
use runtime_sql::QualifiedName;
use storage_catalog::{Catalog, Subject};
use storage_model::{DatabaseId, GrantObject, Privilege, Role, RoleId, Table, User};

use super::login::Account;
use crate::names;

/// A user who asks.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    subject: Subject,
    /// The active roles, without those that come with them.
    active: BTreeSet<RoleId>,
    catalog: Arc<Catalog>,
    database: Option<String>,
}

impl Asker {
    /// Who works under an account. None: its user was dropped.
    pub(crate) fn new(account: &Account, catalog: Arc<Catalog>, database: Option<&str>) -> Option<Asker> {
        let subject = catalog.subject(account.user, &account.roles)?;
        let active = account.roles.intersection(&subject.user.roles).copied().collect();
        Some(Asker { subject, active, catalog, database: database.map(str::to_owned) })
    }

    pub(crate) fn user(&self) -> &User {
        &self.subject.user
    }

    pub(crate) fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The current database.
    pub(crate) fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// Whether a role is active, by itself or with another.
    pub(crate) fn has_role(&self, name: &str) -> bool {
        self.subject.roles().any(|role| role.name == name)
    }

    /// The active roles.
    pub(crate) fn active_roles(&self) -> impl Iterator<Item = &Arc<Role>> {
        self.active.iter().filter_map(|id| self.catalog.role(*id))
    }

    pub(crate) fn may(&self, privilege: Privilege, object: GrantObject) -> bool {
        self.subject.may(privilege, object)
    }

    pub(crate) fn may_grant(&self, privilege: Privilege, object: GrantObject) -> bool {
        self.subject.may_grant(privilege, object)
    }

    /// Whether the user may OPERATE.
    pub(crate) fn operates(&self) -> bool {
        self.may(Privilege::Operate, GrantObject::System)
    }

    /// A privilege on one object.
    pub(crate) fn needs(&self, privilege: Privilege, object: GrantObject) -> Result<(), MySqlError> {
        if self.may(privilege, object) { Ok(()) } else { Err(self.denied(privilege.name(), object)) }
    }

    /// Any privilege on one object.
    pub(crate) fn needs_anything(&self, object: GrantObject) -> Result<(), MySqlError> {
        if self.subject.may_anything(object) { Ok(()) } else { Err(self.denied("ANY", object)) }
    }

    /// Any privilege on a database or on something in it.
    pub(crate) fn needs_anything_in(&self, database: DatabaseId) -> Result<(), MySqlError> {
        if self.subject.may_anything_in(database) {
            return Ok(());
        }
        Err(self.denied("ANY", GrantObject::Database(database)))
    }

    /// Error 5203.
    pub(crate) fn denied(&self, privilege: &str, object: GrantObject) -> MySqlError {
        let kind = object.kind();
        let named = match self.name_of(object) {
            Some(name) => format!("{kind} {name}"),
            None => kind.to_owned(),
        };
        let names = |ids: &BTreeSet<RoleId>| {
            let names: Vec<_> = ids.iter().filter_map(|id| self.catalog.role(*id)).map(|r| r.name.as_str()).collect();
            if names.is_empty() { "NONE".to_owned() } else { format!("[{}]", names.join(", ")) }
        };
        let inactive = self.user().roles.difference(&self.active).copied().collect();
        MySqlError::privilege_denied(privilege, named, names(&self.active), names(&inactive))
    }

    fn name_of(&self, object: GrantObject) -> Option<String> {
        let catalog = &self.catalog;
        match object {
            GrantObject::Catalog => Some(runtime_sql::DEFAULT_CATALOG.to_owned()),
            GrantObject::Database(id) => catalog.database(id).map(|found| found.name.clone()),
            GrantObject::Relation(_, _, id) => {
                let view = || catalog.view(id).map(|found| found.name.clone());
                catalog.table(id).map(|found| found.name.clone()).or_else(view)
            }
            GrantObject::Volume(id) => catalog.volume(id).map(|found| found.name.clone()),
            GrantObject::User(id) => catalog.user(id).map(|found| found.name.to_string()),
            GrantObject::System
            | GrantObject::AllCatalogs
            | GrantObject::AllDatabases
            | GrantObject::RelationsOf(..)
            | GrantObject::AllRelations(_)
            | GrantObject::AllVolumes
            | GrantObject::AllUsers => None,
        }
    }

    /// The stored table of a name; None: it is computed.
    pub(crate) fn table(&self, name: &QualifiedName) -> Result<Option<Arc<Table>>, MySqlError> {
        let database = names::database_name(name, self.database())?;
        if names::is_virtual(&database) && self.catalog.database_by_name(&database).is_none() {
            return Ok(None);
        }
        names::stored_table(&self.catalog, name, self.database()).map(|(_, table)| Some(table))
    }

    /// The stored table or the view of a name; None: it is computed.
    pub(crate) fn relation(&self, name: &QualifiedName) -> Result<Option<GrantObject>, MySqlError> {
        let database = names::database_name(name, self.database())?;
        if names::is_virtual(&database) && self.catalog.database_by_name(&database).is_none() {
            return Ok(None);
        }
        names::named(&self.catalog, name, self.database()).map(|(_, named)| Some(named.object()))
    }

    /// The catalog as lists may show it.
    pub(crate) fn seen(&self) -> Arc<Catalog> {
        if self.subject.sees_all() && self.operates() {
            return Arc::clone(&self.catalog);
        }
        Arc::new(self.catalog.seen_by(&self.subject))
    }
}
