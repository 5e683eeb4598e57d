//! Who may do what: users, roles, and the privileges that either has on objects.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{DatabaseId, RoleId, TableId, UserId, VolumeId};
use crate::time::UnixMillis;

/// The user that every cluster has.
pub const ROOT: &str = "root";
/// The host of a user who may come from anywhere.
pub const ANY_HOST: &str = "%";
/// How many connections a user may have whose properties say nothing.
pub const MAX_USER_CONNECTIONS: u64 = 1024;

impl UserId {
    /// `root`, who cannot be dropped. No other id is so small.
    pub const ROOT: UserId = UserId(1);
}

/// `SHA1(SHA1(password))`, as `mysql_native_password` has it: proves a password and does not tell it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(pub [u8; 20]);

impl PasswordHash {
    /// Reads `*` and forty hex digits, as `IDENTIFIED AS` and `mysql.user` have them.
    pub fn parse(text: &str) -> Option<PasswordHash> {
        let digits = text.strip_prefix('*').filter(|digits| digits.len() == 40 && digits.is_ascii())?;
        let mut hash = [0; 20];
        for (byte, at) in hash.iter_mut().zip((0..40).step_by(2)) {
            *byte = u8::from_str_radix(digits.get(at..at + 2).filter(|pair| !pair.starts_with('+'))?, 16).ok()?;
        }
        Some(PasswordHash(hash))
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("******")
    }
}

/// `'name'@'host'`, as statements name a user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UserName {
    /// What a client logs in as.
    pub name: String,
    /// From where: an address, with `%` and `_` as in LIKE.
    pub host: String,
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", quoted(&self.name), quoted(&self.host))
    }
}

/// As a string literal, so that no name can end it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Its name and from where it comes; unique.
    pub name: UserName,
    /// None: the empty password.
    pub password: Option<PasswordHash>,
    /// The roles that were granted to it.
    pub roles: BTreeSet<RoleId>,
    /// Those of them that a login begins with.
    pub default_roles: DefaultRoles,
    /// What was granted to itself, in order.
    pub grants: Vec<Grant>,
    /// How many connections it may have.
    pub max_connections: u64,
    /// When it was created.
    pub created_at: UnixMillis,
}

/// The roles that a login begins with. Variants are positional in stored bytes: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DefaultRoles {
    /// All that the user has at that time.
    All,
    /// These.
    These(BTreeSet<RoleId>),
}

impl User {
    /// The user of a new cluster: everything is its, and its password is empty.
    pub fn root() -> User {
        User {
            id: UserId::ROOT,
            name: UserName { name: ROOT.to_owned(), host: ANY_HOST.to_owned() },
            password: None,
            roles: BTreeSet::from([RoleId::ROOT]),
            default_roles: DefaultRoles::These(BTreeSet::from([RoleId::ROOT])),
            grants: Vec::new(),
            max_connections: MAX_USER_CONNECTIONS,
            created_at: UnixMillis(0),
        }
    }

    /// The roles that a login begins with.
    pub fn first_roles(&self) -> BTreeSet<RoleId> {
        match &self.default_roles {
            DefaultRoles::All => self.roles.clone(),
            DefaultRoles::These(roles) => roles.intersection(&self.roles).copied().collect(),
        }
    }
}

/// A role: privileges under one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Unique.
    pub name: String,
    /// COMMENT 'text'.
    pub comment: String,
    /// Roles that were granted to it: it has what they have.
    pub roles: BTreeSet<RoleId>,
    /// What was granted to itself, in order. What a builtin role may is known by its id.
    pub grants: Vec<Grant>,
}

impl RoleId {
    /// May everything.
    pub const ROOT: RoleId = RoleId(1);
    /// May everything with data.
    pub const DB_ADMIN: RoleId = RoleId(2);
    /// May everything with nodes.
    pub const CLUSTER_ADMIN: RoleId = RoleId(3);
    /// Makes users and roles and grants to them.
    pub const USER_ADMIN: RoleId = RoleId(4);
    /// Minds what is allowed at all.
    pub const SECURITY_ADMIN: RoleId = RoleId(5);
    /// Everybody has it.
    pub const PUBLIC: RoleId = RoleId(6);

    /// Whether every cluster has it.
    pub fn is_builtin(self) -> bool {
        self <= RoleId::PUBLIC
    }

    /// Whether nothing can be granted to it.
    pub fn is_fixed(self) -> bool {
        self < RoleId::PUBLIC
    }
}

impl Role {
    /// The roles that every cluster has.
    pub fn builtin() -> impl Iterator<Item = Role> {
        const ALL: [(RoleId, &str, &str); 6] = [
            (RoleId::ROOT, "root", "built-in root role which has all privileges on all objects"),
            (RoleId::DB_ADMIN, "db_admin", "built-in database administration role"),
            (RoleId::CLUSTER_ADMIN, "cluster_admin", "built-in cluster administration role"),
            (RoleId::USER_ADMIN, "user_admin", "built-in user administration role"),
            (RoleId::SECURITY_ADMIN, "security_admin", "built-in security administration role"),
            (RoleId::PUBLIC, "public", "built-in public role which is owned by any user"),
        ];
        ALL.into_iter().map(|(id, name, comment)| Role {
            id,
            name: name.to_owned(),
            comment: comment.to_owned(),
            roles: BTreeSet::new(),
            grants: Vec::new(),
        })
    }
}

/// A privilege on an object, or on all objects of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// On what.
    pub object: GrantObject,
    /// Which.
    pub privilege: Privilege,
    /// WITH GRANT OPTION.
    pub grantable: bool,
}

/// What a privilege is granted on. By ids, so that a new name changes nothing. Variants are positional in stored bytes:
/// append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum GrantObject {
    /// The cluster.
    System,
    /// `default_catalog`.
    Catalog,
    /// ALL CATALOGS.
    AllCatalogs,
    /// A database.
    Database(DatabaseId),
    /// ALL DATABASES.
    AllDatabases,
    /// A table, a view or a materialized view.
    Relation(RelationKind, DatabaseId, TableId),
    /// ALL TABLES IN DATABASE, and the like.
    RelationsOf(RelationKind, DatabaseId),
    /// ALL TABLES IN ALL DATABASES, and the like.
    AllRelations(RelationKind),
    /// A storage volume.
    Volume(VolumeId),
    /// ALL STORAGE VOLUMES.
    AllVolumes,
    /// A user, to be impersonated.
    User(UserId),
    /// ALL USERS.
    AllUsers,
}

impl GrantObject {
    /// Which privileges there are on such objects.
    pub fn privileges(self) -> &'static [Privilege] {
        use Privilege::{
            Alter, Blacklist, CreateDatabase, CreateExternalCatalog, CreateFunction, CreateGlobalFunction,
            CreateMaterializedView, CreatePipe, CreateResource, CreateResourceGroup, CreateStorageVolume, CreateTable,
            CreateView, CreateWarehouse, Delete, Drop, Export, File, Grant, Impersonate, Insert, Node, Operate, Plugin,
            Refresh, Repository, Security, Select, Update, Usage,
        };
        match self {
            GrantObject::System => &[
                Grant,
                Node,
                Operate,
                CreateResourceGroup,
                CreateResource,
                CreateExternalCatalog,
                CreateStorageVolume,
                CreateWarehouse,
                Repository,
                Blacklist,
                File,
                Plugin,
                Security,
                CreateGlobalFunction,
            ],
            GrantObject::Catalog | GrantObject::AllCatalogs => &[Usage, CreateDatabase, Drop, Alter],
            GrantObject::Database(_) | GrantObject::AllDatabases => {
                &[Alter, Drop, CreateTable, CreateView, CreateFunction, CreateMaterializedView, CreatePipe]
            }
            GrantObject::Relation(kind, ..) | GrantObject::RelationsOf(kind, _) | GrantObject::AllRelations(kind) => {
                match kind {
                    RelationKind::Table => &[Delete, Drop, Insert, Select, Alter, Export, Update, Refresh],
                    RelationKind::View => &[Select, Alter, Drop],
                    RelationKind::MaterializedView => &[Select, Alter, Refresh, Drop],
                }
            }
            GrantObject::Volume(_) | GrantObject::AllVolumes => &[Usage, Alter, Drop],
            GrantObject::User(_) | GrantObject::AllUsers => &[Impersonate],
        }
    }

    /// `TABLE`, `SYSTEM`, `STORAGE VOLUME`: the kind of object.
    pub fn kind(self) -> &'static str {
        match self {
            GrantObject::System => "SYSTEM",
            GrantObject::Catalog | GrantObject::AllCatalogs => "CATALOG",
            GrantObject::Database(_) | GrantObject::AllDatabases => "DATABASE",
            GrantObject::Relation(kind, ..) | GrantObject::RelationsOf(kind, _) | GrantObject::AllRelations(kind) => {
                kind.name()
            }
            GrantObject::Volume(_) | GrantObject::AllVolumes => "STORAGE VOLUME",
            GrantObject::User(_) | GrantObject::AllUsers => "USER",
        }
    }

    /// Whether a privilege on this is one on `other`, a single object.
    pub fn covers(self, other: GrantObject) -> bool {
        match (self, other) {
            (GrantObject::AllCatalogs, GrantObject::Catalog)
            | (GrantObject::AllDatabases, GrantObject::Database(_))
            | (GrantObject::AllVolumes, GrantObject::Volume(_))
            | (GrantObject::AllUsers, GrantObject::User(_)) => true,
            (GrantObject::AllRelations(kind), GrantObject::Relation(of, ..) | GrantObject::RelationsOf(of, _)) => {
                kind == of
            }
            (GrantObject::RelationsOf(kind, database), GrantObject::Relation(of, within, _)) => {
                kind == of && database == within
            }
            _ => self == other,
        }
    }
}

/// What is read like a table. Variants are positional in stored bytes: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RelationKind {
    /// Rows that are stored.
    Table,
    /// A query under a name.
    View,
    /// A query whose rows are stored.
    MaterializedView,
}

impl RelationKind {
    /// As statements have it.
    pub fn name(self) -> &'static str {
        match self {
            RelationKind::Table => "TABLE",
            RelationKind::View => "VIEW",
            RelationKind::MaterializedView => "MATERIALIZED VIEW",
        }
    }
}

macro_rules! privileges {
    ($($(#[$doc:meta])* $name:ident $text:literal)*) => {
        /// What may be done. Variants are positional in stored bytes: append only.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Privilege {
            $($(#[$doc])* $name,)*
        }

        impl Privilege {
            /// All of them.
            pub const ALL: &[Privilege] = &[$(Privilege::$name),*];

            /// As statements have it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Privilege::$name => $text,)*
                }
            }
        }
    };
}

privileges! {
    /// Reading rows.
    Select "SELECT"
    /// Adding rows.
    Insert "INSERT"
    /// Changing rows.
    Update "UPDATE"
    /// Taking rows away.
    Delete "DELETE"
    /// Changing the object.
    Alter "ALTER"
    /// Dropping the object.
    Drop "DROP"
    /// EXPORT and BACKUP.
    Export "EXPORT"
    /// REFRESH.
    Refresh "REFRESH"
    /// On a database.
    CreateTable "CREATE TABLE"
    /// On a database.
    CreateView "CREATE VIEW"
    /// On a database.
    CreateFunction "CREATE FUNCTION"
    /// On a database.
    CreateMaterializedView "CREATE MATERIALIZED VIEW"
    /// On a database.
    CreatePipe "CREATE PIPE"
    /// On a catalog.
    CreateDatabase "CREATE DATABASE"
    /// Using a catalog or a storage volume.
    Usage "USAGE"
    /// Becoming another user.
    Impersonate "IMPERSONATE"
    /// Making users and roles, and granting whatever there is.
    Grant "GRANT"
    /// Adding and dropping nodes.
    Node "NODE"
    /// Running the cluster.
    Operate "OPERATE"
    /// On the system.
    CreateResourceGroup "CREATE RESOURCE GROUP"
    /// On the system.
    CreateResource "CREATE RESOURCE"
    /// On the system.
    CreateExternalCatalog "CREATE EXTERNAL CATALOG"
    /// On the system.
    CreateStorageVolume "CREATE STORAGE VOLUME"
    /// On the system.
    CreateWarehouse "CREATE WAREHOUSE"
    /// BACKUP and RESTORE.
    Repository "REPOSITORY"
    /// Forbidding statements.
    Blacklist "BLACKLIST"
    /// Small files.
    File "FILE"
    /// Plugins.
    Plugin "PLUGIN"
    /// Security integrations.
    Security "SECURITY"
    /// On the system.
    CreateGlobalFunction "CREATE GLOBAL FUNCTION"
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_as_it_is_printed_and_is_not_shown() {
        let text = "*6BB4837EB74329105EE4568DDA7DC67ED2CA2AD9";
        let hash = PasswordHash::parse(text).unwrap();
        assert_eq!((hash.0[0], hash.0[19]), (0x6B, 0xD9));
        assert_eq!(PasswordHash::parse(&text.to_lowercase()), Some(hash));
        for bad in ["", "*", &text[1..], &text[..40], "*+BB4837EB74329105EE4568DDA7DC67ED2CA2AD9", "*€€€€€€€€€€€€€1"]
        {
            assert_eq!(PasswordHash::parse(bad), None, "{bad}");
        }
        assert_eq!(format!("{:?}", User { password: Some(hash), ..User::root() }).matches("6B").count(), 0);
    }

    #[test]
    fn names_cannot_end_their_quotes() {
        let name = |name: &str, host: &str| UserName { name: name.to_owned(), host: host.to_owned() }.to_string();
        assert_eq!(name("u", "%"), "'u'@'%'");
        assert_eq!(name("a'b\\", "h'"), "'a\\'b\\\\'@'h\\''");
    }

    #[test]
    fn what_is_granted_on_all_is_granted_on_each() {
        use GrantObject::{AllRelations, Relation, RelationsOf};
        use RelationKind::{Table, View};
        let table = Relation(Table, DatabaseId(1), TableId(2));
        assert!(table.covers(table) && RelationsOf(Table, DatabaseId(1)).covers(table));
        assert!(AllRelations(Table).covers(table) && AllRelations(Table).covers(RelationsOf(Table, DatabaseId(9))));
        for other in [
            AllRelations(View),
            RelationsOf(Table, DatabaseId(2)),
            RelationsOf(View, DatabaseId(1)),
            Relation(Table, DatabaseId(1), TableId(3)),
            GrantObject::AllDatabases,
        ] {
            assert!(!other.covers(table), "{other:?}");
        }
        assert!(!table.covers(AllRelations(Table)) && !RelationsOf(Table, DatabaseId(1)).covers(AllRelations(Table)));
        assert!(GrantObject::AllDatabases.covers(GrantObject::Database(DatabaseId(3))));
        assert!(!GrantObject::System.covers(GrantObject::Catalog));
    }

    #[test]
    fn a_login_begins_with_roles_that_the_user_still_has() {
        let (a, b) = (RoleId(20), RoleId(21));
        let mut user = User { roles: BTreeSet::from([a]), ..User::root() };
        user.default_roles = DefaultRoles::These(BTreeSet::from([a, b]));
        assert_eq!(user.first_roles(), BTreeSet::from([a]));
        user.default_roles = DefaultRoles::These(BTreeSet::new());
        assert!(user.first_roles().is_empty());
        user.default_roles = DefaultRoles::All;
        user.roles.insert(b);
        assert_eq!(user.first_roles(), BTreeSet::from([a, b]));
    }
}
