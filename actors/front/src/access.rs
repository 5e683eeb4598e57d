//! Statements about users, roles and privileges. Names become ids here; whether they may is asked in `privileges`.

mod show;

use std::collections::BTreeSet;

use runtime_mysql::MySqlError;
use runtime_mysql::password::native_password_hash;
use runtime_sql::QualifiedName;
use runtime_sql::statement::Properties;
use runtime_sql::statement::access::{
    AccessStatement, GrantedOn, GranteeName, NewPassword, RoleChoice, UserAlteration,
};
use storage_catalog::{AccessChange, ChosenRoles, Command, Grantee, UserChange, UserDraft};
use storage_model::{Grant, GrantObject, PasswordHash, Privilege, RoleId, User, UserId, UserName};

use crate::privileges::{Account, Asker};
use crate::session::Session;
use crate::{errors, names};

pub(crate) use show::{applicable_roles, authentication, edges, grants, grants_to, property, roles, users};

/// The longest name of a user or a role, in characters.
const LONGEST_NAME: usize = 128;
/// The property that a user can have.
const CONNECTIONS: &str = "max_user_connections";

/// Runs one of the statements of this room.
pub(crate) async fn run(session: &mut Session, statement: &AccessStatement) -> Result<(), MySqlError> {
    let asker = session.asker(session.catalog())?;
    let change = match statement {
        AccessStatement::SetRole(choice) => {
            let roles = chosen(&asker, choice)?;
            session.activate(roles);
            return Ok(());
        }
        AccessStatement::ExecuteAs { user, no_revert } => {
            if !no_revert {
                return Err(MySqlError::analyzing("`EXECUTE AS` must use with `WITH NO REVERT` for now!"));
            }
            let found = find_user(&asker, user)?;
            session.become_user(&found);
            return Ok(());
        }
        other => change(&asker, other)?,
    };
    session.front().propose(Command::Access(change)).await.map(drop)
}

fn find_user(asker: &Asker, name: &UserName) -> Result<User, MySqlError> {
    let found = asker.catalog().user_by_name(name).map(|user| user.as_ref().clone());
    found.ok_or_else(|| MySqlError::analyzing(format_args!("cannot find user {name}")))
}

/// What SET ROLE activates.
fn chosen(asker: &Asker, choice: &RoleChoice) -> Result<BTreeSet<RoleId>, MySqlError> {
    let ids = |names: &[String]| names.iter().map(|name| own_role(asker, name)).collect::<Result<BTreeSet<_>, _>>();
    match choice {
        RoleChoice::Default => Ok(Account::of(asker.user()).roles),
        RoleChoice::None => Ok(BTreeSet::new()),
        RoleChoice::All { except } => Ok(asker.user().roles.difference(&ids(except)?).copied().collect()),
        RoleChoice::These(names) => ids(names),
    }
}

fn own_role(asker: &Asker, name: &str) -> Result<RoleId, MySqlError> {
    let role = asker.catalog().role_by_name(name);
    let role = role.ok_or_else(|| MySqlError::analyzing(format_args!("cannot find role {name}")))?;
    match asker.user().roles.contains(&role.id) {
        true => Ok(role.id),
        false => Err(MySqlError::analyzing(format_args!("Role {name} is not granted to {}", asker.user().name))),
    }
}

/// What goes through the log.
fn change(asker: &Asker, statement: &AccessStatement) -> Result<AccessChange, MySqlError> {
    let own = || asker.user().name.clone();
    let alter = |name: UserName, change: UserChange| AccessChange::AlterUser { name, change, if_exists: false };
    match statement {
        AccessStatement::CreateUser { if_not_exists, user, password, default_roles, properties } => {
            names::check_new("user", &user.name, LONGEST_NAME)?;
            names::check_new("host", &user.host, LONGEST_NAME)?;
            let draft = UserDraft {
                name: user.clone(),
                password: password.as_ref().map_or(Ok(None), hash)?,
                default_roles: default_roles.clone(),
                max_connections: connections(properties)?,
            };
            Ok(AccessChange::CreateUser { draft, if_not_exists: *if_not_exists })
        }
        AccessStatement::AlterUser { if_exists, user, change } => {
            let change = match change {
                UserAlteration::Password(password) => UserChange::Password(hash(password)?),
                UserAlteration::DefaultRole(choice) => UserChange::DefaultRoles(default_roles(asker, user, choice)?),
                UserAlteration::Properties(properties) => most_connections(properties)?,
            };
            Ok(AccessChange::AlterUser { name: user.clone(), change, if_exists: *if_exists })
        }
        AccessStatement::DropUser { if_exists, user } => {
            Ok(AccessChange::DropUser { name: user.clone(), if_exists: *if_exists })
        }
        AccessStatement::SetPassword { user, password } => {
            Ok(alter(user.clone().unwrap_or_else(own), UserChange::Password(hash(password)?)))
        }
        AccessStatement::SetProperty { user, properties } => {
            Ok(alter(user.clone().unwrap_or_else(own), most_connections(properties)?))
        }
        AccessStatement::SetDefaultRole { roles, user } => {
            Ok(alter(user.clone(), UserChange::DefaultRoles(default_roles(asker, user, roles)?)))
        }
        AccessStatement::CreateRole { if_not_exists, names: roles, comment } => {
            roles.iter().try_for_each(|name| names::check_new("role", name, LONGEST_NAME))?;
            let comment = comment.clone().unwrap_or_default();
            Ok(AccessChange::CreateRoles { names: roles.clone(), comment, if_not_exists: *if_not_exists })
        }
        AccessStatement::AlterRole { if_exists, names, comment } => {
            let (names, comment) = (names.clone(), comment.clone());
            Ok(AccessChange::AlterRoles { names, comment, if_exists: *if_exists })
        }
        AccessStatement::DropRole { if_exists, names } => {
            Ok(AccessChange::DropRoles { names: names.clone(), if_exists: *if_exists })
        }
        AccessStatement::GrantRole { roles, to } => {
            Ok(AccessChange::GrantRoles { roles: roles.clone(), to: grantee(to) })
        }
        AccessStatement::RevokeRole { roles, from } => {
            Ok(AccessChange::RevokeRoles { roles: roles.clone(), from: grantee(from) })
        }
        AccessStatement::Grant { privileges, on, to, grantable } => {
            let grants = granted(asker, privileges, on, *grantable)?;
            Ok(AccessChange::Grant { grants, to: grantee(to) })
        }
        AccessStatement::Revoke { privileges, on, from } => {
            let grants = granted(asker, privileges, on, false)?;
            Ok(AccessChange::Revoke { grants, from: grantee(from) })
        }
        AccessStatement::SetRole(_) | AccessStatement::ExecuteAs { .. } => {
            Err(errors::unsupported("a change of the session through the log"))
        }
    }
}

fn grantee(name: &GranteeName) -> Grantee {
    match name {
        GranteeName::User(name) => Grantee::User(name.clone()),
        GranteeName::Role(name) => Grantee::Role(name.clone()),
    }
}

/// What the catalog keeps of a password. No error quotes it.
fn hash(password: &NewPassword) -> Result<Option<PasswordHash>, MySqlError> {
    match password {
        NewPassword::Plain(plain) => Ok(native_password_hash(plain).map(PasswordHash)),
        NewPassword::Hash(text) if text.is_empty() => Ok(None),
        NewPassword::Hash(text) => match PasswordHash::parse(text) {
            Some(hash) => Ok(Some(hash)),
            None => Err(MySqlError::analyzing("Password hash should be a 41-digit hexadecimal number")),
        },
    }
}

fn connections(properties: &Properties) -> Result<Option<u64>, MySqlError> {
    if let Some(unknown) = properties.keys().find(|key| *key != CONNECTIONS) {
        return Err(MySqlError::analyzing(format_args!("Unknown user property({unknown})")));
    }
    let Some(text) = properties.get(CONNECTIONS) else { return Ok(None) };
    let number: Option<u64> = text.trim().parse().ok().filter(|most| *most > 0);
    let wrong = || MySqlError::analyzing(format_args!("{CONNECTIONS} must be a number greater than 0"));
    number.map(Some).ok_or_else(wrong)
}

fn most_connections(properties: &Properties) -> Result<UserChange, MySqlError> {
    let nothing = || MySqlError::analyzing(format_args!("{CONNECTIONS} is not given"));
    connections(properties)?.map(UserChange::MaxConnections).ok_or_else(nothing)
}

fn default_roles(asker: &Asker, user: &UserName, choice: &RoleChoice) -> Result<ChosenRoles, MySqlError> {
    match choice {
        RoleChoice::Default => Err(MySqlError::analyzing("a default role must be NONE, ALL or roles by their names")),
        RoleChoice::None => Ok(ChosenRoles::None),
        RoleChoice::These(names) => Ok(ChosenRoles::These(names.clone())),
        RoleChoice::All { except } if except.is_empty() => Ok(ChosenRoles::All),
        RoleChoice::All { except } => {
            let user = find_user(asker, user)?;
            let names = user.roles.iter().filter_map(|id| asker.catalog().role(*id)).map(|role| role.name.clone());
            Ok(ChosenRoles::These(names.filter(|name| !except.contains(name)).collect()))
        }
    }
}

/// Each privilege on each object, by ids. Fails when the user may not grant one of them.
fn granted(asker: &Asker, names: &[String], on: &GrantedOn, grantable: bool) -> Result<Vec<Grant>, MySqlError> {
    let mut grants = Vec::new();
    for object in objects(asker, on)? {
        let all: Vec<Privilege> = match names {
            [one] if one == "ALL" => {
                object.privileges().iter().copied().filter(|privilege| *privilege != Privilege::Node).collect()
            }
            _ => names.iter().map(|name| privilege(name, object)).collect::<Result<_, _>>()?,
        };
        let holds_root = matches!(object, GrantObject::AllUsers | GrantObject::User(UserId::ROOT));
        if holds_root && asker.user().id != UserId::ROOT {
            return Err(MySqlError::analyzing("Can not grant or revoke IMPERSONATE on root user, except root itself"));
        }
        for privilege in all {
            if !asker.may_grant(privilege, object) {
                return Err(asker.denied(Privilege::Grant.name(), GrantObject::System));
            }
            grants.push(Grant { object, privilege, grantable });
        }
    }
    Ok(grants)
}

fn privilege(name: &str, object: GrantObject) -> Result<Privilege, MySqlError> {
    let found = object.privileges().iter().find(|privilege| privilege.name() == name).copied();
    found.ok_or_else(|| {
        MySqlError::analyzing(format_args!("Cannot grant or revoke {name} on {} type object", object.kind()))
    })
}

fn objects(asker: &Asker, on: &GrantedOn) -> Result<Vec<GrantObject>, MySqlError> {
    let catalog = asker.catalog();
    let database = |name: &QualifiedName| {
        names::check_catalog(name.database.as_deref())?;
        let found = catalog.database_by_name(&name.name).map(|found| found.id);
        found.ok_or_else(|| MySqlError::unknown_database(&name.name))
    };
    match on {
        GrantedOn::System => Ok(vec![GrantObject::System]),
        GrantedOn::Catalogs(names) => {
            names.iter().map(|name| names::check_catalog(Some(name)).map(|()| GrantObject::Catalog)).collect()
        }
        GrantedOn::AllCatalogs => Ok(vec![GrantObject::AllCatalogs]),
        GrantedOn::Databases(names) => names.iter().map(|name| database(name).map(GrantObject::Database)).collect(),
        GrantedOn::AllDatabases => Ok(vec![GrantObject::AllDatabases]),
        GrantedOn::Relations(kind, names) => {
            let one = |name| {
                let object = names::named(catalog, name, asker.database())?.1.object();
                match object.kind() == kind.name() {
                    true => Ok(object),
                    false => Err(MySqlError::analyzing(format_args!("{} is not a {}", name.name, kind.name()))),
                }
            };
            names.iter().map(one).collect()
        }
        GrantedOn::RelationsOf(kind, name) => Ok(vec![GrantObject::RelationsOf(*kind, database(name)?)]),
        GrantedOn::AllRelations(kind) => Ok(vec![GrantObject::AllRelations(*kind)]),
        GrantedOn::Volumes(names) => {
            let one = |name: &String| match catalog.volume_by_name(name) {
                Some(volume) => Ok(GrantObject::Volume(volume.id)),
                None => Err(MySqlError::analyzing(format_args!("cannot find storage volume: {name}"))),
            };
            names.iter().map(one).collect()
        }
        GrantedOn::AllVolumes => Ok(vec![GrantObject::AllVolumes]),
        GrantedOn::Users(names) => {
            names.iter().map(|name| find_user(asker, name).map(|user| GrantObject::User(user.id))).collect()
        }
        GrantedOn::AllUsers => Ok(vec![GrantObject::AllUsers]),
        GrantedOn::Unsupported(what) => Err(errors::unsupported(format_args!("GRANT and REVOKE on {what}"))),
    }
}
