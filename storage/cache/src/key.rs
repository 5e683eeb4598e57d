//! What a block is known by.

use object_store::path::Path;
use sha2::{Digest, Sha256};
use storage_model::StorageVolume;

/// Where a volume's objects lie, as a number: type, location, and whatever else of its definition says where that is. Its id, its
/// name and its secrets are no part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u128);

impl Place {
    /// Of a volume.
    pub fn of(volume: &StorageVolume) -> Place {
        let mut parts = vec![volume.volume_type.name().to_owned(), volume.location.trim_end_matches('/').to_owned()];
        let properties = volume.public_properties().into_iter().filter(|(key, _)| key != "enabled");
        parts.extend(properties.flat_map(|(key, value)| [key, value]));
        Place(number(parts.iter().map(String::as_bytes)))
    }
}

/// Nobody finds two lists of parts with the same number, by chance or on purpose.
fn number<'a>(parts: impl Iterator<Item = &'a [u8]>) -> u128 {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    let digest: [u8; 32] = digest.finalize().into();
    digest[..16].iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// An object, cut into blocks of one size.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub path: Path,
    pub key: u128,
}

impl Object {
    pub fn new(place: Place, path: &Path, block_bytes: u64) -> Object {
        let (place, size) = (place.0.to_le_bytes(), block_bytes.to_le_bytes());
        let key = number([place.as_slice(), size.as_slice(), path.as_ref().as_bytes()].into_iter());
        Object { path: path.clone(), key }
    }

    pub fn block(&self, number: u64) -> BlockKey {
        BlockKey { object: self.key, number }
    }
}

/// A block of an object, counted from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BlockKey {
    pub object: u128,
    pub number: u64,
}

impl BlockKey {
    /// Directory and name of its file.
    pub fn file(self) -> (String, String) {
        let object = format!("{:032x}", self.object);
        (object[..2].to_owned(), format!("{object}-{:x}", self.number))
    }

    /// None: no name of a block's file.
    pub fn of_file(name: &str) -> Option<BlockKey> {
        let (object, number) = name.split_once('-')?;
        let (object, number) = (u128::from_str_radix(object, 16).ok()?, u64::from_str_radix(number, 16).ok()?);
        let key = BlockKey { object, number };
        (key.file().1 == name).then_some(key)
    }
}

#[cfg(test)]
mod tests {
    use storage_model::{VolumeId, VolumeType};

    use super::*;

    fn volume(location: &str, properties: &[(&str, &str)]) -> StorageVolume {
        StorageVolume {
            id: VolumeId(1),
            name: "v".into(),
            volume_type: VolumeType::S3,
            location: location.into(),
            comment: String::new(),
            enabled: true,
            borrowed: None,
            properties: properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        }
    }

    #[test]
    fn a_place_is_where_objects_lie_and_nothing_else() {
        let here = Place::of(&volume("s3://b/p", &[("aws.s3.endpoint", "a")]));
        let same = volume("s3://b/p/", &[("aws.s3.endpoint", "a"), ("aws.s3.secret_key", "x"), ("enabled", "false")]);
        assert_eq!(Place::of(&StorageVolume { id: VolumeId(2), name: "w".into(), ..same }), here);
        for other in [
            volume("s3://b/q", &[("aws.s3.endpoint", "a")]),
            volume("s3://b/p", &[("aws.s3.endpoint", "b")]),
            StorageVolume { volume_type: VolumeType::Hdfs, ..volume("s3://b/p", &[("aws.s3.endpoint", "a")]) },
        ] {
            assert_ne!(Place::of(&other), here, "{other:?}");
        }
    }

    #[test]
    fn blocks_are_told_apart_and_their_files_read_back() {
        let here = Place::of(&volume("s3://b/p", &[]));
        let object = |path: &str, size| Object::new(here, &Path::from(path), size);
        assert_ne!(object("a", 4096).key, object("b", 4096).key);
        assert_ne!(object("a", 4096).key, object("a", 8192).key);
        let key = object("a", 4096).block(0x1f);
        assert_eq!(BlockKey::of_file(&key.file().1), Some(key));
        for bad in ["", "probe", "1-2", "-", &format!("{:032x}-0x1", 7), &format!("{:032x}-01", 7)] {
            assert_eq!(BlockKey::of_file(bad), None, "{bad}");
        }
    }
}
