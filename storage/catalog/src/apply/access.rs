//! Users, roles and privileges.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use storage_model::access::MAX_USER_CONNECTIONS;
use storage_model::{
    DatabaseId, DefaultRoles, Grant, GrantObject, Privilege, Role, RoleId, TableId, User, UserId, UserName,
};

use crate::access::{AccessChange, ChosenRoles, Grantee, UserChange, UserDraft};
use crate::catalog::Catalog;
use crate::command::{Outcome, Rejection, Reply};

/// Whose roles and grants change.
enum Holder {
    User(Arc<User>),
    Role(Arc<Role>),
}

impl Catalog {
    pub(super) fn change_access(&mut self, change: &AccessChange) -> Reply {
        match change {
            AccessChange::CreateUser { draft, if_not_exists } => self.create_user(draft, *if_not_exists),
            AccessChange::AlterUser { name, change, if_exists } => self.alter_user(name, change, *if_exists),
            AccessChange::DropUser { name, if_exists } => self.drop_user(name, *if_exists),
            AccessChange::CreateRoles { names, comment, if_not_exists } => {
                self.create_roles(names, comment, *if_not_exists)
            }
            AccessChange::AlterRoles { names, comment, if_exists } => self.alter_roles(names, comment, *if_exists),
            AccessChange::DropRoles { names, if_exists } => self.drop_roles(names, *if_exists),
            AccessChange::GrantRoles { roles, to } => self.grant_roles(roles, to),
            AccessChange::RevokeRoles { roles, from } => self.revoke_roles(roles, from),
            AccessChange::Grant { grants, to } => self.grant(grants, to),
            AccessChange::Revoke { grants, from } => self.revoke(grants, from),
        }
    }

    fn create_user(&mut self, draft: &UserDraft, if_not_exists: bool) -> Reply {
        if self.user_by_name(&draft.name).is_some() {
            let exists = format!("Operation CREATE USER failed for {} : user already exists", draft.name);
            return if if_not_exists { Ok(Outcome::Nothing) } else { rule(exists) };
        }
        let roles = self.role_ids(&draft.default_roles)?;
        let id = UserId(self.draw_id());
        let user = User {
            id,
            name: draft.name.clone(),
            password: draft.password,
            roles: roles.clone(),
            default_roles: DefaultRoles::These(roles),
            grants: Vec::new(),
            max_connections: draft.max_connections.unwrap_or(MAX_USER_CONNECTIONS),
            created_at: self.header.clock,
        };
        self.users.insert(id, Arc::new(user));
        Ok(Outcome::Done)
    }

    fn alter_user(&mut self, name: &UserName, change: &UserChange, if_exists: bool) -> Reply {
        let Some(found) = self.user_by_name(name) else {
            return if if_exists { Ok(Outcome::Nothing) } else { Err(no_user(name)) };
        };
        let mut user = found.as_ref().clone();
        match change {
            UserChange::Password(password) => user.password = *password,
            UserChange::MaxConnections(most) => user.max_connections = *most,
            UserChange::DefaultRoles(ChosenRoles::None) => user.default_roles = DefaultRoles::These(BTreeSet::new()),
            UserChange::DefaultRoles(ChosenRoles::All) => user.default_roles = DefaultRoles::All,
            UserChange::DefaultRoles(ChosenRoles::These(names)) => {
                let roles = self.role_ids(names)?;
                if let Some(other) = roles.iter().find(|id| !user.roles.contains(id)).and_then(|id| self.roles.get(id))
                {
                    return rule(format!("Role {} is not granted to {name}", other.name));
                }
                user.default_roles = DefaultRoles::These(roles);
            }
        }
        self.users.insert(user.id, Arc::new(user));
        Ok(Outcome::Done)
    }

    fn drop_user(&mut self, name: &UserName, if_exists: bool) -> Reply {
        let Some(id) = self.user_by_name(name).map(|user| user.id) else {
            let missing = format!("Operation DROP USER failed for {name} : user not exists");
            return if if_exists { Ok(Outcome::Nothing) } else { rule(missing) };
        };
        if id == UserId::ROOT {
            return rule(format!("Operation DROP USER failed for {name} : cannot drop user {name}"));
        }
        self.users.remove(&id);
        Ok(Outcome::Done)
    }

    fn create_roles(&mut self, names: &[String], comment: &str, if_not_exists: bool) -> Reply {
        for name in names {
            if self.role_by_name(name).is_some() {
                if if_not_exists {
                    continue;
                }
                return rule(format!("Operation CREATE ROLE failed for {name} : role already exists"));
            }
            let id = RoleId(self.draw_id());
            let (name, comment) = (name.clone(), comment.to_owned());
            let role = Role { id, name, comment, roles: BTreeSet::new(), grants: Vec::new() };
            self.roles.insert(id, Arc::new(role));
        }
        Ok(Outcome::Done)
    }

    fn alter_roles(&mut self, names: &[String], comment: &str, if_exists: bool) -> Reply {
        for name in names {
            let Some(found) = self.role_by_name(name) else {
                if if_exists {
                    continue;
                }
                return Err(no_role(name));
            };
            if found.id.is_builtin() {
                return rule(format!("role {name} is not mutable!"));
            }
            let role = Role { comment: comment.to_owned(), ..found.as_ref().clone() };
            self.roles.insert(role.id, Arc::new(role));
        }
        Ok(Outcome::Done)
    }

    fn drop_roles(&mut self, names: &[String], if_exists: bool) -> Reply {
        for name in names {
            let Some(id) = self.role_by_name(name).map(|role| role.id) else {
                if if_exists {
                    continue;
                }
                return rule(format!("Operation DROP ROLE failed for {name} : role not exists"));
            };
            if id.is_builtin() {
                return rule(format!("role {name} cannot be dropped!"));
            }
            self.roles.remove(&id);
            let users: Vec<_> = self.users.values().filter(|user| user.roles.contains(&id)).cloned().collect();
            for mut user in users {
                take_role(Arc::make_mut(&mut user), id);
                self.users.insert(user.id, user);
            }
            let roles: Vec<_> = self.roles.values().filter(|role| role.roles.contains(&id)).cloned().collect();
            for mut role in roles {
                Arc::make_mut(&mut role).roles.remove(&id);
                self.roles.insert(role.id, role);
            }
        }
        Ok(Outcome::Done)
    }

    fn grant_roles(&mut self, names: &[String], to: &Grantee) -> Reply {
        let roles = self.role_ids(names)?;
        match self.holder(to)? {
            Holder::User(mut user) => {
                Arc::make_mut(&mut user).roles.extend(roles);
                self.users.insert(user.id, user);
            }
            Holder::Role(mut role) => {
                check_mutable(&role)?;
                if let Some(looped) = roles.iter().find(|id| self.with_inherited([**id]).contains(&role.id)) {
                    let looped = self.roles.get(looped).map_or("", |role| role.name.as_str());
                    return rule(format!("role {looped} can not be granted to {}: it has it already", role.name));
                }
                Arc::make_mut(&mut role).roles.extend(roles);
                self.roles.insert(role.id, role);
            }
        }
        Ok(Outcome::Done)
    }

    fn revoke_roles(&mut self, names: &[String], from: &Grantee) -> Reply {
        let roles = self.role_ids(names)?;
        match self.holder(from)? {
            Holder::User(user) if user.id == UserId::ROOT && roles.contains(&RoleId::ROOT) => {
                return rule(format!("role root can not be revoked from {}", user.name));
            }
            Holder::User(mut user) => {
                roles.into_iter().for_each(|role| take_role(Arc::make_mut(&mut user), role));
                self.users.insert(user.id, user);
            }
            Holder::Role(mut role) => {
                check_mutable(&role)?;
                Arc::make_mut(&mut role).roles.retain(|id| !roles.contains(id));
                self.roles.insert(role.id, role);
            }
        }
        Ok(Outcome::Done)
    }

    fn grant(&mut self, grants: &[Grant], to: &Grantee) -> Reply {
        for grant in grants {
            if !grant.object.privileges().contains(&grant.privilege) {
                return rule(format!("Cannot grant {} on {}", grant.privilege, grant.object.kind()));
            }
            if grant.privilege == Privilege::Node {
                return rule("cant grant NODE to user or role".to_owned());
            }
            // A database may have been dropped since the statement looked.
            if !self.named_objects().has(self, grant.object) {
                return Err(Rejection::Stale(format!("the {} is not there any more", grant.object.kind())));
            }
        }
        self.change_grants(to, |held| {
            for grant in grants {
                let (object, privilege) = (grant.object, grant.privilege);
                let is_it = |other: &Grant| other.object == object && other.privilege == privilege;
                let grantable = grant.grantable || held.iter().any(|other| is_it(other) && other.grantable);
                held.retain(|other| !is_it(other));
                held.push(Grant { object, privilege, grantable });
            }
            held.sort_unstable();
        })
    }

    fn revoke(&mut self, grants: &[Grant], from: &Grantee) -> Reply {
        let is_revoked = |held: &Grant| grants.iter().any(|g| g.object == held.object && g.privilege == held.privilege);
        self.change_grants(from, |held| held.retain(|grant| !is_revoked(grant)))
    }

    fn change_grants(&mut self, grantee: &Grantee, change: impl FnOnce(&mut Vec<Grant>)) -> Reply {
        match self.holder(grantee)? {
            Holder::User(mut user) => {
                change(&mut Arc::make_mut(&mut user).grants);
                self.users.insert(user.id, user);
            }
            Holder::Role(mut role) => {
                check_mutable(&role)?;
                change(&mut Arc::make_mut(&mut role).grants);
                self.roles.insert(role.id, role);
            }
        }
        Ok(Outcome::Done)
    }

    fn holder(&self, grantee: &Grantee) -> Result<Holder, Rejection> {
        match grantee {
            Grantee::User(name) => self.user_by_name(name).cloned().map(Holder::User).ok_or_else(|| no_user(name)),
            Grantee::Role(name) => self.role_by_name(name).cloned().map(Holder::Role).ok_or_else(|| no_role(name)),
        }
    }

    fn role_ids(&self, names: &[String]) -> Result<BTreeSet<RoleId>, Rejection> {
        names.iter().map(|name| self.role_by_name(name).map(|role| role.id).ok_or_else(|| no_role(name))).collect()
    }

    /// Nothing is granted on what is gone for good. What is in the recycle bin may come back with what was granted on it.
    pub(super) fn drop_dead_grants(&mut self) {
        let named = self.named_objects();
        let dead = |catalog: &Catalog, grants: &[Grant]| grants.iter().any(|grant| !named.has(catalog, grant.object));
        let users: Vec<_> = self.users.values().filter(|user| dead(self, &user.grants)).cloned().collect();
        for mut user in users {
            Arc::make_mut(&mut user).grants.retain(|grant| named.has(self, grant.object));
            self.users.insert(user.id, user);
        }
        let roles: Vec<_> = self.roles.values().filter(|role| dead(self, &role.grants)).cloned().collect();
        for mut role in roles {
            Arc::make_mut(&mut role).grants.retain(|grant| named.has(self, grant.object));
            self.roles.insert(role.id, role);
        }
    }

    /// What grants may name beside what lives.
    pub(crate) fn named_objects(&self) -> Dropped {
        let databases = self.trash.values().filter_map(|trash| trash.database.as_ref().map(|database| database.id));
        let tables = self.trash.values().flat_map(|trash| {
            let views = trash.views.iter().map(|view| view.id);
            trash.tables.iter().map(|table| table.id).chain(views)
        });
        Dropped { databases: databases.collect(), tables: tables.collect() }
    }
}

/// What is in the recycle bin.
pub(crate) struct Dropped {
    databases: HashSet<DatabaseId>,
    /// Views, too.
    tables: HashSet<TableId>,
}

impl Dropped {
    /// Whether a grant may name an object.
    pub(crate) fn has(&self, catalog: &Catalog, object: GrantObject) -> bool {
        match object {
            GrantObject::Database(id) | GrantObject::RelationsOf(_, id) => {
                catalog.databases.contains_key(&id) || self.databases.contains(&id)
            }
            GrantObject::Relation(_, _, id) => {
                catalog.tables.contains_key(&id) || catalog.views.contains_key(&id) || self.tables.contains(&id)
            }
            GrantObject::Volume(id) => catalog.volumes.contains_key(&id),
            GrantObject::User(id) => catalog.users.contains_key(&id),
            GrantObject::System
            | GrantObject::Catalog
            | GrantObject::AllCatalogs
            | GrantObject::AllDatabases
            | GrantObject::AllRelations(_)
            | GrantObject::AllVolumes
            | GrantObject::AllUsers => true,
        }
    }
}

fn take_role(user: &mut User, role: RoleId) {
    user.roles.remove(&role);
    if let DefaultRoles::These(roles) = &mut user.default_roles {
        roles.remove(&role);
    }
}

fn check_mutable(role: &Role) -> Result<(), Rejection> {
    if role.id.is_fixed() { Err(Rejection::AccessRule(format!("role {} is not mutable!", role.name))) } else { Ok(()) }
}

fn rule(text: String) -> Reply {
    Err(Rejection::AccessRule(text))
}

fn no_user(name: &UserName) -> Rejection {
    Rejection::AccessRule(format!("cannot find user {name}"))
}

fn no_role(name: &str) -> Rejection {
    Rejection::AccessRule(format!("cannot find role {name}"))
}
