//! The sessions of this frontend: what each is doing, for SHOW PROCESSLIST, and how to stop it, for KILL.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use runtime_actor::TraceId;
use runtime_mysql::ConnectionInfo;
use storage_model::{User, UserId};
use tokio_util::sync::CancellationToken;

use crate::tally::Tally;

/// The longest statement that SHOW PROCESSLIST prints without FULL, in characters.
const SHORT_INFO: usize = 100;

/// All sessions of one frontend.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    entries: Mutex<BTreeMap<u32, Arc<Entry>>>,
    questions: AtomicU64,
    pub(crate) tally: Tally,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: u32,
    pub(crate) host: String,
    pub(crate) since_ms: u64,
    kill: CancellationToken,
    now: Mutex<Activity>,
}

/// What a session is doing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity {
    pub(crate) user: String,
    /// None until the login was checked.
    pub(crate) user_id: Option<UserId>,
    pub(crate) database: Option<String>,
    /// The running statement without its secrets; None while the client is silent.
    pub(crate) statement: Option<Arc<str>>,
    /// Of the running statement, or of the last one.
    pub(crate) query_id: String,
    /// The same; None before the first statement.
    pub(crate) trace: Option<TraceId>,
    /// When the present state began.
    pub(crate) changed_ms: u64,
    cancel: CancellationToken,
}

impl Sessions {
    /// Enters a session; it leaves with [`Sessions::leave`].
    pub(crate) fn enter(&self, info: &ConnectionInfo, now_ms: u64) -> Arc<Entry> {
        let entry = Arc::new(Entry {
            id: info.connection_id,
            host: info.client_address.to_string(),
            since_ms: now_ms,
            kill: info.kill.clone(),
            now: Mutex::new(Activity { changed_ms: now_ms, ..Activity::default() }),
        });
        self.lock().insert(entry.id, Arc::clone(&entry));
        entry
    }

    pub(crate) fn leave(&self, entry: &Entry) {
        self.lock().remove(&entry.id);
    }

    /// All sessions in order of their ids.
    pub(crate) fn all(&self) -> Vec<Arc<Entry>> {
        self.lock().values().cloned().collect()
    }

    /// How many statements all sessions have begun.
    pub(crate) fn questions(&self) -> u64 {
        self.questions.load(Ordering::Relaxed)
    }

    /// The session with this id.
    pub(crate) fn find(&self, id: u64) -> Option<Arc<Entry>> {
        u32::try_from(id).ok().and_then(|id| self.lock().get(&id).cloned())
    }

    /// How many sessions a user has.
    pub(crate) fn count_of(&self, user: UserId) -> usize {
        self.all().iter().filter(|entry| entry.lock().user_id == Some(user)).count()
    }

    /// The session whose running statement has this query id.
    pub(crate) fn find_query(&self, query_id: &str) -> Option<Arc<Entry>> {
        let runs = |entry: &Arc<Entry>| {
            let activity = entry.activity();
            activity.statement.is_some() && activity.query_id == query_id
        };
        self.all().into_iter().find(runs)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u32, Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a statement; its number.
    pub(crate) fn count_question(&self) -> u64 {
        self.questions.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Entry {
    /// What the session does now.
    pub(crate) fn activity(&self) -> Activity {
        self.lock().clone()
    }

    pub(crate) fn set_user(&self, user: &User) {
        let mut activity = self.lock();
        user.name.name.clone_into(&mut activity.user);
        activity.user_id = Some(user.id);
    }

    pub(crate) fn set_database(&self, database: Option<&str>) {
        self.lock().database = database.map(str::to_owned);
    }

    /// A statement begins; what is returned is cancelled by KILL QUERY.
    pub(crate) fn begin(
        &self,
        statement: Arc<str>,
        query_id: String,
        trace: TraceId,
        now_ms: u64,
    ) -> CancellationToken {
        let mut activity = self.lock();
        activity.statement = Some(statement);
        activity.query_id = query_id;
        activity.trace = Some(trace);
        activity.changed_ms = now_ms;
        activity.cancel = CancellationToken::new();
        activity.cancel.clone()
    }

    /// The statement is over.
    pub(crate) fn end(&self, now_ms: u64) {
        let mut activity = self.lock();
        activity.statement = None;
        activity.changed_ms = now_ms;
    }

    /// Ends the connection, or only its running statement.
    pub(crate) fn stop(&self, query_only: bool) {
        if query_only {
            self.lock().cancel.cancel();
        } else {
            self.kill.cancel();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Activity> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The statement as SHOW PROCESSLIST prints it.
pub(crate) fn shown_info(statement: &str, full: bool) -> String {
    if full { statement.to_owned() } else { statement.chars().take(SHORT_INFO).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(id: u32) -> ConnectionInfo {
        let client_address = ([127, 0, 0, 1], 4000).into();
        ConnectionInfo { connection_id: id, client_address, kill: CancellationToken::new() }
    }

    #[test]
    fn a_statement_is_killed_without_its_connection() {
        let sessions = Sessions::default();
        let info = info(7);
        let entry = sessions.enter(&info, 1);
        let first = entry.begin("select 1".into(), "q1".into(), TraceId::new(), 2);
        assert!(sessions.find_query("q0").is_none());
        sessions.find_query("q1").unwrap().stop(true);
        assert!(first.is_cancelled() && !info.kill.is_cancelled());
        entry.end(3);
        assert!(sessions.find_query("q1").is_none(), "it is over");
        let second = entry.begin("select 2".into(), "q2".into(), TraceId::new(), 4);
        assert!(!second.is_cancelled() && !info.kill.is_cancelled());
        sessions.find(7).unwrap().stop(true);
        assert!(second.is_cancelled() && !info.kill.is_cancelled());
        sessions.find(7).unwrap().stop(false);
        assert!(info.kill.is_cancelled());
        entry.set_user(&User::root());
        assert_eq!((sessions.count_of(UserId::ROOT), sessions.count_of(UserId(9))), (1, 0));
        sessions.leave(&entry);
        assert!(sessions.find(7).is_none() && sessions.all().is_empty());
    }
}
