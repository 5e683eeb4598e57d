//! What MySQL clients ask of any server: variables, status, warnings, engines, collations, sessions, grants.

use runtime_mysql::MySqlError;
use storage_model::{UnixMillis, UserId};

use crate::front::Shared;
use crate::privileges::Asker;
use crate::processlist::shown_info;
use crate::session::Session;
use crate::sheet::{Item, Kind, Sheet, row};
use crate::variables::SessionVariables;

pub(super) fn variables(variables: &SessionVariables, global: bool) -> Sheet {
    let mut sheet = Sheet::text(&["Variable_name", "Value"]);
    variables.all(global).for_each(|(name, value, _)| sheet.push(row![name, value]));
    sheet
}

pub(super) fn status(session: &Session) -> Sheet {
    let front = session.front();
    let uptime = front.now_ms().saturating_sub(front.me.started_at_ms) / 1000;
    let threads = session.shared.sessions.all();
    let busy = threads.iter().filter(|entry| entry.activity().statement.is_some()).count();
    let mut sheet = Sheet::text(&["Variable_name", "Value"]);
    for (name, value) in [
        ("Questions", session.shared.sessions.questions().to_string()),
        ("Ssl_cipher", String::new()),
        ("Threads_connected", threads.len().to_string()),
        ("Threads_running", busy.to_string()),
        ("Uptime", uptime.to_string()),
    ] {
        sheet.push(row![name, value]);
    }
    sheet
}

/// SHOW WARNINGS and SHOW ERRORS: the failure of the statement before.
pub(super) fn warnings(last: Option<&MySqlError>, count: bool, counted: &str) -> Sheet {
    if count {
        let name = format!("@@session.{counted}");
        return Sheet::new(&[(name.as_str(), Kind::BigInt)]).with(row![last.iter().count() as u64]);
    }
    let mut sheet = Sheet::new(&[("Level", Kind::Text), ("Code", Kind::Int), ("Message", Kind::Text)]);
    if let Some(error) = last {
        sheet.push(row!["Error", u32::from(error.code), &error.message]);
    }
    sheet
}

pub(super) fn engines() -> Sheet {
    Sheet::text(&["Engine", "Support", "Comment", "Transactions", "XA", "Savepoints"]).with(row![
        "OLAP",
        "DEFAULT",
        "Default storage engine of Starkeep",
        "YES",
        "NO",
        "NO"
    ])
}

pub(super) fn charsets() -> Sheet {
    let columns = [
        ("Charset", Kind::Text),
        ("Description", Kind::Text),
        ("Default collation", Kind::Text),
        ("Maxlen", Kind::BigInt),
    ];
    Sheet::new(&columns).with(row!["utf8mb4", "UTF-8 Unicode", "utf8mb4_general_ci", 4_u32])
}

/// Name and id; the first is the default. The others are accepted and compare the same way.
pub(crate) const COLLATIONS: [(&str, u32); 6] = [
    ("utf8mb4_general_ci", 45),
    ("utf8mb4_bin", 46),
    ("utf8mb4_unicode_ci", 224),
    ("utf8mb4_0900_ai_ci", 255),
    ("utf8_general_ci", 33),
    ("binary", 63),
];

pub(crate) fn charset_of(collation: &str) -> &str {
    collation.split('_').next().unwrap_or(collation)
}

pub(super) fn collations() -> Sheet {
    use Kind::{BigInt, Text};
    let columns = [
        ("Collation", Text),
        ("Charset", Text),
        ("Id", BigInt),
        ("Default", Text),
        ("Compiled", Text),
        ("Sortlen", BigInt),
    ];
    let mut sheet = Sheet::new(&columns);
    for (at, (name, id)) in COLLATIONS.into_iter().enumerate() {
        sheet.push(row![name, charset_of(name), id, if at == 0 { "Yes" } else { "" }, "Yes", 1_u32]);
    }
    sheet
}

pub(super) fn plugins() -> Sheet {
    Sheet::text(&["Name", "Status", "Type", "Library", "License"]).with(row![
        "mysql_native_password",
        "ACTIVE",
        "AUTHENTICATION",
        Item::Null,
        "Apache License 2.0"
    ])
}

pub(super) fn privileges() -> Sheet {
    let mut sheet = Sheet::text(&["Privilege", "Context", "Comment"]);
    for (privilege, context, comment) in [
        ("OPERATE", "SYSTEM", "administration of the cluster"),
        ("NODE", "SYSTEM", "adding and dropping nodes"),
        ("CREATE DATABASE", "CATALOG", "to create databases"),
        ("CREATE TABLE", "DATABASE", "to create tables"),
        ("SELECT", "TABLE", "to read tables"),
        ("INSERT", "TABLE", "to write tables"),
        ("DELETE", "TABLE", "to truncate tables"),
        ("ALTER", "TABLE", "to change tables"),
        ("DROP", "TABLE", "to drop tables"),
        ("USAGE", "STORAGE VOLUME", "to put data into volumes"),
    ] {
        sheet.push(row![privilege, context, comment]);
    }
    sheet
}

pub(super) fn triggers() -> Sheet {
    Sheet::text(&[
        "Trigger",
        "Event",
        "Table",
        "Statement",
        "Timing",
        "Created",
        "sql_mode",
        "Definer",
        "character_set_client",
        "collation_connection",
        "Database Collation",
    ])
}

pub(super) fn events() -> Sheet {
    Sheet::text(&[
        "Db",
        "Name",
        "Definer",
        "Time zone",
        "Type",
        "Execute at",
        "Interval value",
        "Interval field",
        "Starts",
        "Ends",
        "Status",
        "Originator",
        "character_set_client",
        "collation_connection",
        "Database Collation",
    ])
}

pub(super) fn open_tables() -> Sheet {
    Sheet::text(&["Database", "Table", "In_use", "Name_locked"])
}

pub(super) fn routine_status() -> Sheet {
    Sheet::text(&[
        "Db",
        "Name",
        "Type",
        "Definer",
        "Modified",
        "Created",
        "Security_type",
        "Comment",
        "character_set_client",
        "collation_connection",
        "Database Collation",
    ])
}

/// Whose sessions are listed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whose {
    /// An operator sees all.
    All,
    /// Everybody sees the own ones.
    Of(UserId),
    /// Who is gone sees none.
    Nobodys,
}

impl Whose {
    /// Whether what is this user's is among it.
    pub(crate) fn sees(self, user: Option<UserId>) -> bool {
        match self {
            Whose::All => true,
            Whose::Of(asker) => user == Some(asker),
            Whose::Nobodys => false,
        }
    }
}

/// Whose sessions a user may see.
pub(crate) fn sessions_of(asker: Option<&Asker>) -> Whose {
    match asker {
        Some(asker) if asker.operates() => Whose::All,
        Some(asker) => Whose::Of(asker.user().id),
        None => Whose::Nobodys,
    }
}

/// The columns of SHOW PROCESSLIST.
pub(crate) const PROCESSLIST: [(&str, Kind); 15] = [
    ("ServerName", Kind::Text),
    ("Id", Kind::BigInt),
    ("User", Kind::Text),
    ("Host", Kind::Text),
    ("Db", Kind::Text),
    ("Command", Kind::Text),
    ("ConnectionStartTime", Kind::Text),
    ("Time", Kind::Int),
    ("State", Kind::Text),
    ("Info", Kind::Text),
    ("IsPending", Kind::Text),
    ("Warehouse", Kind::Text),
    ("CNGroup", Kind::Text),
    ("Catalog", Kind::Text),
    ("QueryId", Kind::Text),
];

pub(crate) fn processlist(shared: &Shared, full: bool, whose: Whose) -> Sheet {
    let mut sheet = Sheet::new(&PROCESSLIST);
    let front = &shared.front;
    let now = front.now_ms();
    for entry in shared.sessions.all() {
        let activity = entry.activity();
        if !whose.sees(activity.user_id) {
            continue;
        }
        let seconds = now.saturating_sub(activity.changed_ms) / 1000;
        let running = activity.statement.is_some();
        sheet.push(row![
            &front.me.name,
            u64::from(entry.id),
            &activity.user,
            &entry.host,
            activity.database.clone().unwrap_or_default(),
            if running { "Query" } else { "Sleep" },
            Item::at(UnixMillis(entry.since_ms)),
            seconds,
            if running { "OK" } else { "" },
            activity.statement.as_deref().map_or_else(String::new, |text| shown_info(text, full)),
            false,
            "default_warehouse",
            "",
            "default_catalog",
            if running { activity.query_id } else { String::new() },
        ]);
    }
    sheet
}
