//! Storage volumes: where objects live and how to get there.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{Revision, VolumeId};

/// The name of the volume that fe.conf describes.
pub const BUILTIN_STORAGE_VOLUME: &str = "builtin_storage_volume";

/// What kind of store. Variants are positional in stored bytes: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum VolumeType {
    /// Amazon S3 and what speaks like it.
    S3,
    /// A directory of this host (or mounted on every host).
    Local,
    /// Azure Blob Storage.
    AzBlob,
    /// Azure Data Lake Storage Gen2.
    Adls2,
    /// Google Cloud Storage.
    Gs,
    /// HDFS, for executables that were built with it.
    Hdfs,
}

impl VolumeType {
    /// All of them.
    pub const ALL: [VolumeType; 6] =
        [VolumeType::S3, VolumeType::Local, VolumeType::AzBlob, VolumeType::Adls2, VolumeType::Gs, VolumeType::Hdfs];

    /// Reads `TYPE = x`, without case.
    pub fn parse(text: &str) -> Option<VolumeType> {
        VolumeType::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(text))
    }

    /// As StarRocks writes it.
    pub fn name(self) -> &'static str {
        match self {
            VolumeType::S3 => "S3",
            VolumeType::Local => "LOCAL",
            VolumeType::AzBlob => "AZBLOB",
            VolumeType::Adls2 => "ADLS2",
            VolumeType::Gs => "GS",
            VolumeType::Hdfs => "HDFS",
        }
    }

    /// The type of a volume at a location of this scheme (`s3`, without `://`).
    pub fn of_scheme(scheme: &str) -> Option<VolumeType> {
        match scheme.to_ascii_lowercase().as_str() {
            "s3" => Some(VolumeType::S3),
            "file" => Some(VolumeType::Local),
            "azblob" => Some(VolumeType::AzBlob),
            "adls2" => Some(VolumeType::Adls2),
            "gs" => Some(VolumeType::Gs),
            "hdfs" | "viewfs" | "webhdfs" => Some(VolumeType::Hdfs),
            _ => None,
        }
    }
}

impl fmt::Display for VolumeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A storage volume.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageVolume {
    /// Its id.
    pub id: VolumeId,
    /// Unique.
    pub name: String,
    /// What kind of store.
    pub volume_type: VolumeType,
    /// `s3://bucket/prefix`, `azblob://container/prefix`, `file:///directory` and the like; one location.
    pub location: String,
    /// COMMENT 'text', empty when none.
    pub comment: String,
    /// Whether new data may go there.
    pub enabled: bool,
    /// `aws.s3.*` and the like, secrets among them. Never print this: see [`StorageVolume::masked_properties`].
    pub properties: BTreeMap<String, String>,
    /// Some: the root is another cluster's. It is read, never deleted from, never written to but for a lease.
    pub borrowed: Option<Loan>,
}

/// What a cluster that lives on another's root needs there: the snapshot that it was restored from.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Loan {
    /// The snapshot that the owner is to keep.
    pub snapshot: String,
    /// Its cut.
    pub cut: Revision,
}

/// Whether the value of a property is a secret.
pub fn is_secret(property: &str) -> bool {
    let property = property.to_ascii_lowercase();
    ["secret", "access_key", "token", "password", "private_key", "shared_key", "credential"]
        .iter()
        .any(|word| property.contains(word))
}

impl StorageVolume {
    /// The properties with every secret as `******`.
    pub fn masked_properties(&self) -> BTreeMap<String, String> {
        let mask = |(k, v): (&String, &String)| (k.clone(), if is_secret(k) { "******".to_owned() } else { v.clone() });
        self.properties.iter().map(mask).collect()
    }

    /// The properties without secrets.
    pub fn public_properties(&self) -> BTreeMap<String, String> {
        self.properties.iter().filter(|(k, _)| !is_secret(k)).map(|(k, v)| (k.clone(), v.clone())).collect()
    }
}

impl fmt::Debug for StorageVolume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageVolume")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("type", &self.volume_type)
            .field("location", &self.location)
            .field("properties", &self.masked_properties())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_as_they_are_written() {
        for known in VolumeType::ALL {
            assert_eq!(VolumeType::parse(&known.to_string().to_lowercase()), Some(known));
        }
        assert_eq!(VolumeType::parse("FLOPPY"), None);
        assert_eq!(VolumeType::of_scheme("ADLS2"), Some(VolumeType::Adls2));
        assert_eq!(VolumeType::of_scheme("ftp"), None);
    }

    #[test]
    fn what_a_stranger_could_use_is_a_secret() {
        let secrets = [
            "aws.s3.session_token",
            "azure.blob.shared_key",
            "azure.blob.sas_token",
            "azure.adls2.oauth2_client_secret",
            "gcp.gcs.service_account_private_key",
            "password",
        ];
        assert!(secrets.iter().all(|key| is_secret(key)));
        assert!(!["azure.blob.endpoint", "gcp.gcs.service_account_email"].iter().any(|key| is_secret(key)));
    }

    #[test]
    fn secrets_never_print() {
        let volume = StorageVolume {
            id: VolumeId(1),
            name: "v".into(),
            volume_type: VolumeType::S3,
            location: "s3://b/p".into(),
            comment: String::new(),
            enabled: true,
            borrowed: None,
            properties: [("aws.s3.access_key", "AKIA1"), ("aws.s3.secret_key", "hush"), ("aws.s3.region", "r")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into(),
        };
        let printed = format!("{volume:?} {:?}", volume.masked_properties());
        assert!(!printed.contains("hush") && !printed.contains("AKIA1") && printed.contains("aws.s3.region"));
        assert_eq!(volume.public_properties().len(), 1);
    }
}
