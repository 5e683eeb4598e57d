//! Transaction ids: every frontend leases a range of them from the catalog, so that a load costs one log entry and not two.

use std::sync::Arc;
use std::time::Duration;

use actors_messages::leader::{DrawTxn, Propose, ProposeFailure};
use runtime_actor::{Actor, Answer, Context, Handle, Recipient};
use serde::Serialize;
use storage_catalog::{Command, Outcome};
use storage_model::TxnId;
use tokio::sync::Mutex;

/// How long a lease may take: less than those wait who ask for an id, so that they hear why there is none.
const LEASE_LIMIT: Duration = Duration::from_secs(20);
/// Transaction ids reserved by one log entry.
const LEASED_TXNS: u64 = 1000;

/// The role.
pub struct TransactionLease {
    propose: Recipient<Propose>,
    leased: Arc<Mutex<std::ops::Range<u64>>>,
}

/// What the dashboard shows of it.
#[derive(Debug, Serialize)]
pub struct TransactionLeaseState {
    left: Option<u64>,
}

impl TransactionLease {
    /// A lease that is drawn by `propose`.
    pub fn new(propose: Recipient<Propose>) -> TransactionLease {
        TransactionLease { propose, leased: Arc::new(Mutex::new(0..0)) }
    }
}

impl Actor for TransactionLease {
    const ROLE: &'static str = "transaction_lease";
    type State = TransactionLeaseState;

    fn observe(&self) -> TransactionLeaseState {
        let left = self.leased.try_lock().ok().map(|leased| leased.end.saturating_sub(leased.start));
        TransactionLeaseState { left }
    }
}

impl Handle<DrawTxn> for TransactionLease {
    fn handle(&mut self, _message: DrawTxn, _cx: &mut Context<Self>) -> Answer<Result<TxnId, ProposeFailure>> {
        if let Ok(mut leased) = self.leased.try_lock()
            && let Some(txn) = leased.next()
        {
            return Answer::now(Ok(TxnId(txn)));
        }
        let (propose, leased) = (self.propose.clone(), self.leased.clone());
        Answer::later(async move {
            // One lease for all who wait here.
            let mut leased = leased.lock().await;
            if let Some(txn) = leased.next() {
                return Ok(TxnId(txn));
            }
            let message = Propose { command: Command::LeaseTxns { count: LEASED_TXNS } };
            let asked = propose.ask_within(message, LEASE_LIMIT).await;
            match asked.map_err(|lost| ProposeFailure::Unavailable(lost.to_string()))?? {
                Outcome::Txns { first, count } => {
                    *leased = first.0 + 1..first.0 + count;
                    Ok(first)
                }
                other => Err(ProposeFailure::Unavailable(format!("a lease was answered with {other:?}"))),
            }
        })
    }
}
