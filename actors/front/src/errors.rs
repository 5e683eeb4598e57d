//! Every failure of the floors below as what a MySQL client sees. The codes and their wordings are one table
//! (`runtime_mysql::error`); which failure means which code is decided here and nowhere else.

use actors_messages::leader::ProposeFailure;
use runtime_actor::AskError;
use runtime_mysql::MySqlError;
use runtime_query::QueryError;
use runtime_sql::{BindError, SyntaxError};
use storage_catalog::Rejection;
use tonic::{Code, Status};

/// A statement that StarRocks has and Starkeep does not have yet.
pub(crate) fn unsupported(what: impl std::fmt::Display) -> MySqlError {
    MySqlError::analyzing(format_args!("{what} is not supported yet"))
}

/// What the parser could not read.
pub(crate) fn syntax(error: &SyntaxError) -> MySqlError {
    MySqlError::syntax(error.line.into(), error.column.into(), &error.message)
}

/// What the catalog refused.
pub(crate) fn rejection(error: &Rejection) -> MySqlError {
    match error {
        Rejection::DatabaseExists(name) => MySqlError::database_exists(name),
        Rejection::NoDatabaseToDrop(name) => MySqlError::cannot_drop_database(name),
        Rejection::UnknownDatabase(name) => MySqlError::unknown_database(name),
        Rejection::TableExists(name) => MySqlError::table_exists(name),
        Rejection::UnknownTable(name) => MySqlError::unknown_table(name),
        Rejection::UnknownPartition { partition, .. } => MySqlError::no_such_partition(partition),
        Rejection::NoPartitionToDrop(name) => MySqlError::partition_not_in_list(format_args!("[{name}]")),
        Rejection::PartitionExists(name) => MySqlError::duplicate_partition(name),
        Rejection::NoDefaultVolume => MySqlError::no_default_storage_volume(),
        // The text is what scripts look for, so it stands alone.
        Rejection::LabelUsed { .. } | Rejection::NameRule(_) | Rejection::ColumnRule(_) | Rejection::Altering(_) => {
            MySqlError::new(1064, *b"HY000", error.to_string())
        }
        Rejection::WrongObject(text) => MySqlError::new(1347, *b"HY000", text.clone()),
        Rejection::ComputeNodeExists(_)
        | Rejection::UnknownComputeNode(_)
        | Rejection::FrontendExists(_)
        | Rejection::UnknownFrontend(_)
        | Rejection::OtherRole { .. }
        | Rejection::DropsLeader
        | Rejection::VolumeRule(_)
        | Rejection::SnapshotRunning(_)
        | Rejection::Careful
        | Rejection::NotRestored
        | Rejection::TooLarge { .. }
        | Rejection::TooManyExpired(_)
        | Rejection::CannotRestore(_)
        | Rejection::Overtaken(_)
        | Rejection::Held(_)
        | Rejection::Stale(_) => MySqlError::common(error),
        _ => MySqlError::analyzing(error),
    }
}

/// Why a command did not go through.
pub(crate) fn propose(error: &ProposeFailure) -> MySqlError {
    match error {
        ProposeFailure::Rejected(why) => rejection(why),
        ProposeFailure::NotLeader => MySqlError::common(
            "no frontend leads: nothing has changed; SHOW FRONTENDS says which of them are alive, and most followers must be",
        ),
        ProposeFailure::Superseded(_) | ProposeFailure::ReadOnly(_) => {
            MySqlError::common(format_args!("{error}; nothing has changed"))
        }
        ProposeFailure::Unavailable(_) => MySqlError::common(format_args!(
            "{error}; whether the statement took effect is not known: look before repeating it"
        )),
    }
}

/// Why the catalog cannot be read here now.
pub(crate) fn stale(cause: &str) -> MySqlError {
    MySqlError::common(format_args!(
        "this frontend cannot read the metadata now: {cause}; try another frontend, or look at SHOW FRONTENDS"
    ))
}

/// Why an actor did not answer. `changes`: the message could have changed something.
pub(crate) fn ask(error: &AskError, who: &str, changes: bool) -> MySqlError {
    match error {
        AskError::Full | AskError::Stopped => {
            MySqlError::common(format_args!("the {who} takes no messages ({error}): nothing has changed; try again"))
        }
        _ if changes => MySqlError::common(format_args!(
            "the {who} did not answer ({error}); whether the statement took effect is not known: look before repeating it"
        )),
        _ => MySqlError::common(format_args!("the {who} did not answer: {error}")),
    }
}

/// Values that do not fit a prepared statement, in MySQL's words: what they were given to, not how many.
pub(crate) fn bind(error: &BindError, given_to: &str) -> MySqlError {
    match error {
        BindError::Count { .. } => MySqlError::wrong_arguments(given_to),
        BindError::TooLong => MySqlError::analyzing(error),
    }
}

/// A query that cannot be planned or run.
pub(crate) fn query(error: &QueryError) -> MySqlError {
    MySqlError::new(error.code, sqlstate(error.code), error.message.clone())
}

/// What a compute node answered: `code|text` when it is the statement's own failure.
pub(crate) fn plane(status: &Status) -> MySqlError {
    let coded = status.message().split_once('|').and_then(|(code, text)| Some((code.parse::<u16>().ok()?, text)));
    match (status.code(), coded) {
        (Code::FailedPrecondition, Some((code, text))) => MySqlError::new(code, sqlstate(code), text),
        (Code::Aborted, _) => MySqlError::common(status.message().split_once('|').map_or("", |(_, text)| text)),
        (Code::ResourceExhausted | Code::OutOfRange, _) => {
            MySqlError::common(format_args!("the statement is too large for one compute node: {}", status.message()))
        }
        _ => MySqlError::common(format_args!("a compute node failed: {}", status.message())),
    }
}

/// The data plane of the node that was lost while it worked for another.
pub(crate) fn lost_worker(status: &Status) -> Option<&str> {
    let (address, _) = status.message().split_once('|')?;
    (status.code() == Code::Aborted).then_some(address)
}

/// Whether another compute node might do better.
pub(crate) fn is_lost_node(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Cancelled | Code::Unknown | Code::Unauthenticated)
}

/// The state that goes with a code that another room has chosen.
fn sqlstate(code: u16) -> [u8; 5] {
    *match code {
        1046 => b"3D000",
        1050 => b"42S01",
        1054 => b"42S22",
        1058 | 1136 => b"21S01",
        1060 => b"42S21",
        1045 => b"28000",
        1066 | 5064 | 5078 | 5080 | 5082 | 5203 | 5505 => b"42000",
        5024 => b"53400",
        5501 => b"3F000",
        5502 => b"42602",
        5506 => b"55000",
        _ => b"HY000",
    }
}

#[cfg(test)]
mod tests {
    use storage_model::TxnId;

    use super::*;

    #[test]
    fn rejections_have_the_codes_that_clients_know() {
        let name = || "x".to_owned();
        let unknown_partition = Rejection::UnknownPartition { table: name(), partition: name() };
        let used = Rejection::LabelUsed { label: name(), txn: TxnId(7) };
        for (rejected, code) in [
            (Rejection::DatabaseExists(name()), 1007),
            (Rejection::NoDatabaseToDrop(name()), 1008),
            (Rejection::TableExists(name()), 1050),
            (Rejection::PartitionExists(name()), 1517),
            (Rejection::UnknownDatabase(name()), 5501),
            (Rejection::UnknownTable(name()), 5502),
            (unknown_partition, 5505),
            (Rejection::NoDefaultVolume, 5506),
            (used.clone(), 1064),
            (Rejection::NameRule(name()), 1064),
            (Rejection::SnapshotsAreOn, 1064),
            (Rejection::UnknownVolume(name()), 1064),
            (Rejection::Stale(name()), 5064),
            (Rejection::TooLarge { bytes: 9, limit: 8 }, 5064),
        ] {
            assert_eq!(rejection(&rejected).code, code, "{rejected}");
        }
        assert_eq!(rejection(&used).message, "Label [x] has already been used, relate to txn [7]");
        assert!(rejection(&Rejection::SnapshotsAreOn).message.contains("Automated snapshot has been turn on"));
    }

    #[test]
    fn an_unknown_outcome_is_said_to_be_unknown() {
        let unknown = propose(&ProposeFailure::Unavailable("disk full".into()));
        assert!(unknown.message.contains("not known") && unknown.message.contains("disk full"));
        assert!(ask(&AskError::Lost, "metadata leader", true).message.contains("not known"));
        assert!(ask(&AskError::Full, "metadata leader", true).message.contains("nothing has changed"));
        let full = propose(&ProposeFailure::ReadOnly("only 12 MiB are left".into())).message;
        assert_eq!(full, "the metadata is read-only: only 12 MiB are left; nothing has changed");
        assert!(propose(&ProposeFailure::NotLeader).message.contains("nothing has changed"));
    }

    #[test]
    fn codes_come_through_from_compute_nodes() {
        let own = plane(&Status::failed_precondition("5502|Unknown table 'a|b'"));
        assert_eq!((own.code, own.message.as_str(), own.sqlstate()), (5502, "Unknown table 'a|b'", "42602"));
        assert_eq!(plane(&Status::internal("1064|x")).code, 5064);
        assert_eq!(plane(&Status::failed_precondition("no code")).code, 5064);
        assert!(is_lost_node(&Status::unavailable("")) && !is_lost_node(&Status::failed_precondition("1064|x")));
    }
}
