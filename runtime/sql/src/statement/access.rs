//! Statements about users, roles and privileges.

use std::fmt;

use storage_model::{RelationKind, UserName};

use super::Properties;
use crate::names::QualifiedName;

/// A statement about users, roles and privileges.
#[derive(Clone, Debug, PartialEq)]
pub enum AccessStatement {
    /// CREATE USER.
    CreateUser {
        /// IF NOT EXISTS.
        if_not_exists: bool,
        /// The user.
        user: UserName,
        /// IDENTIFIED; none: the empty password.
        password: Option<NewPassword>,
        /// DEFAULT ROLE.
        default_roles: Vec<String>,
        /// PROPERTIES.
        properties: Properties,
    },
    /// ALTER USER.
    AlterUser {
        /// IF EXISTS.
        if_exists: bool,
        /// The user.
        user: UserName,
        /// What changes.
        change: UserAlteration,
    },
    /// DROP USER.
    DropUser {
        /// IF EXISTS.
        if_exists: bool,
        /// The user.
        user: UserName,
    },
    /// SET PASSWORD.
    SetPassword {
        /// FOR user; none: one's own.
        user: Option<UserName>,
        /// The password.
        password: NewPassword,
    },
    /// SET PROPERTY.
    SetProperty {
        /// FOR user; none: one's own.
        user: Option<UserName>,
        /// Keys and values.
        properties: Properties,
    },
    /// CREATE ROLE.
    CreateRole {
        /// IF NOT EXISTS.
        if_not_exists: bool,
        /// Their names.
        names: Vec<String>,
        /// COMMENT.
        comment: Option<String>,
    },
    /// ALTER ROLE ... SET COMMENT.
    AlterRole {
        /// IF EXISTS.
        if_exists: bool,
        /// Their names.
        names: Vec<String>,
        /// Their comment from now on.
        comment: String,
    },
    /// DROP ROLE.
    DropRole {
        /// IF EXISTS.
        if_exists: bool,
        /// Their names.
        names: Vec<String>,
    },
    /// GRANT role TO.
    GrantRole {
        /// Their names.
        roles: Vec<String>,
        /// Who gets them.
        to: GranteeName,
    },
    /// REVOKE role FROM.
    RevokeRole {
        /// Their names.
        roles: Vec<String>,
        /// Who loses them.
        from: GranteeName,
    },
    /// GRANT privilege ON object TO.
    Grant {
        /// In capital letters; ALL: all that there are on such an object.
        privileges: Vec<String>,
        /// On what.
        on: GrantedOn,
        /// Who gets them.
        to: GranteeName,
        /// WITH GRANT OPTION.
        grantable: bool,
    },
    /// REVOKE privilege ON object FROM.
    Revoke {
        /// In capital letters; ALL: all that there are on such an object.
        privileges: Vec<String>,
        /// On what.
        on: GrantedOn,
        /// Who loses them.
        from: GranteeName,
    },
    /// SET ROLE.
    SetRole(RoleChoice),
    /// SET DEFAULT ROLE.
    SetDefaultRole {
        /// Which.
        roles: RoleChoice,
        /// TO user.
        user: UserName,
    },
    /// EXECUTE AS.
    ExecuteAs {
        /// Who to be.
        user: UserName,
        /// WITH NO REVERT.
        no_revert: bool,
    },
}

/// What becomes of a user.
#[derive(Clone, Debug, PartialEq)]
pub enum UserAlteration {
    /// IDENTIFIED.
    Password(NewPassword),
    /// DEFAULT ROLE.
    DefaultRole(RoleChoice),
    /// SET PROPERTIES.
    Properties(Properties),
}

/// A password as a statement says it. Debug output hides it.
#[derive(Clone, PartialEq, Eq)]
pub enum NewPassword {
    /// BY 'password'.
    Plain(String),
    /// AS '*hash'.
    Hash(String),
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("'******'")
    }
}

/// Some of a user's roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleChoice {
    /// DEFAULT.
    Default,
    /// NONE.
    None,
    /// ALL, but for these.
    All {
        /// EXCEPT.
        except: Vec<String>,
    },
    /// These.
    These(Vec<String>),
}

/// Who gets a privilege or a role, or loses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GranteeName {
    /// A user.
    User(UserName),
    /// A role.
    Role(String),
}

/// What a privilege is granted on, as it is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantedOn {
    /// SYSTEM.
    System,
    /// CATALOG name, ...
    Catalogs(Vec<String>),
    /// ALL CATALOGS.
    AllCatalogs,
    /// DATABASE name, ...
    Databases(Vec<QualifiedName>),
    /// ALL DATABASES.
    AllDatabases,
    /// TABLE, VIEW or MATERIALIZED VIEW name, ...
    Relations(RelationKind, Vec<QualifiedName>),
    /// ALL TABLES IN DATABASE name, and the like. The database's name is that of the qualified one.
    RelationsOf(RelationKind, QualifiedName),
    /// ALL TABLES IN ALL DATABASES, and the like.
    AllRelations(RelationKind),
    /// STORAGE VOLUME name, ...
    Volumes(Vec<String>),
    /// ALL STORAGE VOLUMES.
    AllVolumes,
    /// USER name, ...
    Users(Vec<UserName>),
    /// ALL USERS.
    AllUsers,
    /// What StarRocks has and we do not have yet.
    Unsupported(&'static str),
}

impl AccessStatement {
    /// One or two words for logs and metrics.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            AccessStatement::CreateUser { .. } => "create user",
            AccessStatement::AlterUser { .. } => "alter user",
            AccessStatement::DropUser { .. } => "drop user",
            AccessStatement::SetPassword { .. } => "set password",
            AccessStatement::SetProperty { .. } => "set property",
            AccessStatement::CreateRole { .. } => "create role",
            AccessStatement::AlterRole { .. } => "alter role",
            AccessStatement::DropRole { .. } => "drop role",
            AccessStatement::GrantRole { .. } => "grant role",
            AccessStatement::RevokeRole { .. } => "revoke role",
            AccessStatement::Grant { .. } => "grant",
            AccessStatement::Revoke { .. } => "revoke",
            AccessStatement::SetRole(_) => "set role",
            AccessStatement::SetDefaultRole { .. } => "set default role",
            AccessStatement::ExecuteAs { .. } => "execute as",
        }
    }
}
