//! The keys of TLS between nodes, the same three in fe.conf and cn.conf; and of TLS for MySQL clients.

use std::path::{Path, PathBuf};

use actors_front::ClientTls;
use runtime_mysql::{ServerTls, ServerTlsError};
use runtime_rpc::{Tls, TlsError, TlsFiles};

use super::FrontendConfig;

/// The files that the three keys name; nothing if none is set. Some and not all is a mistake.
pub(super) fn tls_files(
    certificate: Option<&PathBuf>,
    key: Option<&PathBuf>,
    authority: Option<&PathBuf>,
) -> Result<Option<TlsFiles>, String> {
    match (certificate, key, authority) {
        (None, None, None) => Ok(None),
        (Some(certificate), Some(key), Some(authority)) => {
            let [certificate, key, authority] = [certificate, key, authority].map(Clone::clone);
            Ok(Some(TlsFiles { certificate, key, authority }))
        }
        (certificate, key, _) => {
            let missing = match (certificate, key) {
                (None, _) => "rpc_tls_certificate",
                (_, None) => "rpc_tls_key",
                _ => "rpc_tls_ca",
            };
            Err(format!(
                "{missing} is missing: TLS between nodes needs rpc_tls_certificate, rpc_tls_key and rpc_tls_ca"
            ))
        }
    }
}

/// Relative files start from the home directory.
pub(super) fn settle_tls<const N: usize>(files: [&mut Option<PathBuf>; N], home: &Path) {
    for path in files.into_iter().flatten() {
        *path = home.join(&*path);
    }
}

/// Reads and checks the files; the error names the key.
pub fn load_tls(files: Option<&TlsFiles>) -> anyhow::Result<Option<Tls>> {
    let Some(files) = files else { return Ok(None) };
    let tls = Tls::load(files).map_err(|error| {
        let (key, path, cause) = match error {
            TlsError::Certificate(cause) => ("rpc_tls_certificate", &files.certificate, cause),
            TlsError::Key(cause) => ("rpc_tls_key", &files.key, cause),
            TlsError::Authority(cause) => ("rpc_tls_ca", &files.authority, cause),
        };
        anyhow::anyhow!("{key} = {}: {cause}", path.display())
    })?;
    Ok(Some(tls))
}

/// How MySQL clients may come; the error names the key.
pub fn load_client_tls(config: &FrontendConfig) -> anyhow::Result<ClientTls> {
    let files = config.client_tls_files().map_err(anyhow::Error::msg)?;
    let Some((certificate, key)) = files else { return Ok(ClientTls::default()) };
    let wrong = |name: &str, path: &Path, cause: &dyn std::fmt::Display| {
        anyhow::anyhow!("{name} = {}: {cause}", path.display())
    };
    let read = |name: &str, path: &Path| std::fs::read(path).map_err(|error| wrong(name, path, &error));
    let pem = (read("mysql_tls_certificate", certificate)?, read("mysql_tls_key", key)?);
    let server = ServerTls::from_pem(&pem.0, &pem.1).map_err(|error| match error {
        ServerTlsError::Certificate(cause) => wrong("mysql_tls_certificate", certificate, &cause),
        ServerTlsError::Key(cause) => wrong("mysql_tls_key", key, &cause),
    })?;
    Ok(ClientTls { server: Some(server), is_forced: config.ssl_force_secure_transport })
}
