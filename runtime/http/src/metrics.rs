//! The tree of actors in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write;

use runtime_actor::view::{MailboxView, NodeView, TIMING_BOUNDS_US, TimingView, TreeView};
use runtime_actor::{Status, view};

/// With more actors of one role under one supervisor than this (sessions), they are counted together under the name `*`.
const MOST_SIBLINGS: usize = 32;

/// What is counted of one actor, or of several with the same labels.
#[derive(Default)]
struct Row {
    up: u64,
    restarts: u64,
    mailbox: MailboxView,
}

/// The numbers of all actors: depth, capacity, messages by outcome, restarts, wait and handle times.
pub fn actor_metrics(tree: &TreeView) -> String {
    let mut rows = BTreeMap::new();
    collect(&tree.root, &mut rows);
    let mut text = String::new();
    family(&mut text, "actor_up", "gauge", "Actors that run.", &rows, |row| row.up);
    family(&mut text, "actor_mailbox_depth", "gauge", "Messages that wait.", &rows, |row| row.mailbox.depth as u64);
    let capacity = "Messages that may wait.";
    family(&mut text, "actor_mailbox_capacity", "gauge", capacity, &rows, |row| row.mailbox.capacity as u64);
    let restarts = "How often an actor was rebuilt.";
    family(&mut text, "actor_restarts_total", "counter", restarts, &rows, |row| row.restarts);
    header(&mut text, "actor_messages_total", "counter", "Messages by what became of them.");
    for (labels, row) in &rows {
        let counts = [
            ("handled", row.mailbox.handled),
            ("failed", row.mailbox.failed),
            ("refused", row.mailbox.refused),
            ("expired", row.mailbox.expired),
        ];
        for (outcome, count) in counts {
            line(&mut text, "actor_messages_total", labels, &format!(",outcome=\"{outcome}\""), count);
        }
    }
    let wait = "From taken in to handler entered.";
    histogram(&mut text, "actor_wait_seconds", wait, &rows, |row| &row.mailbox.wait);
    histogram(&mut text, "actor_handle_seconds", "Inside the handler.", &rows, |row| &row.mailbox.handle);
    text
}

/// Labels, ready to be written, with what is counted under them.
type Rows = BTreeMap<String, Row>;

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
                let labels = format!("actor=\"{}\",role=\"{}\"", escaped(&path), escaped(role));
                let row = rows.entry(labels).or_default();
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

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn header(text: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# HELP starkeep_{name} {help}\n# TYPE starkeep_{name} {kind}");
}

fn line(text: &mut String, name: &str, labels: &str, more: &str, value: impl std::fmt::Display) {
    let _ = writeln!(text, "starkeep_{name}{{{labels}{more}}} {value}");
}

fn family(text: &mut String, name: &str, kind: &str, help: &str, rows: &Rows, value: impl Fn(&Row) -> u64) {
    header(text, name, kind, help);
    for (labels, row) in rows {
        line(text, name, labels, "", value(row));
    }
}

fn histogram(text: &mut String, name: &str, help: &str, rows: &Rows, timing: impl Fn(&Row) -> &TimingView) {
    header(text, name, "histogram", help);
    for (labels, row) in rows {
        let timing = timing(row);
        let bounds = TIMING_BOUNDS_US.iter().map(|us| format!("{}", *us as f64 / 1e6)).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(&timing.at_most) {
            line(text, &format!("{name}_bucket"), labels, &format!(",le=\"{bound}\""), count);
        }
        line(text, &format!("{name}_sum"), labels, "", timing.sum_us as f64 / 1e6);
        line(text, &format!("{name}_count"), labels, "", timing.count);
    }
}
