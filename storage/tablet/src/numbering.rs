//! Numbers of an AUTO_INCREMENT column: rows that come without one get those of a range that was leased for them, in the
//! order in which they come.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{Field, Int64Type, Schema};
use arrow::record_batch::RecordBatch;
use futures::{Stream, StreamExt};
use storage_model::Table;
use thiserror::Error;

use crate::error::TabletError;

/// More rows want a number than were leased. Nothing may be made of those that have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{wanted} rows want a number of an AUTO_INCREMENT column, and fewer were leased")]
pub struct TooFewNumbers {
    /// How many rows want one.
    pub wanted: u64,
}

/// What a stream of numbered rows ends with when it fails.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Gives numbers to the rows of a load.
struct Numbering {
    /// Of the column.
    position: usize,
    left: Range<u64>,
    wanted: u64,
}

impl Numbering {
    /// The batch with its numbers; None: there are too few of them.
    fn fill(&mut self, batch: &RecordBatch) -> Result<Option<RecordBatch>, Failure> {
        let odd = || TabletError::invalid("rows do not have the columns of their table".to_owned());
        let given = batch.columns().get(self.position).ok_or_else(odd)?;
        let missing = given.logical_null_count() as u64;
        self.wanted += missing;
        if missing == 0 {
            return Ok(Some(batch.clone()));
        }
        if missing > self.left.end.saturating_sub(self.left.start) {
            return Ok(None);
        }
        let numbers: Int64Array = match given.as_primitive_opt::<Int64Type>() {
            None => (0..given.len()).map(|_| self.left.next().and_then(|n| i64::try_from(n).ok())).collect(),
            Some(given) => given
                .iter()
                .map(|number| number.or_else(|| self.left.next().and_then(|n| i64::try_from(n).ok())))
                .collect(),
        };
        let mut columns = batch.columns().to_vec();
        columns[self.position] = Arc::new(numbers) as ArrayRef;
        let mut fields: Vec<Arc<Field>> = batch.schema().fields().iter().cloned().collect();
        let field = fields[self.position].as_ref().clone().with_data_type(columns[self.position].data_type().clone());
        fields[self.position] = Arc::new(field);
        Ok(Some(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?))
    }
}

/// The rows of a load with their numbers. When `leased` are too few the stream ends with [`TooFewNumbers`], when all rows
/// were counted.
pub fn numbered<'a, S, E>(
    batches: S,
    table: &Table,
    leased: Range<u64>,
) -> impl Stream<Item = Result<RecordBatch, Failure>> + Send + 'a
where
    S: Stream<Item = Result<RecordBatch, E>> + Send + 'a,
    E: Into<Failure> + 'a,
{
    let numbering = table.schema.auto_increment().map(|position| Numbering { position, left: leased, wanted: 0 });
    futures::stream::unfold(
        (Box::pin(batches), numbering, false),
        |(mut batches, mut numbering, mut short)| async move {
            loop {
                let next = batches.next().await;
                let Some(numbers) = numbering.as_mut() else {
                    return next.map(|next| (next.map_err(Into::into), (batches, numbering, short)));
                };
                let filled = match next {
                    Some(Ok(batch)) => numbers.fill(&batch),
                    Some(Err(error)) => Err(error.into()),
                    None if !short => return None,
                    None => {
                        let wanted = numbers.wanted;
                        return Some((Err(TooFewNumbers { wanted }.into()), (batches, None, false)));
                    }
                };
                match filled {
                    Ok(Some(batch)) if !short => return Some((Ok(batch), (batches, numbering, short))),
                    // The others are only counted.
                    Ok(_) => short = true,
                    Err(error) => return Some((Err(error), (batches, numbering, short))),
                }
            }
        },
    )
}

#[cfg(test)]
mod tests;
