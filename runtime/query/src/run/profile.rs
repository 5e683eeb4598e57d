//! What the operators of a plan have done: their rows, their time, what they read.

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::physical_plan::{ExecutionPlan, displayable};

use super::through::is_through;

/// Characters of a line: a list in a condition may be as long as a statement.
const LINE: usize = 1000;

/// A plan that runs, to be asked what it has done. It holds what the operators hold: let it go soon.
#[derive(Clone, Debug)]
pub struct Profile(Arc<dyn ExecutionPlan>);

impl Profile {
    pub(crate) fn of(plan: Arc<dyn ExecutionPlan>) -> Profile {
        Profile(plan)
    }

    /// A line for each operator, the lower ones further in.
    pub fn text(&self) -> String {
        let mut out = String::new();
        describe(&self.0, 0, &mut out);
        out
    }
}

fn describe(plan: &Arc<dyn ExecutionPlan>, depth: usize, out: &mut String) {
    // Watchers stand between operators, and are nobody's.
    let shown = !is_through(plan.as_ref());
    if shown {
        let line = displayable(plan.as_ref()).one_line().to_string();
        let line = line.trim_end();
        let end = line.char_indices().nth(LINE).map_or(line.len(), |(at, _)| at);
        let more = if end < line.len() { "..." } else { "" };
        let _ = write!(out, "{:indent$}{}{more}", "", &line[..end], indent = depth * 2);
        if let Some(metrics) = plan.metrics() {
            let metrics = metrics.aggregate_by_name().sorted_for_display().timestamps_removed().to_string();
            let _ = write!(out, ", metrics=[{metrics}]");
        }
        out.push('\n');
    }
    for child in plan.children() {
        describe(child, depth + usize::from(shown), out);
    }
}
