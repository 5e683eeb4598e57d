//! Jobs that write tables anew: they stand in the way of little, end in one moment, and leave nothing when they do not.

use storage_model::{AlterEvent, AlterJob, AlterKind, AlterState, RewrittenPart, RewrittenPartition};

use super::*;
use crate::columns::ColumnChange;

fn to_text(name: &str) -> ColumnChange {
    let column = Column { data_type: DataType::Varchar(20), key: false, ..column(name) };
    ColumnChange::Modify { column, place: None }
}

fn alter(table: &str, changes: Vec<ColumnChange>) -> Command {
    Command::AlterColumns { database: "shop".to_owned(), table: table.to_owned(), changes }
}

fn spread(table: &str, partitions: &[&str], buckets: u32) -> Command {
    Command::AlterDistribution {
        database: "shop".to_owned(),
        table: table.to_owned(),
        partitions: partitions.iter().map(|name| (*name).to_owned()).collect(),
        distribution: Distribution::Hash { columns: vec![ColumnId(1)] },
        buckets_given: Some(buckets),
        buckets,
    }
}

fn cancel(kind: AlterKind, jobs: &[JobId]) -> Command {
    Command::CancelAlter { database: "shop".to_owned(), table: "orders".to_owned(), kind, jobs: jobs.to_vec() }
}

impl Kit {
    /// A table whose `v` is no key, and a job on it that runs.
    fn altering(command: Command) -> (Kit, JobId) {
        let mut kit = Kit::new();
        kit.ok(drop_table("orders", true));
        let value = Column { key: false, ..column("v") };
        kit.ok(create_table(TableDraft { columns: vec![column("k"), value], ..ranged("orders") }));
        kit.load("orders", 0, "o1");
        kit.load("orders", 0, "o2");
        kit.load("orders", 1, "o3");
        let Outcome::Job(job) = kit.ok(command) else { panic!() };
        kit.tell(job, AlterEvent::Begin);
        kit.tell(job, AlterEvent::Start);
        (kit, job)
    }

    fn tell(&mut self, job: JobId, event: AlterEvent) {
        self.ok(Command::AlterJobEvent { job, event });
    }

    fn altered(&self, job: JobId) -> AlterJob {
        self.catalog.alter_job(job).unwrap().as_ref().clone()
    }

    /// All rows of `orders` in one file a partition.
    fn rewritten(&self, name: &str) -> Vec<RewrittenPartition> {
        let table = self.catalog.table(self.table("orders")).unwrap().clone();
        let job = self.catalog.alter_job_of(table.id).unwrap();
        let target = job.target.as_ref().unwrap();
        let all = self.catalog.partitions_to_alter(&table, target).filter(|p| !p.rowsets.is_empty()).cloned();
        let rewritten = |partition: std::sync::Arc<storage_model::Partition>| {
            let mut file = self.written("orders", 0, &format!("{name}_{}", partition.id));
            file.partition = partition.id;
            file.runs.truncate(1);
            file.runs[0].rows = partition.rows();
            let parts = vec![RewrittenPart { txn: TxnId(1), files: vec![file] }];
            RewrittenPartition { partition: partition.id, base: partition.visible_version, parts }
        };
        all.map(rewritten).collect()
    }
}

#[test]
fn a_table_becomes_another_in_one_moment() {
    let (mut kit, job) = Kit::altering(alter("orders", vec![to_text("v")]));
    let before = kit.catalog.table(kit.table("orders")).unwrap().as_ref().clone();
    assert_eq!(before.schema.column("v").unwrap().data_type, DataType::Int, "it is what it was until then");
    let old = kit.catalog.partition(before.partitions[0]).unwrap().as_ref().clone();
    let partitions = kit.rewritten("n");
    kit.ok(Command::FinishAlter { job, partitions });
    let after = kit.catalog.table(kit.table("orders")).unwrap().as_ref().clone();
    let (was, is) = (before.schema.column("v").unwrap(), after.schema.column("v").unwrap());
    assert_eq!((&is.data_type, is.id), (&DataType::Varchar(20), before.schema.next_id));
    assert_ne!(was.id, is.id, "files of before have no such column");
    let new = kit.catalog.partition(after.partitions[0]).unwrap();
    assert_eq!((new.name.as_str(), new.rows(), new.rowsets.len()), (old.name.as_str(), old.rows(), 1));
    assert_eq!(new.visible_version, old.visible_version + 1);
    assert!(kit.catalog.partition(old.id).is_none() && !after.partitions.contains(&old.id));
    let removed = old.rowsets.iter().all(|r| kit.catalog.file(r.file).unwrap().removed_at().is_some());
    assert!(removed, "GC takes what was there");
    let known = kit.altered(job);
    assert_eq!((known.state, known.progress, known.target), (AlterState::Finished, 100, None));
    assert_eq!(after.schema_changes.last().map(|change| change.id), Some(job.0));
    invariant::check(&kit.catalog).unwrap();
}

#[test]
fn what_was_planned_before_is_not_committed_after() {
    let (mut kit, job) = Kit::altering(alter("orders", vec![to_text("v")]));
    let (table, file) = (kit.table("orders"), kit.written("orders", 0, "late"));
    let load =
        Command::CommitLoad { txn: TxnId(1), table, label: None, files: vec![file], superseded: Superseded::default() };
    let replace = kit.replace("orders", &[(0, None)], vec![kit.written("orders", 0, "later")]);
    let partitions = kit.rewritten("n");
    kit.tell(job, AlterEvent::Hold);
    assert!(matches!(kit.refused(load.clone()), Rejection::Held(_)));
    assert!(matches!(kit.refused(replace.clone()), Rejection::Held(_)));
    kit.ok(Command::FinishAlter { job, partitions });
    assert!(matches!(kit.refused(load), Rejection::Stale(_)));
    assert!(matches!(kit.refused(replace), Rejection::Stale(_)));
}

#[test]
fn rows_that_came_meanwhile_have_to_be_written_too() {
    let (mut kit, job) = Kit::altering(alter("orders", vec![to_text("v")]));
    let early = kit.rewritten("n");
    kit.load("orders", 1, "o4");
    let finish = Command::FinishAlter { job, partitions: early };
    assert!(matches!(kit.refused(finish), Rejection::Overtaken(_)));
    let mut short = kit.rewritten("m");
    short[1].parts[0].files[0].runs[0].rows -= 1;
    let finish = Command::FinishAlter { job, partitions: short };
    assert!(matches!(kit.refused(finish), Rejection::Stale(why) if why.contains("of which")));
    let mut few = kit.rewritten("m");
    few.pop();
    assert!(matches!(kit.refused(Command::FinishAlter { job, partitions: few }), Rejection::Overtaken(_)));
    let mut strange = kit.rewritten("m");
    strange[0].parts[0].files[0].runs[0].bucket = 9;
    let finish = Command::FinishAlter { job, partitions: strange };
    assert!(matches!(kit.refused(finish), Rejection::Stale(why) if why.contains("no tablet 9")));
    let whole = kit.rewritten("m");
    kit.ok(Command::FinishAlter { job, partitions: whole.clone() });
    assert!(matches!(kit.refused(Command::FinishAlter { job, partitions: whole }), Rejection::Stale(_)), "not twice");
}

#[test]
fn while_a_job_runs_the_table_is_not_changed_otherwise() {
    let (mut kit, job) = Kit::altering(spread("orders", &[], 5));
    for command in [
        alter("orders", vec![to_text("v")]),
        spread("orders", &[], 3),
        truncate("orders", &[]),
        Command::SwapTables { database: "shop".into(), table: "notes".into(), other: "orders".into() },
        Command::RenameTable { database: "shop".into(), table: "orders".into(), new_name: "x".into() },
        Command::DropPartition {
            database: "shop".into(),
            table: "orders".into(),
            partition: "low".into(),
            if_exists: false,
            force: false,
        },
    ] {
        let refused = kit.refused(command);
        assert!(
            matches!(&refused, Rejection::Altering(why) if why.contains("in progress on the table orders")),
            "{refused}"
        );
    }
    kit.ok(truncate("notes", &[]));
    kit.load("orders", 0, "o9");
    assert!(matches!(kit.refused(cancel(AlterKind::Columns, &[])), Rejection::ColumnRule(_)));
    assert!(matches!(kit.refused(cancel(AlterKind::Distribution, &[JobId(1)])), Rejection::ColumnRule(_)));
    kit.ok(cancel(AlterKind::Distribution, &[job]));
    let over = kit.altered(job);
    assert_eq!((over.state, over.message.as_str()), (AlterState::Cancelled, "user cancelled"));
    kit.ok(truncate("orders", &[]));
}

#[test]
fn buckets_become_others_of_all_partitions_or_of_some() {
    let (mut kit, job) = Kit::altering(spread("orders", &["mid"], 7));
    let buckets = |kit: &Kit| {
        kit.partitions("orders").iter().map(|id| kit.catalog.partition(*id).unwrap().buckets).collect::<Vec<_>>()
    };
    let partitions = kit.rewritten("n");
    kit.ok(Command::FinishAlter { job, partitions });
    assert_eq!(buckets(&kit), [2, 7]);
    let Outcome::Job(job) = kit.ok(spread("orders", &[], 4)) else { panic!() };
    kit.tell(job, AlterEvent::Begin);
    let early = Command::FinishAlter { job, partitions: kit.rewritten("m") };
    assert!(matches!(kit.refused(early.clone()), Rejection::Stale(why) if why.contains("not begun")));
    kit.tell(job, AlterEvent::Start);
    kit.ok(early);
    assert_eq!(buckets(&kit), [4, 4]);
    assert_eq!(kit.catalog.table(kit.table("orders")).unwrap().buckets_given, Some(4));
}

#[test]
fn what_is_in_the_recycle_bin_comes_back_as_the_table_is_then() {
    let (mut kit, job) = Kit::altering(alter("orders", vec![to_text("v")]));
    kit.ok(cancel(AlterKind::Columns, &[job]));
    kit.ok(Command::DropPartition {
        database: "shop".into(),
        table: "orders".into(),
        partition: "mid".into(),
        if_exists: false,
        force: false,
    });
    let Outcome::Job(job) = kit.ok(alter("orders", vec![to_text("v")])) else { panic!() };
    kit.tell(job, AlterEvent::Begin);
    kit.tell(job, AlterEvent::Start);
    let partitions = kit.rewritten("n");
    assert_eq!(partitions.len(), 2, "that of the recycle bin too");
    kit.ok(Command::FinishAlter { job, partitions });
    kit.ok(Command::RecoverPartition { database: "shop".into(), table: "orders".into(), partition: "mid".into() });
    let mid = kit.catalog.partition(kit.partitions("orders")[1]).unwrap();
    assert_eq!((mid.name.as_str(), mid.rows()), ("mid", 10));
    invariant::check(&kit.catalog).unwrap();
}

#[test]
fn a_job_ends_with_its_table_and_with_a_restore() {
    let (mut kit, job) = Kit::altering(alter("orders", vec![to_text("v")]));
    let image = images::encode(&kit.catalog, images::Secrets::Keep).unwrap();
    let sections: Vec<_> = image.iter().map(|section| section.bytes.as_slice()).collect();
    let mut copy = images::decode(&sections).unwrap();
    assert_eq!(copy.alter_job(job), kit.catalog.alter_job(job));
    copy.cancel_all_alters();
    assert_eq!(copy.alter_job(job).unwrap().state, AlterState::Cancelled);
    invariant::check(&copy).unwrap();
    kit.ok(drop_table("orders", false));
    let over = kit.altered(job);
    assert_eq!((over.state, over.message.as_str()), (AlterState::Cancelled, "The table was dropped"));
    kit.ok(Command::RecoverTable { database: "shop".into(), table: "orders".into() });
    assert!(matches!(kit.refused(Command::FinishAlter { job, partitions: Vec::new() }), Rejection::Stale(_)));
}

#[test]
fn jobs_of_long_ago_are_forgotten() {
    let (mut kit, job) = Kit::altering(alter("orders", vec![to_text("v")]));
    kit.tell(job, AlterEvent::Fail("no".to_owned()));
    kit.clock += 4 * 24 * 60 * MINUTE;
    kit.ok(spread("orders", &[], 3));
    assert!(kit.catalog.alter_job(job).is_none());
    assert_eq!(kit.catalog.alter_jobs().count(), 1);
}
