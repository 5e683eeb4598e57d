//! Users, roles and privileges.

use std::collections::BTreeSet;

use storage_model::{
    DefaultRoles, Grant, GrantObject, PasswordHash, Privilege, RelationKind, RoleId, User, UserId, UserName,
};

use crate::access::{AccessChange, ChosenRoles, Grantee, Subject, UserChange, UserDraft};
use crate::image::{Secrets, decode, encode};

use super::*;

fn named(name: &str) -> UserName {
    UserName { name: name.to_owned(), host: "%".to_owned() }
}

fn user(name: &str) -> Grantee {
    Grantee::User(named(name))
}

fn role(name: &str) -> Grantee {
    Grantee::Role(name.to_owned())
}

fn create(name: &str) -> Command {
    let draft = UserDraft { name: named(name), password: None, default_roles: vec![], max_connections: None };
    Command::Access(AccessChange::CreateUser { draft, if_not_exists: false })
}

fn drop_user(name: &str) -> Command {
    Command::Access(AccessChange::DropUser { name: named(name), if_exists: false })
}

fn create_roles(names: &[&str]) -> Command {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Command::Access(AccessChange::CreateRoles { names, comment: String::new(), if_not_exists: false })
}

fn drop_role(name: &str) -> Command {
    Command::Access(AccessChange::DropRoles { names: vec![name.to_owned()], if_exists: false })
}

fn give_role(name: &str, to: Grantee) -> Command {
    Command::Access(AccessChange::GrantRoles { roles: vec![name.to_owned()], to })
}

fn take_role(name: &str, from: Grantee) -> Command {
    Command::Access(AccessChange::RevokeRoles { roles: vec![name.to_owned()], from })
}

fn grant(privilege: Privilege, object: GrantObject, to: Grantee) -> Command {
    Command::Access(AccessChange::Grant { grants: vec![Grant { object, privilege, grantable: false }], to })
}

fn revoke(privilege: Privilege, object: GrantObject, from: Grantee) -> Command {
    Command::Access(AccessChange::Revoke { grants: vec![Grant { object, privilege, grantable: false }], from })
}

fn alter(name: &str, change: UserChange) -> Command {
    Command::Access(AccessChange::AlterUser { name: named(name), change, if_exists: false })
}

impl Kit {
    fn user(&self, name: &str) -> &User {
        self.catalog.user_by_name(&named(name)).unwrap()
    }

    fn role(&self, name: &str) -> RoleId {
        self.catalog.role_by_name(name).unwrap().id
    }

    /// The user with these roles.
    fn acts(&self, name: &str, roles: &[&str]) -> Subject {
        let active: BTreeSet<_> = roles.iter().map(|role| self.role(role)).collect();
        self.catalog.subject(self.user(name).id, &active).unwrap()
    }

    fn on_table(&self, name: &str) -> GrantObject {
        let table = self.catalog.table(self.table(name)).unwrap();
        GrantObject::Relation(RelationKind::Table, table.database, table.id)
    }
}

#[test]
fn every_cluster_has_root_and_the_builtin_roles() {
    let kit = Kit::empty();
    let root = kit.user("root");
    assert_eq!((root.id, root.password, root.first_roles()), (UserId::ROOT, None, [RoleId::ROOT].into()));
    let roles: Vec<_> = kit.catalog.roles().map(|role| role.name.as_str()).collect();
    assert_eq!(roles, ["root", "db_admin", "cluster_admin", "user_admin", "security_admin", "public"]);
    let root = kit.acts("root", &["root"]);
    for object in [GrantObject::System, GrantObject::AllCatalogs, GrantObject::AllUsers, GrantObject::AllVolumes] {
        assert!(object.privileges().iter().all(|privilege| root.may(*privilege, object)), "{object:?}");
    }
    let without = kit.catalog.subject(UserId::ROOT, &BTreeSet::new()).unwrap();
    assert!(!without.may(Privilege::Operate, GrantObject::System));
}

#[test]
fn users_come_change_and_go() {
    let mut kit = Kit::new();
    kit.ok(create("u"));
    let Rejection::AccessRule(text) = kit.refused(create("u")) else { panic!() };
    assert_eq!(text, "Operation CREATE USER failed for 'u'@'%' : user already exists");
    kit.ok(alter("u", UserChange::Password(Some(PasswordHash([7; 20])))));
    kit.ok(alter("u", UserChange::MaxConnections(3)));
    assert_eq!((kit.user("u").password, kit.user("u").max_connections), (Some(PasswordHash([7; 20])), 3));
    assert_eq!(kit.refused(alter("no", UserChange::MaxConnections(3))).to_string(), "cannot find user 'no'@'%'");
    let first = kit.user("u").id;
    kit.ok(drop_user("u"));
    let missing = "Operation DROP USER failed for 'u'@'%' : user not exists";
    assert_eq!(kit.refused(drop_user("u")).to_string(), missing);
    let if_exists = AccessChange::DropUser { name: named("u"), if_exists: true };
    assert_eq!(kit.ok(Command::Access(if_exists)), Outcome::Nothing);
    kit.ok(create("u"));
    assert_ne!(kit.user("u").id, first, "who comes back under the name is somebody else");
    assert!(kit.refused(drop_user("root")).to_string().contains("cannot drop user 'root'@'%'"));
    assert!(kit.refused(take_role("root", user("root"))).to_string().contains("can not be revoked"));
}

#[test]
fn roles_are_given_inherited_and_taken() {
    let mut kit = Kit::new();
    kit.ok(create("u"));
    kit.ok(create_roles(&["reader", "boss"]));
    assert!(kit.refused(create_roles(&["other", "boss"])).to_string().contains("role already exists"));
    assert!(kit.catalog.role_by_name("other").is_none(), "all or none");
    let orders = kit.on_table("orders");
    kit.ok(grant(Privilege::Select, orders, role("reader")));
    kit.ok(give_role("reader", role("boss")));
    assert!(kit.refused(give_role("boss", role("reader"))).to_string().contains("it has it already"));
    assert!(kit.refused(give_role("boss", role("boss"))).to_string().contains("it has it already"));
    kit.ok(give_role("boss", user("u")));
    assert!(kit.user("u").first_roles().is_empty(), "no role is a default role by itself");
    assert!(kit.acts("u", &["boss"]).may(Privilege::Select, orders));
    assert!(!kit.acts("u", &[]).may(Privilege::Select, orders), "it is not active");
    assert!(!kit.acts("u", &["reader"]).may(Privilege::Select, orders), "it was not given to the user itself");
    kit.ok(alter("u", UserChange::DefaultRoles(ChosenRoles::These(vec!["boss".to_owned()]))));
    assert_eq!(kit.user("u").first_roles(), [kit.role("boss")].into());
    let other = alter("u", UserChange::DefaultRoles(ChosenRoles::These(vec!["reader".to_owned()])));
    assert_eq!(kit.refused(other).to_string(), "Role reader is not granted to 'u'@'%'");
    kit.ok(alter("u", UserChange::DefaultRoles(ChosenRoles::All)));
    kit.ok(take_role("boss", user("u")));
    assert!(kit.user("u").first_roles().is_empty() && !kit.acts("u", &["boss"]).may(Privilege::Select, orders));
    kit.ok(alter("u", UserChange::DefaultRoles(ChosenRoles::None)));
    assert_eq!(kit.user("u").default_roles, DefaultRoles::These(BTreeSet::new()));
    kit.ok(give_role("boss", user("u")));
    kit.ok(drop_role("boss"));
    assert!(kit.user("u").roles.is_empty());
    for fixed in ["root", "public"] {
        assert!(kit.refused(drop_role(fixed)).to_string().contains("cannot be dropped"));
    }
    assert!(kit.refused(grant(Privilege::Select, orders, role("db_admin"))).to_string().contains("not mutable"));
    kit.ok(grant(Privilege::Select, orders, role("public")));
    assert!(kit.acts("u", &[]).may(Privilege::Select, orders), "everybody has the public role");
}

#[test]
fn privileges_are_on_one_object_or_on_all() {
    let mut kit = Kit::new();
    kit.ok(create("u"));
    let (orders, notes) = (kit.on_table("orders"), kit.on_table("notes"));
    let shop = kit.catalog.database_by_name("shop").unwrap().id;
    kit.ok(grant(Privilege::Insert, orders, user("u")));
    let subject = kit.acts("u", &[]);
    assert!(subject.may(Privilege::Insert, orders) && !subject.may(Privilege::Insert, notes));
    assert!(!subject.may(Privilege::Select, orders) && subject.may_anything(orders));
    assert!(subject.may_anything_in(shop) && !subject.may_anything(GrantObject::Database(shop)));
    kit.ok(grant(Privilege::Select, GrantObject::RelationsOf(RelationKind::Table, shop), user("u")));
    assert!(kit.acts("u", &[]).may(Privilege::Select, notes));
    kit.ok(create_table(plain("later")));
    assert!(kit.acts("u", &[]).may(Privilege::Select, kit.on_table("later")));
    // What was granted on all is not revoked on one.
    kit.ok(revoke(Privilege::Select, notes, user("u")));
    assert!(kit.acts("u", &[]).may(Privilege::Select, notes));
    kit.ok(revoke(Privilege::Select, GrantObject::RelationsOf(RelationKind::Table, shop), user("u")));
    assert!(!kit.acts("u", &[]).may(Privilege::Select, notes));
    assert!(
        kit.refused(grant(Privilege::Usage, orders, user("u"))).to_string().contains("Cannot grant USAGE on TABLE")
    );
    let node = grant(Privilege::Node, GrantObject::System, user("u"));
    assert!(kit.refused(node).to_string().contains("cant grant NODE"));
    assert!(matches!(
        kit.refused(grant(Privilege::Drop, GrantObject::Volume(VolumeId(9)), user("u"))),
        Rejection::Stale(_)
    ));
}

#[test]
fn what_may_be_granted_on_stays_so() {
    let mut kit = Kit::new();
    kit.ok(create("u"));
    let object = kit.on_table("orders");
    let with = Grant { object, privilege: Privilege::Select, grantable: true };
    kit.ok(Command::Access(AccessChange::Grant { grants: vec![with], to: user("u") }));
    kit.ok(grant(Privilege::Select, object, user("u")));
    assert_eq!(kit.user("u").grants, [with]);
    let subject = kit.acts("u", &[]);
    assert!(subject.may_grant(Privilege::Select, object) && !subject.may_grant(Privilege::Insert, object));
    kit.ok(revoke(Privilege::Select, object, user("u")));
    assert!(kit.user("u").grants.is_empty());
}

#[test]
fn grants_follow_names_and_end_with_their_object() {
    let mut kit = Kit::new();
    kit.ok(create("u"));
    kit.ok(create("v"));
    kit.ok(create_roles(&["r"]));
    let orders = kit.on_table("orders");
    kit.ok(grant(Privilege::Select, orders, user("u")));
    kit.ok(grant(Privilege::Select, kit.on_table("notes"), role("r")));
    kit.ok(grant(Privilege::Impersonate, GrantObject::User(kit.user("v").id), user("u")));
    let shop = kit.catalog.database_by_name("shop").unwrap().id;
    kit.ok(grant(Privilege::Drop, GrantObject::Database(shop), role("r")));
    let (database, table, new_name) = ("shop".to_owned(), "orders".to_owned(), "sales".to_owned());
    kit.ok(Command::RenameTable { database, table, new_name });
    assert!(kit.acts("u", &[]).may(Privilege::Select, kit.on_table("sales")));
    // Out of the recycle bin a table comes back as it was.
    kit.ok(drop_table("sales", false));
    kit.ok(create_table(plain("sales")));
    assert!(!kit.acts("u", &[]).may(Privilege::Select, kit.on_table("sales")), "another table of that name");
    kit.ok(drop_table("sales", true));
    kit.ok(Command::RecoverTable { database: "shop".to_owned(), table: "sales".to_owned() });
    assert!(kit.acts("u", &[]).may(Privilege::Select, kit.on_table("sales")));
    kit.ok(drop_table("sales", false));
    assert_eq!(kit.user("u").grants.len(), 2);
    kit.clock += 10 * MINUTE;
    kit.ok(Command::EraseTrash { older_than_millis: MINUTE });
    assert_eq!(kit.user("u").grants.len(), 1);
    kit.ok(drop_user("v"));
    assert!(kit.user("u").grants.is_empty());
    kit.ok(Command::DropDatabase { name: "shop".to_owned(), if_exists: false, force: true });
    assert!(kit.catalog.role_by_name("r").unwrap().grants.is_empty());
}

#[test]
fn builtin_roles_may_what_they_are_for() {
    let mut kit = Kit::new();
    let orders = kit.on_table("orders");
    let wanted = [
        (Privilege::Select, orders),
        (Privilege::CreateDatabase, GrantObject::Catalog),
        (Privilege::Operate, GrantObject::System),
        (Privilege::Node, GrantObject::System),
        (Privilege::Grant, GrantObject::System),
        (Privilege::CreateStorageVolume, GrantObject::System),
    ];
    for (name, may) in [
        ("db_admin", [true, true, false, false, false, true]),
        ("cluster_admin", [false, false, true, true, false, false]),
        ("user_admin", [false, false, false, false, true, false]),
        ("security_admin", [false, false, true, false, false, false]),
        ("public", [false; 6]),
    ] {
        kit.ok(create(name));
        kit.ok(give_role(name, user(name)));
        let subject = kit.acts(name, &[name]);
        assert_eq!(wanted.map(|(privilege, object)| subject.may(privilege, object)), may, "{name}");
        assert_eq!(subject.may_anything(orders), may[0], "{name}");
        assert_eq!(subject.may_grant(Privilege::Select, orders), may[4], "{name}");
    }
}

#[test]
fn lists_hold_what_a_user_may_see() {
    let mut kit = Kit::new();
    kit.ok(create("u"));
    kit.ok(Command::CreateDatabase { name: "hidden".to_owned(), volume: None, if_not_exists: false });
    kit.ok(drop_table("notes", false));
    kit.snapshots_on();
    kit.snapshot("a");
    let names = |kit: &Kit| {
        let seen = kit.catalog.seen_by(&kit.acts("u", &[]));
        let mut names: Vec<_> = seen.databases().map(|d| d.name.clone()).collect();
        names.extend(seen.tables().map(|table| table.name.clone()));
        names.extend(seen.volumes().map(|volume| volume.name.clone()));
        names.extend(seen.jobs().map(|job| job.name.clone()));
        names.extend(seen.trash().map(|trash| trash.id.to_string()));
        names.join(" ")
    };
    assert_eq!(names(&kit), "");
    kit.ok(grant(Privilege::Insert, kit.on_table("orders"), user("u")));
    assert_eq!(names(&kit), "shop orders");
    kit.ok(grant(Privilege::Usage, GrantObject::AllVolumes, user("u")));
    kit.ok(grant(Privilege::Operate, GrantObject::System, user("u")));
    assert_eq!(names(&kit), "shop orders main a");
    let all = kit.catalog.seen_by(&kit.acts("root", &["root"]));
    assert_eq!(images::to_bytes(&all), images::to_bytes(&kit.catalog));
}

#[test]
fn snapshots_hold_users_and_what_was_granted() {
    let mut kit = Kit::new();
    kit.ok(create("u"));
    kit.ok(alter("u", UserChange::Password(Some(PasswordHash([9; 20])))));
    kit.ok(create_roles(&["r"]));
    kit.ok(grant(Privilege::Select, kit.on_table("orders"), role("r")));
    kit.ok(give_role("r", user("u")));
    let sections: Vec<_> = encode(&kit.catalog, Secrets::Omit).unwrap().into_iter().map(|s| s.bytes).collect();
    let copy = decode(&sections).unwrap();
    assert!(copy.users().eq(kit.catalog.users()) && copy.roles().eq(kit.catalog.roles()));
}

#[test]
fn an_image_of_before_there_were_users_has_root() {
    let mut old = Kit::new().catalog;
    (old.users, old.roles) = Default::default();
    let sections: Vec<_> = encode(&old, Secrets::Keep).unwrap().into_iter().map(|s| s.bytes).collect();
    let copy = decode(&sections).unwrap();
    assert!(copy.users().eq(Kit::empty().catalog.users()) && copy.roles().count() == 6);
    invariant::check(&copy).unwrap();
}
