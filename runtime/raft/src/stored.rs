//! The persisted forms of what Raft keeps: entries, log ids, votes, the group, the head of an image. Ours and not
//! openraft's, so that a change over there does not change the bytes on disk.
//!
//! Lengths guard themselves (each is stored with its complement): the log takes "the file ends inside a record" for a
//! torn write and cuts the tail off, so a damaged length must never look like that.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::sync::Arc;

use openraft::CommittedLeaderId;
use raft_log::codeq::{Decode, Encode};
use serde::{Deserialize, Serialize};
use storage_catalog::Envelope;
use storage_catalog::codec::{self, CodecError, Format};
use storage_model::Revision;

use crate::types::{Batch, EntryPayload, LogId, Membership, Node, SnapshotMeta, StoredMembership, Vote};

/// The payload of a log entry.
pub(crate) const ENTRY: Format = Format { what: "raft entry", magic: *b"SKre", version: 1 };
/// The Raft side of an image.
pub(crate) const IMAGE_META: Format = Format { what: "raft meta of an image", magic: *b"SKrm", version: 1 };

/// The voters and learners of a configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Group {
    /// One set, or two while the configuration changes.
    voters: Vec<BTreeSet<u64>>,
    nodes: BTreeMap<u64, Node>,
}

impl From<&Membership> for Group {
    fn from(membership: &Membership) -> Group {
        Group {
            voters: membership.get_joint_config().clone(),
            nodes: membership.nodes().map(|(id, node)| (*id, node.clone())).collect(),
        }
    }
}

impl From<Group> for Membership {
    fn from(group: Group) -> Membership {
        Membership::new(group.voters, group.nodes)
    }
}

// Variants are positional in stored bytes: append only.
#[derive(Serialize, Deserialize)]
enum Payload<'a> {
    Blank,
    Commands(Cow<'a, [Envelope]>),
    Membership(Group),
}

/// A framed payload, as the log holds it in memory and on disk.
#[derive(Clone, Debug)]
pub(crate) struct Frame(Arc<[u8]>);

impl Frame {
    pub(crate) fn new(payload: &EntryPayload) -> Result<Frame, CodecError> {
        let stored = match payload {
            EntryPayload::Blank => Payload::Blank,
            EntryPayload::Normal(batch) => Payload::Commands(Cow::Borrowed(batch.0.as_slice())),
            EntryPayload::Membership(membership) => Payload::Membership(membership.into()),
        };
        Ok(Frame(codec::encode(ENTRY, &stored)?.into()))
    }

    pub(crate) fn payload(&self) -> Result<EntryPayload, CodecError> {
        Ok(match codec::decode::<Payload<'static>>(ENTRY, &self.0)? {
            Payload::Blank => EntryPayload::Blank,
            Payload::Commands(envelopes) => EntryPayload::Normal(Batch::new(envelopes.into_owned())),
            Payload::Membership(group) => EntryPayload::Membership(group.into()),
        })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.0.len() as u64
    }
}

impl Encode for Frame {
    fn encode<W: Write>(&self, writer: W) -> io::Result<usize> {
        write_guarded(writer, &self.0)
    }
}

impl Decode for Frame {
    fn decode<R: Read>(reader: R) -> io::Result<Frame> {
        Ok(Frame(read_guarded(reader)?.into()))
    }
}

/// Whose log this is: the incarnation of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner(pub(crate) String);

impl Encode for Owner {
    fn encode<W: Write>(&self, writer: W) -> io::Result<usize> {
        write_guarded(writer, self.0.as_bytes())
    }
}

impl Decode for Owner {
    fn decode<R: Read>(reader: R) -> io::Result<Owner> {
        let bytes = read_guarded(reader)?;
        String::from_utf8(bytes).map(Owner).map_err(|e| invalid(e.to_string()))
    }
}

fn invalid(cause: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, cause)
}

fn write_guarded<W: Write>(mut writer: W, bytes: &[u8]) -> io::Result<usize> {
    let length = u32::try_from(bytes.len()).map_err(|_| invalid(format!("{} bytes in one entry", bytes.len())))?;
    writer.write_all(&length.to_be_bytes())?;
    writer.write_all(&(!length).to_be_bytes())?;
    writer.write_all(bytes)?;
    Ok(bytes.len() + 8)
}

fn read_guarded<R: Read>(mut reader: R) -> io::Result<Vec<u8>> {
    let length = u32::decode(&mut reader)?;
    let guard = u32::decode(&mut reader)?;
    if guard != !length {
        return Err(invalid(format!("length {length:08x} has the guard {guard:08x}")));
    }
    let mut bytes = Vec::new();
    reader.by_ref().take(u64::from(length)).read_to_end(&mut bytes)?;
    if bytes.len() == length as usize { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// A log id in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point(pub(crate) LogId);

impl Encode for Point {
    fn encode<W: Write>(&self, mut writer: W) -> io::Result<usize> {
        let LogId { leader_id, index } = self.0;
        Ok(leader_id.term.encode(&mut writer)? + leader_id.node_id.encode(&mut writer)? + index.encode(&mut writer)?)
    }
}

impl Decode for Point {
    fn decode<R: Read>(mut reader: R) -> io::Result<Point> {
        let (term, node) = (u64::decode(&mut reader)?, u64::decode(&mut reader)?);
        Ok(Point(LogId::new(CommittedLeaderId::new(term, node), u64::decode(&mut reader)?)))
    }
}

/// A vote in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(crate) struct Ballot(pub(crate) Vote);

impl Encode for Ballot {
    fn encode<W: Write>(&self, mut writer: W) -> io::Result<usize> {
        let Vote { leader_id, committed } = self.0;
        let leader = leader_id.term.encode(&mut writer)? + leader_id.node_id.encode(&mut writer)?;
        Ok(leader + committed.encode(&mut writer)?)
    }
}

impl Decode for Ballot {
    fn decode<R: Read>(mut reader: R) -> io::Result<Ballot> {
        let (term, node) = (u64::decode(&mut reader)?, u64::decode(&mut reader)?);
        let committed = bool::decode(&mut reader)?;
        Ok(Ballot(if committed { Vote::new_committed(term, node) } else { Vote::new(term, node) }))
    }
}

/// A log id in an image.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Position {
    term: u64,
    node: u64,
    index: u64,
}

impl From<LogId> for Position {
    fn from(id: LogId) -> Position {
        Position { term: id.leader_id.term, node: id.leader_id.node_id, index: id.index }
    }
}

impl From<Position> for LogId {
    fn from(at: Position) -> LogId {
        LogId::new(CommittedLeaderId::new(at.term, at.node), at.index)
    }
}

/// The Raft side of an image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ImageMeta {
    /// Of the catalog in it.
    pub(crate) revision: Revision,
    applied: Option<Position>,
    group_at: Option<Position>,
    group: Group,
    snapshot_id: String,
    /// Length of the catalog that follows.
    pub(crate) catalog_bytes: u64,
}

impl ImageMeta {
    pub(crate) fn new(revision: Revision, meta: &SnapshotMeta, catalog_bytes: u64) -> ImageMeta {
        ImageMeta {
            revision,
            applied: meta.last_log_id.map(Position::from),
            group_at: meta.last_membership.log_id().map(Position::from),
            group: meta.last_membership.membership().into(),
            snapshot_id: meta.snapshot_id.clone(),
            catalog_bytes,
        }
    }

    pub(crate) fn snapshot(&self) -> SnapshotMeta {
        let group = Membership::from(self.group.clone());
        SnapshotMeta {
            last_log_id: self.applied.map(LogId::from),
            last_membership: StoredMembership::new(self.group_at.map(LogId::from), group),
            snapshot_id: self.snapshot_id.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use storage_catalog::Command;
    use storage_model::{NodeId, Now};

    use super::*;

    fn round_trip<T: Encode + Decode>(value: &T) -> T {
        let mut bytes = Vec::new();
        assert_eq!(value.encode(&mut bytes).unwrap(), bytes.len());
        for length in 0..bytes.len() {
            let error = T::decode(&bytes[..length]).err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "a torn write of {length} bytes");
        }
        T::decode(bytes.as_slice()).unwrap()
    }

    #[test]
    fn everything_in_the_log_reads_as_it_was_written() {
        let id = LogId::new(CommittedLeaderId::new(7, 2), 99);
        assert_eq!(round_trip(&Point(id)).0, id);
        assert_eq!(round_trip(&Ballot(Vote::new(3, 1))).0, Vote::new(3, 1));
        assert_eq!(round_trip(&Ballot(Vote::new_committed(3, 1))).0, Vote::new_committed(3, 1));
        assert_eq!(round_trip(&Owner("abc".to_owned())).0, "abc");

        let command = Command::SetConfig { key: "k".to_owned(), value: "v".to_owned() };
        let envelope = Envelope { proposed_at: Now::at(5), command };
        let payload = EntryPayload::Normal(Batch::new(vec![envelope.clone(), envelope.clone()]));
        let EntryPayload::Normal(batch) = round_trip(&Frame::new(&payload).unwrap()).payload().unwrap() else {
            panic!("another payload");
        };
        assert_eq!(*batch.0, vec![envelope.clone(), envelope]);

        let node = Node { id: NodeId(4), address: "h:9010".to_owned() };
        let membership = Membership::new(vec![BTreeSet::from([4])], BTreeMap::from([(4, node)]));
        let payload = EntryPayload::Membership(membership.clone());
        let EntryPayload::Membership(found) = round_trip(&Frame::new(&payload).unwrap()).payload().unwrap() else {
            panic!("another payload");
        };
        assert_eq!(found, membership);
    }

    #[test]
    fn a_damaged_length_is_not_a_torn_write() {
        let mut bytes = Vec::new();
        Owner("incarnation".to_owned()).encode(&mut bytes).unwrap();
        for bit in 0..64 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Owner::decode(damaged.as_slice()).unwrap_err().kind(), io::ErrorKind::InvalidData, "bit {bit}");
        }
    }
}
