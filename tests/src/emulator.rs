//! Stores of others, played on this host: moto for Amazon's S3 and its roles, Azurite for Azure. Both are installed by
//! `.ci/run`; without them their suites say why they are skipped.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use storage_model::{StorageVolume, VolumeId, VolumeType};
use storage_volume::Volume;
use storage_volume::testing::azure::create_container;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::client::until;

/// The account that every Azurite has, and its key, which is no secret.
const AZURITE_ACCOUNT: &str = "devstoreaccount1";
const AZURITE_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// Where everything goes: a bucket, or a container.
const HOLDER: &str = "lake";
const START: Duration = Duration::from_secs(30);

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emulated {
    /// S3, by keys.
    Keys,
    /// S3, by a role that the keys may act in.
    Role,
    /// Azure Blob Storage.
    Blob,
    /// Azure Data Lake Storage.
    Lake,
}

/// A server that runs; it ends when this is dropped, and what it holds is gone then.
pub struct Emulator {
    emulated: Emulated,
    address: SocketAddr,
    _process: Child,
}

impl Emulator {
    /// Starts it in `directory`. The inner error is why it cannot be had on this host.
    pub async fn start(emulated: Emulated, directory: &Path) -> anyhow::Result<Result<Emulator, String>> {
        let (variable, program, package) = match emulated {
            Emulated::Keys | Emulated::Role => ("STARKEEP_MOTO", "moto_server", "moto[s3,server] (pip)"),
            Emulated::Blob | Emulated::Lake => ("STARKEEP_AZURITE", "azurite-blob", "azurite (npm)"),
        };
        let program = std::env::var(variable).unwrap_or_else(|_| program.to_owned());
        // Whoever listens on port 0 is told a free one.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let port = address.port().to_string();
        let arguments: &[&str] = match emulated {
            Emulated::Keys | Emulated::Role => &["-H", "127.0.0.1", "-p", &port],
            Emulated::Blob | Emulated::Lake => &[
                "--blobHost",
                "127.0.0.1",
                "--blobPort",
                &port,
                "--inMemoryPersistence",
                "--skipApiVersionCheck",
                "--disableTelemetry",
                "--silent",
            ],
        };
        let spawned = Command::new(&program)
            .args(arguments)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let mut process = match spawned {
            Ok(process) => process,
            Err(e) => return Ok(Err(format!("{program} cannot be started ({e}); it is in the package {package}"))),
        };
        let answered = until("the emulator answers", START, || async {
            Ok(TcpStream::connect(address).await.map_err(|e| e.to_string()))
        })
        .await;
        if let (Err(_), Some(status)) = (&answered, process.try_wait()?) {
            return Ok(Err(format!("{program} ended at once ({status}); it is in the package {package}")));
        }
        answered?;
        let emulator = Emulator { emulated, address, _process: process };
        emulator.create_holder().await?;
        Ok(Ok(emulator))
    }

    async fn create_holder(&self) -> anyhow::Result<()> {
        match self.emulated {
            // moto asks nobody for a signature.
            Emulated::Keys | Emulated::Role => {
                let mut socket = TcpStream::connect(self.address).await?;
                let request = format!(
                    "PUT /{HOLDER} HTTP/1.1\r\nhost: {}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                    self.address
                );
                socket.write_all(request.as_bytes()).await?;
                let mut answer = String::new();
                socket.read_to_string(&mut answer).await?;
                anyhow::ensure!(answer.starts_with("HTTP/1.1 200"), "the bucket was not made: {answer}");
                Ok(())
            }
            Emulated::Blob | Emulated::Lake => create_container(&self.endpoint(), AZURITE_ACCOUNT, AZURITE_KEY, HOLDER)
                .await
                .context("make a container"),
        }
    }

    fn endpoint(&self) -> String {
        match self.emulated {
            Emulated::Keys | Emulated::Role => format!("http://{}", self.address),
            Emulated::Blob | Emulated::Lake => format!("http://{}/{AZURITE_ACCOUNT}", self.address),
        }
    }

    /// As PROPERTIES has them.
    pub fn properties(&self) -> BTreeMap<String, String> {
        let endpoint = self.endpoint();
        let pairs: &[(&str, &str)] = match self.emulated {
            Emulated::Keys => {
                &[("aws.s3.endpoint", &endpoint), ("aws.s3.access_key", "any"), ("aws.s3.secret_key", "key-will-do")]
            }
            Emulated::Role => &[
                ("aws.s3.endpoint", &endpoint),
                ("aws.s3.access_key", "any"),
                ("aws.s3.secret_key", "key-will-do"),
                ("aws.s3.iam_role_arn", "arn:aws:iam::123456789012:role/starkeep"),
                ("aws.s3.external_id", "for starkeep"),
            ],
            Emulated::Blob => &[("azure.blob.endpoint", &endpoint), ("azure.blob.shared_key", AZURITE_KEY)],
            Emulated::Lake => &[("azure.adls2.endpoint", &endpoint), ("azure.adls2.shared_key", AZURITE_KEY)],
        };
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    /// A storage volume on it, below `prefix`.
    pub fn volume(&self, name: &str, prefix: &str) -> StorageVolume {
        let (volume_type, scheme) = match self.emulated {
            Emulated::Keys | Emulated::Role => (VolumeType::S3, "s3"),
            Emulated::Blob => (VolumeType::AzBlob, "azblob"),
            Emulated::Lake => (VolumeType::Adls2, "adls2"),
        };
        StorageVolume {
            id: VolumeId(1),
            name: name.to_owned(),
            volume_type,
            location: format!("{scheme}://{HOLDER}/{prefix}"),
            comment: String::new(),
            enabled: true,
            borrowed: None,
            properties: self.properties(),
        }
    }

    /// The same, open.
    pub fn open(&self, prefix: &str) -> anyhow::Result<Volume> {
        Volume::open(&self.volume("seen from outside", prefix)).context("open a volume of the emulator")
    }
}
