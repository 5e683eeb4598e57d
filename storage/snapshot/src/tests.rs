//! The kit of this room's tests: a service with real files in a LOCAL volume, and its snapshots.

mod alive;
mod copy;
mod damage;
mod diff;
mod find;
mod manifest;
mod owner;
mod report;
mod retire;
mod roundtrip;

use std::collections::BTreeMap;
use std::future::pending;

use bytes::Bytes;
use storage_catalog::{Catalog, ClusterIdentity, Command, Envelope, Outcome, PartitionDraft, TableDraft, VolumeDraft};
use storage_model::file::WrittenRun;
use storage_model::snapshot::JobEvent;
use storage_model::{
    ClusterId, Column, ColumnId, DataType, Distribution, Epoch, Incarnation, JobId, KeyModel, Now, PartitionRange,
    Partitioning, Revision, ServiceId, SnapshotKind, StorageVolume, Superseded, TableId, TxnId, UnixMillis, VolumeId,
    VolumeType, WrittenFile,
};
use storage_volume::layout::{DataName, data_object};
use storage_volume::{Layout, Volume, VolumeError};
use tempfile::TempDir;

use crate::{Facts, Manifest, SnapshotError, Uploaded, newest, upload};

pub(crate) const SECRET: &str = "hush-0123456789-do-not-tell";
pub(crate) const KEY_ID: &str = "AKIATESTTESTTEST";

/// A service with one LOCAL volume for everything, and one S3 volume that only has secrets.
pub(crate) struct Kit {
    pub dir: TempDir,
    pub definition: StorageVolume,
    pub volume: Volume,
    pub layout: Layout,
    pub catalog: Catalog,
    clock: u64,
}

pub(crate) fn local(name: &str, dir: &std::path::Path) -> StorageVolume {
    StorageVolume {
        id: VolumeId(0),
        name: name.to_owned(),
        volume_type: VolumeType::Local,
        location: format!("file://{}", dir.display()),
        comment: String::new(),
        enabled: true,
        borrowed: None,
        properties: BTreeMap::new(),
    }
}

pub(crate) fn identity() -> ClusterIdentity {
    ClusterIdentity {
        cluster_id: ClusterId(77),
        token: "token".to_owned(),
        service_id: ServiceId("3f2b6c9e-svc".to_owned()),
        incarnation: Incarnation("0123456789abcdef0123456789abcdef".to_owned()),
        epoch: Epoch(1),
    }
}

fn column(name: &str, data_type: DataType, key: bool) -> Column {
    let (name, comment) = (name.to_owned(), String::new());
    Column {
        id: ColumnId(0),
        name,
        data_type,
        nullable: !key,
        key,
        default: None,
        comment,
        initial: None,
        aggregation: None,
    }
}

impl Kit {
    /// One database, one table, two loads with one file each.
    pub async fn new() -> Kit {
        let dir = tempfile::tempdir().unwrap();
        let definition = local("main", dir.path());
        let volume = Volume::open(&definition).unwrap();
        let mut kit = Kit {
            layout: Layout(identity().service_id),
            catalog: Catalog::genesis(identity(), UnixMillis(1_739_857_978_000)),
            clock: 1_739_857_978_000,
            dir,
            definition,
            volume,
        };
        kit.create_volumes();
        kit.apply(Command::CreateDatabase { name: "shop".into(), volume: None, if_not_exists: false });
        kit.create_table("orders");
        kit.load("orders", b"first file, with some rows in it", 10).await;
        kit.load("orders", b"second file", 5).await;
        kit
    }

    pub fn apply(&mut self, command: Command) -> Outcome {
        self.clock += 1000;
        self.catalog.apply(&Envelope { proposed_at: Now::at(self.clock), command }).unwrap()
    }

    fn create_volumes(&mut self) {
        let draft = |name: &str, volume_type, location: &str, properties: &[(&str, &str)]| VolumeDraft {
            name: name.to_owned(),
            volume_type,
            location: location.to_owned(),
            comment: String::new(),
            enabled: true,
            properties: properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        };
        let main = draft("main", VolumeType::Local, &self.definition.location, &[]);
        let secrets = [("aws.s3.region", "eu-west-1"), ("aws.s3.access_key", KEY_ID), ("aws.s3.secret_key", SECRET)];
        let vault = draft("vault", VolumeType::S3, "s3://vault/x", &secrets);
        for draft in [main, vault] {
            self.apply(Command::CreateVolume { draft, if_not_exists: false });
        }
        self.apply(Command::SetDefaultVolume { name: "main".into() });
    }

    pub fn create_table(&mut self, name: &str) {
        let draft = TableDraft {
            name: name.to_owned(),
            columns: vec![column("id", DataType::BigInt, true), column("what", DataType::Varchar(20), false)],
            model: KeyModel::Duplicate,
            partitioning: Partitioning::Unpartitioned,
            distribution: Distribution::Hash { columns: vec![ColumnId(1)] },
            buckets_given: Some(1),
            volume: None,
            comment: String::new(),
            properties: BTreeMap::new(),
            partitions: vec![PartitionDraft { name: name.to_owned(), range: PartitionRange::everything(), buckets: 1 }],
            sort_key: Vec::new(),
            indexes: Vec::new(),
        };
        self.apply(Command::CreateTable { database: "shop".into(), draft, if_not_exists: false });
    }

    /// Writes a file into the store and commits it. Returns its path from the volume's location.
    pub async fn load(&mut self, table: &str, body: &'static [u8], rows: u64) -> String {
        let database = self.catalog.database_by_name("shop").unwrap().id;
        let table = self.catalog.table_by_name(database, table).unwrap();
        let (table_id, partition, volume): (TableId, _, _) = (table.id, table.partitions[0], table.volume);
        let Outcome::Txns { first: txn, .. } = self.apply(Command::LeaseTxns { count: 1 }) else { panic!() };
        let name = DataName::new(&identity().incarnation, TxnId(txn.0), 0, 0);
        let object = data_object(database, table_id, partition, &name);
        let path = self.layout.in_root(&object);
        self.volume.put(&path, Bytes::from_static(body)).await.unwrap();
        let (size, sha256) = (body.len() as u64, crate::store::sha256_hex(body));
        let run = WrittenRun { bucket: 0, first_row_group: 0, row_groups: 1, start: 4, end: size, rows, index: None };
        let file = WrittenFile { partition, volume, object, size, sha256, runs: vec![run], statistics: Vec::new() };
        self.apply(Command::CommitLoad {
            txn,
            table: table_id,
            label: None,
            files: vec![file],
            superseded: Superseded::default(),
        });
        path
    }

    /// Begins a job and cuts: the catalog stands at the cut.
    pub fn begin(&mut self, name: &str) -> JobId {
        let volume = self.catalog.volume_by_name("main").unwrap().id;
        let (kind, name, comment) = (SnapshotKind::Manual, name.to_owned(), "before the move".to_owned());
        let begin = Command::BeginSnapshot { kind, name, volume, comment, max_history: 100 };
        let Outcome::Job(job) = self.apply(begin) else { panic!() };
        self.event(job, JobEvent::Cut);
        job
    }

    pub fn event(&mut self, job: JobId, event: JobEvent) {
        self.apply(Command::SnapshotEvent { job, event, detail: String::new() });
    }

    pub fn facts(&self, job: JobId) -> Facts {
        Facts::of_job(&self.catalog, job, "0.1.0", 3).unwrap()
    }

    pub async fn upload(&self, job: JobId) -> Result<Uploaded, SnapshotError> {
        upload(&self.volume, &self.layout, &self.catalog, &self.facts(job), |_| (), pending()).await
    }

    /// A whole snapshot: begin, cut, upload, FINISHED.
    pub async fn snapshot(&mut self, name: &str) -> (JobId, Uploaded) {
        let job = self.begin(name);
        let done = self.upload(job).await.unwrap();
        let Uploaded { cut, manifest_sha256, bytes, .. } = done.clone();
        self.event(job, JobEvent::Uploaded { cut, sha256: manifest_sha256, bytes });
        (job, done)
    }

    pub async fn manifest(&self, name: &str) -> Manifest {
        newest(&self.volume, &self.layout, Some(name)).await.unwrap().manifest
    }

    /// What can be restored.
    pub async fn present(&self) -> Vec<(String, Revision)> {
        let roots = BTreeMap::from([(VolumeId(1), self.volume.clone())]);
        let found = crate::present(&roots, &self.layout).await.unwrap();
        found.into_values().flatten().map(|m| (m.name, m.cut)).collect()
    }

    pub async fn paths(&self, directory: &str) -> Vec<String> {
        self.volume.list(directory).await.unwrap().into_iter().map(|o| o.path).collect()
    }

    /// Replaces an object's bytes.
    pub async fn rewrite(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.volume.get(path).await.unwrap().to_vec();
        change(&mut bytes);
        self.volume.put(path, bytes.into()).await.unwrap();
    }

    pub async fn delete(&self, path: &str) {
        assert!(self.volume.head(path).await.unwrap().is_some(), "{path}");
        self.volume.delete(path).await.unwrap();
    }

    pub fn manifest_path(&self, name: &str, cut: Revision) -> String {
        self.layout.manifest(name, cut)
    }
}

pub(crate) fn open(definition: &StorageVolume) -> Result<Volume, VolumeError> {
    Volume::open(definition)
}

/// Actors run these on whatever thread is free.
#[test]
fn every_operation_can_move_between_threads() {
    fn send<T: Send>(_: impl FnOnce() -> T) {}
    fn kit() -> (Kit, Facts, Manifest, crate::place::Source) {
        unreachable!("never called: only the types count")
    }
    send(|| async {
        let (kit, facts, manifest, source) = kit();
        let (volume, layout, catalog) = (&kit.volume, &kit.layout, &kit.catalog);
        let (none, now) = (BTreeMap::new(), UnixMillis(0));
        drop(upload(volume, layout, catalog, &facts, |_| (), pending()).await);
        drop(crate::published(volume, layout, "s", &[]).await);
        drop(newest(volume, layout, None).await);
        drop(crate::at_cut(volume, layout, "s", storage_model::Revision(1)).await);
        drop(crate::present(&BTreeMap::new(), layout).await);
        drop(crate::load(volume, layout, &manifest).await);
        drop(crate::check_files(catalog, &none, open).await);
        drop(crate::verify_data(catalog, &none, open, |_| ()).await);
        drop(crate::retire::delete(volume, layout, "s", &[], "", now).await);
        drop(crate::retire::sweep_voids(volume, layout, &manifest).await);
        drop(crate::owner::owners(volume, layout).await);
        drop(crate::report::list(&source).await);
        drop(crate::report::show(&source).await);
        drop(crate::report::verify(&source, true, |_| ()).await);
        drop(crate::diff::diff(&source, &source).await);
    });
}
