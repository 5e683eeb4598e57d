//! Users, roles and privileges: what may change of them, and what follows from them.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use storage_model::{
    DatabaseId, Grant, GrantObject, PasswordHash, Privilege, RelationKind, Role, RoleId, Table, User, UserId, UserName,
    View,
};

use crate::catalog::Catalog;

/// Who gets something, or loses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grantee {
    /// A user.
    User(UserName),
    /// A role, by its name.
    Role(String),
}

/// The roles that logins are to begin with, by their names. Variants are positional in stored bytes: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChosenRoles {
    /// None at all.
    None,
    /// All that the user has.
    All,
    /// These.
    These(Vec<String>),
}

/// A user before it has an id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDraft {
    /// Its name.
    pub name: UserName,
    /// None: the empty password.
    pub password: Option<PasswordHash>,
    /// DEFAULT ROLE: these are granted to it, too.
    pub default_roles: Vec<String>,
    /// PROPERTIES("max_user_connections" = …).
    pub max_connections: Option<u64>,
}

/// What changes of a user. Variants are positional in stored bytes: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UserChange {
    /// Its password.
    Password(Option<PasswordHash>),
    /// The roles that its logins begin with.
    DefaultRoles(ChosenRoles),
    /// How many connections it may have.
    MaxConnections(u64),
}

/// What can be asked of users, roles and privileges. Variants are positional in stored bytes: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccessChange {
    /// CREATE USER.
    CreateUser {
        /// The user.
        draft: UserDraft,
        /// IF NOT EXISTS.
        if_not_exists: bool,
    },
    /// ALTER USER, SET PASSWORD, SET DEFAULT ROLE, SET PROPERTY.
    AlterUser {
        /// The user.
        name: UserName,
        /// What changes.
        change: UserChange,
        /// IF EXISTS.
        if_exists: bool,
    },
    /// DROP USER.
    DropUser {
        /// The user.
        name: UserName,
        /// IF EXISTS.
        if_exists: bool,
    },
    /// CREATE ROLE: all of them or none.
    CreateRoles {
        /// Their names.
        names: Vec<String>,
        /// COMMENT 'text'.
        comment: String,
        /// IF NOT EXISTS.
        if_not_exists: bool,
    },
    /// ALTER ROLE … SET COMMENT.
    AlterRoles {
        /// Their names.
        names: Vec<String>,
        /// Their comment from now on.
        comment: String,
        /// IF EXISTS.
        if_exists: bool,
    },
    /// DROP ROLE: all of them or none.
    DropRoles {
        /// Their names.
        names: Vec<String>,
        /// IF EXISTS.
        if_exists: bool,
    },
    /// GRANT role TO.
    GrantRoles {
        /// Their names.
        roles: Vec<String>,
        /// Who gets them.
        to: Grantee,
    },
    /// REVOKE role FROM.
    RevokeRoles {
        /// Their names.
        roles: Vec<String>,
        /// Who loses them.
        from: Grantee,
    },
    /// GRANT privilege ON object TO.
    Grant {
        /// Which, each on its object.
        grants: Vec<Grant>,
        /// Who gets them.
        to: Grantee,
    },
    /// REVOKE privilege ON object FROM, whether it could be granted on or not.
    Revoke {
        /// Which, each on its object.
        grants: Vec<Grant>,
        /// Who loses them.
        from: Grantee,
    },
}

impl AccessChange {
    /// Its name, for logs and traces.
    pub fn name(&self) -> &'static str {
        match self {
            AccessChange::CreateUser { .. } => "CreateUser",
            AccessChange::AlterUser { .. } => "AlterUser",
            AccessChange::DropUser { .. } => "DropUser",
            AccessChange::CreateRoles { .. } => "CreateRoles",
            AccessChange::AlterRoles { .. } => "AlterRoles",
            AccessChange::DropRoles { .. } => "DropRoles",
            AccessChange::GrantRoles { .. } => "GrantRoles",
            AccessChange::RevokeRoles { .. } => "RevokeRoles",
            AccessChange::Grant { .. } => "Grant",
            AccessChange::Revoke { .. } => "Revoke",
        }
    }
}

/// What privileges on a table are granted on.
pub fn object_of(table: &Table) -> GrantObject {
    GrantObject::Relation(RelationKind::Table, table.database, table.id)
}

/// What privileges on a view are granted on.
pub fn object_of_view(view: &View) -> GrantObject {
    GrantObject::Relation(RelationKind::View, view.database, view.id)
}

/// What a builtin role may, by its id. The public role has nothing of its own.
fn is_builtin_privilege(role: RoleId, privilege: Privilege, object: GrantObject) -> bool {
    use Privilege as P;
    let of_data = !matches!(object, GrantObject::System | GrantObject::User(_) | GrantObject::AllUsers);
    match role {
        RoleId::ROOT => true,
        RoleId::DB_ADMIN if object == GrantObject::System => matches!(
            privilege,
            P::CreateResource
                | P::CreateResourceGroup
                | P::CreateExternalCatalog
                | P::Repository
                | P::Blacklist
                | P::File
                | P::CreateGlobalFunction
                | P::CreateStorageVolume
        ),
        RoleId::DB_ADMIN => of_data,
        RoleId::CLUSTER_ADMIN if object == GrantObject::System => {
            matches!(privilege, P::Node | P::Operate | P::CreateWarehouse)
        }
        RoleId::USER_ADMIN if object == GrantObject::System => privilege == P::Grant,
        RoleId::USER_ADMIN => matches!(object, GrantObject::User(_) | GrantObject::AllUsers),
        RoleId::SECURITY_ADMIN if object == GrantObject::System => matches!(privilege, P::Security | P::Operate),
        _ => false,
    }
}

/// All that a builtin role may, on all objects of each kind.
pub fn builtin_grants(role: RoleId) -> Vec<Grant> {
    let all = [
        GrantObject::System,
        GrantObject::AllCatalogs,
        GrantObject::AllDatabases,
        GrantObject::AllRelations(RelationKind::Table),
        GrantObject::AllRelations(RelationKind::View),
        GrantObject::AllRelations(RelationKind::MaterializedView),
        GrantObject::AllVolumes,
        GrantObject::AllUsers,
    ];
    let privileges = all.into_iter().flat_map(|object| object.privileges().iter().map(move |p| (object, *p)));
    let held = privileges.filter(|(object, privilege)| is_builtin_privilege(role, *privilege, *object));
    held.map(|(object, privilege)| Grant { object, privilege, grantable: false }).collect()
}

/// A user with the roles that are active.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The user.
    pub user: Arc<User>,
    /// Its active roles, and all that they have; in order of their ids.
    roles: Vec<Arc<Role>>,
}

impl Subject {
    /// Whether the user holds a privilege on an object.
    pub fn may(&self, privilege: Privilege, object: GrantObject) -> bool {
        self.holds(|grant| grant.privilege == privilege && grant.object.covers(object))
            || self.roles.iter().any(|role| is_builtin_privilege(role.id, privilege, object))
    }

    /// Whether the user could grant a privilege on an object: with GRANT on the system, or because it was given with GRANT
    /// OPTION.
    pub fn may_grant(&self, privilege: Privilege, object: GrantObject) -> bool {
        self.may(Privilege::Grant, GrantObject::System)
            || self.holds(|grant| grant.grantable && grant.privilege == privilege && grant.object.covers(object))
    }

    /// Whether the user holds any privilege on an object.
    pub fn may_anything(&self, object: GrantObject) -> bool {
        self.holds(|grant| grant.object.covers(object)) || self.is_builtin_on(object)
    }

    /// Whether the user holds any privilege on a database or on something in it.
    pub fn may_anything_in(&self, database: DatabaseId) -> bool {
        self.may_anything(GrantObject::Database(database))
            || self.holds(|grant| match grant.object {
                GrantObject::Relation(_, within, _) | GrantObject::RelationsOf(_, within) => within == database,
                GrantObject::AllRelations(_) => true,
                _ => false,
            })
    }

    /// Whether the user holds privileges on all data that there is or will be.
    pub fn sees_all(&self) -> bool {
        self.roles.iter().any(|role| matches!(role.id, RoleId::ROOT | RoleId::DB_ADMIN))
    }

    /// The active roles and all that come with them, the public role among them.
    pub fn roles(&self) -> impl Iterator<Item = &Arc<Role>> {
        self.roles.iter()
    }

    fn holds(&self, wanted: impl Fn(&Grant) -> bool) -> bool {
        self.user.grants.iter().chain(self.roles.iter().flat_map(|role| &role.grants)).any(wanted)
    }

    fn is_builtin_on(&self, object: GrantObject) -> bool {
        let any = |role: RoleId| object.privileges().iter().any(|p| is_builtin_privilege(role, *p, object));
        self.roles.iter().any(|role| role.id.is_fixed() && any(role.id))
    }
}

impl Catalog {
    /// All users, in order of creation.
    pub fn users(&self) -> impl Iterator<Item = &Arc<User>> {
        self.users.values()
    }

    /// A user by id.
    pub fn user(&self, id: UserId) -> Option<&Arc<User>> {
        self.users.get(&id)
    }

    /// A user by name.
    pub fn user_by_name(&self, name: &UserName) -> Option<&Arc<User>> {
        self.users.values().find(|user| user.name == *name)
    }

    /// All roles, the builtin ones first.
    pub fn roles(&self) -> impl Iterator<Item = &Arc<Role>> {
        self.roles.values()
    }

    /// A role by id.
    pub fn role(&self, id: RoleId) -> Option<&Arc<Role>> {
        self.roles.get(&id)
    }

    /// A role by name.
    pub fn role_by_name(&self, name: &str) -> Option<&Arc<Role>> {
        self.roles.values().find(|role| role.name == name)
    }

    /// A user with some of its roles; those that it does not have any more are left out. None: there is no such user.
    pub fn subject(&self, user: UserId, active: &BTreeSet<RoleId>) -> Option<Subject> {
        let user = Arc::clone(self.users.get(&user)?);
        let active = active.intersection(&user.roles).copied().chain([RoleId::PUBLIC]);
        let roles = self.with_inherited(active).into_iter().filter_map(|id| self.roles.get(&id).cloned()).collect();
        Some(Subject { user, roles })
    }

    /// These roles and all that were granted to them.
    pub(crate) fn with_inherited(&self, roles: impl IntoIterator<Item = RoleId>) -> BTreeSet<RoleId> {
        let mut waiting: Vec<RoleId> = roles.into_iter().collect();
        let mut all = BTreeSet::new();
        while let Some(id) = waiting.pop() {
            if all.insert(id)
                && let Some(role) = self.roles.get(&id)
            {
                waiting.extend(&role.roles);
            }
        }
        all
    }

    /// The catalog as a user may see it in lists: without databases, tables, volumes and what was dropped on which it holds
    /// no privilege, and without snapshots unless it may OPERATE. Costs what is hidden.
    pub fn seen_by(&self, subject: &Subject) -> Catalog {
        let mut seen = self.clone();
        if !subject.may(Privilege::Operate, GrantObject::System) {
            seen.jobs.clear();
            seen.compute_nodes.clear();
        }
        if !subject.sees_all() {
            let hidden: Vec<_> = self.tables.values().filter(|t| !subject.may_anything(object_of(t))).collect();
            for table in hidden {
                seen.tables.remove(&table.id);
                seen.table_names.remove(&(table.database, table.name.clone()));
                table.partitions.iter().for_each(|id| drop(seen.partitions.remove(id)));
            }
            let hidden: Vec<_> = self.views.values().filter(|v| !subject.may_anything(object_of_view(v))).collect();
            for view in hidden {
                seen.views.remove(&view.id);
                seen.table_names.remove(&(view.database, view.name.clone()));
            }
            for database in self.databases.values().filter(|d| !subject.may_anything_in(d.id)) {
                seen.databases.remove(&database.id);
                seen.database_names.remove(&database.name);
            }
            for volume in self.volumes.keys().filter(|v| !subject.may_anything(GrantObject::Volume(**v))) {
                seen.volumes.remove(volume);
            }
            seen.trash.clear();
        }
        seen
    }
}
