//! What a statement is called in logs, metrics and errors.

use super::{InsertSource, Statement};

impl Statement {
    /// One or two words for logs and metrics: `select`, `create table`. Never a part of the text.
    pub fn statement_kind(&self) -> &'static str {
        match self {
            Statement::Query(_) => "select",
            Statement::Explain { .. } => "explain",
            Statement::Insert(insert) if insert.overwrite => "insert overwrite",
            Statement::Insert(insert) => match insert.source {
                InsertSource::Query(_) => "insert select",
                InsertSource::Values(_) => "insert values",
            },
            Statement::Delete(_) => "delete",
            Statement::CreateDatabase { .. } => "create database",
            Statement::DropDatabase { .. } => "drop database",
            Statement::UseDatabase { .. } => "use",
            Statement::SetCatalog { .. } => "set catalog",
            Statement::CreateTable(_) => "create table",
            Statement::DropTable { .. } => "drop table",
            Statement::TruncateTable { .. } => "truncate table",
            Statement::AlterTable { .. } => "alter table",
            Statement::CreateStorageVolume { .. } => "create storage volume",
            Statement::AlterStorageVolume { .. } => "alter storage volume",
            Statement::DropStorageVolume { .. } => "drop storage volume",
            Statement::DescribeStorageVolume { .. } => "desc storage volume",
            Statement::SetDefaultStorageVolume { .. } => "set default storage volume",
            Statement::AdminSetAutomatedSnapshotOn { .. } => "automated snapshot on",
            Statement::AdminSetAutomatedSnapshotOff => "automated snapshot off",
            Statement::AdminAlterAutomatedSnapshot { .. } => "alter automated snapshot",
            Statement::AdminShowAutomatedSnapshot => "show automated snapshot",
            Statement::CreateClusterSnapshot { .. } => "create cluster snapshot",
            Statement::DropClusterSnapshot { .. } => "drop cluster snapshot",
            Statement::CancelClusterSnapshot { .. } => "cancel cluster snapshot",
            Statement::AdminVerifyClusterSnapshot { .. } => "verify cluster snapshot",
            Statement::RestoreTable { .. } => "restore table",
            Statement::AdminFinishRestore => "finish restore",
            Statement::AlterSystemAddComputeNode { .. } => "add compute node",
            Statement::AlterSystemDropComputeNode { .. } => "drop compute node",
            Statement::AlterSystemAddFrontend { .. } => "add frontend",
            Statement::AlterSystemDropFrontend { .. } => "drop frontend",
            Statement::AlterSystemCreateImage => "create image",
            Statement::AdminSetFrontendConfig { .. } => "set frontend config",
            Statement::Show(_) => "show",
            Statement::Help { .. } => "help",
            Statement::Set(_) => "set",
            Statement::Begin { .. } => "begin",
            Statement::Commit => "commit",
            Statement::Rollback => "rollback",
            Statement::Kill { .. } => "kill",
            Statement::LockTables => "lock tables",
            Statement::UnlockTables => "unlock tables",
            Statement::Sync => "sync",
            Statement::Analyze { .. } => "analyze",
            Statement::PrepareText { .. } => "prepare",
            Statement::Execute { .. } => "execute",
            Statement::Deallocate { .. } => "deallocate",
            Statement::Unsupported { .. } => "unsupported",
        }
    }
}
