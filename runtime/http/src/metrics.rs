//! What is counted of every actor, as metrics.

use std::collections::BTreeMap;

use runtime_actor::view::{MailboxView, NodeView, TreeView};
use runtime_actor::{Status, view};

use crate::prometheus::{Family, Kind};

/// With more actors of one role under one supervisor than this (sessions), they are counted together under the name `*`.
const MOST_SIBLINGS: usize = 32;

/// What is counted of one actor, or of several with the same labels.
#[derive(Default)]
struct Row {
    up: u64,
    restarts: u64,
    mailbox: MailboxView,
}

/// By path and role.
type Rows = BTreeMap<(String, String), Row>;

/// The numbers of all actors: depth, capacity, messages by outcome, restarts, wait and handle times.
pub fn actor_metrics(tree: &TreeView) -> Vec<Family> {
    let mut rows = Rows::new();
    collect(&tree.root, &mut rows);
    let one = |name: &str, kind, help: &str, value: fn(&Row) -> u64| {
        let mut family = Family::new(kind, format!("starkeep_actor_{name}"), help);
        for ((actor, role), row) in &rows {
            family.add(&[("actor", actor), ("role", role)], value(row) as f64);
        }
        family
    };
    let timing = |name: &str, help: &str, timing: fn(&MailboxView) -> &view::TimingView| {
        let mut family = Family::new(Kind::Histogram, format!("starkeep_actor_{name}_seconds"), help);
        for ((actor, role), row) in &rows {
            family.add_timing(&[("actor", actor), ("role", role)], timing(&row.mailbox));
        }
        family
    };
    vec![
        one("up", Kind::Gauge, "Actors that run.", |row| row.up),
        one("mailbox_depth", Kind::Gauge, "Messages that wait.", |row| row.mailbox.depth as u64),
        one("mailbox_capacity", Kind::Gauge, "Messages that may wait.", |row| row.mailbox.capacity as u64),
        one("restarts_total", Kind::Counter, "How often an actor was rebuilt.", |row| row.restarts),
        outcomes(&rows),
        timing("wait", "From taken in to handler entered.", |mailbox| &mailbox.wait),
        timing("handle", "Inside the handler.", |mailbox| &mailbox.handle),
    ]
}

fn outcomes(rows: &Rows) -> Family {
    let mut family = Family::counter("starkeep_actor_messages_total", "Messages by what became of them.");
    for ((actor, role), row) in rows {
        let MailboxView { handled, failed, refused, expired, .. } = row.mailbox;
        for (outcome, count) in [("handled", handled), ("failed", failed), ("refused", refused), ("expired", expired)] {
            family.add(&[("actor", actor), ("role", role), ("outcome", outcome)], count as f64);
        }
    }
    family
}

fn collect(node: &NodeView, rows: &mut Rows) {
    let mut siblings: BTreeMap<&str, usize> = BTreeMap::new();
    for role in node.children.iter().filter_map(|child| child.role.as_deref()) {
        *siblings.entry(role).or_default() += 1;
    }
    for child in &node.children {
        match (&child.role, &child.mailbox) {
            (Some(role), Some(mailbox)) if child.kind == view::NodeKind::Actor => {
                let together = siblings.get(role.as_str()).is_some_and(|count| *count > MOST_SIBLINGS);
                let path = if together { format!("{}/*", node.path) } else { child.path.clone() };
                let row = rows.entry((path, role.clone())).or_default();
                row.up += u64::from(child.status == Status::Running);
                row.restarts += child.restarts;
                add(&mut row.mailbox, mailbox);
            }
            _ => collect(child, rows),
        }
    }
}

fn add(sum: &mut MailboxView, more: &MailboxView) {
    sum.depth += more.depth;
    sum.capacity += more.capacity;
    sum.handled += more.handled;
    sum.failed += more.failed;
    sum.refused += more.refused;
    sum.expired += more.expired;
    for (sum, more) in [(&mut sum.wait, &more.wait), (&mut sum.handle, &more.handle)] {
        sum.count += more.count;
        sum.sum_us += more.sum_us;
        sum.at_most.resize(more.at_most.len().max(sum.at_most.len()), 0);
        for (sum, more) in sum.at_most.iter_mut().zip(&more.at_most) {
            *sum += more;
        }
    }
}
