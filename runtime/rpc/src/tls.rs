//! TLS between nodes, if the cluster wants it: both ends show a certificate that the cluster's own authority has signed.
//!
//! Nodes are addressed by IP and move; names in certificates say nothing. So no name is checked: whoever has a
//! certificate of the authority (and then the cluster's token) is a node of the cluster. The authority must therefore be
//! the cluster's own, never a public one. TLS 1.3 only; no session is resumed, so that every connection is checked whole.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream as ClientStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    AlertDescription, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
};
use tokio_rustls::server::TlsStream as ServerStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::stream::{halves, part};

/// Where the PEM files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The node's certificate, then any between it and the authority's.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The certificate of the authority that signs those of all nodes.
    pub authority: PathBuf,
}

/// Which of the files is wrong, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The node's own certificate.
    #[error("the certificate: {0}")]
    Certificate(String),
    /// Its key.
    #[error("the key: {0}")]
    Key(String),
    /// The authority's certificate.
    #[error("the authority: {0}")]
    Authority(String),
}

/// What a connection is for: one made for the one is not taken for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Asks and answers.
    Mailboxes,
    /// Arrow Flight.
    Plane,
}

impl Purpose {
    fn protocol(self) -> Vec<u8> {
        match self {
            Self::Mailboxes => b"starkeep-rpc".to_vec(),
            Self::Plane => b"h2".to_vec(),
        }
    }
}

/// What this node shows and whom it trusts. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    server: [Arc<ServerConfig>; 2],
    client: [Arc<ClientConfig>; 2],
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Reads and checks the files.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let certificate = read(&files.certificate).map_err(TlsError::Certificate)?;
        let key = read(&files.key).map_err(TlsError::Key)?;
        let authority = read(&files.authority).map_err(TlsError::Authority)?;
        Self::from_pem(&certificate, &key, &authority)
    }

    /// From the bytes of the files. What other nodes would refuse is refused here already: a key of another certificate,
    /// a certificate of another authority, or out of date, or not for both ends.
    pub fn from_pem(certificate: &[u8], key: &[u8], authority: &[u8]) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(certificate).map_err(TlsError::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| TlsError::Key(error.to_string()))?;
        let mut roots = RootCertStore::empty();
        for root in certificates(authority).map_err(TlsError::Authority)? {
            roots.add(root).map_err(|error| TlsError::Authority(error.to_string()))?;
        }
        let roots = Arc::new(roots);
        let servers = Arc::new(SignedByTheAuthority { roots: roots.clone(), provider: provider.clone() });
        let clients = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
            .build()
            .map_err(|error| TlsError::Authority(error.to_string()))?;
        let [own, between @ ..] = &chain[..] else { return Err(TlsError::Certificate("none in it".to_owned())) };
        let now = UnixTime::now();
        let checked = servers.check(own, between, now);
        let checked = checked.and_then(|()| clients.verify_client_cert(own, between, now).map(drop));
        checked.map_err(|error| TlsError::Certificate(format!("other nodes would not trust it: {error}")))?;
        let wrong_key = |error: Error| TlsError::Key(format!("it does not fit the certificate: {error}"));
        let server = |purpose: Purpose| {
            let versions = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[&TLS13]);
            let mut config = versions
                .map_err(wrong_key)?
                .with_client_cert_verifier(clients.clone())
                .with_single_cert(chain.clone(), key.clone_key())
                .map_err(wrong_key)?;
            config.alpn_protocols = vec![purpose.protocol()];
            config.send_tls13_tickets = 0;
            Ok(Arc::new(config))
        };
        let client = |purpose: Purpose| {
            let versions = ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[&TLS13]);
            let mut config = versions
                .map_err(wrong_key)?
                .dangerous()
                .with_custom_certificate_verifier(servers.clone())
                .with_client_auth_cert(chain.clone(), key.clone_key())
                .map_err(wrong_key)?;
            config.alpn_protocols = vec![purpose.protocol()];
            config.resumption = Resumption::disabled();
            config.enable_sni = false;
            Ok(Arc::new(config))
        };
        Ok(Self {
            server: [server(Purpose::Mailboxes)?, server(Purpose::Plane)?],
            client: [client(Purpose::Mailboxes)?, client(Purpose::Plane)?],
        })
    }

    /// The serving side. Gives up when the caller shows no good certificate.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        purpose: Purpose,
    ) -> Result<ServerStream<TcpStream>, TlsFault> {
        let acceptor = TlsAcceptor::from(self.server[purpose as usize].clone());
        match acceptor.accept(stream).into_fallible().await {
            Ok(stream) => Ok(stream),
            Err((error, stream)) => {
                // TLS has sent the reason; it must arrive.
                let (reading, writing) = halves(stream);
                part(reading, writing).await;
                Err(error.into())
            }
        }
    }

    /// The calling side.
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
        purpose: Purpose,
    ) -> Result<ClientStream<TcpStream>, TlsFault> {
        let connector = TlsConnector::from(self.client[purpose as usize].clone());
        // The name is not checked, and not sent.
        let nobody = ServerName::try_from("starkeep").map_err(|error| io::Error::other(error.to_string()))?;
        Ok(connector.connect(nobody, stream).await?)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| error.to_string())
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err("no PEM certificate in it".to_owned()),
        Ok(found) => Ok(found),
        Err(error) => Err(error.to_string()),
    }
}

/// Takes the certificate of a server if the authority has signed it, whatever name is in it.
#[derive(Debug)]
struct SignedByTheAuthority {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl SignedByTheAuthority {
    fn check(&self, own: &CertificateDer<'_>, between: &[CertificateDer<'_>], now: UnixTime) -> Result<(), Error> {
        let own = ParsedCertificate::try_from(own)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&own, &self.roots, between, now, algorithms)
    }
}

impl ServerCertVerifier for SignedByTheAuthority {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(own, between, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken between nodes".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls13_signature(message, own, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Why there is no stream to another node, in words for the log of this one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsFault {
    /// TLS itself says no: it will say so again.
    #[error("{0}")]
    Refused(String),
    /// Anything else.
    #[error("{0}")]
    Io(io::Error),
}

impl From<io::Error> for TlsFault {
    fn from(error: io::Error) -> Self {
        match explain(&error) {
            Some(reason) => Self::Refused(reason),
            None => Self::Io(error),
        }
    }
}

impl From<TlsFault> for io::Error {
    fn from(fault: TlsFault) -> Self {
        match fault {
            TlsFault::Refused(reason) => io::Error::other(reason),
            TlsFault::Io(error) => error,
        }
    }
}

/// What an error of TLS means between nodes; nothing if it is none.
pub(crate) fn explain(error: &io::Error) -> Option<String> {
    let tls = error.get_ref()?.downcast_ref::<Error>()?;
    Some(match tls {
        Error::InvalidMessage(_) => "TLS is on at this end and off at the other".to_owned(),
        Error::InvalidCertificate(cause) => {
            format!("TLS: this node does not trust the other's certificate: {cause}")
        }
        Error::NoCertificatesPresented => "TLS: the other node showed no certificate".to_owned(),
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "TLS: the other node wants a certificate of this one".to_owned()
        }
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            "TLS: what listens there is not this protocol".to_owned()
        }
        Error::AlertReceived(
            alert @ (AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::DecryptError
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate),
        ) => format!("TLS: the other node does not trust this one's certificate: {alert:?}"),
        other => format!("TLS: {other}"),
    })
}

#[cfg(test)]
pub(crate) mod tests;
