//! EXPLAIN: the physical plan as lines, and what each scan leaves out.

use std::sync::PoisonError;

use datafusion::physical_plan::displayable;
use datafusion::sql::sqlparser::ast::Query;

use crate::context::PlanContext;
use crate::error::QueryError;
use crate::plan::{Placement, Planned, plan_query};

/// The lines of `EXPLAIN query`.
///
/// # Errors
/// When the query cannot be planned.
pub async fn explain(cx: &PlanContext, query: &Query) -> Result<Vec<String>, QueryError> {
    Ok(explain_planned(&plan_query(cx, query).await?))
}

/// The lines that explain a plan.
pub fn explain_planned(planned: &Planned) -> Vec<String> {
    lines(planned, false)
}

/// The same, with what is known of the values that are read: EXPLAIN COSTS.
pub fn explain_costs(planned: &Planned) -> Vec<String> {
    lines(planned, true)
}

fn lines(planned: &Planned, costs: bool) -> Vec<String> {
    let labels: Vec<&str> = planned.columns.iter().map(|c| c.name.as_str()).collect();
    let place = match (planned.placement, planned.split_bytes()) {
        (Placement::Local, _) => "frontend".to_owned(),
        (Placement::Compute, None) => "compute node".to_owned(),
        (Placement::Compute, Some(bytes)) => format!("compute nodes, one for each {bytes} bytes of a scan"),
    };
    let mut lines = vec!["PLAN FRAGMENT 0".to_owned(), format!(" OUTPUT EXPRS: {}", labels.join(" | "))];
    lines.push(format!(" RUNS ON: {place}"));
    lines.push(String::new());
    let plan = displayable(planned.plan.as_ref()).indent(false).to_string();
    lines.extend(plan.lines().map(|line| format!("  {line}")));
    for note in planned.notes.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        lines.push(String::new());
        lines.push("  OlapScanNode".to_owned());
        lines.push(format!("     TABLE: {}", note.table));
        if note.merged.0 > 0 {
            let (tablets, clause) = note.merged;
            let reason = format!("rows of {tablets} tablets are merged by {clause}");
            lines.push(format!("     PREAGGREGATION: OFF. Reason: {reason}"));
        }
        lines.push(format!("     partitions={}/{}", note.partitions.0, note.partitions.1));
        lines.push(format!("     tabletRatio={}/{}", note.tablets.0, note.tablets.1));
        lines.push(format!("     cardinality={}", note.rows));
        if costs && !note.columns.is_empty() {
            lines.push("     column statistics:".to_owned());
            lines.extend(note.columns.iter().map(|line| format!("     * {line}")));
        }
    }
    lines
}
