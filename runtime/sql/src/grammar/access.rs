//! Users, roles and privileges.

use storage_model::access::ANY_HOST;
use storage_model::{RelationKind, UserName};

use crate::cursor::{Cursor, Parse, error_at};
use crate::grammar::common;
use crate::lexer::{Kind, Lexer};
use crate::names::QualifiedName;
use crate::statement::access::{AccessStatement, GrantedOn, GranteeName, NewPassword, RoleChoice, UserAlteration};
use crate::statement::{Properties, Statement};

/// Kinds of objects in the plural, as behind ALL.
const PLURALS: [(&[&str], Of); 9] = [
    (&["TABLES"], Of::Relations(RelationKind::Table)),
    (&["VIEWS"], Of::Relations(RelationKind::View)),
    (&["MATERIALIZED", "VIEWS"], Of::Relations(RelationKind::MaterializedView)),
    (&["CATALOGS"], Of::Catalogs),
    (&["DATABASES"], Of::Databases),
    (&["STORAGE", "VOLUMES"], Of::Volumes),
    (&["USERS"], Of::Users),
    (&["RESOURCE", "GROUPS"], Of::Unsupported("RESOURCE GROUP")),
    (&["GLOBAL", "FUNCTIONS"], Of::Unsupported("GLOBAL FUNCTION")),
];

/// Kinds of objects that have names.
const SINGULARS: [(&[&str], Of); 13] = [
    (&["TABLE"], Of::Relations(RelationKind::Table)),
    (&["VIEW"], Of::Relations(RelationKind::View)),
    (&["MATERIALIZED", "VIEW"], Of::Relations(RelationKind::MaterializedView)),
    (&["CATALOG"], Of::Catalogs),
    (&["DATABASE"], Of::Databases),
    (&["STORAGE", "VOLUME"], Of::Volumes),
    (&["USER"], Of::Users),
    (&["RESOURCE", "GROUP"], Of::Unsupported("RESOURCE GROUP")),
    (&["GLOBAL", "FUNCTION"], Of::Unsupported("GLOBAL FUNCTION")),
    (&["FUNCTION"], Of::Unsupported("FUNCTION")),
    (&["RESOURCE"], Of::Unsupported("RESOURCE")),
    (&["WAREHOUSE"], Of::Unsupported("WAREHOUSE")),
    (&["PIPE"], Of::Unsupported("PIPE")),
];

/// A kind of object.
#[derive(Clone, Copy)]
enum Of {
    Relations(RelationKind),
    Catalogs,
    Databases,
    Volumes,
    Users,
    Unsupported(&'static str),
}

fn access(statement: AccessStatement) -> Parse<Statement> {
    Ok(Statement::Access(Box::new(statement)))
}

/// `name`, `'name'@'host'`.
pub(super) fn user(cursor: &mut Cursor<'_>) -> Parse<UserName> {
    let name = cursor.identifier_or_text()?;
    let token = cursor.current();
    let host = match token.kind {
        Kind::Variable if !token.source.starts_with("@@") => {
            cursor.advance();
            Lexer::new(&token.source[1..]).next_token().value().into_owned()
        }
        _ if cursor.take_symbol("@") => {
            if cursor.at_symbol("[") {
                return Err(error_at(token, "a host name in brackets is not supported yet".to_owned()));
            }
            cursor.identifier_or_text()?
        }
        _ => ANY_HOST.to_owned(),
    };
    Ok(UserName { name, host })
}

fn role_names(cursor: &mut Cursor<'_>) -> Parse<Vec<String>> {
    cursor.list(Cursor::identifier_or_text)
}

/// Behind `CREATE USER`.
pub(super) fn create_user(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let if_not_exists = cursor.if_not_exists();
    let user = user(cursor)?;
    let password = if cursor.at("IDENTIFIED") { Some(identified(cursor)?) } else { None };
    let default_roles = if cursor.take_all(&["DEFAULT", "ROLE"]) { role_names(cursor)? } else { Vec::new() };
    let properties = common::properties(cursor)?;
    access(AccessStatement::CreateUser { if_not_exists, user, password, default_roles, properties })
}

/// `IDENTIFIED BY 'x'`, `BY PASSWORD '*hash'`, `WITH plugin BY 'x'`, `WITH plugin AS '*hash'`.
fn identified(cursor: &mut Cursor<'_>) -> Parse<NewPassword> {
    cursor.expect("IDENTIFIED")?;
    if cursor.take("WITH") {
        let token = cursor.current();
        let plugin = cursor.identifier_or_text()?;
        if !plugin.eq_ignore_ascii_case("mysql_native_password") {
            return Err(error_at(token, format!("the authentication plugin {plugin} is not supported")));
        }
        if cursor.take("AS") {
            return Ok(NewPassword::Hash(cursor.string()?));
        }
        return match cursor.take("BY") {
            true => Ok(NewPassword::Plain(cursor.string()?)),
            false => Ok(NewPassword::Plain(String::new())),
        };
    }
    cursor.expect("BY")?;
    if cursor.take("PASSWORD") {
        cursor.string().map(NewPassword::Hash)
    } else {
        cursor.string().map(NewPassword::Plain)
    }
}

/// Behind `ALTER USER`.
pub(super) fn alter_user(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let if_exists = cursor.if_exists();
    let user = user(cursor)?;
    let change = if cursor.at("IDENTIFIED") {
        UserAlteration::Password(identified(cursor)?)
    } else if cursor.take_all(&["DEFAULT", "ROLE"]) {
        UserAlteration::DefaultRole(role_choice(cursor)?)
    } else {
        cursor.expect("SET")?;
        cursor.take("PROPERTIES");
        UserAlteration::Properties(common::property_list(cursor)?)
    };
    access(AccessStatement::AlterUser { if_exists, user, change })
}

/// Behind `DROP USER`.
pub(super) fn drop_user(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let if_exists = cursor.if_exists();
    access(AccessStatement::DropUser { if_exists, user: user(cursor)? })
}

/// Behind `CREATE ROLE`.
pub(super) fn create_role(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let if_not_exists = cursor.if_not_exists();
    let names = role_names(cursor)?;
    access(AccessStatement::CreateRole { if_not_exists, names, comment: common::comment(cursor)? })
}

/// Behind `ALTER ROLE`.
pub(super) fn alter_role(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let if_exists = cursor.if_exists();
    let names = role_names(cursor)?;
    cursor.expect_all(&["SET", "COMMENT"])?;
    cursor.take_symbol("=");
    access(AccessStatement::AlterRole { if_exists, names, comment: cursor.string()? })
}

/// Behind `DROP ROLE`.
pub(super) fn drop_role(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let if_exists = cursor.if_exists();
    access(AccessStatement::DropRole { if_exists, names: role_names(cursor)? })
}

/// Behind `SET PASSWORD`.
pub(super) fn set_password(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let user = if cursor.take("FOR") { Some(user(cursor)?) } else { None };
    cursor.expect_symbol("=")?;
    let password = if cursor.take("PASSWORD") {
        cursor.expect_symbol("(")?;
        let plain = cursor.string()?;
        cursor.expect_symbol(")")?;
        NewPassword::Plain(plain)
    } else {
        NewPassword::Hash(cursor.string()?)
    };
    access(AccessStatement::SetPassword { user, password })
}

/// Behind `SET PROPERTY`.
pub(super) fn set_property(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let user = if cursor.take("FOR") { Some(user(cursor)?) } else { None };
    let pairs = cursor.list(|c| {
        let key = c.string()?;
        c.expect_symbol("=")?;
        Ok((key, c.string()?))
    })?;
    access(AccessStatement::SetProperty { user, properties: Properties(pairs.into_iter().collect()) })
}

/// Behind `SET ROLE`.
pub(super) fn set_role(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    access(AccessStatement::SetRole(role_choice(cursor)?))
}

/// Behind `SET DEFAULT ROLE`.
pub(super) fn set_default_role(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let roles = role_choice(cursor)?;
    cursor.expect("TO")?;
    access(AccessStatement::SetDefaultRole { roles, user: user(cursor)? })
}

fn role_choice(cursor: &mut Cursor<'_>) -> Parse<RoleChoice> {
    if cursor.take("DEFAULT") {
        return Ok(RoleChoice::Default);
    }
    if cursor.take("NONE") {
        return Ok(RoleChoice::None);
    }
    if cursor.take("ALL") {
        let except = if cursor.take("EXCEPT") { role_names(cursor)? } else { Vec::new() };
        return Ok(RoleChoice::All { except });
    }
    role_names(cursor).map(RoleChoice::These)
}

/// Behind `EXECUTE AS`.
pub(super) fn execute_as(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let user = user(cursor)?;
    let no_revert = cursor.take_all(&["WITH", "NO", "REVERT"]);
    access(AccessStatement::ExecuteAs { user, no_revert })
}

/// GRANT.
pub(super) fn grant(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("GRANT")?;
    if is_of_roles(cursor) {
        let roles = role_names(cursor)?;
        cursor.expect("TO")?;
        return access(AccessStatement::GrantRole { roles, to: grantee(cursor)? });
    }
    let privileges = privileges(cursor)?;
    let on = granted_on(cursor)?;
    cursor.expect("TO")?;
    let to = grantee(cursor)?;
    let grantable = cursor.take_all(&["WITH", "GRANT", "OPTION"]);
    access(AccessStatement::Grant { privileges, on, to, grantable })
}

/// REVOKE.
pub(super) fn revoke(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("REVOKE")?;
    if is_of_roles(cursor) {
        let roles = role_names(cursor)?;
        cursor.expect("FROM")?;
        return access(AccessStatement::RevokeRole { roles, from: grantee(cursor)? });
    }
    let privileges = privileges(cursor)?;
    let on = granted_on(cursor)?;
    cursor.expect("FROM")?;
    access(AccessStatement::Revoke { privileges, on, from: grantee(cursor)? })
}

/// Whether names of roles come next: no `ON` stands behind the first of the list.
fn is_of_roles(cursor: &Cursor<'_>) -> bool {
    let first = cursor.current();
    let is_name = matches!(first.kind, Kind::Text | Kind::Quoted | Kind::Word);
    let second = cursor.ahead(1);
    if !is_name || second.is_word("ON") {
        return false;
    }
    if second.is_symbol(",") {
        // A list of one word each: what stands behind it decides.
        let mut at = 2;
        while cursor.ahead(at + 1).is_symbol(",") {
            at += 2;
        }
        let behind = cursor.ahead(at + 1);
        return behind.is_word("TO") || behind.is_word("FROM");
    }
    second.is_word("TO") || second.is_word("FROM")
}

/// `SELECT, CREATE TABLE, ALL PRIVILEGES ON`.
fn privileges(cursor: &mut Cursor<'_>) -> Parse<Vec<String>> {
    let privileges = cursor.list(|c| {
        let mut words = Vec::new();
        while c.current().kind == Kind::Word && !c.at("ON") {
            words.push(c.advance().source.to_ascii_uppercase());
        }
        if words.is_empty() {
            return Err(c.unexpected("a privilege"));
        }
        if words == ["ALL", "PRIVILEGES"] {
            words.pop();
        }
        Ok(words.join(" "))
    })?;
    cursor.expect("ON")?;
    Ok(privileges)
}

fn granted_on(cursor: &mut Cursor<'_>) -> Parse<GrantedOn> {
    if cursor.take("SYSTEM") {
        return Ok(GrantedOn::System);
    }
    if cursor.take("ALL") {
        return all_of(cursor);
    }
    // Without a kind it is tables.
    let is_kind = |words: &[&str]| cursor.at_all(words) && !ends_name(&cursor.ahead(words.len()));
    let kind = SINGULARS.iter().find(|(words, _)| is_kind(words)).copied();
    if let Some((words, _)) = kind {
        cursor.take_all(words);
    }
    match kind.map_or(Of::Relations(RelationKind::Table), |(_, of)| of) {
        Of::Relations(kind) => relations(cursor, kind),
        Of::Catalogs => cursor.list(Cursor::identifier_or_text).map(GrantedOn::Catalogs),
        Of::Databases => cursor.list(Cursor::qualified_name).map(GrantedOn::Databases),
        Of::Volumes => cursor.list(Cursor::identifier_or_text).map(GrantedOn::Volumes),
        Of::Users => cursor.list(user).map(GrantedOn::Users),
        Of::Unsupported(what) => skip_to_grantee(cursor, what),
    }
}

/// Whether a word before this token is a name and not the kind of what follows.
fn ends_name(token: &crate::lexer::Token<'_>) -> bool {
    token.is_symbol(".")
        || token.is_symbol(",")
        || token.is_word("TO")
        || token.is_word("FROM")
        || token.kind == Kind::End
}

fn all_of(cursor: &mut Cursor<'_>) -> Parse<GrantedOn> {
    let found = PLURALS.iter().find(|(words, _)| cursor.take_all(words)).copied();
    match found {
        Some((_, Of::Relations(kind))) => {
            if !cursor.take("IN") {
                return Ok(GrantedOn::AllRelations(kind));
            }
            if cursor.take_all(&["ALL", "DATABASES"]) {
                return Ok(GrantedOn::AllRelations(kind));
            }
            cursor.expect("DATABASE")?;
            Ok(GrantedOn::RelationsOf(kind, cursor.qualified_name()?))
        }
        Some((_, Of::Catalogs)) => Ok(GrantedOn::AllCatalogs),
        Some((_, Of::Databases)) => Ok(GrantedOn::AllDatabases),
        Some((_, Of::Volumes)) => Ok(GrantedOn::AllVolumes),
        Some((_, Of::Users)) => Ok(GrantedOn::AllUsers),
        Some((_, Of::Unsupported(what))) => skip_to_grantee(cursor, what),
        None => match ["FUNCTIONS", "RESOURCES", "WAREHOUSES", "PIPES"].iter().find(|word| cursor.at(word)) {
            Some(what) => skip_to_grantee(cursor, what),
            None => Err(cursor.unexpected("'TABLES', 'VIEWS', 'DATABASES', 'CATALOGS', 'USERS', 'STORAGE VOLUMES'")),
        },
    }
}

fn skip_to_grantee(cursor: &mut Cursor<'_>, what: &'static str) -> Parse<GrantedOn> {
    while !cursor.at_end() && !cursor.at("TO") && !cursor.at("FROM") {
        if let Kind::Invalid(_) = cursor.current().kind {
            return Err(cursor.unexpected("'TO', 'FROM'"));
        }
        cursor.advance();
    }
    Ok(GrantedOn::Unsupported(what))
}

/// `db.t, ...`, `db.*`, `*.*`.
fn relations(cursor: &mut Cursor<'_>, kind: RelationKind) -> Parse<GrantedOn> {
    if cursor.take_symbol("*") {
        cursor.expect_symbol(".")?;
        cursor.expect_symbol("*")?;
        return Ok(GrantedOn::AllRelations(kind));
    }
    if cursor.ahead(1).is_symbol(".") && cursor.ahead(2).is_symbol("*") {
        let database = QualifiedName::bare(cursor.identifier()?);
        cursor.expect_symbol(".")?;
        cursor.expect_symbol("*")?;
        return Ok(GrantedOn::RelationsOf(kind, database));
    }
    Ok(GrantedOn::Relations(kind, cursor.list(Cursor::qualified_name)?))
}

/// `[USER] user`, `ROLE role`.
pub(super) fn grantee(cursor: &mut Cursor<'_>) -> Parse<GranteeName> {
    let next = cursor.ahead(1);
    let is_keyword = matches!(next.kind, Kind::Text | Kind::Quoted) || next.kind == Kind::Word && !next.is_word("WITH");
    if cursor.at("ROLE") && is_keyword {
        cursor.expect("ROLE")?;
        return cursor.identifier_or_text().map(GranteeName::Role);
    }
    if cursor.at("USER") && is_keyword {
        cursor.expect("USER")?;
    }
    user(cursor).map(GranteeName::User)
}
