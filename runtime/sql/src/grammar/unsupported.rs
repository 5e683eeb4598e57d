//! Statements that StarRocks has and we do not have yet: known by how they begin, read over to their end.

use crate::cursor::{Cursor, Parse};
use crate::statement::Statement;

/// How they begin. The longest that fits names the statement.
const BEGINNINGS: &[&str] = &[
    "ADD BACKEND BLACKLIST",
    "ADD COMPUTE NODE BLACKLIST",
    "ADD SQLBLACKLIST",
    "ADMIN CANCEL REPAIR",
    "ADMIN CHECK TABLET",
    "ADMIN EXECUTE ON",
    "ADMIN REPAIR TABLE",
    "ADMIN SET PARTITION",
    "ADMIN SET REPLICA",
    "ADMIN SHOW REPLICA",
    "ADMIN SHOW TABLET",
    "ALTER CATALOG",
    "ALTER LOAD",
    "ALTER MATERIALIZED VIEW",
    "ALTER PIPE",
    "ALTER RESOURCE",
    "ALTER ROUTINE LOAD",
    "ALTER SYSTEM ADD BACKEND",
    "ALTER SYSTEM ADD BROKER",
    "ALTER SYSTEM DECOMMISSION",
    "ALTER SYSTEM DROP ALL",
    "ALTER SYSTEM DROP BACKEND",
    "ALTER SYSTEM DROP BROKER",
    "ALTER SYSTEM MODIFY",
    "ALTER TASK",
    "ALTER WAREHOUSE",
    "BACKUP",
    "CANCEL ALTER MATERIALIZED VIEW",
    "CANCEL BACKUP",
    "CANCEL DECOMMISSION",
    "CANCEL EXPORT",
    "CANCEL LOAD",
    "CANCEL REFRESH",
    "CANCEL RESTORE",
    "CLEAN TEMPORARY TABLE",
    "CREATE ANALYZE",
    "CREATE CATALOG",
    "CREATE DICTIONARY",
    "CREATE EXTERNAL CATALOG",
    "CREATE EXTERNAL RESOURCE",
    "CREATE EXTERNAL TABLE",
    "CREATE FILE",
    "CREATE FUNCTION",
    "CREATE AGGREGATE FUNCTION",
    "CREATE GLOBAL FUNCTION",
    "CREATE GLOBAL AGGREGATE FUNCTION",
    "CREATE TABLE FUNCTION",
    "CREATE MATERIALIZED VIEW",
    "CREATE OR REPLACE FUNCTION",
    "CREATE OR REPLACE PIPE",
    "CREATE PIPE",
    "CREATE READ ONLY REPOSITORY",
    "CREATE REPOSITORY",
    "CREATE RESOURCE",
    "CREATE ROUTINE LOAD",
    "CREATE SECURITY INTEGRATION",
    "CREATE STATISTICS",
    "CREATE TEMPORARY TABLE",
    "CREATE WAREHOUSE",
    "DELETE BACKEND BLACKLIST",
    "DELETE SQLBLACKLIST",
    "DROP ANALYZE",
    "DROP CATALOG",
    "DROP DICTIONARY",
    "DROP FILE",
    "DROP FUNCTION",
    "DROP GLOBAL FUNCTION",
    "DROP MATERIALIZED VIEW",
    "DROP PIPE",
    "DROP REPOSITORY",
    "DROP RESOURCE",
    "DROP SECURITY INTEGRATION",
    "DROP SNAPSHOT",
    "DROP TASK",
    "DROP TEMPORARY TABLE",
    "DROP WAREHOUSE",
    "EXPORT TABLE",
    "INSTALL PLUGIN",
    "KILL ANALYZE",
    "LOAD LABEL",
    "PAUSE ROUTINE LOAD",
    "REFRESH",
    "RELEASE SAVEPOINT",
    "RESTORE SNAPSHOT",
    "RESUME ROUTINE LOAD",
    "RESUME WAREHOUSE",
    "SAVEPOINT",
    "SHOW ALL ROUTINE LOAD",
    "SHOW ALTER MATERIALIZED VIEW",
    "SHOW ANALYZE JOB",
    "SHOW BACKUP",
    "SHOW BUILTIN FUNCTIONS",
    "SHOW CREATE CATALOG",
    "SHOW CREATE EXTERNAL CATALOG",
    "SHOW CREATE ROUTINE LOAD",
    "SHOW CREATE WAREHOUSE",
    "SHOW DELETE",
    "SHOW DICTIONARY",
    "SHOW EXPORT",
    "SHOW FILE",
    "SHOW FULL BUILTIN FUNCTIONS",
    "SHOW FULL FUNCTIONS",
    "SHOW FUNCTIONS",
    "SHOW GLOBAL FUNCTIONS",
    "SHOW LOAD",
    "SHOW MULTI COLUMNS STATS",
    "SHOW NODES FROM WAREHOUSE",
    "SHOW PIPES",
    "SHOW REPOSITORIES",
    "SHOW RESOURCE",
    "SHOW RESOURCES",
    "SHOW RESTORE",
    "SHOW ROUTINE LOAD",
    "SHOW RUNNING QUERIES",
    "SHOW SMALL FILES",
    "SHOW SNAPSHOT",
    "SHOW SQLBLACKLIST",
    "SHOW STREAM LOAD",
    "SHOW TABLET",
    "SHOW TABLETS",
    "SHOW TEMPORARY TABLES",
    "SHOW TRANSACTION",
    "SHOW USAGE",
    "SHOW VIEWS",
    "SHOW WHITELIST",
    "STOP ROUTINE LOAD",
    "SUBMIT",
    "SUSPEND WAREHOUSE",
    "TRANSLATE",
    "UNINSTALL PLUGIN",
];

/// Reads a statement that is known but not supported; None when it is none of them.
pub(super) fn statement(cursor: &mut Cursor<'_>) -> Parse<Option<Statement>> {
    let first = cursor.current().source;
    let begins = |beginning: &&&str| {
        // Every statement passes here: most are told apart by their first letters.
        if !beginning.get(..first.len()).is_some_and(|start| start.eq_ignore_ascii_case(first)) {
            return false;
        }
        let mut words = beginning.split(' ').enumerate();
        words.next().is_some_and(|(_, word)| first.eq_ignore_ascii_case(word))
            && words.all(|(n, word)| cursor.ahead(n).is_word(word))
    };
    let Some(what) = BEGINNINGS.iter().filter(begins).max_by_key(|beginning| beginning.len()).copied() else {
        return Ok(None);
    };
    let words = what.split(' ').count();
    words_of(cursor, words);
    // A verb alone is nothing; SHOW REPOSITORIES is whole.
    if words == 1 && cursor.at_end() {
        return Err(cursor.unexpected("more of the statement"));
    }
    cursor.skip_statement()?;
    Ok(Some(Statement::Unsupported { what: what.to_owned() }))
}

fn words_of(cursor: &mut Cursor<'_>, words: usize) {
    (0..words).for_each(|_| _ = cursor.advance());
}
