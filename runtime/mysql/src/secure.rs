//! TLS for clients, if the server has a certificate: a client that wants it says so instead of its login, and both sides begin
//! anew inside. Clients show no certificate; who they are is the login's affair.

use std::fmt;
use std::io::{self, Cursor};
use std::sync::Arc;

use bytes::Bytes;
use mysql_common::constants::CapabilityFlags;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};

/// How long a request for TLS is: a login without its end.
const REQUEST: usize = 32;

/// The reading half of a connection.
pub(crate) type Reader = Box<dyn AsyncRead + Send + Unpin>;
/// The writing half of a connection.
pub(crate) type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// A certificate and its key. Cloning shares them.
#[derive(Clone)]
pub struct ServerTls(TlsAcceptor);

/// Which of the two is wrong, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerTlsError {
    /// The certificate.
    #[error("the certificate: {0}")]
    Certificate(String),
    /// Its key.
    #[error("the key: {0}")]
    Key(String),
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls")
    }
}

impl ServerTls {
    /// From the bytes of PEM files: the server's certificate with those between it and its authority's, and its private key.
    ///
    /// # Errors
    /// When one of them cannot be read, or the key is of another certificate.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<ServerTls, ServerTlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
        let chain = chain.map_err(|error| ServerTlsError::Certificate(error.to_string()))?;
        if chain.is_empty() {
            return Err(ServerTlsError::Certificate("no PEM certificate in it".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| ServerTlsError::Key(error.to_string()))?;
        let unfit = |error: tokio_rustls::rustls::Error| {
            ServerTlsError::Key(format!("it does not fit the certificate: {error}"))
        };
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS12, &TLS13])
            .map_err(unfit)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(unfit)?;
        Ok(ServerTls(TlsAcceptor::from(Arc::new(config))))
    }

    /// Goes on inside TLS. `early` is what the client has sent of it already.
    pub(crate) async fn accept(&self, early: Bytes, reader: Reader, writer: Writer) -> io::Result<(Reader, Writer)> {
        let stream = tokio::io::join(Cursor::new(early).chain(reader), writer);
        let (reader, writer) = tokio::io::split(self.0.accept(stream).await?);
        Ok((Box::new(reader), Box::new(writer)))
    }
}

/// Whether the first packet of a client asks for TLS.
pub(crate) fn is_request(packet: &[u8]) -> bool {
    let wishes = packet.first_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    packet.len() == REQUEST && CapabilityFlags::from_bits_truncate(wishes).contains(CapabilityFlags::CLIENT_SSL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_login_without_its_end() {
        let mut packet = vec![0; 32];
        assert!(!is_request(&packet));
        packet[..4].copy_from_slice(&CapabilityFlags::CLIENT_SSL.bits().to_le_bytes());
        assert!(is_request(&packet));
        packet.push(b'r');
        assert!(!is_request(&packet), "a login of a client that could");
        assert!(!is_request(&[]));
    }

    #[test]
    fn what_is_no_certificate_or_no_key_is_said() {
        assert_eq!(
            ServerTls::from_pem(b"", b"").unwrap_err(),
            ServerTlsError::Certificate("no PEM certificate in it".to_owned())
        );
        let certificate = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        assert!(matches!(ServerTls::from_pem(certificate, b"nothing").unwrap_err(), ServerTlsError::Key(_)));
    }
}
