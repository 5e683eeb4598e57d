//! Files are read by column id: what a plan calls by the names of the table's schema is found in each file under whatever
//! name it had when the file was written, in the type it had, or is the value that older rows have. The filters that a scan
//! takes over go the same way, and with them what is skipped by statistics.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{Field, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column, Literal};
use datafusion::physical_expr_adapter::{PhysicalExprAdapter, PhysicalExprAdapterFactory};
use storage_tablet::{FileColumns, Found, TabletError};

/// What reads files by id, for scans.
pub(crate) fn adapter() -> Arc<dyn PhysicalExprAdapterFactory> {
    Arc::new(ById)
}

/// Makes what reads one file by id.
#[derive(Debug)]
struct ById;

impl PhysicalExprAdapterFactory for ById {
    fn create(&self, table: SchemaRef, file: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let columns = FileColumns::of(&file).map_err(external)?;
        Ok(Arc::new(OneFile { table, file, columns }))
    }
}

/// Reads one file by id.
#[derive(Debug)]
struct OneFile {
    /// As the plan knows the columns.
    table: SchemaRef,
    /// As the file has them.
    file: SchemaRef,
    columns: FileColumns,
}

impl PhysicalExprAdapter for OneFile {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        // From below, so that what takes the place of a column is not looked at again.
        expr.transform_up(|expr| match expr.downcast_ref::<Column>() {
            Some(column) => Ok(Transformed::yes(self.column(column.name())?)),
            None => Ok(Transformed::no(expr)),
        })
        .data()
    }
}

impl OneFile {
    fn column(&self, name: &str) -> Result<Arc<dyn PhysicalExpr>> {
        let wanted = self.table.field_with_name(name)?;
        match self.columns.find(wanted).map_err(external)? {
            Found::Constant(value) => literal(&value),
            Found::At(at) => {
                let found = self.file.field(at);
                let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(found.name(), at));
                if holds_the_same(found, wanted) {
                    return Ok(column);
                }
                Ok(Arc::new(CastExpr::new_with_target_field(column, Arc::new(wanted.clone()), None)))
            }
        }
    }
}

fn holds_the_same(found: &Field, wanted: &Field) -> bool {
    found.data_type() == wanted.data_type() && found.is_nullable() == wanted.is_nullable()
}

fn literal(value: &ArrayRef) -> Result<Arc<dyn PhysicalExpr>> {
    Ok(Arc::new(Literal::new(ScalarValue::try_from_array(value, 0)?)))
}

fn external(error: TabletError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
