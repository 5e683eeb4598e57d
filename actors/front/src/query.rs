//! SELECT: planned against one revision, run here when it touches no table and on a compute node otherwise, streamed to
//! the client as fast as it takes the rows.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use actors_messages::compute::ReadFragment;
use arrow::array::RecordBatch;
use arrow::datatypes::DataType as ArrowType;
use futures::StreamExt;
use runtime_mysql::{Cell, ColumnDef, ColumnType, MySqlError, ResultWriter};
use runtime_query::{
    Cells, Constant, Placement, PlanContext, Planned, ResultColumn, ResultType, execute_local, plan_query,
};
use runtime_sql::statement::ExplainLevel;
use runtime_sql::{Parsed, QualifiedName, Statement, ast, quote_identifier};
use storage_model::{DataType, UnixMillis};

use crate::dispatch::with_similar_names;
use crate::profiles::{Observed, Over};
use crate::session::{Running, Session};
use crate::sheet::{Sheet, row};
use crate::{delete, errors, insert, names, profiles, update, workers};

/// SELECT and its kin.
pub(crate) async fn select(
    session: &Session,
    query: &ast::Query,
    text: &str,
    running: &Running,
    out: &mut ResultWriter<'_>,
) -> Result<(), MySqlError> {
    let seconds = session.variables.number("query_timeout");
    let work = async {
        // Held until the last row is sent: GC leaves what this revision names alone.
        let front = session.front();
        let (catalog, _point) = front.reads.begin(|| front.view.now());
        let cx = session.plan_context(catalog, text).await;
        let planned = plan(&cx, query).await?;
        session.check_unwritten(&planned.tables)?;
        match planned.placement {
            Placement::Local => send_local(&planned, running, out).await,
            Placement::Compute => send_remote(session, &cx, &planned, running, out).await,
        }
    };
    running.within("Query", "query_timeout", seconds, running.reading(work)).await
}

async fn plan(cx: &PlanContext, query: &ast::Query) -> Result<Planned, MySqlError> {
    plan_query(cx, query).await.map_err(|e| with_similar_names(errors::query(&e)))
}

async fn send_local(planned: &Planned, running: &Running, out: &mut ResultWriter<'_>) -> Result<(), MySqlError> {
    let mut rows = execute_local(planned).map_err(|e| errors::query(&e))?;
    let mut started = false;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(|e| errors::query(&e))?;
        if !started {
            out.start(&column_defs(&planned.columns)).await?;
            started = true;
        }
        send_batch(&batch, out).await?;
    }
    running.observed.here(rows.take_profile());
    if !started {
        out.start(&column_defs(&planned.columns)).await?;
    }
    out.finish().await
}

async fn send_remote(
    session: &Session,
    cx: &PlanContext,
    planned: &Planned,
    running: &Running,
    out: &mut ResultWriter<'_>,
) -> Result<(), MySqlError> {
    let (first, mut rows) = begin_remote(session, cx, planned, running).await?;
    out.start(&column_defs(&planned.columns)).await?;
    let mut next = first;
    while let Some(batch) = next {
        send_batch(&batch, out).await?;
        next = rows.next().await.transpose().map_err(|status| errors::plane(&status))?;
    }
    out.finish().await
}

/// Has a compute node begin a plan; another one when the first is lost. The first batch, and the rest of them.
async fn begin_remote(
    session: &Session,
    cx: &PlanContext,
    planned: &Planned,
    running: &Running,
) -> Result<(Option<RecordBatch>, workers::RowStream), MySqlError> {
    let shared = &session.shared;
    let mut fragment = ReadFragment {
        query: running.query_id.clone(),
        trace: running.cause.trace.as_u128(),
        parent: running.cause.span.as_u64(),
        plan: runtime_query::encode(planned).map_err(|e| errors::query(&e))?,
        volumes: workers::volumes_of(&cx.catalog, &planned.tables),
        split: None,
        observed: running.observed.is_on(),
    };
    let mut lost = Vec::new();
    loop {
        let node = workers::choose(shared, &planned.tables, &lost).await?;
        fragment.split = workers::split(shared, planned, &node, &lost);
        running.observed.saw(shared, &node, workers::of_split(fragment.split.as_ref()), &lost);
        match workers::read(shared, &node, &fragment).await {
            Ok(begun) => return Ok(begun),
            Err(status) => workers::judge(shared, &node, &status, &mut lost)?,
        }
    }
}

/// All rows of a plan, which are few, from a compute node.
pub(crate) async fn remote_rows(
    session: &Session,
    cx: &PlanContext,
    planned: &Planned,
    running: &Running,
) -> Result<Vec<RecordBatch>, MySqlError> {
    let (first, mut rows) = begin_remote(session, cx, planned, running).await?;
    let mut batches: Vec<RecordBatch> = first.into_iter().collect();
    while let Some(batch) = rows.next().await.transpose().map_err(|status| errors::plane(&status))? {
        batches.push(batch);
    }
    Ok(batches)
}

/// Writes the rows of a batch; waits when the client is slow.
async fn send_batch(batch: &RecordBatch, out: &mut ResultWriter<'_>) -> Result<(), MySqlError> {
    /// Rows whose text is held at once.
    const ROWS: usize = 1024;
    let (rows, columns) = (batch.num_rows(), batch.num_columns());
    let mut text = Vec::new();
    let mut ends: Vec<Option<usize>> = Vec::with_capacity(ROWS.min(rows) * columns);
    for start in (0..rows).step_by(ROWS) {
        text.clear();
        ends.clear();
        let count = ROWS.min(rows - start);
        {
            // Not held over an await: it borrows arrays by their types.
            let cells = Cells::new(batch);
            for row in start..start + count {
                for column in 0..columns {
                    ends.push(cells.write(column, row, &mut text).then_some(text.len()));
                }
            }
        }
        let mut from = 0;
        let mut line: Vec<Cell<'_>> = Vec::with_capacity(columns);
        for row in 0..count {
            line.clear();
            for end in &ends[row * columns..(row + 1) * columns] {
                line.push(end.map_or(Cell::Null, |end| {
                    let cell = Cell::from(&text[from..end]);
                    from = end;
                    cell
                }));
            }
            out.row(&line).await?;
        }
    }
    Ok(())
}

fn column_defs(columns: &[ResultColumn]) -> Vec<ColumnDef> {
    columns.iter().map(result_column_def).collect()
}

fn result_column_def(column: &ResultColumn) -> ColumnDef {
    let name = &column.name;
    let def = match &column.data_type {
        ResultType::Null => ColumnDef::new(name, ColumnType::MYSQL_TYPE_NULL),
        ResultType::Column(data_type) => column_def(name, data_type),
        ResultType::UnsignedBigInt => ColumnDef::bigint(name).unsigned(),
        ResultType::Time if matches!(column.arrow_type, ArrowType::Time32(_) | ArrowType::Time64(_)) => {
            ColumnDef::new(name, ColumnType::MYSQL_TYPE_TIME)
        }
        // Intervals print in words.
        ResultType::Time | ResultType::Nested => ColumnDef::text(name),
        ResultType::Binary => ColumnDef::new(name, ColumnType::MYSQL_TYPE_BLOB),
    };
    if column.nullable { def } else { def.not_null() }
}

/// How MySQL clients see a column of this type.
pub(crate) fn column_def(name: &str, data_type: &DataType) -> ColumnDef {
    let plain = |column_type| ColumnDef::new(name, column_type);
    match data_type {
        DataType::Boolean => plain(ColumnType::MYSQL_TYPE_TINY).with_length(1),
        DataType::TinyInt => plain(ColumnType::MYSQL_TYPE_TINY),
        DataType::SmallInt => plain(ColumnType::MYSQL_TYPE_SHORT),
        DataType::Int => plain(ColumnType::MYSQL_TYPE_LONG),
        DataType::BigInt => plain(ColumnType::MYSQL_TYPE_LONGLONG),
        DataType::LargeInt => plain(ColumnType::MYSQL_TYPE_STRING).with_length(40),
        DataType::Float => plain(ColumnType::MYSQL_TYPE_FLOAT),
        DataType::Double => plain(ColumnType::MYSQL_TYPE_DOUBLE),
        DataType::Decimal { precision, scale } => {
            plain(ColumnType::MYSQL_TYPE_NEWDECIMAL).with_length(u32::from(*precision) + 2).with_decimals(*scale)
        }
        DataType::Date => plain(ColumnType::MYSQL_TYPE_DATE),
        DataType::DateTime => plain(ColumnType::MYSQL_TYPE_DATETIME),
        DataType::Char(length) => plain(ColumnType::MYSQL_TYPE_STRING).with_length(length * 4),
        DataType::Varchar(length) => ColumnDef::text(name).with_length(length.saturating_mul(4)),
        // As StarRocks sends them: JSON and what holds other values as text.
        DataType::Json => plain(ColumnType::MYSQL_TYPE_JSON),
        DataType::Varbinary(_) => plain(ColumnType::MYSQL_TYPE_BLOB),
        DataType::Array(_) | DataType::Map(_, _) | DataType::Struct(_) => ColumnDef::text(name),
        // Nobody but functions sees what they hold: to a client they are NULL.
        DataType::Bitmap | DataType::Hll => ColumnDef::text(name),
    }
}

/// EXPLAIN: one column of lines.
pub(crate) async fn explain(
    session: &Session,
    level: ExplainLevel,
    statement: &Statement,
    text: &str,
    running: &Running,
) -> Result<Sheet, MySqlError> {
    if level == ExplainLevel::Analyze {
        return analyze(session, statement, text, running).await;
    }
    let front = session.front();
    let (catalog, _point) = front.reads.begin(|| front.view.now());
    let cx = session.plan_context(catalog, text).await;
    let planned = match statement {
        Statement::Query(query) => {
            let seconds = session.variables.number("query_timeout");
            running.within("Query", "query_timeout", seconds, plan(&cx, query)).await?
        }
        Statement::Insert(ast) => insert::plan(&cx, session, ast).await?.planned,
        Statement::Delete(ast) => delete::explain(&cx, session, ast).await?,
        Statement::Update(ast) => update::plan(&cx, session, ast).await?.planned,
        other => return Err(errors::unsupported(format_args!("EXPLAIN of {}", other.statement_kind()))),
    };
    let mut sheet = Sheet::text(&["Explain String"]);
    let lines = match level {
        ExplainLevel::Costs => runtime_query::explain_costs(&planned),
        _ => runtime_query::explain_planned(&planned),
    };
    for line in lines {
        sheet.push(row![line]);
    }
    Ok(sheet)
}

/// EXPLAIN ANALYZE: runs a query, lets go of its rows, and tells what its operators did.
async fn analyze(session: &Session, statement: &Statement, text: &str, running: &Running) -> Result<Sheet, MySqlError> {
    let Statement::Query(query) = statement else {
        return Err(errors::unsupported(format_args!("EXPLAIN ANALYZE of {}", statement.statement_kind())));
    };
    let running = &running.observed_by(Observed::on());
    let (began, since) = (UnixMillis(session.front().now_ms()), Instant::now());
    let seconds = session.variables.number("query_timeout");
    let work = async {
        let front = session.front();
        let (catalog, _point) = front.reads.begin(|| front.view.now());
        let cx = session.plan_context(catalog, text).await;
        let planned = plan(&cx, query).await?;
        session.check_unwritten(&planned.tables)?;
        match planned.placement {
            Placement::Local => {
                let mut rows = execute_local(&planned).map_err(|e| errors::query(&e))?;
                while rows.next().await.transpose().map_err(|e| errors::query(&e))?.is_some() {}
                running.observed.here(rows.take_profile());
            }
            Placement::Compute => {
                let (_, mut rows) = begin_remote(session, &cx, &planned, running).await?;
                while rows.next().await.transpose().map_err(|status| errors::plane(&status))?.is_some() {}
            }
        }
        Ok(())
    };
    running.within("Query", "query_timeout", seconds, running.reading(work)).await?;
    let (query_id, took) = (&running.query_id, since.elapsed());
    let over = Over { query_id, began, took, failed: false, statement: &runtime_sql::redact(text) };
    let mut sheet = Sheet::text(&["Explain String"]);
    let told = running.unless_killed(profiles::text(session, &running.observed, &over)).await?;
    told.lines().for_each(|line| sheet.push(row![line]));
    Ok(sheet)
}

/// The columns that a prepared statement will have, as far as they are known before its values are.
pub(crate) async fn columns_of_prepared(
    session: &Session,
    mut parsed: Parsed,
    params: usize,
) -> Result<Vec<ColumnDef>, MySqlError> {
    if !matches!(parsed.statement, Statement::Query(_)) {
        return Ok(Vec::new());
    }
    let nulls = vec![ast::Value::Null; params];
    runtime_sql::bind(&mut parsed.statement, &nulls).map_err(|e| errors::bind(&e, "PREPARE"))?;
    let Statement::Query(query) = &parsed.statement else { return Ok(Vec::new()) };
    let cx = session.plan_context(session.catalog(), &parsed.text).await;
    match plan(&cx, query).await {
        Ok(planned) => Ok(column_defs(&planned.columns)),
        // It may be a NULL in the place of a parameter that does not fit.
        Err(_) if params > 0 => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The value of an expression, which may read tables, as SET needs it.
pub(crate) async fn constant(session: &Session, expr: &ast::Expr, running: &Running) -> Result<Constant, MySqlError> {
    if let ast::Expr::Value(value) = expr {
        match &value.value {
            ast::Value::SingleQuotedString(text) | ast::Value::DoubleQuotedString(text) => {
                return Ok(Constant::Text(text.clone()));
            }
            ast::Value::Number(digits, _) => return Ok(number(digits)),
            ast::Value::Boolean(value) => return Ok(Constant::Integer((*value).into())),
            ast::Value::Null => return Ok(Constant::Null),
            _ => {}
        }
    }
    let query = one_value(expr)?;
    let seconds = session.variables.number("query_timeout");
    let work = async {
        let front = session.front();
        if has_query(expr) {
            // Beside that SET reads nothing.
            front.may_read(session.variables.is_on("enable_linearizable_read")).await?;
        }
        let (catalog, _point) = front.reads.begin(|| front.view.now());
        let cx = session.plan_context(catalog, "").await;
        let planned = plan(&cx, &query).await?;
        session.check_unwritten(&planned.tables)?;
        if planned.columns.first().is_some_and(|column| column.data_type == ResultType::Time) {
            return Err(MySqlError::analyzing("Can't set variable with type TIME"));
        }
        let batches: Vec<RecordBatch> = match planned.placement {
            Placement::Compute => remote_rows(session, &cx, &planned, running).await?,
            Placement::Local => {
                let mut rows = execute_local(&planned).map_err(|e| errors::query(&e))?;
                rows.next().await.transpose().map_err(|e| errors::query(&e))?.into_iter().collect()
            }
        };
        let first = batches.iter().find(|batch| batch.num_rows() > 0);
        Ok(first.map_or(Constant::Null, |batch| first_value(batch, &planned)))
    };
    running.within("Query", "query_timeout", seconds, running.reading(work)).await
}

/// Whether a query is in an expression.
fn has_query(expr: &ast::Expr) -> bool {
    struct Queries;
    impl ast::Visitor for Queries {
        type Break = ();

        fn pre_visit_query(&mut self, _: &ast::Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    ast::Visit::visit(expr, &mut Queries).is_break()
}

/// The first value of rows.
fn first_value(batch: &RecordBatch, planned: &Planned) -> Constant {
    if let Some(nested) = Constant::nested(batch.column(0), 0) {
        return nested;
    }
    let mut text = Vec::new();
    if !Cells::new(batch).write(0, 0, &mut text) {
        return Constant::Null;
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    match planned.columns.first().map(|column| &column.data_type) {
        Some(ResultType::UnsignedBigInt) => number(&text),
        Some(ResultType::Column(data_type)) if data_type.is_integer() || *data_type == DataType::Boolean => {
            digits_of(&text).unwrap_or_else(|| Constant::Typed { text, data_type: data_type.clone() })
        }
        Some(ResultType::Column(data_type)) if !data_type.is_text() && *data_type != DataType::Json => {
            Constant::Typed { text, data_type: data_type.clone() }
        }
        _ => Constant::Text(text),
    }
}

fn digits_of(text: &str) -> Option<Constant> {
    text.parse().ok().map(Constant::Integer)
}

fn number(digits: &str) -> Constant {
    digits_of(digits).unwrap_or_else(|| Constant::Text(digits.to_owned()))
}

/// `SELECT expr`.
fn one_value(expr: &ast::Expr) -> Result<ast::Query, MySqlError> {
    let Statement::Query(mut query) = Session::parse_one("SELECT 1")?.statement else {
        return Err(MySqlError::unknown_error("SELECT 1 is no query"));
    };
    if let ast::SetExpr::Select(select) = query.body.as_mut() {
        select.projection = vec![ast::SelectItem::UnnamedExpr(expr.clone())];
    }
    Ok(*query)
}

/// Rows of a query over one virtual table, for the filters of SHOW.
pub(crate) async fn local_rows(cx: &PlanContext, query: &ast::Query) -> Result<Vec<RecordBatch>, MySqlError> {
    let planned = plan(cx, query).await?;
    let rows = execute_local(&planned).map_err(|e| errors::query(&e))?;
    rows.map(|batch| batch.map_err(|e| errors::query(&e))).collect::<Vec<_>>().await.into_iter().collect()
}

/// Name and type of the columns of a computed table; None: the name is not of one.
pub(crate) async fn computed_columns(
    session: &Session,
    name: &QualifiedName,
) -> Result<Option<Vec<(String, String)>>, MySqlError> {
    let database = names::database_name(name, session.database.as_deref())?;
    if !names::is_virtual(&database) {
        return Ok(None);
    }
    let (database, table) = (quote_identifier(&database), quote_identifier(&name.name));
    let Statement::Query(query) = Session::parse_one(&format!("SELECT * FROM {database}.{table} LIMIT 0"))?.statement
    else {
        return Ok(None);
    };
    let cx = session.plan_context(session.catalog(), "").await;
    let column = |column: ResultColumn| {
        let data_type = match column.data_type {
            ResultType::Column(data_type) => data_type.to_sql(),
            ResultType::UnsignedBigInt => "bigint(20) unsigned".to_owned(),
            _ => "varchar(65533)".to_owned(),
        };
        (column.name, data_type)
    };
    Ok(Some(plan(&cx, &query).await?.columns.into_iter().map(column).collect()))
}

/// So that a plan context can be given other virtual tables.
pub(crate) fn with_tables(cx: PlanContext, tables: Arc<dyn runtime_query::VirtualTables>) -> PlanContext {
    PlanContext { virtual_tables: tables, ..cx }
}
