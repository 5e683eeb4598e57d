//! Users, roles and privileges as clients meet them.

use mysql_async::prelude::Queryable;

use super::kit::{Kit, quickstart};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_log_in_with_their_passwords() {
    let kit = Kit::start().await;
    let mut root = kit.client().await;
    root.ok("CREATE USER u IDENTIFIED BY 'first'").await;
    root.ok("CREATE USER 'far'@'10.9.%' IDENTIFIED BY 'x'").await;
    let denied =
        |user: &str, used| (1045, format!("Access denied for user '{user}'@'127.0.0.1' (using password: {used})"));
    for (user, password, used) in [
        ("u", "", "NO"),
        ("u", "second", "YES"),
        ("U", "first", "YES"),
        ("no", "", "NO"),
        ("far", "x", "YES"),
        ("", "", "NO"),
    ] {
        assert_eq!(kit.client_as(user, password).await.err(), Some(denied(user, used)), "{user}");
    }
    let mut user = kit.client_as("u", "first").await.unwrap();
    let who = "SELECT user(), current_user(), current_role()";
    assert_eq!(user.rows(who).await, ["'u'@'127.0.0.1'|'u'@'%'|NONE"]);
    assert_eq!(root.rows(who).await, ["'root'@'127.0.0.1'|'root'@'%'|root"]);
    user.ok("SET PASSWORD = PASSWORD('second')").await;
    assert!(kit.client_as("u", "first").await.is_err());
    kit.client_as("u", "second").await.unwrap();
    // As another server prints it.
    root.ok("ALTER USER u IDENTIFIED WITH mysql_native_password AS '*94BDCEBE19083CE2A1F959FD02F964C7AF4CFC29'").await;
    kit.client_as("u", "test").await.unwrap();
    let (code, text) = root.fails("SET PASSWORD FOR u = 'test'").await;
    assert!(code == 1064 && !text.contains("'test'"), "{text}");
    root.ok("SET PASSWORD FOR root = PASSWORD('hush')").await;
    assert!(kit.client_as("root", "").await.is_err());
    kit.client_as("root", "hush").await.unwrap();
    // Nothing of it is kept where others look.
    let audit = kit.audit.lock().unwrap().concat();
    assert!(audit.contains("|Stmt=CREATE USER u IDENTIFIED BY '******'\n"), "{audit}");
    assert!(!["first", "second", "hush", "94BD"].iter().any(|secret| audit.contains(secret)), "{audit}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_guesses_is_slowed_down_and_nobody_else() {
    let kit = Kit::start().await;
    let mut root = kit.client().await;
    root.ok("CREATE USER u IDENTIFIED BY 'right'").await;
    for _ in 0..6 {
        assert_eq!(kit.client_as("u", "wrong").await.err().unwrap().0, 1045);
    }
    // Many at once: those whose turn is too late are not looked at.
    let guesses = (0..60).map(|_| kit.client_as("u", "wrong"));
    let answers = futures::future::join_all(guesses).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_err_and(|(code, _)| *code == 1045)));
    kit.client_as("root", "").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_has_so_many_connections() {
    let kit = Kit::start().await;
    let mut root = kit.client().await;
    root.ok("CREATE USER u PROPERTIES ('max_user_connections' = '2')").await;
    let _held = (kit.client_as("u", "").await.unwrap(), kit.client_as("u", "").await.unwrap());
    assert_eq!(kit.client_as("u", "").await.err().unwrap().0, 1203);
    root.ok("SET PROPERTY FOR u 'max_user_connections' = '3'").await;
    kit.client_as("u", "").await.unwrap();
    assert_eq!(root.rows("SHOW PROPERTY FOR u").await, ["max_user_connections|3"]);
    assert_eq!(root.fails("SET PROPERTY FOR u 'nonsense' = '3'").await.0, 1064);
    assert_eq!(root.fails("SET PROPERTY FOR u 'max_user_connections' = '0'").await.0, 1064);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_is_seen_by_the_next_statement() {
    let kit = Kit::start().await;
    let mut root = kit.client().await;
    quickstart(&mut root).await;
    root.ok("CREATE USER u").await;
    let mut user = kit.client_as("u", "").await.unwrap();
    assert_eq!(user.fails("DESC quickstart.t").await.0, 5203);
    root.ok("GRANT SELECT ON quickstart.* TO u").await;
    user.ok("DESC quickstart.t").await;
    root.ok("ALTER TABLE quickstart.t RENAME moved").await;
    user.ok("DESC quickstart.moved").await;
    root.ok("REVOKE SELECT ON quickstart.* FROM u").await;
    assert_eq!(user.fails("DESC quickstart.moved").await.0, 5203);
    root.ok("DROP USER u").await;
    root.ok("CREATE USER u").await;
    for sql in ["SELECT 1", "SHOW DATABASES", "SELECT * FROM information_schema.tables", "SET query_timeout = 3"] {
        assert_eq!(user.fails(sql).await.0, 1045, "{sql}");
    }
    assert!(user.0.prep("SELECT 1").await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_are_active_or_not() {
    let kit = Kit::start().await;
    let mut root = kit.client().await;
    quickstart(&mut root).await;
    root.ok("CREATE ROLE a, b COMMENT 'two'").await;
    root.ok("CREATE USER u DEFAULT ROLE a").await;
    root.ok("GRANT b TO u").await;
    root.ok("GRANT SELECT ON TABLE t TO ROLE b").await;
    let mut user = kit.client_as("u", "").await.unwrap();
    assert_eq!(user.rows("SELECT current_role()").await, ["a"]);
    let (code, text) = user.fails("SELECT * FROM quickstart.t").await;
    let expected = "Access denied; you need (at least one of) the SELECT privilege(s) on TABLE t for this operation. Please ask \
        the admin to grant permission(s) or try activating existing roles using <set [default] role>. Current role(s): [a]. \
        Inactivated role(s): [b].";
    assert_eq!((code, text.as_str()), (5203, expected));
    user.ok("SET ROLE b").await;
    user.ok("DESC quickstart.t").await;
    for (choice, active) in
        [("ALL", "a, b"), ("ALL EXCEPT a", "b"), ("NONE", "NONE"), ("DEFAULT", "a"), ("'a', b", "a, b")]
    {
        user.ok(&format!("SET ROLE {choice}")).await;
        assert_eq!(user.rows("SELECT current_role()").await, [active]);
    }
    for (choice, says) in [("root", "is not granted"), ("no", "cannot find role")] {
        let (code, text) = user.fails(&format!("SET ROLE {choice}")).await;
        assert!(code == 1064 && text.contains(says), "{text}");
    }
    user.ok("SET DEFAULT ROLE ALL TO u").await;
    let mut user = kit.client_as("u", "").await.unwrap();
    assert_eq!(user.rows("SELECT current_role()").await, ["a, b"]);
    assert_eq!(
        user.rows("SHOW GRANTS FOR ROLE b").await,
        ["b|default_catalog|GRANT SELECT ON TABLE quickstart.t TO ROLE 'b'"]
    );
    assert_eq!(root.rows("SHOW ROLES WHERE Name = 'b'").await, ["b|false|two"]);
    assert_eq!(
        root.rows("SELECT FROM_ROLE, TO_USER FROM sys.role_edges WHERE TO_USER LIKE '%u%' ORDER BY 1").await,
        ["a|'u'@'%'", "b|'u'@'%'"]
    );
    root.ok("DROP ROLE b").await;
    assert_eq!(user.rows("SELECT current_role()").await, ["a"]);
    assert_eq!(user.fails("SELECT * FROM quickstart.t").await.0, 5203);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants_are_shown_as_they_are_said() {
    let kit = Kit::start().await;
    let mut root = kit.client().await;
    quickstart(&mut root).await;
    root.ok("CREATE USER 'it\\'s'@'10.%'").await;
    for grant in [
        "OPERATE ON SYSTEM",
        "CREATE DATABASE ON CATALOG default_catalog",
        "ALL ON DATABASE quickstart",
        "SELECT, INSERT ON TABLE t",
        "DROP ON ALL TABLES IN DATABASE quickstart",
        "SELECT ON ALL VIEWS IN ALL DATABASES",
        "USAGE ON STORAGE VOLUME v",
        "IMPERSONATE ON USER root",
    ] {
        root.ok(&format!("GRANT {grant} TO USER 'it\\'s'@'10.%'")).await;
    }
    root.ok("GRANT SELECT ON t TO 'it\\'s'@'10.%' WITH GRANT OPTION").await;
    root.ok("GRANT db_admin TO 'it\\'s'@'10.%'").await;
    let who = "'it\\'s'@'10.%'";
    let on = |text: &str| format!("{who}|default_catalog|GRANT {text} TO USER {who}");
    let expected = [
        format!("{who}|NULL|GRANT 'db_admin' TO {who}"),
        format!("{who}|NULL|GRANT OPERATE ON SYSTEM TO USER {who}"),
        on("CREATE DATABASE ON CATALOG default_catalog"),
        on(
            "ALTER, DROP, CREATE TABLE, CREATE VIEW, CREATE FUNCTION, CREATE MATERIALIZED VIEW, CREATE PIPE ON DATABASE quickstart",
        ),
        on("INSERT ON TABLE quickstart.t"),
        format!("{} WITH GRANT OPTION", on("SELECT ON TABLE quickstart.t")),
        on("DROP ON ALL TABLES IN DATABASE quickstart"),
        on("SELECT ON ALL VIEWS IN ALL DATABASES"),
        on("USAGE ON STORAGE VOLUME v"),
        on("IMPERSONATE ON USER 'root'@'%'"),
    ];
    assert_eq!(root.rows(&format!("SHOW GRANTS FOR {who}")).await, expected);
    let listed = "SELECT OBJECT_DATABASE, OBJECT_NAME, OBJECT_TYPE, PRIVILEGE_TYPE, IS_GRANTABLE FROM sys.grants_to_users \
        WHERE PRIVILEGE_TYPE IN ('SELECT', 'OPERATE') ORDER BY OBJECT_TYPE";
    assert_eq!(
        root.rows(listed).await,
        ["NULL|NULL|SYSTEM|OPERATE|NO", "quickstart|t|TABLE|SELECT|YES", "ALL|ALL|VIEW|SELECT|NO"]
    );
    assert_eq!(root.rows("SHOW USERS").await, ["'root'@'%'".to_owned(), who.to_owned()]);
    assert_eq!(root.rows("SHOW ALL AUTHENTICATION").await.len(), 2);
    for (sql, code, says) in [
        ("GRANT SELECT ON TABLE no TO root", 5502, "Unknown table"),
        ("GRANT SELECT ON no.* TO root", 5501, "Unknown database"),
        ("GRANT SELECT ON TABLE t TO no", 1064, "cannot find user 'no'@'%'"),
        ("GRANT SELECT ON TABLE t TO ROLE no", 1064, "cannot find role no"),
        ("GRANT USAGE ON TABLE t TO root", 1064, "Cannot grant or revoke USAGE on TABLE"),
        ("GRANT NODE ON SYSTEM TO root", 1064, "NODE"),
        ("GRANT USAGE ON RESOURCE r TO root", 1064, "not supported yet"),
        ("GRANT SELECT ON TABLE t TO ROLE root", 1064, "not mutable"),
        ("CREATE USER ` `", 5063, "Incorrect user name"),
        ("DROP USER root", 1064, "cannot drop"),
    ] {
        let (found, text) = root.fails(sql).await;
        assert!(found == code && text.contains(says), "{sql}: {found} {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_given_with_grant_option_is_given_on_and_nothing_else() {
    let kit = Kit::start().await;
    let mut root = kit.client().await;
    quickstart(&mut root).await;
    root.ok("CREATE USER u").await;
    root.ok("CREATE USER w").await;
    root.ok("GRANT SELECT ON TABLE t TO u WITH GRANT OPTION").await;
    root.ok("GRANT INSERT ON TABLE t TO u").await;
    let mut user = kit.client_as("u", "").await.unwrap();
    user.ok("GRANT SELECT ON TABLE quickstart.t TO w").await;
    for sql in ["INSERT ON TABLE quickstart.t", "SELECT ON ALL TABLES IN ALL DATABASES", "ALL ON TABLE quickstart.t"] {
        assert_eq!(user.fails(&format!("GRANT {sql} TO w")).await.0, 5203, "{sql}");
        assert_eq!(user.fails(&format!("REVOKE {sql} FROM w")).await.0, 5203, "{sql}");
    }
    root.ok("GRANT user_admin TO u").await;
    user.ok("SET ROLE user_admin").await;
    user.ok("GRANT INSERT ON TABLE quickstart.t TO w").await;
    for sql in [
        "GRANT root TO u",
        "GRANT cluster_admin TO w",
        "CREATE USER x DEFAULT ROLE root",
        "ALTER USER root IDENTIFIED BY 'x'",
    ] {
        assert_eq!(user.fails(sql).await.0, 1064, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_hold_what_one_may_see() {
    let kit = Kit::start().await;
    let mut root = kit.client().await;
    quickstart(&mut root).await;
    root.ok("CREATE TABLE secret (a INT)").await;
    root.ok("CREATE DATABASE hidden").await;
    root.ok("DROP DATABASE hidden").await;
    root.ok("CREATE DATABASE hidden").await;
    root.ok("CREATE USER u").await;
    let mut user = kit.client_as("u", "").await.unwrap();
    assert_eq!(user.rows("SHOW DATABASES").await, ["information_schema", "sys"]);
    assert!(user.rows("SHOW TABLE STATUS FROM quickstart").await.is_empty());
    root.ok("GRANT INSERT ON TABLE t TO u").await;
    assert_eq!(user.rows("SHOW DATABASES").await, ["information_schema", "quickstart", "sys"]);
    assert_eq!(user.rows("SHOW TABLES FROM quickstart").await, ["t"]);
    assert_eq!(user.rows("SHOW STORAGE VOLUMES").await.len(), 0);
    for (sql, rows) in [
        (
            "SELECT TABLE_NAME FROM information_schema.tables WHERE TABLE_SCHEMA NOT IN ('sys', 'information_schema')",
            "t",
        ),
        ("SELECT DISTINCT TABLE_NAME FROM information_schema.columns WHERE TABLE_SCHEMA = 'quickstart'", "t"),
        ("SELECT DISTINCT TABLE_NAME FROM information_schema.partitions_meta", "t"),
        (
            "SELECT SCHEMA_NAME FROM information_schema.schemata WHERE SCHEMA_NAME IN ('quickstart', 'hidden')",
            "quickstart",
        ),
        ("SELECT TABLE_NAME FROM information_schema.tables_config", "t"),
        ("SELECT DISTINCT NAME FROM information_schema.recyclebin_catalogs", ""),
        ("SELECT GRANTEE FROM sys.grants_to_users", "'u'@'%'"),
        ("SELECT USER FROM information_schema.processlist", "u"),
    ] {
        assert_eq!(user.rows(sql).await.join(" "), rows, "{sql}");
    }
    assert_eq!(user.rows("SHOW PROCESSLIST").await.len(), 1);
    assert!(root.rows("SHOW PROCESSLIST").await.len() >= 2);
    let id = root.rows("SELECT connection_id()").await.remove(0);
    assert_eq!(user.fails(&format!("KILL QUERY {id}")).await.0, 5203);
    let own = kit.client_as("u", "").await.unwrap();
    user.ok(&format!("KILL {}", own.0.id())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prepared_statements_and_databases_are_asked_for_too() {
    let kit = Kit::start().await;
    let mut root = kit.client().await;
    quickstart(&mut root).await;
    root.ok("CREATE USER u").await;
    let mut user = kit.client_as("u", "").await.unwrap();
    let error = user.0.prep("SELECT * FROM quickstart.t").await.unwrap_err().to_string();
    assert!(error.contains("SELECT privilege(s) on TABLE t"), "{error}");
    assert!(user.0.exec_drop("DROP TABLE quickstart.t", ()).await.is_err());
    user.ok("PREPARE p FROM 'SELECT * FROM quickstart.t'").await;
    assert_eq!(user.fails("EXECUTE p").await.0, 5203);
    user.ok("PREPARE p FROM 'DROP TABLE quickstart.t'").await;
    assert_eq!(user.fails("EXECUTE p").await.0, 5203);
    let (code, text) = user.fails("USE quickstart").await;
    assert!(code == 5203 && text.contains("the ANY privilege(s) on DATABASE quickstart"), "{text}");
    let opts = kit.opts().user(Some("u")).db_name(Some("quickstart"));
    assert!(mysql_async::Conn::new(opts).await.is_err());
    // IF EXISTS of what is not there is no way to what comes after the look.
    root.ok("GRANT INSERT ON TABLE t TO u").await;
    user.ok("DROP TABLE IF EXISTS quickstart.nothing").await;
    assert_eq!(user.fails("DROP TABLE quickstart.nothing").await.0, 5502);
    user.ok("DROP STORAGE VOLUME IF EXISTS nothing").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_user_is_impersonated_for_good() {
    let kit = Kit::start().await;
    let mut root = kit.client().await;
    root.ok("CREATE USER u").await;
    root.ok("GRANT IMPERSONATE ON USER root TO u").await;
    let mut user = kit.client_as("u", "").await.unwrap();
    let (code, text) = user.fails("EXECUTE AS root").await;
    assert!(code == 1064 && text.contains("WITH NO REVERT"), "{text}");
    user.ok("EXECUTE AS root WITH NO REVERT").await;
    assert_eq!(user.rows("SELECT current_user(), current_role()").await, ["'root'@'%'|root"]);
    user.ok("CREATE DATABASE d").await;
    user.ok("EXECUTE AS u WITH NO REVERT").await;
    assert_eq!(user.fails("CREATE DATABASE e").await.0, 5203);
    assert_eq!(user.fails("EXECUTE AS no WITH NO REVERT").await.0, 5203);
}
