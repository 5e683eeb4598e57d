//! The one table of error codes that a client can see, with the sqlstate and the wording of each. Nothing here decides *when* an
//! error happens; the rooms above pick a constructor by the code they mean. Codes 1000-1999 are MySQL's, 5000-5999 are StarRocks'.

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::RangeInclusive;

/// The longest message that is put on the wire, in bytes. Clients keep far less.
const LONGEST_MESSAGE: usize = 16 * 1024;

/// The name by which MariaDB's client library presents itself.
pub(crate) const LIBMARIADB: &str = "libmariadb";
/// Numbers that this library keeps for errors of its own: from a server it takes them for a malformed packet and shows
/// neither number nor text (measured with Connector/C 3.3; the `mysql` command of Debian stands on it).
const KEPT_BY_LIBMARIADB: RangeInclusive<u16> = 5001..=5026;

/// An error as a MySQL client sees it: a number, a five character state and a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ERROR {code} ({}): {message}", self.sqlstate())]
pub struct MySqlError {
    /// The number of the error, as in `ERROR 1064`.
    pub code: u16,
    /// The sqlstate, five ASCII characters, as in `(42000)`.
    pub sqlstate: [u8; 5],
    /// The text, UTF-8.
    pub message: String,
}

impl MySqlError {
    /// An error with any code and state. Prefer a named constructor: together they are the table.
    pub fn new(code: u16, sqlstate: [u8; 5], message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > LONGEST_MESSAGE {
            let mut end = LONGEST_MESSAGE;
            while !message.is_char_boundary(end) {
                end -= 1;
            }
            message.truncate(end);
        }
        Self { code, sqlstate, message }
    }

    /// The error as MariaDB's client library can read it: with another number where it would not.
    pub(crate) fn for_libmariadb(&self) -> Cow<'_, MySqlError> {
        if !KEPT_BY_LIBMARIADB.contains(&self.code) {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self::new(1105, self.sqlstate, format!("{} (error {})", self.message, self.code)))
    }

    /// The sqlstate as text.
    pub fn sqlstate(&self) -> &str {
        std::str::from_utf8(&self.sqlstate).unwrap_or("HY000")
    }

    /// 1193 with the hint that StarRocks gives: the names that look most like the one asked for.
    pub fn unknown_system_variable<S: AsRef<str>>(name: &str, similar: &[S]) -> Self {
        let similar: Vec<&str> = similar.iter().map(AsRef::as_ref).collect();
        Self::unknown_system_variable_text(name, similar.join(", "))
    }
}

/// `detail` with exactly one full stop at its end, as StarRocks prints it.
fn sentence(detail: impl Display) -> String {
    let mut text = detail.to_string();
    text.truncate(text.trim_end().trim_end_matches('.').len());
    text.push('.');
    text
}

/// YES or NO, as in `(using password: YES)`.
fn yes_or_no(value: bool) -> &'static str {
    if value { "YES" } else { "NO" }
}

macro_rules! table {
    ($( $code:literal $state:literal $name:ident($($argument:ident: $type:ty),*) $text:literal $(, $value:expr)* ; $doc:literal )*) => {
        impl MySqlError {
            $(
                #[doc = concat!(stringify!($code), ": ", $doc)]
                pub fn $name($($argument: $type),*) -> Self {
                    Self::new($code, *$state, format!($text $(, $value)*))
                }
            )*
        }

        /// Every row of the table: code, sqlstate, constructor.
        #[cfg(test)]
        const TABLE: &[(u16, &[u8; 5], &str)] = &[$(($code, $state, stringify!($name))),*];
    };
}

table! {
    1007 b"HY000" database_exists(name: impl Display) "Can't create database '{name}'; database exists"; "CREATE DATABASE of a name in use."
    1008 b"HY000" cannot_drop_database(name: impl Display) "Can't drop database '{name}'; database doesn't exist"; "DROP DATABASE of an unknown name."
    1040 b"08004" too_many_connections() "Too many connections"; "the server is full."
    1043 b"08S01" bad_handshake() "Bad handshake"; "what the client sent at login is no login."
    1044 b"42000" database_access_denied(user: impl Display, host: impl Display, database: impl Display)
        "Access denied for user '{user}'@'{host}' to database '{database}'"; "no privilege on a database."
    1045 b"28000" access_denied(user: impl Display, host: impl Display, using_password: bool)
        "Access denied for user '{user}'@'{host}' (using password: {})", yes_or_no(using_password); "unknown user or wrong password."
    1046 b"3D000" no_database_selected() "No database selected"; "an unqualified name without USE."
    1047 b"08S01" unknown_command() "Unknown command"; "a command byte that this server does not serve."
    1050 b"42S01" table_exists(name: impl Display) "Table '{name}' already exists"; "CREATE of a name in use."
    1053 b"08S01" shutdown_in_progress() "Server shutdown in progress"; "the server is going away."
    1054 b"42S22" unknown_column(name: impl Display, place: impl Display) "Unknown column '{name}' in '{place}'"; "a column that is not there."
    1058 b"21S01" column_count_mismatch() "Column count doesn't match value count"; "INSERT with too few or too many values."
    1060 b"42S21" duplicate_column(name: impl Display) "Duplicate column name '{name}'"; "one name twice."
    1064 b"42000" syntax(line: u64, column: u64, detail: impl Display)
        "Getting syntax error at line {line}, column {column}. Detail message: {}", sentence(detail); "text that is no statement."
    1064 b"HY000" analyzing(detail: impl Display) "Getting analyzing error. Detail message: {}", sentence(detail); "a statement that means nothing here."
    1065 b"42000" empty_query() "Query was empty"; "no statement at all."
    1066 b"42000" duplicate_alias(name: impl Display) "Not unique table/alias: '{name}'"; "one alias twice."
    1094 b"HY000" unknown_thread(id: u64) "Unknown thread id: {id}"; "KILL of a connection that is not there."
    1095 b"HY000" not_owner_of_thread(id: u64) "You are not owner of thread {id}"; "KILL of another user's connection."
    1105 b"HY000" unknown_error(message: impl Display) "{message}"; "everything without a code of its own."
    1115 b"42000" unknown_character_set(name: impl Display) "Unknown character set: '{name}'"; "SET NAMES of a name that is none."
    1136 b"21S01" column_count_mismatch_at_row(row: u64) "Column count doesn't match value count at row {row}"; "INSERT with a row of another width."
    1153 b"08S01" packet_too_large() "Got a packet bigger than 'max_allowed_packet' bytes"; "a request over the limit."
    1156 b"08S01" packets_out_of_order() "Got packets out of order"; "the packet's number is not the next one."
    1159 b"08S01" read_timeout() "Got timeout reading communication packets"; "the client stopped in the middle of a packet, or idled too long."
    1160 b"08S01" write_failed() "Got an error writing communication packets"; "the client is gone; it will not see this."
    1193 b"HY000" unknown_system_variable_text(name: impl Display, similar: impl Display)
        "Unknown system variable '{name}', the most similar variables are {{{similar}}}"; "a variable that is not there."
    1203 b"42000" too_many_user_connections(user: impl Display)
        "User {user} already has more than 'max_user_connections' active connections"; "the user's limit."
    1210 b"HY000" wrong_arguments(what: impl Display) "Incorrect arguments to {what}"; "parameters that do not fit the statement."
    1213 b"40001" transaction_conflict(message: impl Display) "{message}"; "what a transaction has read was changed by others: the code at which clients run it again."
    1228 b"HY000" session_variable(name: impl Display) "Variable '{name}' is a SESSION variable and can't be used with SET GLOBAL"; "SET GLOBAL of a session variable."
    1229 b"HY000" global_variable(name: impl Display) "Variable '{name}' is a GLOBAL variable and should be set with SET GLOBAL"; "SET of a global variable."
    1231 b"42000" wrong_value_for_variable(name: impl Display, value: impl Display) "Variable '{name}' can't be set to the value of '{value}'"; "SET of a value out of range."
    1232 b"42000" wrong_type_for_variable(name: impl Display) "Incorrect argument type to variable '{name}'"; "SET of a value of another type."
    1243 b"HY000" unknown_statement(id: u32, command: impl Display)
        "Unknown prepared statement handler ({id}) given to {command}"; "a statement id that was never prepared, or closed."
    1286 b"42000" unknown_storage_engine(name: impl Display) "Unknown storage engine '{name}'"; "ENGINE = something else."
    1295 b"HY000" not_preparable() "This command is not supported in the prepared statement protocol yet"; "clients fall back to the text protocol."
    1298 b"HY000" unknown_time_zone(name: impl Display) "Unknown or incorrect time zone: '{name}'"; "SET time_zone of a name that is none."
    1300 b"HY000" invalid_utf8(start: impl Display) "Invalid utf8mb4 character string: '{start}'"; "a request that is not UTF-8."
    1317 b"70100" query_interrupted() "Query execution was interrupted"; "KILL QUERY."
    1317 b"70100" connection_ended()
        "Query execution was interrupted; whether a statement that was running took effect is not known"; "KILL, or a stop of the server that waits no longer."
    1390 b"HY000" too_many_parameters() "Prepared statement contains too many placeholders"; "more than 65535 question marks."
    1461 b"42000" too_many_statements(limit: usize)
        "Can't create more than max_prepared_stmt_count statements (current value: {limit})"; "the connection holds too many prepared statements."
    1507 b"HY000" partition_not_in_list(operation: impl Display) "Error in list of partitions to {operation}"; "a partition that is not there."
    1508 b"HY000" drop_last_partition() "Cannot remove all partitions, use DROP TABLE instead"; "DROP of the last partition."
    1517 b"HY000" duplicate_partition(name: impl Display) "Duplicate partition name {name}"; "one partition name twice."
    1567 b"HY000" wrong_partition_name(name: impl Display) "Incorrect partition name '{name}'"; "a partition name that is none."
    1621 b"HY000" read_only_variable(scope: impl Display, name: impl Display)
        "{scope} variable '{name}' is read-only"; "SET of a variable that cannot be set."
    1735 b"HY000" unknown_partition(name: impl Display, table: impl Display) "Unknown partition '{name}' in table '{table}'"; "a partition that the table does not have."
    1748 b"HY000" empty_partition(table: impl Display)
        "data cannot be inserted into table with empty partition. Use `SHOW PARTITIONS FROM {table}` to see the currently partitions of this table."; "a table without partitions."
    1835 b"HY000" malformed_packet() "Malformed communication packet"; "a request that is cut off or makes no sense."
    3159 b"HY000" insecure_transport() "Connections using insecure transport are prohibited while --require_secure_transport=ON."; "the client did not ask for TLS, and the server serves no other."
    5001 b"HY000" unknown_proc_path(path: impl Display) "Proc path '{path}' doesn't exist"; "SHOW PROC of an unknown path."
    5014 b"HY000" table_state_not_normal(table: impl Display, state: impl Display) "Table[{table}]'s state is not NORMAL but {state}"; "ALTER or load during another change."
    5015 b"HY000" partition_state_not_normal(partition: impl Display, state: impl Display)
        "Partition[{partition}]'s state is not NORMAL but {state}"; "ALTER or load during another change."
    5016 b"HY000" partition_has_loading_jobs(partition: impl Display) "Partition[{partition}] has loading jobs"; "a change of a partition that is being loaded."
    5024 b"53400" timed_out(what: impl Display, seconds: u64, advice: impl Display) "{what} reached its timeout of {seconds} seconds, {advice}"; "query or load time-out."
    5063 b"42000" wrong_name(what: impl Display, name: impl Display) "Incorrect {what} name '{name}'"; "a name that is none."
    5064 b"42000" common(message: impl Display) "{message}"; "StarRocks' common error: a text."
    5078 b"42000" unknown_catalog(name: impl Display) "Unknown catalog '{name}'"; "a catalog that is not there."
    5080 b"42000" unknown_catalog_database(name: impl Display) "Unknown catalog.db '{name}'"; "USE or login with an unknown catalog.db."
    5082 b"42000" wrong_label(name: impl Display) "Incorrect label name '{name}'"; "a load label that is none."
    5101 b"F0000" set_config_failed(message: impl Display) "Set config failed: {message}"; "ADMIN SET FRONTEND CONFIG."
    5102 b"F0000" config_not_mutable(name: impl Display) "Config '{name}' does not exist or is not mutable"; "ADMIN SET FRONTEND CONFIG."
    5203 b"42000" privilege_denied(privileges: impl Display, object: impl Display, roles: impl Display, inactive: impl Display)
        "Access denied; you need (at least one of) the {privileges} privilege(s) on {object} for this operation. Please ask the admin to grant permission(s) or try activating existing roles using <set [default] role>. Current role(s): {roles}. Inactivated role(s): {inactive}."; "every missing privilege."
    5300 b"55P03" lock_failed(message: impl Display) "Failed to acquire lock: {message}"; "a lock that did not come."
    5301 b"55P03" begin_transaction_failed(message: impl Display) "Failed to begin transaction: {message}"; "BEGIN."
    5302 b"25P01" unknown_transaction(id: impl Display) "Transaction {id} does not exist"; "a transaction that is not there."
    5303 b"25P01" table_already_written() "NOT allowed to read or write tables that have been subjected to DML operations before"; "a table twice in one transaction."
    5304 b"25P01" cross_database_transaction() "Cannot write to several databases in one transaction"; "a second database in one transaction."
    5401 b"XX000" forwarded_too_often(times: u64) "forward too many times {times}"; "followers pass a statement around."
    5501 b"3F000" unknown_database(name: impl Display) "Unknown database '{name}'"; "StarRocks' number, not MySQL's 1049."
    5502 b"42602" unknown_table(name: impl Display) "Unknown table '{name}'"; "StarRocks' number, not MySQL's 1146."
    5505 b"42000" no_such_partition(name: impl Display) "Partition '{name}' doesn't exist"; "a partition that is not there."
    5506 b"55000" no_default_storage_volume()
        "The default storage volume does not exist. A default storage volume can be created by following these steps: 1. Create a storage volume. 2. Set the storage volume as default"; "CREATE before a default volume exists."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_its_states_are_states() {
        for (earlier, later) in TABLE.iter().zip(&TABLE[1..]) {
            assert!(earlier.0 <= later.0, "{} stands before {}", earlier.2, later.2);
        }
        for (code, state, name) in TABLE {
            assert!(state.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()), "{code} {name}");
        }
    }

    #[test]
    fn few_codes_have_two_wordings() {
        let twice: Vec<u16> = TABLE.iter().zip(&TABLE[1..]).filter(|(a, b)| a.0 == b.0).map(|(a, _)| a.0).collect();
        assert_eq!(twice, [1064, 1317]);
    }

    #[test]
    fn wording() {
        let error = MySqlError::syntax(3, 14, "Unexpected input 'FORM'.");
        assert_eq!(
            error.to_string(),
            "ERROR 1064 (42000): Getting syntax error at line 3, column 14. Detail message: Unexpected input 'FORM'."
        );
        assert_eq!(
            MySqlError::analyzing("Unknown table 't'").message,
            "Getting analyzing error. Detail message: Unknown table 't'."
        );
        assert_eq!(
            MySqlError::access_denied("root", "10.0.0.7", true).to_string(),
            "ERROR 1045 (28000): Access denied for user 'root'@'10.0.0.7' (using password: YES)"
        );
        assert_eq!(
            MySqlError::unknown_system_variable("x", &["y", "z"]).message,
            "Unknown system variable 'x', the most similar variables are {y, z}"
        );
    }

    #[test]
    fn numbers_that_a_client_library_keeps_are_told_in_words() {
        let told = MySqlError::timed_out("Query", 1, "please wait").for_libmariadb().into_owned();
        assert_eq!((told.code, told.sqlstate()), (1105, "53400"));
        assert_eq!(told.message, "Query reached its timeout of 1 seconds, please wait (error 5024)");
        assert_eq!(MySqlError::unknown_database("x").for_libmariadb().code, 5501);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let error = MySqlError::unknown_error("a".repeat(LONGEST_MESSAGE - 1) + "ä and more");
        assert_eq!(error.message.len(), LONGEST_MESSAGE - 1);
    }
}
