//! Group commit: small INSERTs of constants into one table that come side by side are written as one and become true by one log
//! entry. One is under way at a time; what comes meanwhile waits and goes together. A little pause lets those come back that were
//! just answered. When a group cannot be written as a whole, each of its statements is tried by itself: none fails for another's rows.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use runtime_mysql::MySqlError;
use runtime_query::Planned;
use runtime_sql::statement::Insert;
use storage_catalog::Rejection;
use storage_model::{PartitionId, TableId, TxnId};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::commit::{Unfinished, commit};
use super::{InsertPlan, Loaded, write};
use crate::front::Shared;
use crate::session::{Limit, Running};
use crate::{errors, ids};

/// Longer ones are worth a load of their own.
const MOST_ROWS: usize = 1_000;
/// Bytes of the rows of one statement, as they are in memory.
const MOST_BYTES: usize = 1 << 20;
/// Rows and bytes of a group.
const GROUP_ROWS: usize = 20_000;
const GROUP_BYTES: usize = 16 << 20;
/// The longest pause for those who were just answered; never more than an eighth of what the last group took.
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// The statements of one frontend that wait for others to the same place. A place is here while one of its groups is driven.
#[derive(Default)]
pub(crate) struct Groups(Mutex<HashMap<Place, Waiting>>);

/// A table, or those of its partitions that statements name.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    table: TableId,
    named: Option<Vec<PartitionId>>,
}

#[derive(Default)]
struct Waiting {
    members: VecDeque<Member>,
    next_number: u64,
    arrived: Arc<Notify>,
}

/// A statement that waits.
struct Member {
    number: u64,
    plan: InsertPlan,
    limit: Limit,
    running: Running,
    answer: oneshot::Sender<Result<TxnId, Failed>>,
}

/// How a group failed.
#[derive(Clone)]
enum Failed {
    /// The table has changed meanwhile: nothing of it is true, nor will be.
    Stale(Rejection),
    /// Nothing of it is true, nor will be.
    Certainly(MySqlError),
    /// Whether it is true is not known.
    Perhaps(MySqlError),
}

impl From<Failed> for Result<Rejection, MySqlError> {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Stale(why) => Ok(why),
            Failed::Certainly(error) | Failed::Perhaps(error) => Err(error),
        }
    }
}

/// Whether a statement may go with others: one of few constant rows beside what is there, with no name of its own.
pub(super) fn takes(ast: &Insert, plan: &InsertPlan) -> bool {
    let is_plain = !ast.overwrite && !ast.temporary && ast.label.is_none() && ast.partition_values.is_empty();
    let is_small = |rows: &arrow::array::RecordBatch| {
        (1..=MOST_ROWS).contains(&rows.num_rows()) && rows.get_array_memory_size() <= MOST_BYTES
    };
    is_plain && !plan.is_partial && plan.planned.values.as_ref().is_some_and(is_small)
}

/// Makes the rows true together with those of others; the transaction that they are of. The inner error: the table has changed
/// meanwhile, and nothing of them is. KILL and the time limit count until it is on its way with others.
pub(super) async fn insert(
    shared: &Arc<Shared>,
    ast: &Insert,
    plan: InsertPlan,
    limit: &Limit,
    running: &Running,
) -> Result<Result<TxnId, Rejection>, MySqlError> {
    let named = ast.partitions.as_ref().map(|_| plan.partitions.iter().map(|partition| partition.id).collect());
    let place = Place { table: plan.table.id, named };
    let (number, mut answer) = join(shared, &place, plan, limit, running);
    let unknown = |_| MySqlError::unknown_error("the rows were on their way when the work on them ended");
    let answered = match running.within_limit(limit, async { Ok((&mut answer).await) }).await {
        Ok(answered) => answered,
        Err(why) if shared.groups.withdraw(&place, number) => return Err(why),
        Err(_) => answer.await,
    };
    match answered.map_err(unknown)? {
        Ok(txn) => Ok(Ok(txn)),
        Err(failed) => Result::from(failed).map(Err),
    }
}

/// Begins to wait, and begins to work when nobody does.
fn join(
    shared: &Arc<Shared>,
    place: &Place,
    plan: InsertPlan,
    limit: &Limit,
    running: &Running,
) -> (u64, oneshot::Receiver<Result<TxnId, Failed>>) {
    let (answer, answered) = oneshot::channel();
    let mut groups = shared.groups.lock();
    let is_driven = groups.contains_key(place);
    let waiting = groups.entry(place.clone()).or_default();
    let number = waiting.next_number;
    waiting.next_number += 1;
    waiting.members.push_back(Member { number, plan, limit: *limit, running: running.twin(), answer });
    waiting.arrived.notify_one();
    if !is_driven {
        tokio::spawn(drive(Driving { shared: Arc::clone(shared), place: place.clone(), is_over: false }));
    }
    (number, answered)
}

impl Groups {
    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a statement back that waits; false: it is on its way.
    fn withdraw(&self, place: &Place, number: u64) -> bool {
        let mut groups = self.lock();
        let Some(waiting) = groups.get_mut(place) else { return false };
        let before = waiting.members.len();
        waiting.members.retain(|member| member.number != number);
        waiting.members.len() < before
    }

    fn waiting(&self, place: &Place) -> usize {
        self.lock().get(place).map_or(0, |waiting| waiting.members.len())
    }

    /// Waits until so many have come, for this long at most.
    async fn gather(&self, place: &Place, expected: usize, pause: Duration) {
        let until = Instant::now() + pause;
        let Some(arrived) = self.lock().get(place).map(|waiting| Arc::clone(&waiting.arrived)) else { return };
        while self.waiting(place) < expected {
            if tokio::time::timeout_at(until, arrived.notified()).await.is_err() {
                return;
            }
        }
    }

    /// The first of those who wait, and others behind it that fit to it. None: nobody waits, and who comes next begins anew.
    fn take(&self, place: &Place) -> Option<Vec<Member>> {
        let mut groups = self.lock();
        let waiting = groups.get_mut(place)?;
        // Of a client that is gone nothing was promised.
        waiting.members.retain(|member| !member.answer.is_closed());
        let mut taken: Vec<Member> = Vec::new();
        let (mut rows, mut bytes) = (0, 0);
        while let Some(next) = waiting.members.front() {
            let (more_rows, more_bytes) = next.size();
            let fits = taken.first().is_none_or(|first| first.fits(next));
            let is_full = !taken.is_empty() && (rows + more_rows > GROUP_ROWS || bytes + more_bytes > GROUP_BYTES);
            if !fits || is_full {
                break;
            }
            (rows, bytes) = (rows + more_rows, bytes + more_bytes);
            taken.extend(waiting.members.pop_front());
        }
        if taken.is_empty() {
            groups.remove(place);
            return None;
        }
        Some(taken)
    }
}

impl Member {
    fn size(&self) -> (usize, usize) {
        let values = self.plan.planned.values.as_ref();
        values.map_or((0, 0), |rows| (rows.num_rows(), rows.get_array_memory_size()))
    }

    /// Whether the rows of another have the same columns and go to the same partitions.
    fn fits(&self, other: &Member) -> bool {
        let (own, other) = (&self.plan, &other.plan);
        let same_table = Arc::ptr_eq(&own.table, &other.table) || own.table == other.table;
        let same_partitions = own.partitions.len() == other.partitions.len()
            && own.partitions.iter().zip(&other.partitions).all(|(own, other)| own.id == other.id);
        same_table && same_partitions && own.makes_partitions == other.makes_partitions
    }
}

/// One who works on the groups of a place. However that ends, nobody waits for it for ever.
struct Driving {
    shared: Arc<Shared>,
    place: Place,
    /// Nobody waited, and its place was taken away with that: one who has come since has begun anew.
    is_over: bool,
}

impl Drop for Driving {
    fn drop(&mut self) {
        // A panic: whoever waits is told so by its lost answer.
        if !self.is_over {
            self.shared.groups.lock().remove(&self.place);
        }
    }
}

async fn drive(mut driving: Driving) {
    let (groups, place) = (&driving.shared.groups, &driving.place);
    let (mut expected, mut pause) = (0, Duration::ZERO);
    loop {
        groups.gather(place, expected, pause).await;
        let Some(members) = groups.take(place) else { break };
        let (began, count) = (Instant::now(), members.len());
        work(&driving.shared, members).await;
        expected = count + groups.waiting(place);
        pause = LONGEST_PAUSE.min(began.elapsed() / 8);
    }
    driving.is_over = true;
}

/// Makes the rows of all true, together or, where that cannot be, each by itself.
async fn work(shared: &Shared, members: Vec<Member>) {
    if members.len() > 1 {
        let done = together(shared, &members).await;
        if matches!(&done, Ok(_) | Err(Failed::Perhaps(_))) {
            members.into_iter().for_each(|member| member.tell(done.clone()));
            return;
        }
    }
    let alone = members.into_iter().map(|member| async {
        let done = written(shared, member.plan.clone(), &member.limit, &member.running).await;
        member.tell(done);
    });
    join_all(alone).await;
}

impl Member {
    fn tell(self, done: Result<TxnId, Failed>) {
        // Its client may be gone.
        let _ = self.answer.send(done);
    }
}

async fn together(shared: &Shared, members: &[Member]) -> Result<TxnId, Failed> {
    let Some(first) = members.first() else { return Err(Failed::Certainly(MySqlError::unknown_error("nobody"))) };
    // Whoever has more time than this has it alone.
    let limit = members.iter().map(|member| member.limit).min_by_key(Limit::until).unwrap_or(first.limit);
    let planned: Vec<&Planned> = members.iter().map(|member| &member.plan.planned).collect();
    let planned = runtime_query::together(&planned).map_err(|e| Failed::Certainly(errors::query(&e)))?;
    let span = shared.front.recorder.open("load", "group");
    span.label("statements", members.len().to_string());
    let running = first.running.of_several(&span);
    let plan = InsertPlan { planned, ..first.plan.clone() };
    let done = span.run(written(shared, plan, &limit, &running)).await;
    match &done {
        Ok(_) => span.finish(),
        Err(Failed::Stale(why)) => span.fail(why.to_string()),
        Err(Failed::Certainly(error) | Failed::Perhaps(error)) => span.fail(&error.message),
    }
    done
}

/// Writes rows and makes them true.
async fn written(shared: &Shared, mut plan: InsertPlan, limit: &Limit, running: &Running) -> Result<TxnId, Failed> {
    let catalog = shared.front.view.now();
    let writing = async {
        plan.ids = ids::for_plan(shared, &plan).await?;
        write::written(shared, &catalog, &mut plan, running).await
    };
    let writing = running.within_limit(limit, running.reading(writing)).await;
    let (txn, done) = writing.map_err(Failed::Certainly)?;
    let loaded = Loaded::plain(plan.table, txn, done);
    match commit(shared, &loaded, true, (limit, running)).await {
        Ok(Ok(())) => Ok(txn),
        Ok(Err(stale)) => Err(Failed::Stale(stale)),
        Err(Unfinished::Before(error)) => Err(Failed::Certainly(error)),
        Err(Unfinished::Sent(error)) => Err(Failed::Perhaps(error)),
    }
}
