//! The audit log: a line for each statement, in the fields of StarRocks' `fe.audit.log`. Statements are in it without their
//! secrets, and nothing that a client writes can begin a line or hide one.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use storage_model::UnixMillis;
use storage_model::value::format_datetime;

/// Where the lines go.
#[derive(Clone, Default)]
pub struct AuditLog(Option<Arc<dyn Fn(String) + Send + Sync>>);

impl AuditLog {
    /// Each line, with its end, goes to `write`, which does not wait.
    pub fn new(write: impl Fn(String) + Send + Sync + 'static) -> AuditLog {
        AuditLog(Some(Arc::new(write)))
    }

    pub(crate) fn record(&self, done: &Done<'_>) {
        if let Some(write) = &self.0 {
            write(done.to_string());
        }
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AuditLog").field(&self.0.is_some()).finish()
    }
}

/// A statement that is over.
pub(crate) struct Done<'a> {
    /// When it began.
    pub(crate) began: UnixMillis,
    /// `host:port`.
    pub(crate) client: &'a str,
    pub(crate) user: &'a str,
    /// `'user'@'host'`.
    pub(crate) account: &'a str,
    pub(crate) database: Option<&'a str>,
    /// None: it went well.
    pub(crate) error: Option<u16>,
    pub(crate) millis: u128,
    pub(crate) rows: u64,
    /// Counts the statements of this frontend.
    pub(crate) number: u64,
    pub(crate) query_id: &'a str,
    /// Whether it only looks.
    pub(crate) is_query: bool,
    /// Of this frontend.
    pub(crate) host: &'a str,
    /// Without secrets.
    pub(crate) statement: &'a str,
}

impl fmt::Display for Done<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = format_datetime(i64::try_from(self.began.0.saturating_mul(1000)).unwrap_or(i64::MAX));
        let state = match self.error {
            Some(_) => "ERR",
            None if self.is_query => "EOF",
            None => "OK",
        };
        let code = self.error.map_or_else(String::new, |code| code.to_string());
        write!(f, "{at} [query] |Timestamp={}|Client={}", self.began.0, self.client)?;
        write!(f, "|User={}|AuthorizedUser={}", Flat(self.user), Flat(self.account))?;
        write!(f, "|Catalog={}|Db={}", runtime_sql::DEFAULT_CATALOG, Flat(self.database.unwrap_or_default()))?;
        write!(f, "|State={state}|ErrorCode={code}|Time={}|ReturnRows={}", self.millis, self.rows)?;
        write!(f, "|StmtId={}|QueryId={}|IsQuery={}", self.number, self.query_id, self.is_query)?;
        writeln!(f, "|feIp={}|Stmt={}", self.host, Flat(self.statement))
    }
}

/// A text on one line.
struct Flat<'a>(&'a str);

impl fmt::Display for Flat<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\n' => f.write_str("\\n"),
            '\r' => f.write_str("\\r"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => f.write_char(' '),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_one_line() {
        let done = Done {
            began: UnixMillis(1_739_857_978_127),
            client: "10.0.0.7:4000",
            user: "u",
            account: "'u'@'%'",
            database: Some("d"),
            error: None,
            millis: 12,
            rows: 3,
            number: 7,
            query_id: "q",
            is_query: true,
            host: "fe1",
            statement: "SELECT 1\r\n-- 2025 [query] |User=root|\u{2028}x",
        };
        let expected = "2025-02-18 05:52:58.127000 [query] |Timestamp=1739857978127|Client=10.0.0.7:4000|User=u\
            |AuthorizedUser='u'@'%'|Catalog=default_catalog|Db=d|State=EOF|ErrorCode=|Time=12|ReturnRows=3|StmtId=7\
            |QueryId=q|IsQuery=true|feIp=fe1|Stmt=SELECT 1\\r\\n-- 2025 [query] |User=root| x\n";
        assert_eq!(done.to_string(), expected);
        let failed = Done { error: Some(5203), is_query: false, ..done };
        assert!(failed.to_string().contains("|State=ERR|ErrorCode=5203|"));
    }
}
