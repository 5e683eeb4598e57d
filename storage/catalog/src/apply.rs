//! Applying a command: the only way a catalog changes. A command that is rejected changes nothing but the revision and
//! the clocks.

mod access;
mod alter;
mod collect;
mod column_types;
mod columns;
mod compact;
mod databases;
mod ids;
mod loads;
mod nodes;
mod once;
mod partitions;
mod recover;
mod renames;
mod restore_table;
mod snapshots;
mod statistics;
mod supersede;
mod tables;
mod temporary;
mod views;
mod volumes;

use std::sync::Arc;

use storage_model::{FileEnd, FileId, PartitionId, Rowset, Uptime};

use crate::access::AccessChange;
use crate::catalog::Catalog;
use crate::command::{Command, Envelope, Outcome, Rejection, Reply};

/// How long a label cannot be used again (`label_keep_max_second`, three days).
const LABEL_KEEP_MILLIS: u64 = 259_200_000;

impl Catalog {
    /// Applies a command: revision + 1, whatever the reply.
    pub fn apply(&mut self, envelope: &Envelope) -> Reply {
        self.header.revision = self.header.revision.next();
        self.header.clock = envelope.proposed_at.wall;
        self.header.uptime = self.header.uptime.max(envelope.proposed_at.uptime);
        self.attempt(&envelope.command)
    }

    /// All of a command or, when it is rejected, nothing.
    fn attempt(&mut self, command: &Command) -> Reply {
        if let Command::Once { proposer, sequence, heard, command } = command {
            return self.once(*proposer, *sequence, *heard, command);
        }
        let mut next = self.clone();
        next.check_not_altering(command)?;
        let reply = next.take(command);
        if reply.is_ok() {
            if may_end_grants(command, &reply) {
                next.drop_dead_grants();
                next.cancel_alters_of_dropped_tables();
                next.drop_dead_statistics();
            }
            *self = next;
        }
        reply
    }

    fn take(&mut self, command: &Command) -> Reply {
        match command {
            Command::CreateDatabase { name, volume, if_not_exists } => {
                self.create_database(name, volume.as_deref(), *if_not_exists)
            }
            Command::DropDatabase { name, if_exists, force } => self.drop_database(name, *if_exists, *force),
            Command::CreateTable { database, draft, if_not_exists } => {
                self.create_table(database, draft, *if_not_exists)
            }
            Command::DropTable { database, table, if_exists, force } => {
                self.drop_table(database, table, *if_exists, *force)
            }
            Command::TruncateTable { database, table, partitions } => self.truncate_table(database, table, partitions),
            Command::AddPartition { database, table, draft, if_not_exists } => {
                self.add_partition(database, table, draft, *if_not_exists)
            }
            Command::DropPartition { database, table, partition, if_exists, force } => {
                self.drop_partition(database, table, partition, *if_exists, *force)
            }
            Command::LeaseTxns { count } => self.lease_txns(*count),
            Command::CommitLoad { txn, table, label, files, superseded } => {
                self.commit_load(*txn, *table, label.as_deref(), files, superseded)
            }
            Command::CreateVolume { draft, if_not_exists } => self.create_volume(draft, *if_not_exists),
            Command::AlterVolume { name, comment, enabled, properties } => {
                self.alter_volume(name, comment.as_deref(), *enabled, properties)
            }
            Command::DropVolume { name, if_exists } => self.drop_volume(name, *if_exists),
            Command::SetDefaultVolume { name } => self.set_default_volume(name),
            Command::EnsureBuiltinVolume { draft } => self.ensure_builtin_volume(draft),
            Command::RegisterFrontend { frontend } => self.register_frontend(frontend),
            Command::AddComputeNode { host, heartbeat_port } => self.add_compute_node(host, *heartbeat_port),
            Command::DropComputeNode { host, heartbeat_port } => self.drop_compute_node(host, *heartbeat_port),
            Command::EnableSnapshots { volume, interval_seconds, retention } => {
                self.enable_snapshots(volume.as_deref(), *interval_seconds, *retention)
            }
            Command::DisableSnapshots => self.disable_snapshots(),
            Command::AlterSnapshots { volume, interval_seconds, retention } => {
                self.alter_snapshots(volume.as_deref(), *interval_seconds, *retention)
            }
            Command::BeginSnapshot { kind, name, volume, comment, max_history } => {
                self.begin_snapshot(*kind, name, *volume, comment, *max_history)
            }
            Command::SnapshotEvent { job, event, detail } => self.snapshot_event(*job, event, detail),
            Command::Condemn { files, oldest_read, grace_millis } => self.condemn(files, *oldest_read, *grace_millis),
            Command::Forget { files } => self.forget(files),
            Command::EraseTrash { older_than_millis } => self.erase_trash(*older_than_millis),
            Command::SetConfig { key, value } => {
                self.config.insert(key.clone(), value.clone());
                Ok(Outcome::Done)
            }
            Command::FinishRestore => self.finish_restore(),
            Command::KeepTime => Ok(Outcome::Done),
            Command::CancelSnapshot { name } => self.cancel_snapshot(name.as_deref()),
            Command::AddFrontend { host, edit_log_port, role } => self.add_frontend(host, *edit_log_port, *role),
            Command::DropFrontend { host, edit_log_port, role, leader } => {
                self.drop_frontend(host, *edit_log_port, *role, *leader)
            }
            // Keeps its reply, whatever that is: see `attempt`.
            Command::Once { proposer, sequence, heard, command } => self.once(*proposer, *sequence, *heard, command),
            Command::ReplaceRows { txn, table, label, partitions, files, superseded } => {
                self.replace_rows(*txn, *table, label.as_deref(), partitions, (files, superseded))
            }
            Command::RenameDatabase { name, new_name } => self.rename_database(name, new_name),
            Command::RenameTable { database, table, new_name } => self.rename_table(database, table, new_name),
            Command::RenamePartition { database, table, partition, new_name } => {
                self.rename_partition(database, table, partition, new_name)
            }
            Command::SwapTables { database, table, other } => self.swap_tables(database, table, other),
            Command::CommentTable { database, table, comment } => self.comment_table(database, table, comment),
            Command::RecoverDatabase { name } => self.recover_database(name),
            Command::RecoverTable { database, table } => self.recover_table(database, table),
            Command::RecoverPartition { database, table, partition } => {
                self.recover_partition(database, table, partition)
            }
            Command::AddPartitions { database, table, drafts } => self.add_partitions(database, table, drafts),
            Command::CompactPartition { txn, table, partition, inputs, files, superseded, seen } => {
                self.compact_partition(*txn, *table, *partition, (inputs, files), (superseded, seen))
            }
            Command::GiveUpTxns { below } => self.give_up_txns(*below),
            Command::RestoreTable { job, cut, database, table, partitions, files } => {
                self.restore_table((*job, *cut), database, table, partitions, files)
            }
            Command::AlterColumns { database, table, changes } => self.alter_columns(database, table, changes),
            Command::UpdateRows { txn, table, partitions, files, superseded } => {
                self.update_rows(*txn, *table, None, partitions, (files, superseded))
            }
            Command::PutView { database, draft, how } => self.put_view(database, draft, *how),
            Command::CommitTransaction { label, loads, superseded } => {
                self.commit_transaction(label.as_deref(), loads, superseded)
            }
            Command::DropView { database, name, if_exists } => self.drop_view(database, name, *if_exists),
            Command::Access(change) => self.change_access(change),
            Command::RollPartitions { table, drafts, dropped } => self.roll_partitions(*table, drafts, dropped),
            Command::AddTemporaryPartitions { database, table, drafts, if_not_exists } => {
                self.add_temporary_partitions(database, table, drafts, *if_not_exists)
            }
            Command::DropPartitions { database, table, partitions, temporary, if_exists, force } => {
                let which =
                    crate::apply::temporary::Which { temporary: *temporary, if_exists: *if_exists, force: *force };
                self.drop_partitions(database, table, partitions, which)
            }
            Command::ReplacePartitions { database, table, partitions, temporary, strict_range, keep_new_names } => {
                let names = (partitions.as_slice(), temporary.as_slice());
                self.replace_partitions(database, table, names, *strict_range, *keep_new_names)
            }
            Command::SetTableProperties { database, table, properties } => {
                self.set_table_properties(database, table, properties)
            }
            Command::LeaseIds { table, count } => self.lease_ids(*table, *count),
            Command::SetAutoIncrement { database, table, next } => self.set_auto_increment(database, table, *next),
            Command::MergeRows { txn, table, label, partitions, files, superseded } => {
                self.update_rows(*txn, *table, label.as_deref(), partitions, (files, superseded))
            }
            Command::AlterDistribution { database, table, partitions, distribution, buckets_given, buckets } => {
                self.alter_distribution((database, table), partitions, distribution, (*buckets_given, *buckets))
            }
            Command::AlterJobEvent { job, event } => self.alter_event(*job, event),
            Command::FinishAlter { job, partitions } => self.finish_alter(*job, partitions),
            Command::CancelAlter { database, table, kind, jobs } => self.cancel_alter(database, table, *kind, jobs),
            Command::SetStatistics { table, columns, all } => self.set_statistics(*table, columns, *all),
            Command::CreateTableAs { database, draft, if_not_exists, txn } => {
                self.create_table_as(database, draft, *if_not_exists, *txn)
            }
            Command::DropUnfilled { table } => self.drop_unfilled(*table),
        }
    }

    fn draw_id(&mut self) -> u64 {
        let id = self.header.next_id;
        self.header.next_id += 1;
        id
    }

    fn finish_restore(&mut self) -> Reply {
        match self.header.restored.as_mut() {
            Some(restored) if restored.careful_until.is_some() => {
                restored.careful_until = None;
                Ok(Outcome::Done)
            }
            _ => Err(Rejection::NotRestored),
        }
    }

    /// Takes partitions away for good: each rowset's reference to its file is dropped, and a file whose last reference
    /// goes ends its life at this revision.
    fn erase_partitions(&mut self, partitions: impl IntoIterator<Item = PartitionId>) {
        for id in partitions {
            let Some(partition) = self.partitions.remove(&id) else { continue };
            self.drop_references(&partition.rowsets);
        }
    }

    fn drop_references(&mut self, rowsets: &[Rowset]) {
        for file in rowsets.iter().flat_map(Rowset::files) {
            self.drop_reference(file);
        }
    }

    fn drop_reference(&mut self, id: FileId) {
        let (revision, uptime) = (self.header.revision, self.header.uptime);
        let Some(file) = self.files.get_mut(&id) else { return };
        let file = Arc::make_mut(file);
        file.references = file.references.saturating_sub(1);
        if file.references == 0 && file.removed_at().is_none() {
            file.end = Some(Box::new(FileEnd { removed_at: (revision, uptime), condemned_at: None }));
            self.removed.insert((revision, id));
        }
    }

    /// Drops expired labels, oldest first.
    fn trim_labels(&mut self, now: Uptime) {
        while let Some(oldest) = self.label_times.get_min().cloned() {
            if now.since(oldest.0) < LABEL_KEEP_MILLIS {
                return;
            }
            self.label_times.remove(&oldest);
            self.labels.remove(&(oldest.1, oldest.2));
        }
    }
}

/// Whether something was taken away on which there may be grants, or of which something is known.
fn may_end_grants(command: &Command, reply: &Reply) -> bool {
    match command {
        Command::DropDatabase { .. }
        | Command::DropTable { .. }
        | Command::DropView { .. }
        | Command::DropVolume { .. } => true,
        Command::EraseTrash { .. } => !matches!(reply, Ok(Outcome::Erased(0))),
        // They drop tables whose rows do not come.
        Command::DropUnfilled { .. } | Command::GiveUpTxns { .. } => matches!(reply, Ok(Outcome::Done)),
        Command::Access(AccessChange::DropUser { .. }) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
