//! Every path in a volume, written and read back in this one file. Paths are relative to the volume's location; data
//! objects are named relative to the service root, as the catalog keeps them.
//!
//! ```text
//! {service_id}/owner/{epoch}.{incarnation}                 claims; the greatest wins
//! {service_id}/owner/hold-{incarnation}                    a restore or a copy is looking: a living owner stops deleting
//! {service_id}/owner/lease-{cut}.{incarnation}.{snapshot}  another cluster lives on a snapshot here: its owner keeps that
//! {service_id}/owner/mark-{epoch}.{incarnation}            how far the metadata of an owner were, written anew as they move
//! {service_id}/meta/image/{snapshot}/{cut}.manifest.json   written last
//! {service_id}/meta/image/{snapshot}/{cut}.void            this cut is dead, whatever else is there
//! {service_id}/meta/image/{snapshot}/sections/{hash}       parts of the catalog
//! {service_id}/db{db}/{table}/{partition}/data/{incarnation}_{txn}_{attempt}_{n}.parquet
//! {service_id}/db{db}/{table}/{partition}/data/{incarnation}_{txn}_{attempt}_{n}.delvec   which rows of PRIMARY KEY files are gone
//! ```

use std::fmt;

use storage_model::{
    DatabaseId, Epoch, Incarnation, Loan, ObjectName, PartitionId, Revision, ServiceId, TableId, TxnId,
};

use crate::error::VolumeError;
use crate::location::{join_location, normalize_location, relative_to};

const OWNER: &str = "owner";
const HOLD: &str = "hold-";
const LEASE: &str = "lease-";
const MARK: &str = "mark-";
/// The directory of all snapshots, below the service root.
pub const IMAGE: &str = "meta/image";
const SECTIONS: &str = "sections";
const MANIFEST: &str = ".manifest.json";
const VOID: &str = ".void";
const DATA: &str = "data";
const PARQUET: &str = ".parquet";
const VECTORS: &str = ".delvec";

/// The paths of one service in a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout(pub ServiceId);

impl Layout {
    /// The service root: the service id itself.
    pub fn root(&self) -> &str {
        self.0.as_str()
    }

    /// A path relative to the service root (a data object, a section), from the volume's location.
    pub fn in_root(&self, relative: impl fmt::Display) -> String {
        format!("{}/{relative}", self.0)
    }

    /// What is left of `path` below the service root; None when it is elsewhere.
    pub fn strip_root<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(self.root())?.strip_prefix('/')
    }

    /// The directory of claims, holds, leases and marks.
    pub fn owner_dir(&self) -> String {
        self.in_root(OWNER)
    }

    /// The claim of an incarnation.
    pub fn claim(&self, epoch: Epoch, incarnation: &Incarnation) -> String {
        format!("{}/{epoch}.{incarnation}", self.owner_dir())
    }

    /// The hold of a restore, or of a copy.
    pub fn hold(&self, incarnation: &Incarnation) -> String {
        format!("{}/{HOLD}{incarnation}", self.owner_dir())
    }

    /// The lease of an incarnation. Its name says all that counts.
    pub fn lease(&self, incarnation: &Incarnation, loan: &Loan) -> String {
        format!("{}/{LEASE}{}.{incarnation}.{}", self.owner_dir(), loan.cut, loan.snapshot)
    }

    /// The high-water mark of an incarnation.
    pub fn mark(&self, epoch: Epoch, incarnation: &Incarnation) -> String {
        format!("{}/{MARK}{epoch}.{incarnation}", self.owner_dir())
    }

    /// The directory of all snapshots.
    pub fn image_root(&self) -> String {
        self.in_root(IMAGE)
    }

    /// The directory of a snapshot.
    pub fn snapshot_dir(&self, snapshot: &str) -> String {
        format!("{}/{snapshot}", self.image_root())
    }

    /// The manifest of a cut.
    pub fn manifest(&self, snapshot: &str, cut: Revision) -> String {
        format!("{}/{cut}{MANIFEST}", self.snapshot_dir(snapshot))
    }

    /// The void marker of a cut.
    pub fn void(&self, snapshot: &str, cut: Revision) -> String {
        format!("{}/{cut}{VOID}", self.snapshot_dir(snapshot))
    }

    /// The directory of a snapshot's sections.
    pub fn sections_dir(&self, snapshot: &str) -> String {
        format!("{}/{SECTIONS}", self.snapshot_dir(snapshot))
    }

    /// A section, by the hash of its bytes.
    pub fn section(&self, snapshot: &str, hash: &str) -> String {
        format!("{}/{hash}", self.sections_dir(snapshot))
    }

    /// A section as manifests name it: relative to the service root, so that later snapshots can share it.
    pub fn section_in_root(snapshot: &str, hash: &str) -> String {
        format!("{IMAGE}/{snapshot}/{SECTIONS}/{hash}")
    }

    /// The directory of a partition's data, from the volume's location.
    pub fn data_dir(&self, database: DatabaseId, table: TableId, partition: PartitionId) -> String {
        self.in_root(format!("db{database}/{table}/{partition}/{DATA}"))
    }
}

/// An object in the owner directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OwnerName {
    /// Somebody looks at the data for a restore.
    Hold(Incarnation),
    /// This incarnation needs a snapshot that is here.
    Lease(Incarnation, Loan),
    /// How far the metadata of this incarnation were.
    Mark(Epoch, Incarnation),
    /// This incarnation owns the root from this epoch on. Greater claims are greater.
    Claim(Epoch, Incarnation),
}

/// Reads the name (or the whole path) of an object in the owner directory.
pub fn parse_owner_name(path: &str) -> Option<OwnerName> {
    let name = last_part(path);
    if let Some(incarnation) = name.strip_prefix(HOLD) {
        return is_hex(incarnation).then(|| OwnerName::Hold(Incarnation(incarnation.to_owned())));
    }
    if let Some(of) = name.strip_prefix(LEASE) {
        let mut parts = of.splitn(3, '.');
        let (cut, incarnation, snapshot) = (number(parts.next()?)?, parts.next()?, parts.next()?);
        let loan = Loan { snapshot: snapshot.to_owned(), cut: Revision(cut) };
        return is_hex(incarnation).then(|| OwnerName::Lease(Incarnation(incarnation.to_owned()), loan));
    }
    if let Some(of) = name.strip_prefix(MARK) {
        return epoch_and_incarnation(of).map(|(epoch, incarnation)| OwnerName::Mark(epoch, incarnation));
    }
    epoch_and_incarnation(name).map(|(epoch, incarnation)| OwnerName::Claim(epoch, incarnation))
}

/// Whether a path is of what a cluster may write into a root of another.
pub(crate) fn is_lease_or_hold(path: &str) -> bool {
    let in_owner_dir = path.rsplit('/').nth(1) == Some(OWNER);
    in_owner_dir && matches!(parse_owner_name(path), Some(OwnerName::Hold(_) | OwnerName::Lease(..)))
}

fn epoch_and_incarnation(text: &str) -> Option<(Epoch, Incarnation)> {
    let (epoch, incarnation) = text.split_once('.')?;
    let epoch = Epoch(number(epoch)?);
    is_hex(incarnation).then(|| (epoch, Incarnation(incarnation.to_owned())))
}

/// An object in a snapshot's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotObject {
    /// The manifest of a cut.
    Manifest(Revision),
    /// The void marker of a cut.
    Void(Revision),
    /// A section, by its hash.
    Section(String),
}

/// Reads the path of an object in a snapshot's directory.
pub fn parse_snapshot_object(path: &str) -> Option<SnapshotObject> {
    let name = last_part(path);
    if let Some(cut) = name.strip_suffix(MANIFEST) {
        return number(cut).map(|cut| SnapshotObject::Manifest(Revision(cut)));
    }
    if let Some(cut) = name.strip_suffix(VOID) {
        return number(cut).map(|cut| SnapshotObject::Void(Revision(cut)));
    }
    let parent = path.rsplit('/').nth(1)?;
    (parent == SECTIONS && is_hex(name)).then(|| SnapshotObject::Section(name.to_owned()))
}

/// Who wrote a data object: in its name, so that no two timelines, retries or zombies ever write the same one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DataName {
    /// The first 8 hex digits of the writer's incarnation.
    pub incarnation: String,
    /// The load.
    pub txn: TxnId,
    /// Of the load.
    pub attempt: u32,
    /// Of the attempt, counted over all its objects.
    pub n: u32,
}

impl DataName {
    /// The name of the `n`th object of an attempt.
    pub fn new(incarnation: &Incarnation, txn: TxnId, attempt: u32, n: u32) -> DataName {
        DataName { incarnation: incarnation.short().to_owned(), txn, attempt, n }
    }

    /// `{incarnation}_{txn}_{attempt}_{n}.parquet`
    pub fn file_name(&self) -> String {
        self.with_suffix(PARQUET)
    }

    fn with_suffix(&self, suffix: &str) -> String {
        format!("{}_{}_{}_{}{suffix}", self.incarnation, self.txn, self.attempt, self.n)
    }
}

/// A data object as the catalog names it: relative to the service root.
pub fn data_object(database: DatabaseId, table: TableId, partition: PartitionId, name: &DataName) -> ObjectName {
    format!("db{database}/{table}/{partition}/{DATA}/{}", name.file_name())
}

/// An object with delete vectors, beside the data, as the catalog names it.
pub fn vectors_object(database: DatabaseId, table: TableId, partition: PartitionId, name: &DataName) -> ObjectName {
    format!("db{database}/{table}/{partition}/{DATA}/{}", name.with_suffix(VECTORS))
}

/// Reads the name (or the whole path) of a data object, or of one with delete vectors.
pub fn parse_data_name(path: &str) -> Option<DataName> {
    let name = last_part(path);
    let mut parts = name.strip_suffix(PARQUET).or_else(|| name.strip_suffix(VECTORS))?.split('_');
    let incarnation = parts.next().filter(|text| is_hex(text))?.to_owned();
    let txn = TxnId(number(parts.next()?)?);
    let attempt = u32::try_from(number(parts.next()?)?).ok()?;
    let n = u32::try_from(number(parts.next()?)?).ok()?;
    parts.next().is_none().then_some(DataName { incarnation, txn, attempt, n })
}

/// Where a data object belongs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DataPlace {
    /// Its database.
    pub database: DatabaseId,
    /// Its table.
    pub table: TableId,
    /// Its partition.
    pub partition: PartitionId,
    /// Who wrote it.
    pub name: DataName,
}

/// Reads the path of a data object relative to the service root (as the catalog keeps it).
pub fn parse_data_object(object: &str) -> Option<DataPlace> {
    let mut parts = object.split('/');
    let database = DatabaseId(number(parts.next()?.strip_prefix("db")?)?);
    let table = TableId(number(parts.next()?)?);
    let partition = PartitionId(number(parts.next()?)?);
    let (data, name) = (parts.next()?, parse_data_name(parts.next()?)?);
    (data == DATA && parts.next().is_none()).then_some(DataPlace { database, table, partition, name })
}

/// Where a snapshot is, after the path that a person gave was split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotPlace {
    /// The candidate location that the path lies in, as it was given.
    pub location: String,
    /// The service root.
    pub service_id: ServiceId,
    /// The snapshot that was named; None: the newest.
    pub snapshot: Option<String>,
}

impl SnapshotPlace {
    /// The path as users see it.
    pub fn path(&self) -> String {
        let layout = Layout(self.service_id.clone());
        let relative = match &self.snapshot {
            Some(snapshot) => layout.snapshot_dir(snapshot),
            None => layout.image_root(),
        };
        join_location(&self.location, &relative)
    }
}

/// Splits the path of a snapshot's directory, of `…/meta/image`, of `…/meta` or of the service root, given the
/// locations of the volumes that it may lie in (the longest that fits is taken).
pub fn split_snapshot_path<'a>(
    path: &str,
    locations: impl IntoIterator<Item = &'a str>,
) -> Result<SnapshotPlace, VolumeError> {
    let locations: Vec<&str> = locations.into_iter().collect();
    let fitting = locations
        .iter()
        .filter_map(|location| Some((*location, relative_to(path, location)?)))
        .max_by_key(|(location, _)| normalize_location(location).len());
    let Some((location, relative)) = fitting else {
        let known = locations.join("', '");
        return Err(VolumeError::definition(format!("'{path}' is in none of the storage volumes ('{known}')")));
    };
    let parts: Vec<&str> = relative.split('/').filter(|part| !part.is_empty()).collect();
    let (service_id, snapshot) = match parts.as_slice() {
        [service] | [service, "meta"] | [service, "meta", "image"] => (*service, None),
        [service, "meta", "image", snapshot] => (*service, Some((*snapshot).to_owned())),
        _ => {
            return Err(VolumeError::definition(format!(
                "'{path}' names no snapshot: expected {}/<service id>[/meta/image[/<snapshot name>]]",
                normalize_location(location)
            )));
        }
    };
    Ok(SnapshotPlace { location: location.to_owned(), service_id: ServiceId(service_id.to_owned()), snapshot })
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A number as we write it: digits, no sign, no leading zero. Two texts never mean the same object.
fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        Layout(ServiceId("d7e-svc".into()))
    }

    fn incarnation() -> Incarnation {
        Incarnation("0123456789abcdef0123456789abcdef".into())
    }

    #[test]
    fn names_are_what_the_design_says_and_read_back() {
        let (l, i) = (layout(), incarnation());
        assert_eq!(l.claim(Epoch(7), &i), "d7e-svc/owner/7.0123456789abcdef0123456789abcdef");
        assert_eq!(parse_owner_name(&l.claim(Epoch(7), &i)), Some(OwnerName::Claim(Epoch(7), i.clone())));
        assert_eq!(parse_owner_name(&l.hold(&i)), Some(OwnerName::Hold(i.clone())));
        let loan = Loan { snapshot: "of.last.week".to_owned(), cut: Revision(42) };
        assert_eq!(parse_owner_name(&l.lease(&i, &loan)), Some(OwnerName::Lease(i.clone(), loan.clone())));
        assert!(is_lease_or_hold(&l.lease(&i, &loan)) && is_lease_or_hold(&l.hold(&i)));
        for other in [l.claim(Epoch(7), &i), l.mark(Epoch(7), &i), l.in_root("meta/image/m/hold-ab"), "hold-ab".into()]
        {
            assert!(!is_lease_or_hold(&other), "{other}");
        }
        assert_eq!(l.mark(Epoch(7), &i), "d7e-svc/owner/mark-7.0123456789abcdef0123456789abcdef");
        assert_eq!(parse_owner_name(&l.mark(Epoch(7), &i)), Some(OwnerName::Mark(Epoch(7), i.clone())));
        assert!(OwnerName::Claim(Epoch(10), i.clone()) > OwnerName::Claim(Epoch(9), Incarnation("ff".into())));
        assert_eq!(l.manifest("m", Revision(42)), "d7e-svc/meta/image/m/42.manifest.json");
        assert_eq!(l.void("m", Revision(42)), "d7e-svc/meta/image/m/42.void");
        assert_eq!(l.section("m", "ab12"), "d7e-svc/meta/image/m/sections/ab12");
        assert_eq!(l.in_root(Layout::section_in_root("m", "ab12")), l.section("m", "ab12"));
        let read = |path: String| parse_snapshot_object(&path);
        assert_eq!(read(l.manifest("m", Revision(42))), Some(SnapshotObject::Manifest(Revision(42))));
        assert_eq!(read(l.void("m", Revision(42))), Some(SnapshotObject::Void(Revision(42))));
        assert_eq!(read(l.section("m", "ab12")), Some(SnapshotObject::Section("ab12".into())));
        for bad in ["m/x.manifest.json", "m/01.void", "m/ab12", "m/sections/xyz", "42"] {
            assert_eq!(parse_snapshot_object(bad), None, "{bad}");
        }
        for bad in [
            "7",
            "7.",
            "x.ab",
            "hold-",
            "07.ab",
            "-1.ab",
            "mark-",
            "mark-7",
            "mark-x.ab",
            "mark-7.xyz",
            "lease-7.ab",
            "lease-x.ab.s",
        ] {
            assert_eq!(parse_owner_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn data_objects_read_back() {
        let name = DataName::new(&incarnation(), TxnId(1008), 2, 31);
        let object = data_object(DatabaseId(10), TableId(11), PartitionId(12), &name);
        assert_eq!(object, "db10/11/12/data/01234567_1008_2_31.parquet");
        let place = parse_data_object(&object).unwrap();
        assert_eq!((place.database, place.table, place.partition), (DatabaseId(10), TableId(11), PartitionId(12)));
        assert_eq!(place.name, name);
        assert_eq!(parse_data_name(&layout().in_root(&object)), Some(name));
        assert!(layout().in_root(&object).starts_with(&layout().data_dir(
            DatabaseId(10),
            TableId(11),
            PartitionId(12)
        )));
        assert_eq!(layout().strip_root(&layout().in_root(&object)), Some(object.as_str()));
        for bad in ["db10/11/12/data/x_1_1_1.parquet", "db1/2/3/4/0_1_1_1.parquet", "1/2/3/data/0_1_1_1.parquet", ""] {
            assert_eq!(parse_data_object(bad), None, "{bad}");
        }
        for bad in ["0_1_1.parquet", "0_1_1_1_1.parquet", "0_1_1_1", "0_1_1_4294967296.parquet", "_1_1_1.parquet"] {
            assert_eq!(parse_data_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn paths_that_people_give_are_split() {
        let locations = ["s3://b", "s3://b/root/", "file:///d"];
        let split = |path: &str| split_snapshot_path(path, locations);
        let exact = split("s3://b/root/svc/meta/image/automated_cluster_snapshot_1").unwrap();
        assert_eq!((exact.location.as_str(), exact.service_id.as_str()), ("s3://b/root/", "svc"));
        assert_eq!(exact.snapshot.as_deref(), Some("automated_cluster_snapshot_1"));
        assert_eq!(exact.path(), "s3://b/root/svc/meta/image/automated_cluster_snapshot_1");
        for path in ["s3://b/root/svc", "s3://b/root/svc/meta/", "s3://b/root//svc/meta/image"] {
            let place = split(path).unwrap();
            assert_eq!((place.location.as_str(), place.service_id.as_str()), ("s3://b/root/", "svc"), "{path}");
            assert_eq!(place.snapshot, None);
        }
        assert_eq!(split("file:///d/svc").unwrap().location, "file:///d");
        for bad in ["s3://c/svc", "s3://b/root/svc/meta/image/x/y", "s3://b", "file:///d", "s3://b/root/svc/db1"] {
            assert!(split(bad).is_err(), "{bad}: {:?}", split(bad));
        }
    }
}
