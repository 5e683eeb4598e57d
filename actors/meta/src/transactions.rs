//! Transaction ids: every frontend leases a range of them from the catalog, so that a load costs one log entry and not two.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use actors_messages::leader::{DrawTxn, Propose, ProposeFailure};
use runtime_actor::{Actor, Answer, Context, Handle, Recipient};
use serde::Serialize;
use storage_catalog::{Command, Outcome};
use storage_model::TxnId;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::settings::SettingsReader;

/// How long a lease may take: less than those wait who ask for an id, so that they hear why there is none.
const LEASE_LIMIT: Duration = Duration::from_secs(20);
/// Transaction ids reserved by one log entry.
const LEASED_TXNS: u64 = 1000;

/// Ids that are older than this part of the time after which loads are given up are not used any more: what begins with one
/// has most of that time before it.
const FRESH_PART: u32 = 4;

/// The role.
pub struct TransactionLease {
    propose: Recipient<Propose>,
    settings: SettingsReader,
    leased: Arc<Mutex<Leased>>,
}

/// Ids that nobody has used yet.
struct Leased {
    ids: Range<u64>,
    since: Instant,
}

impl Leased {
    fn next(&mut self, fresh: Duration) -> Option<u64> {
        if self.since.elapsed() >= fresh { None } else { self.ids.next() }
    }
}

/// What the dashboard shows of it.
#[derive(Debug, Serialize)]
pub struct TransactionLeaseState {
    left: Option<u64>,
}

impl TransactionLease {
    /// A lease that is drawn by `propose`.
    pub fn new(propose: Recipient<Propose>, settings: SettingsReader) -> TransactionLease {
        let none = Leased { ids: 0..0, since: Instant::now() };
        TransactionLease { propose, settings, leased: Arc::new(Mutex::new(none)) }
    }
}

impl Actor for TransactionLease {
    const ROLE: &'static str = "transaction_lease";
    type State = TransactionLeaseState;

    fn observe(&self) -> TransactionLeaseState {
        let left = self.leased.try_lock().ok().map(|leased| leased.ids.end.saturating_sub(leased.ids.start));
        TransactionLeaseState { left }
    }
}

impl Handle<DrawTxn> for TransactionLease {
    fn handle(&mut self, _message: DrawTxn, _cx: &mut Context<Self>) -> Answer<Result<TxnId, ProposeFailure>> {
        let fresh = (self.settings)().orphan_age / FRESH_PART;
        if let Ok(mut leased) = self.leased.try_lock()
            && let Some(txn) = leased.next(fresh)
        {
            return Answer::now(Ok(TxnId(txn)));
        }
        let (propose, leased) = (self.propose.clone(), self.leased.clone());
        Answer::later(async move {
            // One lease for all who wait here.
            let mut leased = leased.lock().await;
            if let Some(txn) = leased.next(fresh) {
                return Ok(TxnId(txn));
            }
            // By the time of the question: the ids are no younger than that.
            let since = Instant::now();
            let message = Propose { command: Command::LeaseTxns { count: LEASED_TXNS } };
            let asked = propose.ask_within(message, LEASE_LIMIT).await;
            match asked.map_err(|lost| ProposeFailure::Unavailable(lost.to_string()))?? {
                Outcome::Txns { first, count } => {
                    *leased = Leased { ids: first.0 + 1..first.0 + count, since };
                    Ok(first)
                }
                other => Err(ProposeFailure::Unavailable(format!("a lease was answered with {other:?}"))),
            }
        })
    }
}
