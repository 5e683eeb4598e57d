//! Newtype ids: a table id is never passed where a partition id is meant.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

number_id!(
    /// The catalog's own counter: +1 for every applied command, part of the image, continued by a restore.
    Revision
);
number_id!(
    /// Orders incarnations of one service: `max(image, claims seen) + 1`.
    Epoch
);
number_id!(
    /// A cluster, as StarRocks' `VERSION` file names it (`clusterId=`).
    ClusterId
);
number_id!(
    /// A database.
    DatabaseId
);
number_id!(
    /// A table.
    TableId
);
number_id!(
    /// A partition. TRUNCATE gives a partition a new id, so its data never mixes with what was there.
    PartitionId
);
number_id!(
    /// A column, stable over renames.
    ColumnId
);
number_id!(
    /// A data file named by the catalog.
    FileId
);
number_id!(
    /// A storage volume.
    VolumeId
);
number_id!(
    /// A frontend or a compute node.
    NodeId
);
number_id!(
    /// A load transaction.
    TxnId
);
number_id!(
    /// A snapshot job.
    JobId
);
number_id!(
    /// A user.
    UserId
);
number_id!(
    /// A role.
    RoleId
);

text_id!(
    /// The service root in every storage volume; kept for the life of the data, through every restore (a UUID).
    ServiceId
);
text_id!(
    /// A random id (32 hex digits) that every bootstrap, restore, clone or adopted meta directory draws anew.
    Incarnation
);

impl Revision {
    /// The revision after this one.
    pub fn next(self) -> Revision {
        Revision(self.0 + 1)
    }
}

impl Incarnation {
    /// The first 8 hex digits: what file names carry.
    pub fn short(&self) -> &str {
        self.0.get(..8).unwrap_or(&self.0)
    }
}
