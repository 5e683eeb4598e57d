//! Which of a host's addresses a node is known by: `priority_networks`, as StarRocks has it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use super::error::ConfigError;
use super::settings::Setting;

/// Interfaces that lead to containers of this host and not to other hosts.
const INSIDE: [&str; 7] = ["docker", "br-", "veth", "virbr", "cni", "flannel", "cali"];

/// A network: an address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// Any address of the network.
    pub address: IpAddr,
    /// Leading bits, 0 to 32 or 128.
    pub prefix: u8,
}

impl Cidr {
    /// Whether an address is in the network. An IPv4 network holds no IPv6 address, nor the other way round.
    pub fn contains(&self, address: IpAddr) -> bool {
        let prefix = u32::from(self.prefix);
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros() >= prefix,
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros() >= prefix,
            _ => false,
        }
    }

    /// All of 127.0.0.0/8 is this host's own, though interfaces list only one address of it.
    fn only_loopback(&self) -> Option<IpAddr> {
        let is_one = matches!(self.address, IpAddr::V4(v4) if v4.is_loopback() && self.prefix == 32);
        is_one.then_some(self.address)
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Cidr, String> {
        let wrong = || format!("`{text}` is no network; expected the like of 10.0.0.0/8");
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.trim().parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(most), |prefix| prefix.trim().parse().map_err(|_| wrong()))?;
        if prefix > most { Err(wrong()) } else { Ok(Cidr { address, prefix }) }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The networks of `priority_networks`, best first; may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriorityNetworks(pub Vec<Cidr>);

impl fmt::Display for PriorityNetworks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(Cidr::to_string).collect::<Vec<_>>().join(";"))
    }
}

impl Setting for PriorityNetworks {
    fn read(&mut self, text: &str) -> Result<(), String> {
        let parts = text.split([';', ',']).map(str::trim).filter(|part| !part.is_empty());
        *self = PriorityNetworks(parts.map(str::parse).collect::<Result<_, _>>()?);
        Ok(())
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn type_name(&self) -> &'static str {
        "String"
    }
}

/// An address of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HostAddress {
    interface: String,
    address: IpAddr,
    up: bool,
}

/// The address that other nodes are told: the first in `networks`, which must be one of this host; without networks one
/// that other hosts can reach, or 127.0.0.1 on a host that has none.
pub fn advertised_host(networks: &PriorityNetworks) -> Result<IpAddr, ConfigError> {
    choose(networks, &host_addresses())
}

/// What to listen on when others are told `advertised`: loopback stays loopback, everything else is reached on every
/// address of the host.
pub fn bind_host(advertised: IpAddr) -> IpAddr {
    match advertised {
        loopback if loopback.is_loopback() => loopback,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

/// Interfaces that cannot be read are as good as none: loopback is then the answer, or the error names none.
fn host_addresses() -> Vec<HostAddress> {
    let Ok(interfaces) = getifaddrs() else { return Vec::new() };
    let address = |interface: nix::ifaddrs::InterfaceAddress| {
        let storage = interface.address?;
        let v4 = storage.as_sockaddr_in().map(|socket| IpAddr::V4(socket.ip()));
        let v6 = || storage.as_sockaddr_in6().map(|socket| IpAddr::V6(socket.ip()));
        let up = interface.flags.contains(InterfaceFlags::IFF_UP);
        Some(HostAddress { interface: interface.interface_name, address: v4.or_else(v6)?, up })
    };
    interfaces.filter_map(address).collect()
}

fn choose(networks: &PriorityNetworks, host: &[HostAddress]) -> Result<IpAddr, ConfigError> {
    if !networks.0.is_empty() {
        let all = || host.iter().map(|own| own.address);
        let found = networks.0.iter().find_map(|network| all().find(|address| network.contains(*address)));
        return found
            .or_else(|| networks.0.iter().find_map(Cidr::only_loopback))
            .ok_or_else(|| ConfigError::NoAddress { networks: networks.to_string(), addresses: all().collect() });
    }
    let best = host.iter().filter_map(|own| Some((rank(own)?, own.address))).min_by_key(|(rank, _)| *rank);
    Ok(best.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |(_, address)| address))
}

/// How well an address serves when nobody has chosen; None: not at all.
fn rank(own: &HostAddress) -> Option<u8> {
    let outside = !INSIDE.iter().any(|name| own.interface.starts_with(name));
    match own.address {
        _ if !own.up || own.address.is_loopback() || own.address.is_unspecified() => None,
        IpAddr::V4(address) if address.is_link_local() => None,
        IpAddr::V4(_) => Some(if outside { 0 } else { 2 }),
        IpAddr::V6(address) if address.is_unicast_link_local() => None,
        IpAddr::V6(_) => Some(if outside { 1 } else { 3 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(text: &str) -> PriorityNetworks {
        let mut networks = PriorityNetworks::default();
        networks.read(text).unwrap();
        networks
    }

    fn host(rows: &[(&str, &str)]) -> Vec<HostAddress> {
        let row = |(name, address): &(&str, &str)| HostAddress {
            interface: (*name).to_owned(),
            address: address.parse().unwrap(),
            up: true,
        };
        rows.iter().map(row).collect()
    }

    #[test]
    fn networks_hold_their_addresses() {
        let holds = |network: &str, address: &str| network.parse::<Cidr>().unwrap().contains(address.parse().unwrap());
        assert!(holds("10.10.10.0/24", "10.10.10.255") && !holds("10.10.10.0/24", "10.10.11.0"));
        assert!(holds("0.0.0.0/0", "8.8.8.8") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("10.0.0.7", "10.0.0.7") && !holds("10.0.0.7/32", "10.0.0.8"));
        assert!(holds("fd00::/8", "fd12::1") && !holds("fd00::/8", "fe80::1"));
        for bad in ["10.0.0.0/33", "10.0.0/8", "x", "10.0.0.0/", "::/129", "10.0.0.0/-1"] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
        assert_eq!(networks(" 10.0.0.0/8; 192.168.0.0/16 ,").to_string(), "10.0.0.0/8;192.168.0.0/16");
    }

    #[test]
    fn the_address_of_a_node() {
        let rows = host(&[
            ("lo", "127.0.0.1"),
            ("docker0", "172.17.0.1"),
            ("eth0", "fe80::1"),
            ("eth0", "fd00::5"),
            ("eth0", "10.0.0.5"),
            ("eth1", "192.168.1.5"),
        ]);
        let chosen = |text: &str| choose(&networks(text), &rows).map(|address| address.to_string());
        assert_eq!(chosen("").unwrap(), "10.0.0.5");
        assert_eq!(chosen("192.168.0.0/16;10.0.0.0/8").unwrap(), "192.168.1.5");
        assert_eq!(chosen("11.0.0.0/8;127.0.0.1/32").unwrap(), "127.0.0.1");
        assert_eq!(chosen("fd00::/8").unwrap(), "fd00::5");
        let error = chosen("11.0.0.0/8").unwrap_err().to_string();
        assert!(error.contains("priority_networks = 11.0.0.0/8") && error.contains("10.0.0.5"), "{error}");
    }

    #[test]
    fn a_host_with_little_to_choose_from() {
        let alone = |rows: &[(&str, &str)]| choose(&PriorityNetworks::default(), &host(rows)).unwrap().to_string();
        assert_eq!(alone(&[]), "127.0.0.1");
        assert_eq!(alone(&[("lo", "127.0.0.1"), ("eth0", "169.254.3.4")]), "127.0.0.1");
        assert_eq!(alone(&[("docker0", "172.17.0.1"), ("lo", "127.0.0.1")]), "172.17.0.1");
        assert_eq!(alone(&[("docker0", "172.17.0.1"), ("eth0", "fd00::5")]), "fd00::5");
        let down = HostAddress { up: false, ..host(&[("eth0", "10.0.0.5")])[0].clone() };
        assert_eq!(choose(&PriorityNetworks::default(), &[down]).unwrap().to_string(), "127.0.0.1");
    }

    #[test]
    fn this_host_has_loopback() {
        assert_eq!(advertised_host(&networks("127.0.0.0/8")).unwrap().to_string(), "127.0.0.1");
        assert!(advertised_host(&PriorityNetworks::default()).is_ok());
        assert_eq!(advertised_host(&networks("127.0.0.9/32")).unwrap().to_string(), "127.0.0.9");
        assert!(advertised_host(&networks("192.0.2.9/32")).is_err());
    }

    #[test]
    fn loopback_stays_at_home() {
        let bound = |address: &str| bind_host(address.parse().unwrap()).to_string();
        assert_eq!(bound("127.0.0.1"), "127.0.0.1");
        assert_eq!(bound("10.0.0.5"), "0.0.0.0");
        assert_eq!(bound("fd00::5"), "::");
    }
}
