//! A small house to ask: one LOCAL volume, one database `db`, an engine.

mod compaction;
mod jobs;
mod keys;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use arrow::array::RecordBatch;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use futures::{StreamExt, TryStreamExt};
use runtime_sql::Statement;
use storage_catalog::{
    Catalog, ClusterIdentity, Command, Envelope, PartitionDraft, ReplacedPartition, TableDraft, VolumeDraft,
};
use storage_model::{
    Bound, ClusterId, Column, ColumnId, DataType, DefaultValue, Distribution, Epoch, Incarnation, KeyModel, Now,
    PartitionId, PartitionRange, Partitioning, ServiceId, StorageVolume, Superseded, Table, TxnId, UnixMillis, Value,
    VolumeType, WrittenFile,
};
use storage_tablet::{TargetPartition, WriteSpec};
use storage_volume::Volume;

use crate::*;

/// 2015-09-12 10:20:30.456 UTC.
pub(super) const NOW: u64 = 1_442_053_230_456;

pub(super) struct House {
    catalog: Catalog,
    engine: Engine,
    pub database: Option<String>,
    pub parallelism: usize,
    pub split_from: u64,
    pub time_zone: String,
    txn: u64,
    /// How often keys were looked up.
    looks: AtomicU32,
    directory: tempfile::TempDir,
}

struct Some5;

impl Variables for Some5 {
    fn system(&self, name: &str, global: bool) -> Option<Constant> {
        match name {
            "autocommit" => Some(Constant::Integer(1)),
            "version_comment" => Some(Constant::Text("Starkeep".into())),
            "time_zone" if global => Some(Constant::Text("SYSTEM".into())),
            _ => None,
        }
    }

    fn user(&self, name: &str) -> Constant {
        if name == "five" { Constant::Integer(5) } else { Constant::Null }
    }
}

pub(super) fn column(name: &str, data_type: DataType, nullable: bool, default: Option<&str>) -> Column {
    Column {
        id: ColumnId(0),
        name: name.into(),
        data_type,
        nullable,
        key: false,
        default: default.map(|text| DefaultValue::Literal(text.into())),
        comment: String::new(),
        initial: None,
        aggregation: None,
    }
}

impl House {
    pub fn new() -> House {
        let directory = tempfile::tempdir().unwrap();
        let identity = ClusterIdentity {
            cluster_id: ClusterId(1),
            token: "t".into(),
            service_id: ServiceId("service".into()),
            incarnation: Incarnation("0123456789abcdef0123456789abcdef".into()),
            epoch: Epoch(1),
        };
        let options = EngineOptions {
            memory_bytes: 256 << 20,
            process_bytes: 8 << 30,
            spill_directory: Some(directory.path().join("spill")),
            parallelism: 2,
            threads: None,
        };
        let location = format!("file://{}/data", directory.path().display());
        std::fs::create_dir_all(directory.path().join("data")).unwrap();
        let mut house = House {
            catalog: Catalog::genesis(identity, UnixMillis(NOW)),
            engine: Engine::new(options, volume_opener()).unwrap(),
            database: Some("db".into()),
            parallelism: 2,
            split_from: u64::MAX,
            time_zone: "UTC".into(),
            txn: 0,
            looks: AtomicU32::new(1),
            directory,
        };
        house.apply(Command::CreateVolume {
            draft: VolumeDraft {
                name: "v".into(),
                volume_type: VolumeType::Local,
                location,
                comment: String::new(),
                enabled: true,
                properties: BTreeMap::new(),
            },
            if_not_exists: false,
        });
        house.apply(Command::SetDefaultVolume { name: "v".into() });
        house.apply(Command::CreateDatabase { name: "db".into(), volume: None, if_not_exists: false });
        house.apply(Command::LeaseTxns { count: 1000 });
        house
    }

    pub fn apply(&mut self, command: Command) {
        let envelope = Envelope { proposed_at: Now::at(NOW), command };
        self.catalog.apply(&envelope).unwrap_or_else(|e| panic!("{e}: {envelope:?}"));
    }

    /// Columns by position: the first is the key, partitioned by day ranges of one column, hashed by another.
    pub fn create(
        &mut self,
        name: &str,
        mut columns: Vec<Column>,
        by_day: Option<(usize, &[i32])>,
        hash: usize,
        buckets: u32,
    ) {
        columns[0].key = true;
        self.create_of(name, KeyModel::Duplicate, columns, by_day, hash, buckets);
    }

    /// The same of any key model, with the keys that the columns say.
    pub fn create_of(
        &mut self,
        name: &str,
        model: KeyModel,
        mut columns: Vec<Column>,
        by_day: Option<(usize, &[i32])>,
        hash: usize,
        buckets: u32,
    ) {
        for (at, column) in columns.iter_mut().enumerate() {
            column.id = ColumnId(at as u64 + 1);
        }
        let id = |at: usize| ColumnId(at as u64 + 1);
        let (partitioning, partitions) = match by_day {
            None => {
                let only = PartitionDraft { name: name.into(), range: PartitionRange::everything(), buckets };
                (Partitioning::Unpartitioned, vec![only])
            }
            Some((at, days)) => {
                let bound = |day: &i32| match columns[at].data_type {
                    DataType::Date => Bound::At(vec![Value::Date(*day)]),
                    DataType::DateTime => Bound::At(vec![Value::DateTime(i64::from(*day) * 86_400_000_000)]),
                    _ => Bound::At(vec![Value::Integer((*day).into())]),
                };
                let mut lower = Bound::Min;
                let mut drafts = Vec::new();
                for day in days {
                    let range = PartitionRange::between(lower, bound(day));
                    lower = bound(day);
                    drafts.push(PartitionDraft { name: format!("p{day}"), range, buckets });
                }
                (Partitioning::Range { columns: vec![id(at)] }, drafts)
            }
        };
        let draft = TableDraft {
            name: name.into(),
            columns,
            model,
            partitioning,
            distribution: Distribution::Hash { columns: vec![id(hash)] },
            buckets_given: Some(buckets),
            volume: None,
            comment: String::new(),
            properties: BTreeMap::new(),
            partitions,
            sort_key: Vec::new(),
            indexes: Vec::new(),
        };
        self.apply(Command::CreateTable { database: "db".into(), draft, if_not_exists: false });
    }

    pub fn context(&self) -> PlanContext {
        let mut session = SessionFacts::internal(NOW);
        session.connection_id = 7;
        session.time_zone.clone_from(&self.time_zone);
        session.variables = Arc::new(Some5);
        PlanContext {
            catalog: Arc::new(self.catalog.clone()),
            service_id: ServiceId("service".into()),
            database: self.database.clone(),
            session,
            access: Arc::new(crate::Everything),
            virtual_tables: Arc::new(NoVirtualTables),
            parallelism: self.parallelism,
            split_from: self.split_from,
            looks: crate::Looks::default(),
        }
    }

    pub fn table(&self, name: &str) -> Arc<Table> {
        let database = self.catalog.database_by_name("db").unwrap().id;
        Arc::clone(self.catalog.table_by_name(database, name).unwrap())
    }

    pub fn volumes(&self) -> Vec<StorageVolume> {
        self.catalog.volumes().map(|v| v.as_ref().clone()).collect()
    }

    /// Starts a plan on the engine.
    pub fn start(&self, planned: &Planned) -> Result<Rows, QueryError> {
        self.engine.execute(&encode(planned)?, &self.volumes())
    }

    /// A plan as the engine would run it.
    pub fn decoded(&self, planned: &Planned) -> (Arc<dyn ExecutionPlan>, Arc<TaskContext>) {
        let (plan, task, _) = self.engine.ready(&encode(planned).unwrap(), &self.volumes()).unwrap();
        (plan, task)
    }

    /// How many plans the engine runs.
    pub fn running(&self) -> usize {
        self.engine.running()
    }

    /// How often the engine has known footers.
    pub fn footers(&self) -> crate::FooterCounts {
        self.engine.footers()
    }

    pub fn memory_used(&self) -> usize {
        self.engine.memory_used()
    }

    /// Another engine, whose operators can ask for so much and run on these threads.
    pub fn limit(&mut self, memory_bytes: usize, threads: Option<tokio::runtime::Handle>) {
        let options = EngineOptions {
            memory_bytes,
            process_bytes: 8 << 30,
            spill_directory: Some(self.directory.path().join("spill")),
            parallelism: 2,
            threads,
        };
        self.engine = Engine::new(options, volume_opener()).unwrap();
    }

    /// Runs a plan where it belongs: what is not local goes through bytes.
    pub async fn run(&self, planned: &Planned) -> Result<Vec<RecordBatch>, QueryError> {
        let rows = match planned.placement {
            Placement::Local => execute_local(planned)?,
            Placement::Compute => self.engine.execute(&encode(planned)?, &self.volumes())?,
        };
        rows.try_collect().await
    }

    pub async fn plan(&self, sql: &str) -> Result<Planned, QueryError> {
        match statement(sql) {
            Statement::Query(query) => plan_query(&self.context(), &query).await,
            other => panic!("not a query: {other:?}"),
        }
    }

    /// The result as lines: labels, then rows, cells between bars.
    pub async fn ask(&self, sql: &str) -> Vec<String> {
        self.try_ask(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    pub async fn try_ask(&self, sql: &str) -> Result<Vec<String>, QueryError> {
        let planned = self.plan(sql).await?;
        self.lines(&planned, sql).await
    }

    async fn lines(&self, planned: &Planned, sql: &str) -> Result<Vec<String>, QueryError> {
        Ok(self.text(planned, &self.run(planned).await?, sql))
    }

    /// Rows of a plan as lines.
    pub fn text(&self, planned: &Planned, batches: &[RecordBatch], sql: &str) -> Vec<String> {
        let mut lines = vec![planned.columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>().join("|")];
        let mut out = Vec::new();
        for batch in batches {
            let cells = Cells::new(batch);
            assert_eq!(cells.columns(), planned.columns.len(), "{sql}");
            for row in 0..cells.rows() {
                out.clear();
                for column in 0..cells.columns() {
                    if column > 0 {
                        out.push(b'|');
                    }
                    if !cells.write(column, row, &mut out) {
                        out.extend_from_slice(b"NULL");
                    }
                }
                lines.push(String::from_utf8(out.clone()).unwrap());
            }
        }
        lines
    }

    /// The only row of a result.
    pub async fn one(&self, sql: &str) -> String {
        let lines = self.ask(sql).await;
        assert_eq!(lines.len(), 2, "{sql}: {lines:?}");
        lines[1].clone()
    }

    pub async fn error(&self, sql: &str) -> QueryError {
        match self.try_ask(sql).await {
            Ok(lines) => panic!("{sql}: {lines:?}"),
            Err(error) => error,
        }
    }

    /// What a DELETE finds in each partition (`p1: 2`), and what it leaves in those partitions.
    pub async fn delete(&self, sql: &str) -> Result<(Vec<String>, Vec<String>), QueryError> {
        let Statement::Delete(delete) = statement(sql) else { panic!("not a delete: {sql}") };
        let (cx, table) = (self.context(), self.table(&delete.table.name));
        let search = plan_search(&cx, &table, &delete, &table.partitions).await?;
        let found = found(&self.run(&search).await?)?;
        let name = |id| self.catalog.partition(id).unwrap().name.clone();
        let hit: Vec<_> = found.keys().copied().collect();
        let rest = plan_rest(&cx, &table, &delete, &hit).await?;
        let rest = self.lines(&rest, sql).await?.split_off(1);
        Ok((found.iter().map(|(id, rows)| format!("{}: {rows}", name(*id))).collect(), rest))
    }

    /// The next load into some partitions of a table.
    fn spec(&mut self, table: &Table, partitions: &[Arc<storage_model::Partition>]) -> WriteSpec {
        self.txn += 1;
        WriteSpec {
            table: table.clone(),
            partitions: partitions.iter().map(|partition| TargetPartition::from(partition.as_ref())).collect(),
            volume: table.volume,
            service_id: ServiceId("service".into()),
            incarnation: Incarnation("0123456789abcdef0123456789abcdef".into()),
            txn: TxnId(self.txn),
            attempt: 0,
            seed: 0,
            makes_partitions: false,
        }
    }

    /// Runs an UPDATE to its end: how many rows it changes.
    pub async fn update(&mut self, sql: &str) -> Result<u64, QueryError> {
        let Statement::Update(update) = statement(sql) else { panic!("not an update: {sql}") };
        let table = self.table(&update.table.name);
        let planned = plan_update(&self.context(), &table, &update, UpdateScope::Named).await?;
        let storage_tablet::Written { rows, files, .. } = self.write(&table, &planned).await?;
        let txn = TxnId(self.txn);
        let read = |file: &WrittenFile| self.catalog.partition(file.partition).unwrap();
        let base = |file| ReplacedPartition { partition: read(file).id, base: Some(read(file).visible_version) };
        let partitions = files.iter().map(base).collect();
        let superseded = self.superseded(&table, &files, false).await;
        self.apply(Command::UpdateRows { txn, table: table.id, partitions, files, superseded });
        Ok(rows)
    }

    /// Runs a DELETE to its end: how many rows it finds.
    pub async fn delete_rows(&mut self, sql: &str) -> Result<u64, QueryError> {
        let Statement::Delete(delete) = statement(sql) else { panic!("not a delete: {sql}") };
        let (cx, table) = (self.context(), self.table(&delete.table.name));
        let search = plan_search(&cx, &table, &delete, &table.partitions).await?;
        let hits = found(&self.run(&search).await?)?;
        let hit: Vec<_> = hits.keys().copied().collect();
        if table.model == KeyModel::Primary {
            self.txn += 1;
            let txn = TxnId(self.txn);
            let superseded = self.keys_of(&cx, &table, &delete, &hit).await?;
            let deleted: u64 = hits.values().sum();
            assert_eq!(superseded.rows(), deleted, "{sql}");
            let base = |id: &PartitionId| cx.catalog.partition(*id).map(|found| found.visible_version);
            let replaced = |id: &PartitionId| ReplacedPartition { partition: *id, base: base(id) };
            let (partitions, files) = (hit.iter().map(replaced).collect(), Vec::new());
            self.apply(Command::UpdateRows { txn, table: table.id, partitions, files, superseded });
            return Ok(deleted);
        }
        let all = plan_count(&cx, &table, &hit).await?;
        let all = found(&self.run(&all).await?)?;
        let rest = plan_rest(&cx, &table, &delete, &hit).await?;
        let storage_tablet::Written { rows, files, .. } = self.write(&table, &rest).await?;
        let txn = TxnId(self.txn);
        let deleted: u64 = hits.values().sum();
        assert_eq!(rows + deleted, hit.iter().map(|id| all[id]).sum::<u64>(), "{sql}");
        let partitions = hit.iter().map(|id| ReplacedPartition { partition: *id, base: None }).collect();
        let superseded = Superseded::default();
        self.apply(Command::ReplaceRows { txn, table: table.id, label: None, partitions, files, superseded });
        Ok(deleted)
    }

    /// Runs an INSERT to its end; the files of a load are shared by the buckets of a partition.
    pub async fn insert(&mut self, sql: &str) -> Result<u64, QueryError> {
        let (command, rows) = self.written_insert(sql).await?;
        self.apply(command);
        Ok(rows)
    }

    /// Runs an INSERT up to its commit, and how many rows that has.
    pub async fn written_insert(&mut self, sql: &str) -> Result<(Command, u64), QueryError> {
        let Statement::Insert(insert) = statement(sql) else { panic!("not an insert: {sql}") };
        let table = self.table(&insert.table.name);
        let planned = plan_insert(&self.context(), &table, &insert).await?;
        let written = self.write(&table, &planned).await?;
        let replaced = |p: &Arc<storage_model::Partition>| ReplacedPartition { partition: p.id, base: None };
        let partitions = self.catalog.partitions_of(&table).map(replaced).collect();
        let superseded = self.superseded(&table, &written.files, insert.overwrite).await;
        let (txn, table, rows, files) = (TxnId(self.txn), table.id, written.rows, written.files);
        let command = match insert.overwrite {
            true => Command::ReplaceRows { txn, table, label: None, partitions, files, superseded },
            false => Command::CommitLoad { txn, table, label: None, files, superseded },
        };
        Ok((command, rows))
    }

    /// Runs a DELETE up to its commit.
    pub async fn written_delete(&mut self, sql: &str) -> Result<Command, QueryError> {
        let Statement::Delete(delete) = statement(sql) else { panic!("not a delete: {sql}") };
        let (cx, table) = (self.context(), self.table(&delete.table.name));
        let search = plan_search(&cx, &table, &delete, &table.partitions).await?;
        let hit: Vec<_> = found(&self.run(&search).await?)?.into_keys().collect();
        let rest = plan_rest(&cx, &table, &delete, &hit).await?;
        let written = self.write(&table, &rest).await?;
        let base = |id| Some(cx.catalog.partition(id).unwrap().visible_version);
        let partitions = hit.into_iter().map(|id| ReplacedPartition { partition: id, base: base(id) }).collect();
        Ok(Command::ReplaceRows {
            txn: TxnId(self.txn),
            table: table.id,
            label: None,
            partitions,
            files: written.files,
            superseded: Superseded::default(),
        })
    }

    /// Has the rows of a plan written under a transaction of their own.
    async fn write(&mut self, table: &Table, planned: &Planned) -> Result<storage_tablet::Written, QueryError> {
        let batches = self.run(planned).await?;
        let schema = storage_tablet::arrow_schema(&table.schema);
        let batches: Vec<_> = batches.iter().map(|b| conform(b, &schema)).collect::<Result<_, _>>()?;
        let partitions: Vec<_> = self.catalog.partitions_of(table).cloned().collect();
        let spec = self.spec(table, &partitions);
        let volume = Volume::open(&self.volumes()[0]).unwrap();
        let stream = futures::stream::iter(batches).map(Ok::<_, std::io::Error>);
        storage_tablet::write(stream, &spec, &volume).await.map_err(|e| QueryError::invalid(e.to_string()))
    }
}

pub(super) fn statement(sql: &str) -> Statement {
    let mut parsed = runtime_sql::parse(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    assert_eq!(parsed.len(), 1);
    parsed.remove(0).statement
}

/// `wiki`: five days in three partitions, four buckets by user; two loads.
pub(super) async fn wiki() -> House {
    let mut house = House::new();
    let columns = vec![
        column("Event_Time", DataType::DateTime, true, None),
        column("user", DataType::Varchar(32), true, Some("")),
        column("delta", DataType::Int, true, Some("0")),
    ];
    // 2015-09-11, -12, -13.
    house.create("wiki", columns, Some((0, &[16_689, 16_690, 16_691])), 1, 4);
    let rows = house
        .insert(
            "INSERT INTO wiki VALUES \
             ('2015-09-10 01:00:00', 'ann', 1), ('2015-09-11 02:00:00', 'bob', 2), ('2015-09-11 03:00:00', 'cid', 3), \
             ('2015-09-12 00:00:00', 'ann', 4), ('2015-09-12 23:59:59.5', 'eve', -5), (NULL, 'nul', NULL)",
        )
        .await
        .unwrap();
    assert_eq!(rows, 6);
    house.insert("INSERT INTO wiki VALUES ('2015-09-12 08:00:00', 'bob', 6)").await.unwrap();
    house
}
