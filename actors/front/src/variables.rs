//! Session variables: one table of what is known, what a session has changed, and what SET GLOBAL has changed for
//! sessions to come.

mod known;
mod tuning;

use std::collections::{BTreeMap, HashMap};
use std::sync::{LazyLock, PoisonError, RwLock};

use runtime_mysql::MySqlError;
use runtime_query::{Constant, Variables, Zone};

/// How many similar names an unknown one is answered with.
const SIMILAR: usize = 3;

/// A variable.
#[derive(Debug)]
pub(crate) struct Known {
    name: &'static str,
    default: &'static str,
    domain: Domain,
    numeric: bool,
}

/// What may be put into a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Domain {
    /// ON, OFF, TRUE, FALSE, 1, 0.
    Boolean,
    /// A whole number that is not negative.
    Number,
    /// Any whole number.
    Whole,
    /// SYSTEM, an offset, a name.
    TimeZone,
    /// Anything.
    Free,
    /// Nothing: read-only.
    Fixed,
}

/// What is known only when the server runs, or stands elsewhere: by the name of its variable.
fn computed(name: &str) -> Option<&'static str> {
    static PACKET: LazyLock<String> = LazyLock::new(|| runtime_mysql::options::MAX_ALLOWED_PACKET.to_string());
    match name {
        "max_allowed_packet" => Some(PACKET.as_str()),
        "system_time_zone" => Some(Zone::system().name()),
        _ => None,
    }
}

/// All that SHOW VARIABLES shows, and all there are.
fn shown() -> impl Iterator<Item = &'static Known> {
    known::KNOWN.iter().chain(tuning::TUNING)
}

/// The table's row.
fn known(name: &str) -> Option<&'static Known> {
    static BY_NAME: LazyLock<HashMap<&'static str, &'static Known>> =
        LazyLock::new(|| shown().chain(tuning::HIDDEN).map(|known| (known.name, known)).collect());
    BY_NAME.get(name).copied()
}

/// Error 1193 with the names that look most like the one asked for.
pub(crate) fn unknown(name: &str) -> MySqlError {
    let mut names: Vec<_> = shown().map(|k| (distance(name, k.name), k.name)).collect();
    names.sort_unstable();
    let similar: Vec<String> = names.iter().take(SIMILAR).map(|(_, name)| format!("'{name}'")).collect();
    MySqlError::unknown_system_variable(name, &similar)
}

/// How many letters have to change.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().take(100).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let change = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

impl Known {
    fn default(&self) -> &'static str {
        computed(self.name).unwrap_or(self.default)
    }

    /// The value as it is kept, or why it does not do.
    fn accept(&self, value: &Constant) -> Result<String, MySqlError> {
        let text = match value {
            Constant::Null => String::new(),
            Constant::Integer(number) => number.to_string(),
            Constant::Text(text) | Constant::Typed { text, .. } | Constant::Nested { json: text, .. } => {
                text.trim().to_owned()
            }
        };
        let wrong = || MySqlError::wrong_value_for_variable(self.name, &text);
        match self.domain {
            Domain::Fixed => Err(MySqlError::read_only_variable("SESSION", self.name)),
            Domain::Boolean => match text.to_ascii_uppercase().as_str() {
                "ON" | "TRUE" | "1" => Ok("1".to_owned()),
                "OFF" | "FALSE" | "0" => Ok("0".to_owned()),
                _ => Err(wrong()),
            },
            Domain::Number => match text.parse::<i64>() {
                Ok(number) if number >= 0 => Ok(number.to_string()),
                Ok(_) => Err(wrong()),
                // Larger than anything that counts here: 18446744073709551615 is what clients call no limit.
                Err(_) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => Ok(i64::MAX.to_string()),
                Err(_) => Err(MySqlError::wrong_type_for_variable(self.name)),
            },
            Domain::Whole => match text.parse::<i64>() {
                Ok(number) => Ok(number.to_string()),
                Err(_) => Err(MySqlError::wrong_type_for_variable(self.name)),
            },
            Domain::TimeZone => time_zone(&text).ok_or_else(|| MySqlError::unknown_time_zone(&text)),
            Domain::Free => Ok(text),
        }
    }

    fn constant(&self, value: &str) -> Constant {
        match value.parse() {
            Ok(number) if self.numeric => Constant::Integer(number),
            _ => Constant::Text(value.to_owned()),
        }
    }

    /// As SHOW VARIABLES prints it.
    fn shown(&self, value: &str) -> String {
        match (self.domain, value) {
            (Domain::Boolean, "1") => "true".to_owned(),
            (Domain::Boolean, "0") => "false".to_owned(),
            _ => value.to_owned(),
        }
    }
}

/// A time zone as it is kept; None when there is no such zone. SYSTEM stays a word: it is the zone of whichever host.
fn time_zone(text: &str) -> Option<String> {
    if text.eq_ignore_ascii_case("SYSTEM") {
        return Some("SYSTEM".to_owned());
    }
    Zone::parse(text).map(|zone| zone.name().to_owned())
}

/// What SET GLOBAL has changed on this frontend since it started.
#[derive(Debug, Default)]
pub(crate) struct Globals(RwLock<BTreeMap<&'static str, String>>);

impl Globals {
    /// Those of a server that has a certificate for its clients, or none.
    pub(crate) fn of_server(has_tls: bool) -> Globals {
        let has = has_tls.then(|| ["have_ssl", "have_openssl"].map(|name| (known(name), "YES".to_owned())));
        let known = has.into_iter().flatten().filter_map(|(known, value)| Some((known?.name, value)));
        Globals(RwLock::new(known.collect()))
    }

    fn snapshot(&self) -> BTreeMap<&'static str, String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// SET GLOBAL.
    pub(crate) fn set(&self, name: &str, value: &Constant) -> Result<(), MySqlError> {
        let known = known(name).ok_or_else(|| unknown(name))?;
        let value = known.accept(value)?;
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(known.name, value);
        Ok(())
    }

    /// SET GLOBAL x = DEFAULT.
    pub(crate) fn reset(&self, name: &str) -> Result<(), MySqlError> {
        let known = known(name).ok_or_else(|| unknown(name))?;
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(known.name);
        Ok(())
    }
}

/// The variables of one session. A clone is a copy.
#[derive(Clone, Debug, Default)]
pub(crate) struct SessionVariables {
    globals: BTreeMap<&'static str, String>,
    changed: BTreeMap<&'static str, String>,
    user: HashMap<String, Constant>,
}

impl SessionVariables {
    /// Those of a session that begins now.
    pub(crate) fn new(globals: &Globals) -> SessionVariables {
        let globals = globals.snapshot();
        SessionVariables { changed: globals.clone(), globals, user: HashMap::new() }
    }

    /// What SELECT @@global.x shall see from now on.
    pub(crate) fn refresh_globals(&mut self, globals: &Globals) {
        self.globals = globals.snapshot();
    }

    /// SET x = value.
    pub(crate) fn set(&mut self, name: &str, value: &Constant) -> Result<(), MySqlError> {
        let known = known(name).ok_or_else(|| unknown(name))?;
        // SET of a read-only variable to what it is already harms nobody, and drivers do it.
        if known.domain == Domain::Fixed && value_is(value, known.default()) {
            return Ok(());
        }
        let value = known.accept(value)?;
        for twin in twins(known.name) {
            self.changed.insert(twin, value.clone());
        }
        Ok(())
    }

    /// SET x = DEFAULT.
    pub(crate) fn reset(&mut self, name: &str) -> Result<(), MySqlError> {
        let known = known(name).ok_or_else(|| unknown(name))?;
        let default = self.value(known, true).to_owned();
        for twin in twins(known.name) {
            self.changed.insert(twin, default.clone());
        }
        Ok(())
    }

    /// SET @x = value.
    pub(crate) fn set_user(&mut self, name: &str, value: Constant) {
        self.user.insert(name.to_lowercase(), value);
    }

    /// Whether SET @x was.
    pub(crate) fn knows_user(&self, name: &str) -> bool {
        self.user.contains_key(name)
    }

    fn value(&self, known: &Known, global: bool) -> &str {
        let values = if global { &self.globals } else { &self.changed };
        values.get(known.name).map_or_else(|| known.default(), String::as_str)
    }

    /// The value of a variable that is in the table; empty otherwise.
    pub(crate) fn get(&self, name: &str) -> &str {
        known(name).map_or("", |known| self.value(known, false))
    }

    /// The session's time zone.
    pub(crate) fn zone(&self) -> Zone {
        Zone::parse(self.get("time_zone")).unwrap_or_default()
    }

    /// A number that is in the table; 0 otherwise.
    pub(crate) fn number(&self, name: &str) -> u64 {
        self.get(name).parse().unwrap_or(0)
    }

    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.get(name) == "1"
    }

    /// Every variable with its value and default, as SHOW VARIABLES prints them, in order of their names.
    pub(crate) fn all(&self, global: bool) -> impl Iterator<Item = (&'static str, String, String)> + '_ {
        let mut all: Vec<_> = shown().collect();
        all.sort_unstable_by_key(|known| known.name);
        all.into_iter().map(move |k| (k.name, k.shown(self.value(k, global)), k.shown(k.default())))
    }
}

fn value_is(value: &Constant, text: &str) -> bool {
    match value {
        Constant::Text(given) | Constant::Typed { text: given, .. } | Constant::Nested { json: given, .. } => {
            given == text
        }
        Constant::Integer(number) => number.to_string() == text,
        Constant::Null => false,
    }
}

/// Two names of one thing.
fn twins(name: &'static str) -> Vec<&'static str> {
    const PAIRS: [[&str; 2]; 3] = [
        ["tx_isolation", "transaction_isolation"],
        ["tx_read_only", "transaction_read_only"],
        ["storage_engine", "default_storage_engine"],
    ];
    PAIRS.iter().find(|pair| pair.contains(&name)).map_or_else(|| vec![name], |pair| pair.to_vec())
}

impl Variables for SessionVariables {
    fn system(&self, name: &str, global: bool) -> Option<Constant> {
        let known = known(name)?;
        Some(known.constant(self.value(known, global)))
    }

    fn user(&self, name: &str) -> Constant {
        self.user.get(name).cloned().unwrap_or(Constant::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Constant {
        Constant::Text(value.to_owned())
    }

    #[test]
    fn what_drivers_read_at_connect_is_known() {
        let session = SessionVariables::default();
        for name in [
            "auto_increment_increment character_set_client character_set_connection character_set_results",
            "character_set_server collation_server collation_connection init_connect interactive_timeout license",
            "lower_case_table_names max_allowed_packet net_write_timeout performance_schema query_cache_size",
            "query_cache_type sql_mode system_time_zone time_zone transaction_isolation tx_isolation wait_timeout",
            "transaction_read_only version version_comment sql_auto_is_null sql_select_limit autocommit",
        ]
        .iter()
        .flat_map(|names| names.split(' '))
        {
            assert!(session.system(name, false).is_some() && session.system(name, true).is_some(), "{name}");
        }
        assert_eq!(session.system("autocommit", false), Some(Constant::Integer(1)));
        assert_eq!(session.system("sql_mode", false), Some(text("ONLY_FULL_GROUP_BY")));
        assert_eq!(session.system("nothing_such", false), None);
    }

    #[test]
    fn values_are_checked() {
        let mut session = SessionVariables::default();
        session.set("autocommit", &text("off")).unwrap();
        assert_eq!(session.system("autocommit", false), Some(Constant::Integer(0)));
        assert_eq!(session.system("autocommit", true), Some(Constant::Integer(1)));
        assert_eq!(session.all(false).find(|v| v.0 == "autocommit").unwrap().1, "false");
        assert_eq!(session.set("autocommit", &text("maybe")).unwrap_err().code, 1231);
        assert_eq!(session.set("query_timeout", &text("soon")).unwrap_err().code, 1232);
        assert_eq!(session.set("query_timeout", &Constant::Integer(-1)).unwrap_err().code, 1231);
        assert_eq!(session.set("version", &text("9")).unwrap_err().code, 1621);
        let unknown = session.set("time_zone", &text("Mars/Olympus")).unwrap_err();
        assert_eq!((unknown.code, unknown.message.as_str()), (1298, "Unknown or incorrect time zone: 'Mars/Olympus'"));
        assert_eq!(session.set("time_zone", &text("+15:00")).unwrap_err().code, 1298);
        session.set("time_zone", &text("Asia/Shanghai")).unwrap();
        assert_eq!(session.zone().offset_seconds(0), 8 * 3600);
        session.set("time_zone", &text("+8:00")).unwrap();
        assert_eq!(session.get("time_zone"), "+08:00");
        session.set("tx_isolation", &text("READ-COMMITTED")).unwrap();
        assert_eq!(session.get("transaction_isolation"), "READ-COMMITTED");
        session.set("sql_select_limit", &text("18446744073709551615")).unwrap();
        session.reset("time_zone").unwrap();
        assert_eq!(session.get("time_zone"), "SYSTEM");
    }

    #[test]
    fn the_packet_limit_is_the_servers() {
        let mut session = SessionVariables::default();
        let limit = runtime_mysql::ServerOptions::default().max_allowed_packet as i64;
        assert_eq!(session.system("max_allowed_packet", false), Some(Constant::Integer(limit)));
        session.set("max_allowed_packet", &Constant::Integer(limit)).unwrap();
        assert_eq!(session.set("max_allowed_packet", &Constant::Integer(1 << 30)).unwrap_err().code, 1621);
        assert!(session.all(true).any(|(name, value, _)| name == "max_allowed_packet" && value == limit.to_string()));
    }

    #[test]
    fn an_unknown_name_is_answered_with_its_neighbours() {
        let error = SessionVariables::default().set("query_timeot", &text("1")).unwrap_err();
        assert_eq!(error.code, 1193);
        assert!(
            error.message.starts_with("Unknown system variable 'query_timeot'")
                && error.message.contains("'query_timeout'")
        );
    }

    #[test]
    fn globals_are_for_sessions_to_come() {
        let globals = Globals::default();
        let mut old = SessionVariables::new(&globals);
        globals.set("query_timeout", &Constant::Integer(5)).unwrap();
        old.refresh_globals(&globals);
        assert_eq!(old.number("query_timeout"), 300);
        assert_eq!(SessionVariables::new(&globals).number("query_timeout"), 5);
        assert_eq!(old.system("query_timeout", true), Some(Constant::Integer(5)));
        globals.reset("query_timeout").unwrap();
        assert_eq!(SessionVariables::new(&globals).number("query_timeout"), 300);
    }

    #[test]
    fn a_server_with_a_certificate_says_so() {
        let said = |has_tls| SessionVariables::new(&Globals::of_server(has_tls)).get("have_ssl").to_owned();
        assert_eq!((said(true), said(false)), ("YES".to_owned(), "DISABLED".to_owned()));
    }

    #[test]
    fn the_table_has_no_name_twice() {
        let mut names: Vec<_> = shown().chain(tuning::HIDDEN).map(|k| k.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
