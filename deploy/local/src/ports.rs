//! Ports for nodes that are started, killed and started again.

use std::io;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Above the ports that services are known by.
const LOWEST: u16 = 15_000;

/// Where the system's own choices begin if it does not say.
const EPHEMERAL: u16 = 32_768;

/// Ports that nobody listens on now, on the loopback address, and that the system gives to no outgoing connection either:
/// a node finds its ports free again however long it was away. No two draws of one process share a port.
pub fn free_ports<const N: usize>() -> io::Result<[u16; N]> {
    static DRAWN: AtomicU16 = AtomicU16::new(0);
    let span = ephemeral().saturating_sub(LOWEST).max(1_000);
    // Processes that draw at the same time begin at different places.
    let begin = (std::process::id() as u16).wrapping_mul(641);
    let mut ports = [0; N];
    for port in &mut ports {
        let free = (0..span).find_map(|_| {
            let drawn = begin.wrapping_add(DRAWN.fetch_add(1, Ordering::Relaxed));
            let candidate = LOWEST + drawn % span;
            TcpListener::bind(("127.0.0.1", candidate)).is_ok().then_some(candidate)
        });
        *port = free.ok_or_else(|| io::Error::new(io::ErrorKind::AddrInUse, "every port is taken"))?;
    }
    Ok(ports)
}

/// The lowest port that the system gives to outgoing connections.
fn ephemeral() -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range.split_whitespace().next().and_then(|low| low.parse().ok()).unwrap_or(EPHEMERAL)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::TcpListener;

    use super::{LOWEST, ephemeral, free_ports};

    #[test]
    fn ports_are_free_and_drawn_once() {
        let drawn: Vec<u16> = (0..20).flat_map(|_| free_ports::<5>().unwrap()).collect();
        assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), 100, "{drawn:?}");
        for port in drawn {
            assert!(port >= LOWEST && port < ephemeral().max(LOWEST + 1_000), "{port}");
            let again = free_ports::<1>().unwrap();
            let held = TcpListener::bind(("127.0.0.1", port)).unwrap();
            assert_ne!(again[0], held.local_addr().unwrap().port());
        }
    }
}
