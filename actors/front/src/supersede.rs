//! What a commit takes away of a PRIMARY KEY table: a compute node looks its keys up in the tablets as this frontend sees them. If
//! they are others by the time of the commit, the log refuses it, and the keys are looked up again; the rows stay written.

use actors_messages::compute::SupersedeFragment;
use runtime_mysql::MySqlError;
use storage_catalog::Catalog;
use storage_catalog::keyed::nothing_to_look_up;
use storage_model::{KeyModel, KeyedTablet, Superseded, Table, TxnId, VectorSpec, WrittenFile};

use crate::front::Shared;
use crate::session::Running;
use crate::workers;

/// The first attempt of a look: far behind those that write rows, so that no two objects have one name.
const FIRST_LOOK: u32 = 1 << 16;

/// The looks of one load.
pub(crate) struct Looks {
    txn: TxnId,
    next: u32,
}

impl Looks {
    pub(crate) fn of(txn: TxnId) -> Looks {
        Looks { txn, next: FIRST_LOOK }
    }

    /// Where this look writes, and under which name.
    pub(crate) fn spec(&mut self, catalog: &Catalog, table: &Table) -> VectorSpec {
        let attempt = self.next;
        self.next += 1;
        VectorSpec {
            database: table.database,
            table: table.id,
            volume: table.volume,
            service_id: catalog.identity().service_id.clone(),
            incarnation: catalog.identity().incarnation.clone(),
            txn: self.txn,
            attempt,
        }
    }

    /// What new rows supersede: of those that are there and of each other or, where all that is there gives way, of each other alone.
    pub(crate) async fn superseded(
        &mut self,
        shared: &Shared,
        catalog: &Catalog,
        table: &Table,
        (files, replaces): (&[WrittenFile], bool),
        running: &Running,
    ) -> Result<Superseded, MySqlError> {
        if table.model != KeyModel::Primary {
            return Ok(Superseded::default());
        }
        self.look_up(shared, catalog, table, catalog.keyed_tablets(files, replaces), running).await
    }

    /// What is taken away of these tablets.
    pub(crate) async fn look_up(
        &mut self,
        shared: &Shared,
        catalog: &Catalog,
        table: &Table,
        tablets: Vec<KeyedTablet>,
        running: &Running,
    ) -> Result<Superseded, MySqlError> {
        if let Some(known) = nothing_to_look_up(&tablets) {
            return Ok(known);
        }
        let volumes = catalog.volumes_of_places(tablets.iter().flat_map(|tablet| tablet.places()), table.volume);
        let mut fragment = SupersedeFragment {
            query: running.query_id.clone(),
            trace: running.cause.trace.as_u128(),
            parent: running.cause.span.as_u64(),
            spec: self.spec(catalog, table),
            tablets,
            volumes,
        };
        let mut lost = Vec::new();
        loop {
            // The same node for the same table: there its files are cached.
            let node = workers::choose(shared, table.id, &lost).await?;
            match workers::supersede(shared, &node, &fragment).await {
                Ok(found) => return Ok(found),
                Err(status) => workers::judge(shared, &node, &status, &mut lost)?,
            }
            // The lost node may still be writing.
            fragment.spec = self.spec(catalog, table);
        }
    }
}
