//! CREATE, ALTER and DROP VIEW: the query is planned, so that a view is never made of what cannot be read.

use std::collections::HashSet;

use runtime_mysql::MySqlError;
use runtime_query::{MOST_NESTED_VIEWS, PlanContext, ResultColumn, plan_query, views_too_deep};
use runtime_sql::statement::ViewDefinition;
use storage_catalog::{Command, ViewDraft, ViewPut};
use storage_model::ViewColumn;

use super::{LONGEST_NAME, as_query, check_properties};
use crate::session::Session;
use crate::{dispatch, errors, names};

/// CREATE [OR REPLACE] VIEW, ALTER VIEW.
pub(super) async fn put(session: &Session, definition: &ViewDefinition, how: ViewPut) -> Result<Command, MySqlError> {
    let current = session.database.as_deref();
    let database = names::writable_database(&definition.name, current)?;
    names::check_new("view", &definition.name.name, LONGEST_NAME)?;
    check_properties(&definition.properties, |_| false)?;
    let cx = session.plan_context(session.catalog(), &definition.query.text).await;
    let columns = columns(&cx, definition, &database).await?;
    let draft = ViewDraft {
        name: definition.name.name.clone(),
        columns,
        query: definition.query.text.clone(),
        home: current.filter(|home| !names::is_virtual(home)).map(str::to_owned),
        invoker: definition.invoker,
        comment: definition.comment.clone().unwrap_or_default(),
    };
    Ok(Command::PutView { database, draft, how })
}

async fn columns(cx: &PlanContext, definition: &ViewDefinition, database: &str) -> Result<Vec<ViewColumn>, MySqlError> {
    let query = &definition.query.query;
    if runtime_sql::has_placeholders(query) {
        return Err(MySqlError::analyzing("a view takes no parameters"));
    }
    let planned = plan_query(cx, query).await;
    let planned = planned.map_err(|e| dispatch::with_similar_names(errors::query(&e)))?;
    let own = cx.catalog.database_by_name(database);
    let own = own.and_then(|database| cx.catalog.view_by_name(database.id, &definition.name.name));
    let name = &definition.name.name;
    if own.is_some_and(|own| planned.views.iter().any(|read| read.view == own.id)) {
        return Err(MySqlError::analyzing(format_args!("View '{name}' would read itself")));
    }
    if planned.views.iter().any(|read| read.depth + 1 >= MOST_NESTED_VIEWS) {
        return Err(errors::query(&views_too_deep(&format!("`{database}`.`{name}`"))));
    }
    let (found, given) = (planned.columns.len(), definition.columns.len());
    if given != 0 && given != found {
        return Err(MySqlError::analyzing(format_args!(
            "The number of columns of the view ({given}) is not that of its query ({found})"
        )));
    }
    let mut labels = HashSet::new();
    let mut seen = HashSet::new();
    let mut columns = Vec::with_capacity(found);
    for (at, result) in planned.columns.into_iter().enumerate() {
        let given = definition.columns.get(at);
        let name = given.map_or_else(|| result.name.clone(), |given| given.name.clone());
        names::check_new("column", &name, LONGEST_NAME)?;
        // Columns are found by what the query calls them: two of one name would be one.
        if !seen.insert(name.to_lowercase()) || !labels.insert(result.name.to_lowercase()) {
            return Err(MySqlError::duplicate_column(&name));
        }
        let data_type = as_query::column_type(&result)?;
        let ResultColumn { name: label, nullable, .. } = result;
        let comment = given.and_then(|given| given.comment.clone()).unwrap_or_default();
        columns.push(ViewColumn { name, label, data_type, nullable, comment });
    }
    Ok(columns)
}
