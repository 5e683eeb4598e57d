//! Views: the plan of their query, in the columns that they have.

use std::rc::Rc;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::catalog::view::ViewTable;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::planner::SqlToRel;
use datafusion::sql::sqlparser::ast::{Query, Statement as SqlStatement};
use runtime_sql::Statement;
use storage_catalog::{Catalog, Database};
use storage_model::{TableId, View};

use super::Resolver;
use crate::context::{Access, PlanContext};
use crate::depth::Stack;
use crate::error::QueryError;
use crate::plan::resolved_labels;
use crate::rewrite::{Rewritten, rewrite};
use crate::types::plan_name;

/// How many views may read each other, one inside the other.
pub const MOST_NESTED_VIEWS: usize = 32;

/// How often a statement may read views, those in views counted: each is planned anew.
const MOST_VIEWS: usize = 128;

/// A view that a query reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewRead {
    /// The view.
    pub view: TableId,
    /// In how many others.
    pub depth: usize,
}

/// What a view is told that would read too many others.
pub fn too_deep(name: &str) -> QueryError {
    QueryError::analyzing(format!(
        "View {name} is the last of {MOST_NESTED_VIEWS} that read each other: they go in a circle or too deep"
    ))
}

/// What is read through a view: all that its query names, and in lists what the reader sees anyway.
struct Through(Arc<dyn Access>);

impl Access for Through {
    fn may_read(&self, _database: &str, _table: &str) -> Result<(), QueryError> {
        Ok(())
    }

    fn seen(&self, catalog: &Arc<Catalog>) -> Arc<Catalog> {
        self.0.seen(catalog)
    }
}

impl Resolver<'_> {
    pub(super) fn view(&self, database: &Database, view: &View) -> Result<Arc<dyn TableProvider>, QueryError> {
        let name = format!("`{}`.`{}`", database.name, view.name);
        if self.depth == MOST_NESTED_VIEWS {
            return Err(too_deep(&name));
        }
        if self.views.borrow().len() == MOST_VIEWS {
            return Err(QueryError::analyzing(format!(
                "the statement reads views more than {MOST_VIEWS} times, those in views counted: {name} is one too many"
            )));
        }
        let query = parsed(&view.query, &name)?;
        self.views.borrow_mut().push(ViewRead { view: view.id, depth: self.depth });
        let stack = Stack::for_query(self.cx, &query)?;
        let plan = stack.run(|| self.plan_of(view, &query, &name))?;
        self.remember(view.columns.iter().map(|c| c.name.as_str()));
        Ok(Arc::new(ViewTable::new(plan, Some(view.query.clone()))))
    }

    fn plan_of(&self, view: &View, query: &Query, name: &str) -> Result<LogicalPlan, QueryError> {
        let home = view.home.and_then(|home| self.cx.catalog.database(home));
        // Whoever may read the view may read through it, unless it says otherwise.
        let access: Arc<dyn Access> =
            if view.invoker { Arc::clone(&self.cx.access) } else { Arc::new(Through(Arc::clone(&self.cx.access))) };
        let cx = PlanContext { database: home.map(|home| home.name.clone()), access, ..self.cx.clone() };
        let Rewritten { query, labels, spelling } = rewrite(query, &cx)?;
        let inner = Resolver {
            cx: &cx,
            state: self.state,
            notes: Arc::clone(&self.notes),
            spelling: Default::default(),
            views: Rc::clone(&self.views),
            depth: self.depth + 1,
        };
        let plan = SqlToRel::new(&inner).sql_statement_to_plan(SqlStatement::Query(Box::new(query)))?;
        let labels = resolved_labels(&labels, plan.schema(), &spelling);
        let columns = plan.schema().columns();
        let mut shown = Vec::with_capacity(view.columns.len());
        for column in &view.columns {
            let is_it = |label: &String| label.eq_ignore_ascii_case(&column.label);
            if labels.iter().filter(|label| is_it(label)).count() > 1 {
                return Err(QueryError::analyzing(format!(
                    "View {name} references invalid table(s) or column(s): its query has several columns '{}' by now",
                    column.label
                )));
            }
            let at = labels.iter().position(is_it);
            let found = at.and_then(|at| columns.get(at)).ok_or_else(|| {
                QueryError::analyzing(format!(
                    "View {name} references invalid table(s) or column(s): its query has no column '{}' any more",
                    column.label
                ))
            })?;
            shown.push(Expr::Column(found.clone()).alias(plan_name(&column.name)));
        }
        Ok(LogicalPlanBuilder::from(plan).project(shown)?.build()?)
    }
}

fn parsed(text: &str, name: &str) -> Result<Box<Query>, QueryError> {
    let mut statements = runtime_sql::parse(text)
        .map_err(|e| QueryError::internal(format!("the query of view {name} cannot be read: {e}")))?;
    match (statements.pop().map(|parsed| parsed.statement), statements.is_empty()) {
        (Some(Statement::Query(query)), true) => Ok(query),
        _ => Err(QueryError::internal(format!("the query of view {name} is none"))),
    }
}
