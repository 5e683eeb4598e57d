//! The log entry that makes written rows true.

use runtime_mysql::MySqlError;
use storage_catalog::{Command, Rejection};
use storage_model::KeyModel;

use super::Loaded;
use crate::front::Shared;
use crate::session::{Limit, Running};
use crate::supersede::Looks;
use crate::turns;

/// Why a commit did not come to its end.
pub(super) enum Unfinished {
    /// Nothing was sent to the log: nothing is true, nor will be.
    Before(MySqlError),
    /// Whether the log has taken it is not known.
    Sent(MySqlError),
}

impl From<Unfinished> for MySqlError {
    fn from(unfinished: Unfinished) -> MySqlError {
        match unfinished {
            Unfinished::Before(error) | Unfinished::Sent(error) => error,
        }
    }
}

/// Makes the rows true, in a turn of its own or, unless it `waits`, in that which the statement has. The inner error: the table has
/// changed meanwhile, and nothing of them is.
pub(super) async fn commit(
    shared: &Shared,
    loaded: &Loaded,
    waits: bool,
    (limit, running): (&Limit, &Running),
) -> Result<Result<(), Rejection>, Unfinished> {
    let Loaded { table, txn, done, label, overwrites, replaced, merged } = loaded;
    let front = &shared.front;
    let says_nothing = !overwrites && done.rows == 0 && label.is_none();
    // That a query has no rows is all that the table of a CREATE TABLE AS waits for.
    if says_nothing && !front.view.now().is_unfilled(table.id) {
        return Ok(Ok(()));
    }
    let waits = waits && table.model == KeyModel::Primary;
    let (mut looks, mut attempt) = (Looks::of(*txn), 1);
    loop {
        let turn = shared.turns.of(table.id);
        let mut held = None;
        if waits {
            let locked = running.within_limit(limit, async { Ok(turn.lock().await) }).await;
            held = Some(locked.map_err(Unfinished::Before)?);
        }
        // Held until the commit: indexes of files are read.
        let (catalog, _point) = front.reads.begin(|| front.view.now());
        let looking = looks.superseded(shared, &catalog, table, (&done.files, *overwrites), running);
        let superseded = running.within_limit(limit, running.reading(looking)).await.map_err(Unfinished::Before)?;
        let (txn, table, label, files) = (*txn, table.id, label.clone(), done.files.clone());
        let command = match merged.clone() {
            _ if *overwrites => {
                Command::ReplaceRows { txn, table, label, partitions: replaced.clone(), files, superseded }
            }
            Some(partitions) => Command::MergeRows { txn, table, label, partitions, files, superseded },
            None => Command::CommitLoad { txn, table, label, files, superseded },
        };
        // From here on neither KILL nor the time limit counts: the commit is taken or refused by the log.
        match front.propose_unless_stale(command).await.map_err(Unfinished::Sent)? {
            Err(Rejection::Overtaken(why)) if attempt < turns::ATTEMPTS => {
                tracing::debug!(%txn, attempt, why, "keys are looked up again");
                drop(held);
                running.within_limit(limit, turns::rest(attempt)).await.map_err(Unfinished::Before)?;
                attempt += 1;
            }
            other => return Ok(other.map(drop)),
        }
    }
}
