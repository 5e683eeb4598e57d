//! Keys of PRIMARY KEY tables, looked up as compute nodes do it.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use arrow::array::AsArray;
use arrow::datatypes::UInt64Type;
use runtime_sql::statement::Delete;
use storage_model::{CompactedTablet, VectorSpec, VolumeId};
use storage_tablet::{Deletion, Lookup, Volumes};

use super::*;

impl House {
    fn opened(&self) -> Volumes {
        self.volumes()
            .iter()
            .map(|volume| (volume.id, Volume::open(volume).unwrap()))
            .collect::<BTreeMap<VolumeId, _>>()
    }

    fn vectors(&self, table: &Table) -> VectorSpec {
        VectorSpec {
            database: table.database,
            table: table.id,
            volume: table.volume,
            service_id: ServiceId("service".into()),
            incarnation: Incarnation("0123456789abcdef0123456789abcdef".into()),
            txn: TxnId(self.txn),
            attempt: self.looks.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// What new files supersede; of tables without a PRIMARY KEY nothing.
    pub(super) async fn superseded(&self, table: &Table, files: &[WrittenFile], replaces: bool) -> Superseded {
        if table.model != KeyModel::Primary {
            return Superseded::default();
        }
        let tablets = self.catalog.keyed_tablets(files, replaces);
        Lookup::new(&self.vectors(table), &self.opened()).superseded(&tablets).await.unwrap()
    }

    /// What the condition of a DELETE finds in these partitions.
    pub(super) async fn keys_of(
        &self,
        cx: &PlanContext,
        table: &Arc<Table>,
        delete: &Delete,
        hit: &[PartitionId],
    ) -> Result<Superseded, QueryError> {
        let planned = plan_keys(cx, table, delete, hit).await?;
        let (spec, volumes) = (self.vectors(table), self.opened());
        let tablets = self.catalog.keyed_tablets_of(hit);
        let buckets = hit.iter().map(|id| (*id, self.catalog.partition(*id).unwrap().buckets)).collect();
        let mut deletion = Deletion::new(Lookup::new(&spec, &volumes), &tablets, buckets);
        let key = storage_tablet::keys::positions(&table.schema);
        let spread: Vec<usize> = table.distribution_positions();
        for batch in self.run(&planned).await? {
            let partitions = batch.column(0).as_primitive::<UInt64Type>().values().iter().copied().map(PartitionId);
            let columns = &batch.columns()[1..];
            let at = |at: &usize| Arc::clone(&columns[key.iter().position(|known| known == at).unwrap()]);
            let spread: Vec<_> = spread.iter().map(at).collect();
            deletion.push(&partitions.collect::<Vec<_>>(), columns, &spread).await.unwrap();
        }
        Ok(deletion.finish().await.unwrap())
    }

    /// What compacted files lose.
    pub(super) async fn caught_up(&self, table: &Table, tablets: &[CompactedTablet]) -> Superseded {
        Lookup::new(&self.vectors(table), &self.opened()).caught_up(tablets).await.unwrap()
    }
}
