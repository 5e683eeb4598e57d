//! What a user may not read.

use std::sync::Arc;

use runtime_sql::Statement;
use storage_catalog::Catalog;
use storage_model::Kind;

use super::house::{statement, wiki};
use crate::{Access, PlanContext, QueryError, plan_query};

/// Nothing may be read.
struct Nothing;

impl Access for Nothing {
    fn may_read(&self, _database: &str, table: &str) -> Result<(), QueryError> {
        Err(QueryError::new(5203, Kind::Invalid, format!("not {table}")))
    }

    fn seen(&self, catalog: &Arc<Catalog>) -> Arc<Catalog> {
        Arc::new(Catalog::genesis(catalog.identity().clone(), catalog.header.clock))
    }
}

async fn plan(cx: &PlanContext, sql: &str) -> Result<(), QueryError> {
    let Statement::Query(query) = statement(sql) else { panic!("{sql}") };
    plan_query(cx, &query).await.map(drop)
}

#[tokio::test]
async fn a_table_is_asked_for_wherever_it_is_named() {
    let house = wiki().await;
    let cx = PlanContext { access: Arc::new(Nothing), ..house.context() };
    for sql in [
        "SELECT 1 FROM wiki",
        "SELECT no_such_column FROM wiki",
        "SELECT 1 FROM (SELECT 1 FROM wiki) x",
        "SELECT (SELECT max(delta) FROM db.wiki)",
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM default_catalog.db.wiki)",
        "SELECT 1 WHERE 1 IN (SELECT delta FROM wiki)",
        "WITH c AS (SELECT delta FROM wiki) SELECT 1 FROM c",
        "WITH c AS (SELECT 1) SELECT 1 FROM c JOIN wiki ON true",
        "SELECT 1 UNION ALL SELECT delta FROM wiki",
    ] {
        let error = plan(&cx, sql).await.unwrap_err();
        assert_eq!((error.code, error.message.as_str()), (5203, "not wiki"), "{sql}");
    }
    plan(&cx, "WITH wiki AS (SELECT 1 AS a) SELECT a FROM wiki").await.unwrap();
    plan(&cx, "SELECT TABLE_NAME FROM information_schema.tables").await.unwrap();
}
