//! One connection: who it is, where it is, its variables; and the loop over the statements of a text.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actors_messages::ReadLease;
use async_trait::async_trait;
use runtime_actor::trace::{LabelValue, RootSpan};
use runtime_actor::{TraceContext, random};
use runtime_mysql::{
    ColumnDef, ConnectionInfo, Handler, Login, MySqlError, OkInfo, Prepared, ResultWriter, SessionStatus, Value,
};
use runtime_query::{Looks, PlanContext, ProfileOf, SessionFacts};
use runtime_sql::{Hint, Parsed, Statement, like_matches, redact, split_qualified_name};
use storage_catalog::Catalog;
use storage_model::{DatabaseId, RoleId, Table, UnixMillis, User};
use tokio_util::sync::CancellationToken;

use crate::audit::Done;
use crate::front::{Front, Shared};
use crate::information_schema::FrontTables;
use crate::privileges::{Account, Asker, Reading, Verdict};
use crate::processlist::Entry;
use crate::profiles::{Observed, Over};
use crate::show::sessions_of;
use crate::transaction::Transaction;
use crate::variables::SessionVariables;
use crate::{errors, names, prepared, privileges, profiles, query};

/// One session.
pub(crate) struct Session {
    pub(crate) shared: Arc<Shared>,
    pub(crate) entry: Arc<Entry>,
    /// Under which it works. None until the login was checked.
    account: Option<Account>,
    pub(crate) user: String,
    pub(crate) host: String,
    /// The name of the current database.
    pub(crate) database: Option<String>,
    /// What was entered: its name then, and which database that was; a computed one has no id.
    entered: Option<(String, Option<DatabaseId>)>,
    pub(crate) variables: Arc<SessionVariables>,
    /// Texts of PREPARE name FROM.
    pub(crate) named: HashMap<String, String>,
    /// What SHOW WARNINGS and SHOW ERRORS answer: the failure of the statement before.
    pub(crate) last_error: Option<MySqlError>,
    /// The id of the statement before; empty: there was none.
    last_query: String,
    /// Since BEGIN.
    pub(crate) transaction: Option<Transaction>,
    /// The last short text and what it says: pools ask the same little question all day.
    recent: Option<(String, Arc<[Heard]>)>,
}

/// A statement, and as much of its text as may be shown.
struct Heard {
    parsed: Parsed,
    /// Without secrets, and not all of a very long one.
    shown: Arc<str>,
}

impl From<Parsed> for Heard {
    fn from(parsed: Parsed) -> Self {
        let shown = redact(beginning(&parsed.text)).into();
        Self { parsed, shown }
    }
}

/// What a running statement must obey, and what it is called.
pub(crate) struct Running {
    /// In logs, SHOW PROCESSLIST and on compute nodes.
    pub(crate) query_id: String,
    /// The trace and span of the statement.
    pub(crate) cause: TraceContext,
    cancel: CancellationToken,
    lease: ReadLease,
    /// Who works for it.
    pub(crate) observed: Observed,
}

impl Running {
    /// Drives `work` that reads until it is done, or this frontend may not read any more: then the leader minds its queries no
    /// longer, and files that they read may be deleted.
    pub(crate) async fn reading<T>(&self, work: impl Future<Output = Result<T, MySqlError>>) -> Result<T, MySqlError> {
        tokio::select! {
            biased;
            () = self.lease.lapsed() => Err(errors::stale("it has not heard from the leader for too long")),
            done = work => done,
        }
    }

    /// Waits for something until KILL QUERY comes.
    pub(crate) async fn unless_killed<T>(&self, work: impl Future<Output = T>) -> Result<T, MySqlError> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(MySqlError::query_interrupted()),
            done = work => Ok(done),
        }
    }

    /// The same, for work that goes on elsewhere.
    pub(crate) fn twin(&self) -> Running {
        let (query_id, cancel, lease) = (self.query_id.clone(), self.cancel.clone(), self.lease.clone());
        Running { query_id, cause: self.cause, cancel, lease, observed: self.observed.clone() }
    }

    /// The same, for work whose profile is wanted.
    pub(crate) fn observed_by(&self, observed: Observed) -> Running {
        Running { observed, ..self.twin() }
    }

    /// The same under another span, for work that is of several statements: the KILL of one does not end it.
    pub(crate) fn of_several(&self, span: &RootSpan) -> Running {
        Running { cause: span.context(), cancel: CancellationToken::new(), ..self.twin() }
    }

    /// Drives `work` until it is done, KILL QUERY comes or the time is over.
    pub(crate) async fn within<T>(
        &self,
        what: &'static str,
        variable: &'static str,
        seconds: u64,
        work: impl Future<Output = Result<T, MySqlError>>,
    ) -> Result<T, MySqlError> {
        self.within_limit(&Limit::new(what, variable, seconds), work).await
    }

    /// The same with a time that began earlier.
    pub(crate) async fn within_limit<T>(
        &self,
        limit: &Limit,
        work: impl Future<Output = Result<T, MySqlError>>,
    ) -> Result<T, MySqlError> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(MySqlError::query_interrupted()),
            done = tokio::time::timeout_at(limit.until, work) => done.unwrap_or_else(|_| Err(limit.is_over())),
        }
    }
}

/// How long a statement may take, however often it begins again.
#[derive(Clone, Copy)]
pub(crate) struct Limit {
    what: &'static str,
    variable: &'static str,
    seconds: u64,
    until: tokio::time::Instant,
}

impl Limit {
    /// From now on. `variable`: where the seconds come from.
    pub(crate) fn new(what: &'static str, variable: &'static str, seconds: u64) -> Limit {
        // Some days more than anybody can mean, and the clock can still count them.
        const LONGEST: u64 = 366 * 86_400;
        let until = tokio::time::Instant::now() + Duration::from_secs(seconds.clamp(1, LONGEST));
        Limit { what, variable, seconds, until }
    }

    /// The end of that time.
    pub(crate) fn until(&self) -> tokio::time::Instant {
        self.until
    }

    fn is_over(&self) -> MySqlError {
        let advice = format!("please increase the '{}' session variable and retry", self.variable);
        MySqlError::timed_out(self.what, self.seconds, advice)
    }
}

/// When and as which a statement began.
struct Begun<'a> {
    query_id: &'a str,
    at_ms: u64,
    took: Duration,
    /// Counts the statements of this frontend.
    number: u64,
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>, info: ConnectionInfo) -> Session {
        let entry = shared.sessions.enter(&info, shared.front.now_ms());
        let variables = Arc::new(SessionVariables::new(&shared.globals));
        Session {
            entry,
            account: None,
            user: String::new(),
            host: info.client_address.ip().to_string(),
            database: None,
            entered: None,
            variables,
            named: HashMap::new(),
            last_error: None,
            last_query: String::new(),
            transaction: None,
            recent: None,
            shared,
        }
    }

    /// The user's login was checked, or another user is impersonated.
    pub(crate) fn become_user(&mut self, user: &User) {
        self.account = Some(Account::of(user));
        user.name.name.clone_into(&mut self.user);
        self.entry.set_user(user);
    }

    /// These roles are active from now on.
    pub(crate) fn activate(&mut self, roles: BTreeSet<RoleId>) {
        if let Some(account) = &mut self.account {
            account.roles = roles;
        }
    }

    /// Who asks, against one revision of the catalog.
    pub(crate) fn asker(&self, catalog: Arc<Catalog>) -> Result<Asker, MySqlError> {
        let asker = self.account.as_ref().and_then(|who| Asker::new(who, catalog, self.database.as_deref()));
        asker.ok_or_else(|| MySqlError::access_denied(&self.user, &self.host, false))
    }

    /// Whether the user may run a statement, as things stand now.
    pub(crate) fn check(&self, statement: &Statement) -> Result<Verdict, MySqlError> {
        privileges::check(&self.asker(self.catalog())?, statement)
    }

    pub(crate) fn front(&self) -> &Front {
        &self.shared.front
    }

    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.front().view.now()
    }

    pub(crate) fn enter_database(&mut self, database: String) {
        self.entry.set_database(Some(&database));
        self.entered = Some((database.clone(), self.catalog().database_by_name(&database).map(|found| found.id)));
        self.database = Some(database);
    }

    /// The current database is the one of the name that was entered, as in StarRocks; when it has none any more because it was
    /// renamed, the session stays in it.
    fn follow_database(&mut self) {
        let Some((name, Some(id))) = &self.entered else { return };
        let catalog = self.catalog();
        let renamed = if catalog.database_by_name(name).is_none() { catalog.database(*id) } else { None };
        let name = renamed.map_or(name, |found| &found.name);
        if self.database.as_ref() != Some(name) {
            self.entry.set_database(Some(name));
            self.database = Some(name.clone());
        }
    }

    /// What a statement that begins now can ask about this session.
    pub(crate) fn facts(&self) -> SessionFacts {
        let front = self.front();
        let asker = self.asker(self.catalog()).ok();
        let roles: Vec<_> = asker.iter().flat_map(Asker::active_roles).map(|role| role.name.clone()).collect();
        SessionFacts {
            user: self.user.clone(),
            host: self.host.clone(),
            account: asker.map_or_else(String::new, |asker| asker.user().name.to_string()),
            roles: if roles.is_empty() { "NONE".to_owned() } else { roles.join(", ") },
            connection_id: self.entry.id.into(),
            time_zone: self.variables.get("time_zone").to_owned(),
            now_ms: front.now_ms(),
            version: front.me.current_version(),
            variables: Arc::clone(&self.variables) as Arc<dyn runtime_query::Variables>,
            last_query: self.last_query.clone(),
            profile_of: self.profiles_seen(),
        }
    }

    /// Finds the profiles that the user may see.
    fn profiles_seen(&self) -> ProfileOf {
        let (shared, whose) = (Arc::clone(&self.shared), sessions_of(self.asker(self.catalog()).ok().as_ref()));
        Arc::new(move |query_id: &str| shared.profiles.text(query_id, whose))
    }

    /// All that planning needs, against one revision of the catalog.
    pub(crate) async fn plan_context(&self, catalog: Arc<Catalog>, text: &str) -> PlanContext {
        let alive = self.front().alive_nodes();
        let cores = alive.iter().filter_map(|node| node.report.as_ref()).map(|report| report.cpu_cores).min();
        PlanContext {
            service_id: catalog.identity().service_id.clone(),
            virtual_tables: Arc::new(FrontTables::collect(self, Arc::clone(&catalog), text).await),
            access: Arc::new(Reading::new(self.asker(Arc::clone(&catalog)))),
            catalog,
            database: self.database.clone(),
            session: self.facts(),
            parallelism: cores.unwrap_or(1).max(1) as usize,
            split_from: match self.variables.number("query_split_bytes") {
                bytes if bytes > 0 && alive.len() > 1 => bytes,
                _ => u64::MAX,
            },
            looks: Looks::default(),
        }
    }

    /// For a statement that changes a table: it finds the table's rows by looking at them, for which nothing was asked.
    pub(crate) fn changing(&self, cx: &PlanContext, table: &Table) -> PlanContext {
        let reading = Reading::new(self.asker(Arc::clone(&cx.catalog))).changing(table.id);
        PlanContext { access: Arc::new(reading), ..cx.clone() }
    }

    /// Every statement of a text, each with its own result; the first that fails ends the text.
    async fn run_text(&mut self, sql: &str, out: &mut ResultWriter<'_>) -> Result<(), MySqlError> {
        let statements = match self.read(sql) {
            Ok(statements) => statements,
            Err(error) => {
                // Not the message: it quotes the text, which may hold a secret.
                tracing::info!(connection = self.entry.id, line = error.line, column = error.column, "syntax error");
                let error = errors::syntax(&error);
                self.last_error = Some(error.clone());
                return Err(error);
            }
        };
        if statements.len() > 1 && !out.multi_statements() {
            return Err(MySqlError::analyzing(
                "the text holds several statements, but the client did not say that it can take several results",
            ));
        }
        if statements.is_empty() {
            return out.ok(OkInfo::default()).await;
        }
        for heard in statements.iter() {
            self.run_one(heard, out).await?;
            out.set_status(self.status());
        }
        Ok(())
    }

    /// The statements of a text.
    fn read(&mut self, sql: &str) -> Result<Arc<[Heard]>, runtime_sql::SyntaxError> {
        /// Texts up to this many bytes are remembered.
        const SHORT: usize = 512;
        if let Some((text, statements)) = &self.recent
            && text == sql
        {
            return Ok(Arc::clone(statements));
        }
        let statements: Arc<[Heard]> = runtime_sql::parse(sql)?.into_iter().map(Heard::from).collect();
        if sql.len() <= SHORT {
            self.recent = Some((sql.to_owned(), Arc::clone(&statements)));
        }
        Ok(statements)
    }

    /// One statement, seen by SHOW PROCESSLIST while it runs.
    async fn run_one(&mut self, heard: &Heard, out: &mut ResultWriter<'_>) -> Result<(), MySqlError> {
        let Heard { parsed, shown } = heard;
        let kind = parsed.statement.statement_kind();
        let now_ms = self.front().now_ms();
        let id = uuid::Builder::from_unix_timestamp_millis(now_ms, &random::bytes()).into_uuid();
        let query_id = id.to_string();
        let span = self.front().recorder.open("statement", kind);
        span.label("query", LabelValue::Uuid(id.into_bytes()));
        span.label("statement", shortened(shown));
        let (trace, began) = (span.context().trace, Instant::now());
        let cancel = self.entry.begin(Arc::clone(shown), query_id.clone(), trace, now_ms);
        let number = self.shared.sessions.count_question();
        let before = self.apply_hints(&parsed.hints);
        let (lease, observed) = (self.front().lease.clone(), Observed::of(&parsed.statement, &self.variables));
        let running = Running { query_id, cause: span.context(), cancel, lease, observed };
        let result = span.run(self.checked(parsed, &running, out)).await;
        let took = began.elapsed();
        if running.observed.is_on() {
            let (query_id, failed) = (&running.query_id, result.is_err());
            let over = Over { query_id, began: UnixMillis(now_ms), took, failed, statement: shown };
            // Whoever does not want to wait for it gets none.
            let _ = running.unless_killed(profiles::keep(self, &running.observed, &over)).await;
        }
        if let Some(before) = before {
            self.variables = before;
        }
        self.entry.end(self.front().now_ms());
        match &result {
            Ok(()) => span.finish(),
            Err(error) => span.fail(&error.message),
        }
        let begun = Begun { query_id: &running.query_id, at_ms: now_ms, took, number };
        self.audit(heard, &begun, out.rows_written(), result.as_ref().err());
        let is_load = matches!(parsed.statement, Statement::Insert(_) | Statement::Delete(_) | Statement::Update(_));
        self.shared.sessions.tally.ended(is_load, took, result.is_err());
        if let Err(error) = &result {
            let (connection, query_id) = (self.entry.id, &running.query_id);
            tracing::info!(connection, query_id, kind, code = error.code, error = error.message, "statement failed");
        }
        let looks_back = matches!(&parsed.statement, Statement::Show(show) if matches!(
            show.what,
            runtime_sql::statement::Shown::Warnings { .. } | runtime_sql::statement::Shown::Errors { .. }
        ));
        if !looks_back {
            self.last_error = result.as_ref().err().cloned();
        }
        self.last_query = running.query_id;
        result
    }

    /// A line in the audit log.
    fn audit(&self, heard: &Heard, running: &Begun<'_>, rows: u64, error: Option<&MySqlError>) {
        let account = self.account.as_ref().and_then(|account| self.catalog().user(account.user).cloned());
        self.front().audit.record(&Done {
            began: UnixMillis(running.at_ms),
            client: &self.entry.host,
            user: &self.user,
            account: &account.map_or_else(String::new, |user| user.name.to_string()),
            database: self.database.as_deref(),
            error: error.map(|error| error.code),
            millis: running.took.as_millis(),
            rows,
            number: running.number,
            query_id: running.query_id,
            is_query: matches!(
                heard.parsed.statement,
                Statement::Query(_) | Statement::Show(_) | Statement::Explain { .. }
            ),
            host: &self.front().me.host,
            statement: &heard.shown,
        });
    }

    async fn checked(
        &mut self,
        parsed: &Parsed,
        running: &Running,
        out: &mut ResultWriter<'_>,
    ) -> Result<(), MySqlError> {
        if reads_catalog(&parsed.statement) {
            self.front().may_read(self.variables.is_on("enable_linearizable_read")).await?;
        }
        self.follow_database();
        match self.check(&parsed.statement)? {
            Verdict::Go => {
                self.set_user_hints(&parsed.hints, running).await?;
                self.dispatch(parsed, running, out).await
            }
            Verdict::Nothing => out.ok(OkInfo::default()).await,
        }
    }

    /// SET_VAR hints hold for one statement; what they name wrongly is passed over, as in MySQL. Gives the variables to
    /// go back to.
    fn apply_hints(&mut self, hints: &[Hint]) -> Option<Arc<SessionVariables>> {
        if hints.is_empty() {
            return None;
        }
        let before = Arc::clone(&self.variables);
        let variables = Arc::make_mut(&mut self.variables);
        for hint in hints.iter().filter(|hint| hint.user.is_none()) {
            if variables.set(&hint.name.to_lowercase(), &runtime_query::Constant::Text(hint.value.clone())).is_err() {
                tracing::debug!(name = hint.name, "a hint sets no variable");
            }
        }
        Some(before)
    }

    /// The one statement of a text that is prepared.
    pub(crate) fn parse_one(sql: &str) -> Result<Parsed, MySqlError> {
        let mut statements = runtime_sql::parse(sql).map_err(|e| errors::syntax(&e))?;
        match (statements.pop(), statements.is_empty()) {
            (Some(parsed), true) => Ok(parsed),
            (Some(_), false) => Err(MySqlError::not_preparable()),
            (None, _) => Err(MySqlError::empty_query()),
        }
    }
}

/// Whether a statement says something about the catalog that must not be too old. What an administrator needs to find out why
/// it is, and what clients say when they connect, is answered always.
fn reads_catalog(statement: &Statement) -> bool {
    use runtime_sql::statement::Shown;
    match statement {
        Statement::Show(show) => !matches!(
            show.what,
            Shown::Variables { .. }
                | Shown::Status { .. }
                | Shown::Warnings { .. }
                | Shown::Errors { .. }
                | Shown::Engines
                | Shown::Charset
                | Shown::Collation
                | Shown::ProcessList { .. }
                | Shown::ProfileList
                | Shown::Frontends
                | Shown::ComputeNodes
                | Shown::Proc { .. }
                | Shown::FrontendConfig
        ),
        Statement::Set(_)
        | Statement::SetCatalog { .. }
        | Statement::Kill { .. }
        | Statement::AnalyzeProfile { .. }
        | Statement::Help { .. }
        | Statement::Begin { .. }
        | Statement::Commit
        | Statement::Rollback
        | Statement::PrepareText { .. }
        | Statement::Deallocate { .. } => false,
        _ => true,
    }
}

/// As much of a statement as SHOW PROCESSLIST keeps.
fn beginning(text: &str) -> &str {
    cut(text, 16 * 1024)
}

/// As much of a statement as its span keeps; the same memory, if that is all of it.
fn shortened(text: &Arc<str>) -> Arc<str> {
    let start = cut(text, 256);
    if start.len() == text.len() { Arc::clone(text) } else { start.into() }
}

fn cut(text: &str, longest: usize) -> &str {
    let mut end = text.len().min(longest);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.sessions.leave(&self.entry);
    }
}

#[async_trait]
impl Handler for Session {
    async fn authenticate(&mut self, login: &Login) -> Result<(), MySqlError> {
        let from = login.client_address.ip();
        let logins = &self.shared.logins;
        match logins.turn(from, &login.user, Instant::now()) {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            None => {
                tracing::info!(connection = self.entry.id, user = login.user, %from, "too many failed logins");
                return Err(login.denied());
            }
        }
        let catalog = self.catalog();
        let Some(user) = privileges::prove(&catalog, login) else {
            logins.failed(from, &login.user, Instant::now());
            tracing::info!(connection = self.entry.id, user = login.user, client = %login.client_address, "login denied");
            return Err(login.denied());
        };
        logins.succeeded(from, &login.user);
        self.become_user(user);
        // Itself is among them, so that of two at a time at least one sees the other.
        if self.shared.sessions.count_of(user.id) as u64 > user.max_connections {
            return Err(MySqlError::too_many_user_connections(&login.user));
        }
        Ok(())
    }

    async fn init_db(&mut self, name: &str) -> Result<(), MySqlError> {
        let parts = split_qualified_name(name).ok_or_else(|| MySqlError::unknown_database(name))?;
        let entered = match parts.as_slice() {
            [database] => names::enter(&self.catalog(), None, database)?,
            [catalog, database] => names::enter(&self.catalog(), Some(catalog), database)?,
            _ => return Err(MySqlError::unknown_database(name)),
        };
        privileges::enters(&self.asker(self.catalog())?, &entered)?;
        self.enter_database(entered);
        Ok(())
    }

    async fn query(&mut self, sql: &str, out: &mut ResultWriter<'_>) -> Result<(), MySqlError> {
        self.run_text(sql, out).await
    }

    async fn prepare(&mut self, sql: &str) -> Result<Prepared, MySqlError> {
        let parsed = Session::parse_one(sql)?;
        if let Statement::Unsupported { what } = &parsed.statement {
            return Err(errors::unsupported(what));
        }
        self.follow_database();
        self.check(&parsed.statement)?;
        let params = runtime_sql::count_placeholders(&parsed.statement);
        let columns = query::columns_of_prepared(self, parsed, params).await?;
        Ok(Prepared { params, columns })
    }

    async fn execute(&mut self, sql: &str, params: &[Value], out: &mut ResultWriter<'_>) -> Result<(), MySqlError> {
        let mut parsed = Session::parse_one(sql)?;
        let values: Vec<_> = params.iter().map(prepared::literal).collect();
        runtime_sql::bind(&mut parsed.statement, &values).map_err(|e| errors::bind(&e, "mysqld_stmt_execute"))?;
        self.run_one(&parsed.into(), out).await
    }

    async fn field_list(&mut self, table: &str, wildcard: &str) -> Result<Vec<ColumnDef>, MySqlError> {
        self.follow_database();
        let catalog = self.catalog();
        let name = runtime_sql::QualifiedName::bare(table);
        let (database, named) = names::named(&catalog, &name, self.database.as_deref())?;
        self.asker(Arc::clone(&catalog))?.needs_anything(named.object())?;
        let columns: Vec<(&String, &storage_model::DataType)> = match &named {
            names::Named::Table(table) => table.schema.columns.iter().map(|c| (&c.name, &c.data_type)).collect(),
            names::Named::View(view) => view.columns.iter().map(|c| (&c.name, &c.data_type)).collect(),
        };
        let wanted = |(name, _): &(&String, _)| wildcard.is_empty() || like_matches(wildcard, name);
        let def = |(column, data_type): (&String, _)| {
            query::column_def(column, data_type).of_table(&database.name, &name.name)
        };
        Ok(columns.into_iter().filter(wanted).map(def).collect())
    }

    async fn reset(&mut self) -> Result<(), MySqlError> {
        self.variables = Arc::new(SessionVariables::new(&self.shared.globals));
        self.named.clear();
        self.roll_back();
        self.last_error = None;
        self.last_query.clear();
        let user = self.account.as_ref().and_then(|account| self.catalog().user(account.user).cloned());
        self.account = user.map(|user| Account::of(&user));
        Ok(())
    }

    fn statistics(&self) -> String {
        let front = self.front();
        let seconds = front.now_ms().saturating_sub(front.me.started_at_ms) / 1000;
        let (threads, questions) = (self.shared.sessions.all().len(), self.shared.sessions.questions());
        let tables = front.view.now().tables().count();
        format!(
            "Uptime: {seconds}  Threads: {threads}  Questions: {questions}  Slow queries: 0  Opens: 0  Open tables: {tables}"
        )
    }

    fn status(&self) -> SessionStatus {
        SessionStatus { autocommit: self.variables.is_on("autocommit"), in_transaction: self.transaction.is_some() }
    }
}
