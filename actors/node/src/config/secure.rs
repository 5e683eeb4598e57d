//! The keys of TLS between nodes: the same three in fe.conf and cn.conf.

use std::path::{Path, PathBuf};

use runtime_rpc::{Tls, TlsError, TlsFiles};

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
pub(super) fn settle_tls(files: [&mut Option<PathBuf>; 3], home: &Path) {
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
