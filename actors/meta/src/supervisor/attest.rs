//! Before a snapshot is uploaded, the agents of the compute nodes look whether the data files are there.

use std::collections::BTreeMap;
use std::time::Duration;

use actors_messages::compute::{AttestFiles, Attestation, SNAPSHOT_AGENT};
use storage_catalog::Catalog;
use storage_model::{ObjectName, Revision, VolumeId};

use super::decide::attested_up_to;
use super::effects::{ATTEST_BATCH, Effects, Site};

/// An agent may take this long for a batch.
const ATTEST_DEADLINE: Duration = Duration::from_secs(60);

impl Effects {
    /// The agents look at every data file that is new since the predecessor.
    pub(super) async fn attest(&self, site: &Site, frozen: &Catalog) -> Result<(), String> {
        let before = attested_up_to(frozen);
        let mut fresh: BTreeMap<VolumeId, Vec<(ObjectName, u64)>> = BTreeMap::new();
        let is_new = |created: Revision| before.is_none_or(|cut| created > cut);
        for file in frozen.files().filter(|f| f.references > 0 && is_new(f.created_at)) {
            fresh.entry(file.volume).or_default().push((file.object.to_string(), file.size));
        }
        let all: usize = fresh.values().map(Vec::len).sum();
        let mut seen = 0;
        for (volume, files) in fresh {
            let spec = frozen.volume(volume).ok_or_else(|| format!("volume {volume} is gone"))?;
            // The catalog of the cut may hold older credentials than are valid now.
            let spec = self.meta.view().volume(volume).unwrap_or(spec).as_ref().clone();
            for batch in files.chunks(ATTEST_BATCH) {
                self.say(site.job.id, format!("attesting {seen}/{all} new data files"));
                let service = frozen.identity().service_id.clone();
                let found =
                    self.ask_agent(AttestFiles { volume: spec.clone(), service, files: batch.to_vec() }).await?;
                if let Some(problem) = found.problems.first() {
                    let more = found.problems.len() - 1;
                    return Err(format!(
                        "data files are not in the store as the catalog knows them: {problem} (and {more} more)"
                    ));
                }
                seen += found.seen;
            }
        }
        Ok(())
    }

    /// Any agent that is alive, one after the other.
    pub(super) async fn ask_agent(&self, message: AttestFiles) -> Result<Attestation, String> {
        let mut last = "no compute node is alive to attest the data files".to_owned();
        for (node, peer) in self.directory.alive() {
            self.pulse.beat();
            match peer.ask(SNAPSHOT_AGENT, message.clone(), ATTEST_DEADLINE).await {
                Ok(answer) => return answer,
                Err(error) => last = format!("compute node {node}: {error}"),
            }
        }
        Err(last)
    }
}
