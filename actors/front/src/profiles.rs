//! What statements have done: for EXPLAIN ANALYZE, and of a session with `enable_profile` for SHOW PROFILELIST, ANALYZE PROFILE
//! and `get_query_profile()`. Compute nodes remember what the operators of a fragment did until they are asked, which is when
//! the statement is over.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actors_messages::compute::FragmentProfile;
use actors_messages::nodes::NodeStatus;
use futures::future::join_all;
use runtime_query::Profile;
use runtime_sql::Statement;
use storage_model::value::format_datetime;
use storage_model::{NodeId, UnixMillis, UserId};

use crate::front::Shared;
use crate::session::Session;
use crate::sheet::{Sheet, row};
use crate::show::Whose;
use crate::variables::SessionVariables;
use crate::workers;

/// Statements whose profiles a frontend keeps.
const KEPT: usize = 500;
/// Bytes of all of them.
const KEPT_BYTES: usize = 32 << 20;
/// A node that does not say in that time what it did is left out.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who works for a statement whose profile is wanted. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed(Option<Arc<Mutex<Seen>>>);

#[derive(Debug, Default)]
struct Seen {
    nodes: Vec<NodeStatus>,
    /// What was done on this frontend.
    here: Option<String>,
}

impl Observed {
    /// Of a statement, if its profile is wanted.
    pub(crate) fn of(statement: &Statement, variables: &SessionVariables) -> Observed {
        let works = matches!(
            statement,
            Statement::Query(_)
                | Statement::Insert(_)
                | Statement::Update(_)
                | Statement::Delete(_)
                | Statement::CreateTableAs { .. }
                | Statement::Execute { .. }
        );
        if works && keeps_longer_than(variables).is_some() { Observed::on() } else { Observed::default() }
    }

    /// Of one whose profile is what is asked for.
    pub(crate) fn on() -> Observed {
        Observed(Some(Arc::default()))
    }

    /// Whether it is wanted.
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A node works for it, and those that work for the node. `lost`: they are not asked what they did.
    pub(crate) fn saw(&self, shared: &Shared, node: &NodeStatus, workers: &[String], lost: &[NodeId]) {
        let Some(mut seen) = self.lock() else { return };
        seen.nodes.retain(|known| !lost.contains(&known.node.id));
        let with_it = shared.front.alive_nodes().into_iter().filter(|other| {
            let address = other.plane_address();
            address.is_some_and(|address| workers.contains(&address))
        });
        for node in std::iter::once(node.clone()).chain(with_it) {
            if seen.nodes.iter().all(|known| known.node.id != node.node.id) {
                seen.nodes.push(node);
            }
        }
    }

    /// It was run on this frontend.
    pub(crate) fn here(&self, profile: Option<Profile>) {
        if let (Some(mut seen), Some(profile)) = (self.lock(), profile) {
            seen.here = Some(profile.text());
        }
    }

    fn lock(&self) -> Option<MutexGuard<'_, Seen>> {
        self.0.as_ref().map(|seen| seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was done, as lines.
    pub(crate) async fn lines(&self, shared: &Shared, query: &str) -> String {
        let (nodes, here) = match self.lock() {
            Some(seen) => (seen.nodes.clone(), seen.here.clone()),
            None => return String::new(),
        };
        let mut out = String::new();
        if let Some(operators) = here {
            fragment_lines(&mut out, format_args!("local on {}", shared.front.me.name), None, &operators);
        }
        let asked = nodes.iter().map(|node| tokio::time::timeout(PATIENCE, workers::profiles(shared, node, query)));
        for (node, answer) in nodes.iter().zip(join_all(asked).await) {
            let place = format!("compute node {} ({})", node.node.id, node.node.address());
            match answer {
                Ok(Ok(profiles)) => {
                    for profile in &profiles {
                        let called = format_args!("{} on {place}", profile.what);
                        fragment_lines(&mut out, called, Some(profile), &profile.operators);
                    }
                }
                Ok(Err(status)) => {
                    let _ = writeln!(out, "  {place} did not say what it did: {}", status.message());
                }
                Err(_) => {
                    let _ = writeln!(out, "  {place} did not say what it did within {} s", PATIENCE.as_secs());
                }
            }
        }
        out
    }
}

fn fragment_lines(
    out: &mut String,
    called: std::fmt::Arguments<'_>,
    profile: Option<&FragmentProfile>,
    operators: &str,
) {
    let _ = writeln!(out, "  Fragment: {called}");
    if let Some(profile) = profile {
        let _ = writeln!(out, "     - Rows: {}", profile.rows);
        let _ = writeln!(out, "     - Time: {}", shown_millis(profile.millis));
    }
    for line in operators.lines() {
        let _ = writeln!(out, "    {line}");
    }
}

/// `1s20ms`
fn shown_millis(millis: u64) -> String {
    match (millis / 1000, millis % 1000) {
        (0, millis) => format!("{millis}ms"),
        (seconds, millis) => format!("{seconds}s{millis}ms"),
    }
}

/// How long a statement must take that its profile is kept; None: none is.
fn keeps_longer_than(variables: &SessionVariables) -> Option<Duration> {
    if variables.is_on("enable_profile") {
        return Some(Duration::ZERO);
    }
    let threshold = variables.get("big_query_profile_threshold");
    let digits = threshold.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = threshold[..digits].parse().ok()?;
    let millis = match threshold[digits..].trim() {
        "ms" => 1,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 1000,
    };
    Some(Duration::from_millis(number.saturating_mul(millis))).filter(|limit| !limit.is_zero())
}

/// A statement that is over.
pub(crate) struct Over<'a> {
    pub(crate) query_id: &'a str,
    pub(crate) began: UnixMillis,
    pub(crate) took: Duration,
    pub(crate) failed: bool,
    /// Without secrets.
    pub(crate) statement: &'a str,
}

#[derive(Debug)]
struct Kept {
    query_id: String,
    user: Option<UserId>,
    began: UnixMillis,
    millis: u64,
    failed: bool,
    statement: String,
    text: String,
}

/// The profiles that this frontend keeps, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Profiles(Mutex<VecDeque<Arc<Kept>>>);

impl Profiles {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Kept>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, kept: Kept) {
        let mut all = self.lock();
        all.push_back(Arc::new(kept));
        let mut bytes: usize = all.iter().map(|kept| kept.text.len() + kept.statement.len()).sum();
        while all.len() > KEPT || bytes > KEPT_BYTES {
            let Some(oldest) = all.pop_front() else { return };
            bytes -= oldest.text.len() + oldest.statement.len();
        }
    }

    /// What a statement did, if it may be seen.
    pub(crate) fn text(&self, query_id: &str, whose: Whose) -> Option<String> {
        let all = self.lock();
        all.iter().rev().find(|kept| kept.query_id == query_id && whose.sees(kept.user)).map(|kept| kept.text.clone())
    }

    /// SHOW PROFILELIST: the newest first.
    pub(crate) fn list(&self, whose: Whose) -> Sheet {
        let mut sheet = Sheet::text(&["QueryId", "StartTime", "Time", "State", "Statement"]);
        for kept in self.lock().iter().rev().filter(|kept| whose.sees(kept.user)) {
            sheet.push(row![
                &kept.query_id,
                crate::sheet::Item::at(kept.began),
                shown_millis(kept.millis),
                state(kept.failed),
                &kept.statement,
            ]);
        }
        sheet
    }
}

fn state(failed: bool) -> &'static str {
    if failed { "Error" } else { "Finished" }
}

/// Keeps the profile of a statement that is over, if it is wanted.
pub(crate) async fn keep(session: &Session, observed: &Observed, over: &Over<'_>) {
    let Some(limit) = keeps_longer_than(&session.variables).filter(|limit| over.took >= *limit) else { return };
    if !observed.is_on() {
        return;
    }
    tracing::debug!(query_id = over.query_id, ?limit, "the profile of a statement is kept");
    let shared = &session.shared;
    let text = text(session, observed, over).await;
    shared.profiles.keep(Kept {
        query_id: over.query_id.to_owned(),
        user: session.entry.activity().user_id,
        began: over.began,
        millis: u64::try_from(over.took.as_millis()).unwrap_or(u64::MAX),
        failed: over.failed,
        statement: over.statement.to_owned(),
        text,
    });
}

/// All that is known of a statement.
pub(crate) async fn text(session: &Session, observed: &Observed, over: &Over<'_>) -> String {
    let millis = u64::try_from(over.took.as_millis()).unwrap_or(u64::MAX);
    let zone = session.variables.zone();
    let at =
        |millis: u64| format_datetime(zone.to_local(i64::try_from(millis.saturating_mul(1000)).unwrap_or(i64::MAX)));
    let second = |millis: u64| at(millis / 1000 * 1000);
    let facts = [
        ("Query ID", over.query_id.to_owned()),
        ("Start Time", second(over.began.0)),
        ("End Time", second(over.began.0.saturating_add(millis))),
        ("Total", shown_millis(millis)),
        ("Query State", state(over.failed).to_owned()),
        ("Starkeep Version", session.front().me.full_version()),
        ("User", session.user.clone()),
        ("Default Db", session.database.clone().unwrap_or_default()),
        ("Sql Statement", over.statement.split_whitespace().collect::<Vec<_>>().join(" ")),
    ];
    let mut out = "Summary:\n".to_owned();
    for (name, value) in facts {
        let _ = writeln!(out, "     - {name}: {value}");
    }
    out.push_str("Execution:\n");
    out.push_str(&observed.lines(&session.shared, over.query_id).await);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(query_id: &str, user: u64, text: String) -> Kept {
        let (began, millis, failed) = (UnixMillis(0), 1, false);
        Kept { query_id: query_id.into(), user: Some(UserId(user)), began, millis, failed, statement: "s".into(), text }
    }

    #[test]
    fn the_oldest_go_and_others_see_nothing() {
        let profiles = Profiles::default();
        for n in 0..=KEPT {
            profiles.keep(kept(&n.to_string(), 7, n.to_string()));
        }
        assert_eq!(profiles.text("0", Whose::All), None);
        assert_eq!(profiles.text("1", Whose::All).as_deref(), Some("1"));
        assert_eq!(profiles.text("1", Whose::Of(UserId(7))).as_deref(), Some("1"));
        assert_eq!(profiles.text("1", Whose::Of(UserId(8))), None);
        assert_eq!((profiles.list(Whose::All).rows.len(), profiles.list(Whose::Nobodys).rows.len()), (KEPT, 0));
        profiles.keep(kept("long", 7, "x".repeat(KEPT_BYTES - 10)));
        profiles.keep(kept("last", 7, "x".repeat(20)));
        assert_eq!(profiles.list(Whose::All).rows.len(), 1, "no more bytes than may be");
    }

    #[test]
    fn times_read_as_people_write_them() {
        assert_eq!([0, 999, 1000, 61_020].map(shown_millis), ["0ms", "999ms", "1s0ms", "61s20ms"]);
        let limit = |threshold: &str| {
            let mut variables = SessionVariables::default();
            variables.set("big_query_profile_threshold", &runtime_query::Constant::Text(threshold.into())).unwrap();
            keeps_longer_than(&variables).map(|limit| limit.as_millis())
        };
        let shown = ["0", "0s", "30s", "500ms", "2m", "7", "often"].map(limit);
        assert_eq!(shown, [None, None, Some(30_000), Some(500), Some(120_000), Some(7000), None]);
    }
}
