//! Turns: of the statements of one frontend that commit to one PRIMARY KEY table, one at a time looks keys up and commits, and one at
//! a time of those that were overtaken begins again. Between frontends the log decides, and who was overtaken pauses a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use runtime_actor::random;
use runtime_mysql::MySqlError;
use storage_model::TableId;

/// How often a statement that is overtaken begins at most, one that keeps a part of the rows too.
pub(crate) const ATTEMPTS: u32 = 32;
/// The longest pause before another frontend's statements are tried against again, for each time it was overtaken.
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

/// Whose turn it is among the statements that were overtaken, by table.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<TableId, Weak<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// What the holder of the turn holds.
    pub(crate) fn of(&self, table: TableId) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&table).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(table, Arc::downgrade(&turn));
        turn
    }
}

/// Whose turn it is.
pub(crate) type Turn = Option<tokio::sync::OwnedMutexGuard<()>>;

/// Before a statement that was overtaken begins again: until it is its turn, and then for a while each time.
pub(crate) async fn wait_for_turn(
    turns: &Turns,
    table: TableId,
    turn: &mut Turn,
    attempt: u32,
) -> Result<(), MySqlError> {
    match turn {
        None => *turn = Some(turns.of(table).lock_owned().await),
        Some(_) => rest(attempt).await?,
    }
    Ok(())
}

/// Between two attempts.
pub(crate) async fn rest(attempt: u32) -> Result<(), MySqlError> {
    tokio::time::sleep(pause(attempt)).await;
    Ok(())
}

/// A random part of a time that grows.
fn pause(attempt: u32) -> Duration {
    let [part] = random::bytes::<1>();
    LONGEST_PAUSE * attempt * u32::from(part) / u32::from(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_of_one_table_and_is_forgotten_with_its_last_holder() {
        let turns = Turns::default();
        let (first, again, other) = (turns.of(TableId(1)), turns.of(TableId(1)), turns.of(TableId(2)));
        assert!(Arc::ptr_eq(&first, &again) && !Arc::ptr_eq(&first, &other));
        let held = first.try_lock();
        assert!(held.is_ok() && again.try_lock().is_err() && other.try_lock().is_ok());
        drop(held);
        drop((first, again, other));
        turns.of(TableId(3));
        assert_eq!(turns.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        assert!((1..=ATTEMPTS).all(|attempt| pause(attempt) <= LONGEST_PAUSE * attempt));
    }
}
