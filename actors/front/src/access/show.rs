//! Users, roles and grants as they are shown.

use std::collections::BTreeSet;

use runtime_mysql::MySqlError;
use runtime_sql::DEFAULT_CATALOG;
use runtime_sql::statement::access::GranteeName;
use storage_catalog::Catalog;
use storage_catalog::access::builtin_grants;
use storage_model::{Grant, GrantObject, Privilege, Role, RoleId, TableId, User, UserName};

use super::{CONNECTIONS, find_user};
use crate::privileges::Asker;
use crate::sheet::{Item, Sheet, row};

/// SHOW USERS.
pub(crate) fn users(catalog: &Catalog) -> Sheet {
    let mut sheet = Sheet::text(&["User"]);
    catalog.users().for_each(|user| sheet.push(row![user.name.to_string()]));
    sheet
}

/// SHOW ROLES.
pub(crate) fn roles(catalog: &Catalog) -> Sheet {
    let mut sheet = Sheet::text(&["Name", "Builtin", "Comment"]);
    catalog.roles().for_each(|role| sheet.push(row![&role.name, role.id.is_builtin(), &role.comment]));
    sheet
}

/// SHOW AUTHENTICATION.
pub(crate) fn authentication(asker: &Asker, all: bool, user: Option<&UserName>) -> Result<Sheet, MySqlError> {
    let mut sheet = Sheet::text(&["UserIdentity", "Password", "AuthPlugin", "UserForAuthPlugin"]);
    let mut push = |user: &User| {
        let has_password = if user.password.is_some() { "Yes" } else { "No" };
        sheet.push(row![user.name.to_string(), has_password, "MYSQL_NATIVE_PASSWORD", Item::Null]);
    };
    match (all, user) {
        (true, _) => asker.catalog().users().for_each(|user| push(user)),
        (false, Some(name)) => push(&find_user(asker, name)?),
        (false, None) => push(asker.user()),
    }
    Ok(sheet)
}

/// SHOW PROPERTY.
pub(crate) fn property(asker: &Asker, user: Option<&UserName>) -> Result<Sheet, MySqlError> {
    let user = user.map_or_else(|| Ok(asker.user().clone()), |name| find_user(asker, name))?;
    Ok(Sheet::text(&["Key", "Value"]).with(row![CONNECTIONS, user.max_connections.to_string()]))
}

/// SHOW GRANTS.
pub(crate) fn grants(asker: &Asker, of: Option<&GranteeName>) -> Result<Sheet, MySqlError> {
    let catalog = asker.catalog();
    let user = |user: &User| {
        let (identity, to) = (user.name.to_string(), format!("USER {}", user.name));
        let mut sheet = Sheet::text(&["UserIdentity", "Catalog", "Grants"]);
        if let Some(roles) = quoted_names(catalog, &user.roles) {
            sheet.push(row![&identity, Item::Null, format!("GRANT {roles} TO {}", user.name)]);
        }
        push_grants(&mut sheet, catalog, &identity, &user.grants, &to);
        sheet
    };
    match of {
        None => Ok(user(asker.user())),
        Some(GranteeName::User(name)) => Ok(user(&find_user(asker, name)?)),
        Some(GranteeName::Role(name)) => {
            let missing = || MySqlError::analyzing(format_args!("cannot find role {name}"));
            let role = catalog.role_by_name(name).ok_or_else(missing)?;
            let to = format!("ROLE {}", quoted(name));
            let mut sheet = Sheet::text(&["RoleName", "Catalog", "Grants"]);
            if let Some(roles) = quoted_names(catalog, &role.roles) {
                sheet.push(row![name, Item::Null, format!("GRANT {roles} TO {to}")]);
            }
            push_grants(&mut sheet, catalog, name, &all_grants(role), &to);
            Ok(sheet)
        }
    }
}

/// What a role was given, and what it has because it is builtin.
fn all_grants(role: &Role) -> Vec<Grant> {
    if role.id.is_fixed() { builtin_grants(role.id) } else { role.grants.clone() }
}

fn quoted(name: &str) -> String {
    format!("'{}'", name.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn quoted_names(catalog: &Catalog, roles: &BTreeSet<RoleId>) -> Option<String> {
    let names: Vec<_> = roles.iter().filter_map(|id| catalog.role(*id)).map(|role| quoted(&role.name)).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// One row for all privileges on one object.
fn push_grants(sheet: &mut Sheet, catalog: &Catalog, holder: &str, grants: &[Grant], to: &str) {
    for grants in grants.chunk_by(|a, b| a.object == b.object) {
        for grantable in [false, true] {
            let names: Vec<_> =
                grants.iter().filter(|g| g.grantable == grantable).map(|g| g.privilege.name()).collect();
            let Some(object) = grants.first().and_then(|grant| described(catalog, grant.object)) else { continue };
            if names.is_empty() {
                continue;
            }
            let option = if grantable { " WITH GRANT OPTION" } else { "" };
            let text = format!("GRANT {} ON {object} TO {to}{option}", names.join(", "));
            let in_catalog = !matches!(grants[0].object, GrantObject::System);
            sheet.push(row![holder, in_catalog.then_some(DEFAULT_CATALOG), text]);
        }
    }
}

/// As GRANT names it. None: it is in the recycle bin.
fn described(catalog: &Catalog, object: GrantObject) -> Option<String> {
    let kind = object.kind();
    Some(match object {
        GrantObject::System => kind.to_owned(),
        GrantObject::Catalog => format!("{kind} {DEFAULT_CATALOG}"),
        GrantObject::Database(id) => format!("{kind} {}", catalog.database(id)?.name),
        GrantObject::Relation(_, database, id) => {
            format!("{kind} {}.{}", catalog.database(database)?.name, relation_name(catalog, id)?)
        }
        GrantObject::RelationsOf(_, id) => format!("ALL {kind}S IN DATABASE {}", catalog.database(id)?.name),
        GrantObject::AllRelations(_) => format!("ALL {kind}S IN ALL DATABASES"),
        GrantObject::Volume(id) => format!("{kind} {}", catalog.volume(id)?.name),
        GrantObject::User(id) => format!("{kind} {}", catalog.user(id)?.name),
        GrantObject::AllCatalogs | GrantObject::AllDatabases | GrantObject::AllVolumes | GrantObject::AllUsers => {
            format!("ALL {kind}S")
        }
    })
}

const GRANTS: [&str; 7] =
    ["GRANTEE", "OBJECT_CATALOG", "OBJECT_DATABASE", "OBJECT_NAME", "OBJECT_TYPE", "PRIVILEGE_TYPE", "IS_GRANTABLE"];

/// `sys.grants_to_users` and `sys.grants_to_roles`: of all for who may grant, of oneself for everybody else.
pub(crate) fn grants_to(asker: Option<&Asker>, users: bool) -> Sheet {
    let mut sheet = Sheet::text(&GRANTS);
    let Some(asker) = asker else { return sheet };
    let catalog = asker.catalog();
    let sees_all = asker.may(Privilege::Grant, GrantObject::System);
    let mut push = |holder: &str, grants: &[Grant]| {
        for grant in grants {
            let Some([database, name]) = place(catalog, grant.object) else { continue };
            let in_catalog = !matches!(grant.object, GrantObject::System);
            sheet.push(row![
                holder,
                in_catalog.then_some(DEFAULT_CATALOG),
                database,
                name,
                grant.object.kind(),
                grant.privilege.name(),
                if grant.grantable { "YES" } else { "NO" },
            ]);
        }
    };
    if users {
        let shown = catalog.users().filter(|user| sees_all || user.id == asker.user().id);
        shown.for_each(|user| push(&user.name.to_string(), &user.grants));
    } else {
        let shown = catalog.roles().filter(|role| sees_all || asker.has_role(&role.name));
        shown.for_each(|role| push(&role.name, &all_grants(role)));
    }
    sheet
}

/// Database and name of an object. None: it is in the recycle bin.
fn place(catalog: &Catalog, object: GrantObject) -> Option<[Option<String>; 2]> {
    let all = |what: &str| Some(what.to_owned());
    Some(match object {
        GrantObject::System | GrantObject::Catalog => [None, None],
        GrantObject::AllCatalogs | GrantObject::AllDatabases | GrantObject::AllVolumes | GrantObject::AllUsers => {
            [None, all("ALL")]
        }
        GrantObject::Database(id) => [Some(catalog.database(id)?.name.clone()), None],
        GrantObject::Relation(_, database, id) => {
            [Some(catalog.database(database)?.name.clone()), Some(relation_name(catalog, id)?)]
        }
        GrantObject::RelationsOf(_, id) => [Some(catalog.database(id)?.name.clone()), all("ALL")],
        GrantObject::AllRelations(_) => [all("ALL"), all("ALL")],
        GrantObject::Volume(id) => [None, Some(catalog.volume(id)?.name.clone())],
        GrantObject::User(id) => [None, Some(catalog.user(id)?.name.to_string())],
    })
}

/// `sys.role_edges`: which role was granted to which role, and to which user.
pub(crate) fn edges(asker: Option<&Asker>) -> Sheet {
    let mut sheet = Sheet::text(&["FROM_ROLE", "TO_ROLE", "TO_USER"]);
    let Some(asker) = asker else { return sheet };
    let catalog = asker.catalog();
    let sees_all = asker.may(Privilege::Grant, GrantObject::System);
    let name = |id: &RoleId| catalog.role(*id).map(|role| role.name.clone());
    for role in catalog.roles().filter(|role| sees_all || asker.has_role(&role.name)) {
        role.roles.iter().for_each(|from| sheet.push(row![name(from), &role.name, Item::Null]));
    }
    for user in catalog.users().filter(|user| sees_all || user.id == asker.user().id) {
        user.roles.iter().for_each(|from| sheet.push(row![name(from), Item::Null, user.name.to_string()]));
    }
    sheet
}

/// `information_schema.applicable_roles`: the roles that one has.
pub(crate) fn applicable_roles(asker: Option<&Asker>) -> Sheet {
    let mut sheet = Sheet::text(&[
        "USER",
        "HOST",
        "GRANTEE",
        "GRANTEE_HOST",
        "ROLE_NAME",
        "ROLE_HOST",
        "IS_GRANTABLE",
        "IS_DEFAULT",
        "IS_MANDATORY",
    ]);
    let Some(asker) = asker else { return sheet };
    let user = asker.user();
    let (UserName { name, host }, first) = (&user.name, user.first_roles());
    for role in user.roles.iter().filter_map(|id| asker.catalog().role(*id)) {
        let is_default = if first.contains(&role.id) { "YES" } else { "NO" };
        let is_mandatory = if role.id == RoleId::ROOT { "YES" } else { "NO" };
        sheet.push(row![name, host, name, host, &role.name, "%", "NO", is_default, is_mandatory]);
    }
    sheet
}

/// The name of a table or a view.
fn relation_name(catalog: &Catalog, id: TableId) -> Option<String> {
    let view = || catalog.view(id).map(|view| view.name.clone());
    catalog.table(id).map(|table| table.name.clone()).or_else(view)
}
