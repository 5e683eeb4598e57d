//! Who gets in: names, hosts and passwords.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use runtime_mysql::Login;
use runtime_mysql::password::native_password_hash;
use runtime_sql::like_matches;
use storage_catalog::Catalog;
use storage_model::{RoleId, User, UserId};

/// What an unknown user's password is compared with, so that it takes as long as a known one's. Nobody knows a password
/// with this hash.
const NO_PASSWORD: [u8; 20] = [0x5a; 20];

/// Under which a session works: a user, and the roles that are active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) user: UserId,
    pub(crate) roles: BTreeSet<RoleId>,
}

impl Account {
    /// As a login begins.
    pub(crate) fn of(user: &User) -> Account {
        Account { user: user.id, roles: user.first_roles() }
    }
}

/// Whether an address is of a host that a user may come from.
fn is_from(host: &str, address: IpAddr) -> bool {
    host.eq_ignore_ascii_case("localhost") && address.is_loopback() || like_matches(host, &address.to_string())
}

/// The user that somebody from this address is: of several of the name the one whose host says most.
pub(crate) fn find<'a>(catalog: &'a Catalog, name: &str, from: IpAddr) -> Option<&'a Arc<User>> {
    let from = from.to_canonical();
    let named = catalog.users().filter(|user| user.name.name == name && is_from(&user.name.host, from));
    named.max_by_key(|user| {
        let host = &user.name.host;
        (!host.contains(['%', '_']), host.chars().filter(|c| *c != '%').count())
    })
}

/// The user whom a MySQL client has proved to be.
pub(crate) fn prove<'a>(catalog: &'a Catalog, login: &Login) -> Option<&'a Arc<User>> {
    let user = find(catalog, &login.user, login.client_address.ip());
    let stored = user.map_or(Some(NO_PASSWORD), |user| user.password.map(|hash| hash.0));
    let matches = login.password_matches(stored);
    user.filter(|_| matches)
}

/// The user whose password this is, for whoever sends it in the clear (HTTP).
pub(crate) fn password_is_right<'a>(
    catalog: &'a Catalog,
    name: &str,
    password: &str,
    from: IpAddr,
) -> Option<&'a Arc<User>> {
    let user = find(catalog, name, from);
    let stored = user.map_or(Some(NO_PASSWORD), |user| user.password.map(|hash| hash.0));
    let given = native_password_hash(password);
    // Compared without an early exit, so that the time tells nothing.
    let pairs = given.unwrap_or_default().into_iter().zip(stored.unwrap_or_default());
    let differ = pairs.fold(0, |differ, (a, b)| differ | (a ^ b));
    user.filter(|_| given.is_some() == stored.is_some() && differ == 0)
}

#[cfg(test)]
mod tests {
    use storage_catalog::{AccessChange, ClusterIdentity, Command, Envelope, UserDraft};
    use storage_model::{ClusterId, Epoch, Incarnation, Now, PasswordHash, ServiceId, UnixMillis, UserName};

    use super::*;

    fn catalog(users: &[(&str, &str, &str)]) -> Catalog {
        let identity = ClusterIdentity {
            cluster_id: ClusterId(1),
            token: String::new(),
            service_id: ServiceId(String::new()),
            incarnation: Incarnation(String::new()),
            epoch: Epoch(1),
        };
        let mut catalog = Catalog::genesis(identity, UnixMillis(1));
        for (name, host, password) in users {
            let name = UserName { name: (*name).to_owned(), host: (*host).to_owned() };
            let password = native_password_hash(password).map(PasswordHash);
            let draft = UserDraft { name, password, default_roles: Vec::new(), max_connections: None };
            let command = Command::Access(AccessChange::CreateUser { draft, if_not_exists: false });
            catalog.apply(&Envelope { proposed_at: Now::at(1), command }).unwrap();
        }
        catalog
    }

    #[test]
    fn the_host_that_says_most_is_the_users() {
        let catalog = catalog(&[
            ("u", "%", ""),
            ("u", "10.0.%", ""),
            ("u", "10.0.0.7", ""),
            ("u", "localhost", ""),
            ("v", "192.168.1._", ""),
        ]);
        let host = |name: &str, from: &str| {
            find(&catalog, name, from.parse().unwrap()).map(|user| user.name.host.clone()).unwrap_or_default()
        };
        assert_eq!(host("u", "10.0.0.7"), "10.0.0.7");
        assert_eq!(host("u", "::ffff:10.0.0.7"), "10.0.0.7");
        assert_eq!(host("u", "10.0.0.8"), "10.0.%");
        assert_eq!(host("u", "10.1.0.8"), "%");
        assert_eq!(host("u", "127.0.0.1"), "localhost");
        assert_eq!(host("u", "::1"), "localhost");
        assert_eq!(
            (host("v", "192.168.1.3"), host("v", "192.168.1.33"), host("U", "10.0.0.7")),
            ("192.168.1._".to_owned(), String::new(), String::new())
        );
    }

    #[test]
    fn a_password_sent_in_the_clear_is_checked_like_a_login() {
        let catalog = catalog(&[("u", "%", "secret"), ("v", "10.%", "")]);
        let from: IpAddr = [127, 0, 0, 1].into();
        let is_right = |name: &str, password: &str| password_is_right(&catalog, name, password, from).is_some();
        assert!(is_right("root", "") && is_right("u", "secret"));
        for (name, password) in
            [("root", "x"), ("", ""), ("ROOT", ""), ("u", ""), ("u", "Secret"), ("v", ""), ("no", "")]
        {
            assert!(!is_right(name, password), "{name} {password}");
        }
    }

    #[test]
    fn a_client_proves_who_it_is() {
        let catalog = catalog(&[("u", "%", "secret")]);
        let login = |user: &str, auth_response: Vec<u8>| Login {
            user: user.to_owned(),
            auth_plugin: String::new(),
            salt: [7; 20],
            auth_response,
            database: None,
            client_address: ([127, 0, 0, 1], 1).into(),
            connect_attributes: std::collections::BTreeMap::new(),
            collation: 45,
            tls: false,
        };
        assert!(prove(&catalog, &login("root", vec![])).is_some());
        for (user, response) in [("u", vec![]), ("root", vec![1; 20]), ("no", vec![]), ("no", vec![0; 20])] {
            assert!(prove(&catalog, &login(user, response)).is_none(), "{user}");
        }
    }
}
