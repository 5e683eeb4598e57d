//! Users, roles and privileges.

use storage_model::{RelationKind, UserName};

use super::*;
use crate::QualifiedName;
use crate::statement::access::{AccessStatement, GrantedOn, GranteeName, NewPassword, RoleChoice, UserAlteration};
use crate::statement::{Properties, Shown};

fn access(sql: &str) -> AccessStatement {
    match one(sql) {
        Statement::Access(statement) => *statement,
        other => panic!("{sql}: {other:?}"),
    }
}

fn named(name: &str, host: &str) -> UserName {
    UserName { name: name.to_owned(), host: host.to_owned() }
}

fn user(name: &str) -> GranteeName {
    GranteeName::User(named(name, "%"))
}

fn words(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn users_are_named_in_many_ways() {
    for (sql, name, host) in [
        ("u", "u", "%"),
        ("'u'", "u", "%"),
        ("\"u\"@\"h\"", "u", "h"),
        ("'u'@'10.0.%'", "u", "10.0.%"),
        ("`u`@`h`", "u", "h"),
        ("u@h", "u", "h"),
        ("'u' @ 'h'", "u", "h"),
        ("'it\\'s'@'a''b'", "it's", "a'b"),
        ("'u; DROP USER v'@'%'", "u; DROP USER v", "%"),
        ("''@'%'", "", "%"),
    ] {
        let dropped = AccessStatement::DropUser { if_exists: false, user: named(name, host) };
        assert_eq!(access(&format!("DROP USER {sql}")), dropped, "{sql}");
    }
    for sql in ["DROP USER", "DROP USER 'u'@", "DROP USER 'u'@['h']", "DROP USER u@@h", "DROP USER 'u' 'h'"] {
        assert!(crate::parse(sql).is_err(), "{sql}");
    }
}

#[test]
fn users_come_change_and_go() {
    let create = |password, default_roles: &[&str]| AccessStatement::CreateUser {
        if_not_exists: false,
        user: named("u", "%"),
        password,
        default_roles: words(default_roles),
        properties: Properties::default(),
    };
    let plain = || Some(NewPassword::Plain("p;q".to_owned()));
    let hash = || Some(NewPassword::Hash("*94BD".to_owned()));
    assert_eq!(access("CREATE USER u"), create(None, &[]));
    assert_eq!(access("CREATE USER 'u'@'%' IDENTIFIED BY 'p;q'"), create(plain(), &[]));
    assert_eq!(access("CREATE USER u IDENTIFIED WITH mysql_native_password BY 'p;q'"), create(plain(), &[]));
    assert_eq!(access("CREATE USER u IDENTIFIED WITH 'mysql_native_password' AS '*94BD'"), create(hash(), &[]));
    let with_roles = access("CREATE USER u IDENTIFIED BY PASSWORD '*94BD' DEFAULT ROLE 'r', db_admin");
    assert_eq!(with_roles, create(hash(), &["r", "db_admin"]));
    let AccessStatement::CreateUser { if_not_exists: true, properties, .. } =
        access("CREATE USER IF NOT EXISTS u PROPERTIES ('max_user_connections' = '5')")
    else {
        panic!()
    };
    assert_eq!(properties["max_user_connections"], "5");
    assert!(crate::parse("CREATE USER u IDENTIFIED WITH authentication_ldap_simple").is_err());
    let alter = |change| AccessStatement::AlterUser { if_exists: false, user: named("u", "%"), change };
    assert_eq!(access("ALTER USER u IDENTIFIED BY 'p;q'"), alter(UserAlteration::Password(plain().unwrap())));
    let none = alter(UserAlteration::DefaultRole(RoleChoice::None));
    assert_eq!(access("ALTER USER u DEFAULT ROLE NONE"), none);
    for sql in ["SET PROPERTIES ('a' = 'b')", "SET ('a' = 'b')"] {
        let AccessStatement::AlterUser { change: UserAlteration::Properties(properties), .. } =
            access(&format!("ALTER USER u {sql}"))
        else {
            panic!()
        };
        assert_eq!(properties["a"], "b");
    }
    let set = |user, password| AccessStatement::SetPassword { user, password };
    assert_eq!(access("SET PASSWORD = PASSWORD('p;q')"), set(None, plain().unwrap()));
    assert_eq!(access("SET PASSWORD FOR u@h = '*94BD'"), set(Some(named("u", "h")), hash().unwrap()));
    assert!(!format!("{:?}", access("SET PASSWORD = PASSWORD('p;q')")).contains("p;q"));
}

#[test]
fn roles_come_and_go_and_are_chosen() {
    let create = AccessStatement::CreateRole {
        if_not_exists: true,
        names: words(&["a", "b c"]),
        comment: Some("why".to_owned()),
    };
    assert_eq!(access("CREATE ROLE IF NOT EXISTS a, `b c` COMMENT 'why'"), create);
    let alter = AccessStatement::AlterRole { if_exists: false, names: words(&["a"]), comment: "what".to_owned() };
    assert_eq!(access("ALTER ROLE a SET COMMENT = 'what'"), alter);
    assert_eq!(access("DROP ROLE IF EXISTS a"), AccessStatement::DropRole { if_exists: true, names: words(&["a"]) });
    let these = |names: &[&str]| RoleChoice::These(words(names));
    for (sql, choice) in [
        ("DEFAULT", RoleChoice::Default),
        ("NONE", RoleChoice::None),
        ("ALL", RoleChoice::All { except: vec![] }),
        ("ALL EXCEPT a, b", RoleChoice::All { except: words(&["a", "b"]) }),
        ("a, 'b'", these(&["a", "b"])),
    ] {
        assert_eq!(access(&format!("SET ROLE {sql}")), AccessStatement::SetRole(choice.clone()), "{sql}");
        let user = named("u", "h");
        let set = AccessStatement::SetDefaultRole { roles: choice, user };
        assert_eq!(access(&format!("SET DEFAULT ROLE {sql} TO u@h")), set, "{sql}");
    }
    assert!(matches!(one("SET role = 1"), Statement::Set(_)));
    let execute = |no_revert| AccessStatement::ExecuteAs { user: named("u", "%"), no_revert };
    assert_eq!(access("EXECUTE AS \"u\" WITH NO REVERT;"), execute(true));
    assert_eq!(access("EXECUTE AS u"), execute(false));
    assert!(matches!(one("EXECUTE a USING @b"), Statement::Execute { .. }));
}

#[test]
fn roles_are_granted_and_revoked() {
    let role = || GranteeName::Role("r".to_owned());
    let grant = |roles: &[&str], to| AccessStatement::GrantRole { roles: words(roles), to };
    assert_eq!(access("GRANT a TO u"), grant(&["a"], user("u")));
    assert_eq!(access("GRANT 'a', b TO USER u"), grant(&["a", "b"], user("u")));
    assert_eq!(access("GRANT a, b, c TO ROLE r"), grant(&["a", "b", "c"], role()));
    assert_eq!(access("GRANT a TO user@h"), grant(&["a"], GranteeName::User(named("user", "h"))));
    assert_eq!(access("GRANT a TO role"), grant(&["a"], user("role")));
    let revoke = AccessStatement::RevokeRole { roles: words(&["a", "b"]), from: role() };
    assert_eq!(access("REVOKE a, b FROM ROLE 'r'"), revoke);
}

#[test]
fn privileges_are_granted_on_what_there_is() {
    use RelationKind::{MaterializedView, Table, View};
    let name = |parts: &[&str]| QualifiedName::from_parts(words(parts)).unwrap();
    for (sql, privileges, on) in [
        ("ALL ON SYSTEM", &["ALL"][..], GrantedOn::System),
        ("CREATE STORAGE VOLUME, OPERATE ON SYSTEM", &["CREATE STORAGE VOLUME", "OPERATE"], GrantedOn::System),
        (
            "CREATE DATABASE ON CATALOG default_catalog",
            &["CREATE DATABASE"],
            GrantedOn::Catalogs(words(&["default_catalog"])),
        ),
        ("USAGE ON ALL CATALOGS", &["USAGE"], GrantedOn::AllCatalogs),
        (
            "CREATE TABLE ON DATABASE d, c.e",
            &["CREATE TABLE"],
            GrantedOn::Databases(vec![name(&["d"]), name(&["c", "e"])]),
        ),
        ("ALL PRIVILEGES ON ALL DATABASES", &["ALL"], GrantedOn::AllDatabases),
        (
            "select, Insert ON TABLE t, d.u",
            &["SELECT", "INSERT"],
            GrantedOn::Relations(Table, vec![name(&["t"]), name(&["d", "u"])]),
        ),
        ("SELECT ON t", &["SELECT"], GrantedOn::Relations(Table, vec![name(&["t"])])),
        ("SELECT ON d.t", &["SELECT"], GrantedOn::Relations(Table, vec![name(&["d", "t"])])),
        ("SELECT ON d.*", &["SELECT"], GrantedOn::RelationsOf(Table, name(&["d"]))),
        ("SELECT ON *.*", &["SELECT"], GrantedOn::AllRelations(Table)),
        ("SELECT ON view.t", &["SELECT"], GrantedOn::Relations(Table, vec![name(&["view", "t"])])),
        ("SELECT ON ALL TABLES IN DATABASE d", &["SELECT"], GrantedOn::RelationsOf(Table, name(&["d"]))),
        ("SELECT ON ALL TABLES IN ALL DATABASES", &["SELECT"], GrantedOn::AllRelations(Table)),
        ("SELECT ON VIEW d.v", &["SELECT"], GrantedOn::Relations(View, vec![name(&["d", "v"])])),
        (
            "REFRESH ON ALL MATERIALIZED VIEWS IN DATABASE d",
            &["REFRESH"],
            GrantedOn::RelationsOf(MaterializedView, name(&["d"])),
        ),
        ("USAGE ON STORAGE VOLUME v", &["USAGE"], GrantedOn::Volumes(words(&["v"]))),
        ("USAGE ON ALL STORAGE VOLUMES", &["USAGE"], GrantedOn::AllVolumes),
        (
            "IMPERSONATE ON USER 'a'@'h', root",
            &["IMPERSONATE"],
            GrantedOn::Users(vec![named("a", "h"), named("root", "%")]),
        ),
        ("IMPERSONATE ON ALL USERS", &["IMPERSONATE"], GrantedOn::AllUsers),
        ("USAGE ON RESOURCE 'r'", &["USAGE"], GrantedOn::Unsupported("RESOURCE")),
        ("USAGE ON ALL WAREHOUSES", &["USAGE"], GrantedOn::Unsupported("WAREHOUSES")),
        ("USAGE ON FUNCTION d.f(INT, STRING)", &["USAGE"], GrantedOn::Unsupported("FUNCTION")),
    ] {
        let privileges = words(privileges);
        let grant =
            AccessStatement::Grant { privileges: privileges.clone(), on: on.clone(), to: user("u"), grantable: false };
        assert_eq!(access(&format!("GRANT {sql} TO u")), grant, "{sql}");
        let from = GranteeName::Role("r".to_owned());
        let revoke = AccessStatement::Revoke { privileges, on, from };
        assert_eq!(access(&format!("REVOKE {sql} FROM ROLE r")), revoke, "{sql}");
    }
    let AccessStatement::Grant { grantable: true, to, .. } = access("GRANT SELECT ON t TO USER u@h WITH GRANT OPTION")
    else {
        panic!()
    };
    assert_eq!(to, GranteeName::User(named("u", "h")));
    for sql in
        ["GRANT", "GRANT ON t TO u", "GRANT SELECT ON t", "GRANT SELECT ON ALL t TO u", "REVOKE a TO u", "GRANT a"]
    {
        assert!(crate::parse(sql).is_err(), "{sql}");
    }
}

#[test]
fn they_are_shown() {
    for (sql, what) in [
        ("SHOW GRANTS FOR 'a'@'h'", Shown::Grants { of: Some(GranteeName::User(named("a", "h"))) }),
        ("SHOW GRANTS FOR USER a", Shown::Grants { of: Some(user("a")) }),
        ("SHOW GRANTS FOR ROLE r", Shown::Grants { of: Some(GranteeName::Role("r".to_owned())) }),
        ("SHOW GRANTS FOR CURRENT_USER()", Shown::Grants { of: None }),
        ("SHOW GRANTS FOR CURRENT_USER", Shown::Grants { of: None }),
        ("SHOW USERS", Shown::Users),
        ("SHOW ROLES", Shown::Roles),
        ("SHOW AUTHENTICATION", Shown::Authentication { all: false, user: None }),
        ("SHOW ALL AUTHENTICATION", Shown::Authentication { all: true, user: None }),
        ("SHOW AUTHENTICATION FOR a", Shown::Authentication { all: false, user: Some(named("a", "%")) }),
        ("SHOW PROPERTY FOR 'a'", Shown::Property { user: Some(named("a", "%")) }),
    ] {
        let Statement::Show(show) = one(sql) else { panic!("{sql}") };
        assert_eq!(show.what, what, "{sql}");
    }
}
