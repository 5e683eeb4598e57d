//! Pruning by listed values: what a filter says of the partition columns alone is computed for all listed values at once.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::split_conjunction;
use storage_model::{Partition, PartitionKey, PartitionValues, Step, Table, Value};

use super::{Span, Subject, axis_of_value};
use crate::types;

/// The partitions of which some listed values can pass all filters.
pub(super) fn partitions<'a>(
    state: &dyn Session,
    table: &Table,
    keys: &[PartitionKey],
    schema: &SchemaRef,
    mut partitions: Vec<&'a Arc<Partition>>,
    filters: &[Expr],
) -> Vec<&'a Arc<Partition>> {
    let listed = Listed::of(table, keys, &partitions);
    let mut passes = vec![true; listed.rows.len()];
    for filter in filters.iter().flat_map(split_conjunction) {
        if let Ok(Some(found)) = listed.evaluate(state, schema, filter, false) {
            passes.iter_mut().zip(&found).for_each(|(passes, found)| *passes &= found);
        }
        for (at, key) in listed.keys.iter().enumerate() {
            if let Some(step) = key.step {
                let may = |values: &PartitionValues| span(step, values[at].as_ref()).may_match(filter, &key.subject);
                passes.iter_mut().zip(&listed.rows).for_each(|(passes, &(_, values))| *passes &= may(values));
            }
        }
    }
    let left: HashSet<usize> =
        listed.rows.iter().zip(passes).filter(|(_, passes)| *passes).map(|((partition, _), _)| *partition).collect();
    let mut at = 0..;
    partitions.retain(|_| at.next().is_some_and(|at| left.contains(&at)));
    partitions
}

/// The partitions of which all listed values pass the filter. None: that cannot be said of this filter.
pub(crate) fn all_match(
    state: &dyn Session,
    table: &Table,
    keys: &[PartitionKey],
    schema: &SchemaRef,
    partitions: &[&Arc<Partition>],
    filter: &Expr,
) -> Result<Option<Vec<bool>>> {
    let listed = Listed::of(table, keys, partitions);
    let Some(passes) = listed.evaluate(state, schema, filter, true)? else { return Ok(None) };
    let mut all = vec![true; partitions.len()];
    for ((partition, _), passes) in listed.rows.iter().zip(passes) {
        all[*partition] &= passes;
    }
    Ok(Some(all))
}

/// The moments of a step, or NULL.
fn span(step: Step, value: Option<&Value>) -> Span {
    match value.and_then(axis_of_value) {
        None => Span { lower: None, upper: Some(i128::MIN), upper_included: false, takes_nulls: false },
        Some(start) => {
            let end = i64::try_from(start).map_or(i128::MAX, |start| step.end(step.start(start)).into());
            Span { lower: Some(start), upper: Some(end), upper_included: false, takes_nulls: false }
        }
    }
}

struct Key {
    subject: Subject,
    step: Option<Step>,
}

/// All that some partitions list.
struct Listed<'a> {
    keys: Vec<Key>,
    /// The position of the partition, and one of its values.
    rows: Vec<(usize, &'a PartitionValues)>,
}

impl<'a> Listed<'a> {
    fn of(table: &Table, keys: &[PartitionKey], partitions: &[&'a Arc<Partition>]) -> Listed<'a> {
        let columns = keys.iter().filter_map(|key| {
            let column = &table.schema.columns[table.schema.position_of(key.column)?];
            Some(Key { subject: Subject::of(column), step: key.step })
        });
        let rows = partitions.iter().enumerate();
        let rows = rows.flat_map(|(at, partition)| partition.range.values.iter().map(move |values| (at, values)));
        Listed { keys: columns.collect(), rows: rows.collect() }
    }

    /// Whether a filter is true of each of the values. None: it is about more than them. `stepped`: columns that are told apart
    /// by steps count too where nothing but the step is asked for.
    fn evaluate(
        &self,
        state: &dyn Session,
        schema: &SchemaRef,
        filter: &Expr,
        stepped: bool,
    ) -> Result<Option<Vec<bool>>> {
        if filter.is_volatile() || !self.is_about_keys(filter, stepped)? {
            return Ok(None);
        }
        let batch = self.batch(schema)?;
        let plain = DFSchema::try_from(batch.schema())?;
        let computed = state.create_physical_expr(filter.clone(), &plain)?.evaluate(&batch)?;
        let computed = computed.into_array(batch.num_rows())?;
        let Some(found) = computed.as_boolean_opt() else { return Ok(None) };
        let is_true = |found: &BooleanArray, row: usize| found.is_valid(row) && found.value(row);
        Ok(Some((0..found.len()).map(|row| is_true(found, row)).collect()))
    }

    fn is_about_keys(&self, filter: &Expr, stepped: bool) -> Result<bool> {
        let mut is_known = true;
        filter.apply(|node| {
            match node {
                Expr::ScalarFunction(call) if stepped && call.name() == "date_trunc" => {
                    if let [Expr::Literal(unit, _), moment] = call.args.as_slice()
                        && self.is_step(unit, moment)
                    {
                        return Ok(TreeNodeRecursion::Jump);
                    }
                }
                Expr::Column(column) => {
                    is_known &= self.keys.iter().any(|key| key.step.is_none() && key.subject.name == column.name);
                }
                Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::OuterReferenceColumn(..) => {
                    is_known = false;
                }
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(is_known)
    }

    /// Whether a moment is cut just as a key is.
    fn is_step(&self, unit: &ScalarValue, moment: &Expr) -> bool {
        let Some(Some(unit)) = unit.try_as_str() else { return false };
        let is_key = |key: &Key| super::is_column(moment, &key.subject);
        let is_same = |step: Step| step.count == 1 && step.unit.name().eq_ignore_ascii_case(unit);
        self.keys.iter().any(|key| is_key(key) && key.step.is_some_and(is_same))
    }

    /// The values as rows, in the columns that filters are over.
    fn batch(&self, schema: &SchemaRef) -> Result<RecordBatch> {
        let mut fields: Vec<Field> = Vec::with_capacity(self.keys.len());
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.keys.len());
        for (at, key) in self.keys.iter().enumerate() {
            let field = schema.field_with_name(&key.subject.name)?;
            if fields.iter().any(|known| known.name() == field.name()) {
                continue;
            }
            let texts = self.rows.iter().map(|(_, values)| values[at].as_ref().map(Value::to_string));
            let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
            let strict = CastOptions { safe: false, ..CastOptions::default() };
            columns.push(cast_with_options(&texts, field.data_type(), &strict)?);
            fields.push(field.clone().with_nullable(true));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows.len()));
        Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
    }
}

/// The names of the partition columns, as filters know them.
pub(crate) fn key_names(table: &Table) -> Vec<String> {
    let positions = table.partition_positions();
    positions.iter().map(|at| types::plan_name(&table.schema.columns[*at].name)).collect()
}
