//! Certificates that are good and those that are not, on both ports; TLS at one end only.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::ClientConfig;

use super::*;
use crate::tests::kit::{Bytes, Double, Node, PATIENCE, me, open_gate, options};
use crate::{Peer, RpcError, RpcOptions};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Certificate and key of a node, changed before it is signed.
fn signed(by: &Authority, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let mut params = CertificateParams::new(vec!["whatever".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, by).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn node_of(by: &Authority) -> Tls {
    let (certificate, key) = signed(by, |_| ());
    Tls::from_pem(certificate.as_bytes(), key.as_bytes(), by.pem().as_bytes()).unwrap()
}

fn speaking(tls: Option<Tls>) -> RpcOptions {
    RpcOptions { tls, ..options() }
}

async fn ask(node: &Node, tls: Option<Tls>) -> Result<u64, RpcError> {
    let peer = Peer::with(node.address.clone(), Arc::new(|| me("caller", "hush")), speaking(tls));
    peer.ask("worker", Double(21), PATIENCE).await
}

fn refusal(result: Result<u64, RpcError>) -> String {
    match result {
        Err(RpcError::Refused { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_that_others_would_refuse_are_refused_at_the_start() {
    let (ours, others) = (authority("ours"), authority("others"));
    let (certificate, key) = signed(&ours, |_| ());
    let make = |certificate: &str, key: &str, authority: &str| {
        Tls::from_pem(certificate.as_bytes(), key.as_bytes(), authority.as_bytes()).map(drop).map_err(|e| e.to_string())
    };
    let (root, other_root) = (ours.pem(), others.pem());
    assert_eq!(make(&certificate, &key, &root), Ok(()));
    let says =
        |found: Result<(), String>, what: &str| assert!(found.as_ref().is_err_and(|e| e.contains(what)), "{found:?}");
    says(make("", &key, &root), "the certificate: no PEM certificate in it");
    says(make(&certificate, "", &root), "the key: ");
    says(make(&certificate, &key, "nonsense"), "the authority: no PEM certificate in it");
    says(make(&certificate, &signed(&ours, |_| ()).1, &root), "the key: it does not fit the certificate");
    says(make(&certificate, &key, &other_root), "the certificate: other nodes would not trust it");
    let (old, old_key) = signed(&ours, |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    });
    says(make(&old, &old_key, &root), "expired");
    let only_server = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    let (half, half_key) = signed(&ours, only_server);
    says(make(&half, &half_key, &root), "the certificate: other nodes would not trust it");
    let files = TlsFiles { certificate: "/no/such".into(), key: "/no/such".into(), authority: "/no/such".into() };
    let error = Tls::load(&files).unwrap_err();
    assert!(matches!(&error, TlsError::Certificate(cause) if cause.contains("No such file")), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_one_authority_talk() {
    let ours = authority("ours");
    let node = Node::start("127.0.0.1:0", open_gate(), speaking(Some(node_of(&ours)))).await;
    let peer = Peer::with(node.address.clone(), Arc::new(|| me("caller", "hush")), speaking(Some(node_of(&ours))));
    assert_eq!(peer.ask("worker", Double(21), PATIENCE).await, Ok(42));
    // More than a TLS record both ways.
    assert_eq!(peer.ask("worker", Bytes(vec![7; 3 << 20]), PATIENCE).await, Ok(3 << 20));
    let asks = (0..200).map(|n| peer.ask("worker", Double(n), PATIENCE));
    let answers = futures::future::join_all(asks).await;
    assert!(answers.iter().zip(0..).all(|(answer, n)| *answer == Ok(2 * n)));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_authority_is_not_trusted_at_either_end() {
    let (ours, others) = (authority("ours"), authority("others"));
    let node = Node::start("127.0.0.1:0", open_gate(), speaking(Some(node_of(&ours)))).await;
    // The caller sees it first.
    let reason = refusal(ask(&node, Some(node_of(&others))).await);
    assert!(reason.contains("this node does not trust the other's certificate"), "{reason}");
    // A caller that trusts us, and whom we do not trust.
    let (certificate, key) = signed(&others, |_| ());
    let both = format!("{}{}", others.pem(), ours.pem());
    let credulous = Tls::from_pem(certificate.as_bytes(), key.as_bytes(), both.as_bytes()).unwrap();
    let reason = refusal(ask(&node, Some(credulous)).await);
    assert!(reason.contains("the other node does not trust this one's certificate"), "{reason}");
    assert_eq!(ask(&node, Some(node_of(&ours))).await, Ok(42));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_without_a_certificate_is_refused() {
    let ours = authority("ours");
    let mut anonymous = node_of(&ours);
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificates(ours.pem().as_bytes()).unwrap().remove(0)).unwrap();
    let servers = Arc::new(SignedByTheAuthority { roots: Arc::new(roots), provider: provider.clone() });
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]).unwrap();
    let mut config = config.dangerous().with_custom_certificate_verifier(servers).with_no_client_auth();
    config.alpn_protocols = vec![Purpose::Mailboxes.protocol()];
    anonymous.client[Purpose::Mailboxes as usize] = Arc::new(config);
    let node = Node::start("127.0.0.1:0", open_gate(), speaking(Some(node_of(&ours)))).await;
    let reason = refusal(ask(&node, Some(anonymous)).await);
    assert_eq!(reason, "TLS: the other node wants a certificate of this one");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_at_one_end_only_is_said_at_the_other() {
    let ours = authority("ours");
    let secure = Node::start("127.0.0.1:0", open_gate(), speaking(Some(node_of(&ours)))).await;
    assert_eq!(refusal(ask(&secure, None).await), "TLS is off at the caller and on here");
    let plain = Node::start("127.0.0.1:0", open_gate(), speaking(None)).await;
    assert_eq!(refusal(ask(&plain, Some(node_of(&ours))).await), "TLS is on at this end and off at the other");
    // A token is still wanted: a certificate alone is not enough.
    let nobody = Peer::with(secure.address.clone(), Arc::new(|| me("caller", "guess")), speaking(Some(node_of(&ours))));
    assert_eq!(refusal(nobody.ask("worker", Double(1), PATIENCE).await), "its token is not this cluster's");
    secure.stop().await;
    plain.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_slow_to_speak_tls_holds_up_nobody_and_is_closed() {
    let ours = authority("ours");
    let mut hasty = speaking(Some(node_of(&ours)));
    hasty.handshake_timeout = Duration::from_millis(300);
    let node = Node::start("127.0.0.1:0", open_gate(), hasty).await;
    let mut silent = TcpStream::connect(&node.address).await.unwrap();
    let mut half = TcpStream::connect(&node.address).await.unwrap();
    half.write_all(&[0x16, 3, 1, 2, 0]).await.unwrap();
    assert_eq!(ask(&node, Some(node_of(&ours))).await, Ok(42));
    for stream in [&mut silent, &mut half] {
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it is closed");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_port_is_not_taken_for_the_other() {
    let ours = authority("ours");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = node_of(&ours);
    let served = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        server.accept(stream, Purpose::Plane).await.map(drop).map_err(|fault| fault.to_string())
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let fault = node_of(&ours).connect(stream, Purpose::Mailboxes).await.map(drop).unwrap_err();
    assert!(matches!(&fault, TlsFault::Refused(reason) if reason.contains("not this protocol")), "{fault}");
    assert!(served.await.unwrap().is_err());
}

/// For the tests of the data plane.
pub(crate) fn pair() -> (Tls, Tls, Tls) {
    let (ours, others) = (authority("ours"), authority("others"));
    (node_of(&ours), node_of(&ours), node_of(&others))
}
