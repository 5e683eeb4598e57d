//! Which statement is answered where.

use std::sync::Arc;

use runtime_mysql::{MySqlError, OkInfo, ResultWriter};
use runtime_query::Constant;
use runtime_sql::statement::{AssignedValue, Assignment, KillTarget, VariableScope};
use runtime_sql::{Parsed, Statement};
use storage_model::{GrantObject, Privilege};

use crate::privileges::Verdict;
use crate::processlist::Entry;
use crate::session::{Running, Session};
use crate::sheet::{Sheet, row};
use crate::{
    access, analyze, ddl, delete, errors, insert, names, prepared, query, show, snapshot, system, update, variables,
    volumes,
};

impl Session {
    /// Answers one statement.
    pub(crate) async fn dispatch(
        &mut self,
        parsed: &Parsed,
        running: &Running,
        out: &mut ResultWriter<'_>,
    ) -> Result<(), MySqlError> {
        self.check_in_transaction(&parsed.statement)?;
        match &parsed.statement {
            Statement::Query(ast) => query::select(self, ast, &parsed.text, running, out).await,
            Statement::Explain { level, statement } => {
                send(query::explain(self, *level, statement, &parsed.text, running).await?, out).await
            }
            Statement::AnalyzeProfile { query_id } => {
                let mut sheet = Sheet::text(&["Explain String"]);
                (self.facts().profile_of)(query_id)
                    .ok_or_else(|| {
                        MySqlError::analyzing(format_args!("cannot find the profile of query '{query_id}'"))
                    })?
                    .lines()
                    .for_each(|line| sheet.push(row![line]));
                send(sheet, out).await
            }
            Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) if self.transaction.is_some() => {
                let info = Box::pin(self.write_in_transaction(parsed, running)).await?;
                out.ok(info).await
            }
            Statement::Commit => {
                let info = Box::pin(self.commit_transaction(running)).await?;
                out.ok(info).await
            }
            Statement::Insert(ast) => {
                let info = insert::insert(self, ast, &parsed.text, running).await?;
                out.ok(info).await
            }
            Statement::Delete(ast) => {
                let info = Box::pin(delete::delete(self, ast, &parsed.text, running)).await?;
                out.ok(info).await
            }
            Statement::Update(ast) => {
                let info = Box::pin(update::update(self, ast, &parsed.text, running)).await?;
                out.ok(info).await
            }
            Statement::CreateTableAs { table, names, query } => {
                let info = Box::pin(ddl::as_query::create(self, table, names, query, running)).await?;
                out.ok(info).await
            }
            Statement::Show(asked) => {
                let sheet = Box::pin(show::show(self, asked, running)).await?;
                send(sheet, out).await
            }
            Statement::AdminShowAutomatedSnapshot => send(snapshot::show_automated(self), out).await,
            Statement::AdminVerifyClusterSnapshot { name, with_data } => {
                send(snapshot::manual::verify(self, running, name, *with_data).await?, out).await
            }
            Statement::DescribeStorageVolume { name } => send(volumes::describe(&self.catalog(), name)?, out).await,
            Statement::Help { topic } => send(show::help(topic), out).await,
            Statement::Analyze { table: Some(table), columns } => {
                send(Box::pin(analyze::analyze(self, table, columns, running)).await?, out).await
            }
            Statement::Execute { name, variables } => {
                let bound = self.named_statement(name, variables)?;
                match self.check(&bound.statement)? {
                    Verdict::Go => Box::pin(self.dispatch(&bound, running, out)).await,
                    Verdict::Nothing => out.ok(OkInfo::default()).await,
                }
            }
            other => {
                self.change(other, running).await?;
                out.ok(OkInfo::default()).await
            }
        }
    }

    /// Statements that answer with OK and nothing else.
    async fn change(&mut self, statement: &Statement, running: &Running) -> Result<(), MySqlError> {
        match statement {
            Statement::CreateDatabase { .. }
            | Statement::DropDatabase { .. }
            | Statement::RenameDatabase { .. }
            | Statement::RecoverDatabase { .. }
            | Statement::CreateTable(_)
            | Statement::CreateTableLike { .. }
            | Statement::CreateView { .. }
            | Statement::AlterView { .. }
            | Statement::DropView { .. }
            | Statement::DropTable { .. }
            | Statement::TruncateTable { .. }
            | Statement::AlterTable { .. }
            | Statement::RecoverTable { .. }
            | Statement::RecoverPartition { .. } => ddl::run(self, statement).await,
            Statement::CancelAlterTable { kind, name, jobs } => ddl::jobs::cancel(self, kind, name, jobs).await,
            Statement::CreateStorageVolume { .. }
            | Statement::AlterStorageVolume { .. }
            | Statement::DropStorageVolume { .. }
            | Statement::SetDefaultStorageVolume { .. } => volumes::run(self, statement).await,
            Statement::AdminSetAutomatedSnapshotOn { .. }
            | Statement::AdminSetAutomatedSnapshotOff
            | Statement::AdminAlterAutomatedSnapshot { .. }
            | Statement::AdminFinishRestore
            | Statement::CreateClusterSnapshot { .. }
            | Statement::DropClusterSnapshot { .. }
            | Statement::CancelClusterSnapshot { .. }
            | Statement::RestoreTable { .. } => snapshot::run(self, statement, running).await,
            Statement::AlterSystemAddComputeNode { .. }
            | Statement::AlterSystemDropComputeNode { .. }
            | Statement::AlterSystemAddFrontend { .. }
            | Statement::AlterSystemDropFrontend { .. }
            | Statement::AlterSystemCreateImage
            | Statement::AdminSetFrontendConfig { .. } => system::run(self, statement).await,
            Statement::UseDatabase { catalog, database } => {
                let entered = names::enter(&self.catalog(), catalog.as_deref(), database)?;
                self.enter_database(entered);
                Ok(())
            }
            Statement::SetCatalog { name } => names::check_catalog(Some(name)),
            Statement::Set(assignments) => self.assign(assignments, running).await,
            Statement::Kill { query_only, target } => self.kill(*query_only, target),
            Statement::PrepareText { name, text } => {
                Session::parse_one(text)?;
                self.named.insert(name.to_lowercase(), text.clone());
                Ok(())
            }
            Statement::Deallocate { name } => match self.named.remove(&name.to_lowercase()) {
                Some(_) => Ok(()),
                None => Err(unknown_prepared(name, "DEALLOCATE PREPARE")),
            },
            // Without BEGIN every statement is its own transaction, and drivers that turn autocommit off end such that never began.
            Statement::Rollback => {
                self.roll_back();
                Ok(())
            }
            Statement::Begin { label } => self.begin_transaction(label.as_deref()),
            // A statement is applied here before it is answered, and there is nothing to lock. ANALYZE of whole databases gathers
            // nothing: loads have counted what they wrote.
            Statement::LockTables | Statement::UnlockTables | Statement::Sync | Statement::Analyze { .. } => Ok(()),
            Statement::DropStatistics { table, histograms } => analyze::drop_statistics(self, table, *histograms).await,
            Statement::Access(statement) => access::run(self, statement).await,
            Statement::Unsupported { what } => Err(errors::unsupported(what)),
            other => Err(errors::unsupported(other.statement_kind().to_uppercase())),
        }
    }

    /// SET: from left to right; what stands before a wrong one stays set, as in MySQL.
    async fn assign(&mut self, assignments: &[Assignment], running: &Running) -> Result<(), MySqlError> {
        for Assignment { scope, name, value } in assignments {
            let name = name.to_lowercase();
            let value = match value {
                AssignedValue::Default => None,
                AssignedValue::Expr(expr) => Some(query::constant(self, expr, running).await?),
            };
            let globals = &self.shared.globals;
            let session = Arc::make_mut(&mut self.variables);
            match (scope, value) {
                (VariableScope::User, value) => session.set_user(&name, value.unwrap_or(Constant::Null)),
                (VariableScope::Session, Some(value)) => {
                    check_charset(&name, &value)?;
                    session.set(&name, &value)?;
                }
                (VariableScope::Session, None) => session.reset(&name)?,
                (VariableScope::Global, Some(value)) => {
                    check_charset(&name, &value)?;
                    globals.set(&name, &value)?;
                    session.refresh_globals(globals);
                }
                (VariableScope::Global, None) => {
                    globals.reset(&name)?;
                    session.refresh_globals(globals);
                }
            }
        }
        Ok(())
    }

    fn kill(&self, query_only: bool, target: &KillTarget) -> Result<(), MySqlError> {
        match target {
            KillTarget::Connection(id) => {
                let found = self.shared.sessions.find(*id).ok_or_else(|| MySqlError::unknown_thread(*id))?;
                self.check_owns(&found)?;
                found.stop(query_only);
            }
            KillTarget::Query(query) => {
                let unknown = || MySqlError::common(format_args!("Unknown query id: {query}"));
                let found = self.shared.sessions.find_query(query).ok_or_else(unknown)?;
                self.check_owns(&found)?;
                found.stop(true);
            }
        }
        Ok(())
    }

    /// Whose session is not one's own is an operator's to stop.
    fn check_owns(&self, entry: &Entry) -> Result<(), MySqlError> {
        let asker = self.asker(self.catalog())?;
        match entry.activity().user_id == Some(asker.user().id) {
            true => Ok(()),
            false => asker.needs(Privilege::Operate, GrantObject::System),
        }
    }

    /// The statement of PREPARE with the values of user variables in it.
    fn named_statement(&self, name: &str, variables: &[String]) -> Result<Parsed, MySqlError> {
        let text = self.named.get(&name.to_lowercase()).ok_or_else(|| unknown_prepared(name, "EXECUTE"))?;
        let mut parsed = Session::parse_one(text)?;
        if matches!(parsed.statement, Statement::Execute { .. }) {
            return Err(MySqlError::not_preparable());
        }
        let value = |name: &String| {
            prepared::literal_of(&runtime_query::Variables::user(self.variables.as_ref(), &name.to_lowercase()))
        };
        let values: Vec<_> = variables.iter().map(value).collect();
        runtime_sql::bind(&mut parsed.statement, &values).map_err(|e| errors::bind(&e, "EXECUTE"))?;
        Ok(parsed)
    }
}

async fn send(sheet: Sheet, out: &mut ResultWriter<'_>) -> Result<(), MySqlError> {
    sheet.send(out).await
}

fn unknown_prepared(name: &str, command: &str) -> MySqlError {
    let text = format!("Unknown prepared statement handler ({name}) given to {command}");
    MySqlError::new(1243, *b"HY000", text)
}

/// Names of character sets and collations that MySQL knows; all text is UTF-8, whatever is said.
fn check_charset(variable: &str, value: &Constant) -> Result<(), MySqlError> {
    const CHARSETS: [&str; 12] = [
        "utf8", "utf8mb3", "utf8mb4", "latin1", "ascii", "binary", "gbk", "gb2312", "gb18030", "ucs2", "utf16", "big5",
    ];
    let Constant::Text(name) = value else { return Ok(()) };
    let known = CHARSETS.iter().any(|charset| charset.eq_ignore_ascii_case(name));
    if variable.starts_with("character_set_") && !name.is_empty() && !known {
        return Err(MySqlError::unknown_character_set(name));
    }
    Ok(())
}

/// So that an unknown variable is answered with its neighbours wherever it is read.
pub(crate) fn with_similar_names(error: MySqlError) -> MySqlError {
    let named = |text: &str| text.strip_prefix("Unknown system variable '")?.split('\'').next().map(str::to_owned);
    match (error.code, named(&error.message)) {
        (1193, Some(name)) => variables::unknown(&name),
        _ => error,
    }
}
