//! Aggregates that gather rows into a BITMAP, an HLL or a PERCENTILE, or into how much is in one. What they gather is their state, so that
//! parts of it are made wherever the rows are.

mod digest;
mod sets;
mod sketch;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, ReversedUDAF, Signature, Volatility};

use super::sketches::{BITMAP, HLL, Want, is_sketch, wanted};
use super::typed::type_text;
use super::{BITMAP_UNION, HLL_UNION};
use digest::Digest;
use sets::{Common, Sets};
use sketch::Sketch;

/// What is gathered of each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Of {
    /// A BITMAP.
    Bitmaps,
    /// A number; one that is below zero is left out.
    Numbers,
    /// A number, whatever its sign.
    Integers,
    /// An HLL.
    Hlls,
    /// A value of any type.
    Values,
    /// A BITMAP, by what another column holds.
    Chosen,
    /// A PERCENTILE.
    Digests,
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Gives {
    /// What is in any row.
    Union,
    /// What is in every row.
    Intersection,
    /// How much that is.
    Count,
}

/// See the words of this file.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Gather {
    name: &'static str,
    of: Of,
    gives: Gives,
    signature: Signature,
}

/// All of them.
pub(super) fn all() -> Vec<Gather> {
    let gather =
        |name, of, gives| Gather { name, of, gives, signature: Signature::user_defined(Volatility::Immutable) };
    vec![
        gather(BITMAP_UNION, Of::Bitmaps, Gives::Union),
        gather("bitmap_intersect", Of::Bitmaps, Gives::Intersection),
        gather("bitmap_union_count", Of::Bitmaps, Gives::Count),
        gather("bitmap_agg", Of::Numbers, Gives::Union),
        gather("bitmap_union_int", Of::Integers, Gives::Count),
        gather("intersect_count", Of::Chosen, Gives::Count),
        gather(HLL_UNION, Of::Hlls, Gives::Union),
        gather("hll_raw_agg", Of::Hlls, Gives::Union),
        gather("hll_union_agg", Of::Hlls, Gives::Count),
        gather("percentile_union", Of::Digests, Gives::Union),
        gather("ndv", Of::Values, Gives::Count),
        gather("approx_count_distinct", Of::Values, Gives::Count),
    ]
}

impl Gather {
    fn sketch(&self) -> DataType {
        match self.of {
            Of::Hlls | Of::Values => HLL,
            Of::Digests => DataType::Binary,
            Of::Bitmaps | Of::Numbers | Of::Integers | Of::Chosen => BITMAP,
        }
    }

    fn accepts(&self, given: &[DataType]) -> Option<Vec<DataType>> {
        match (self.of, given) {
            (Of::Bitmaps, _) => wanted(given, &[Want::Bitmap]),
            (Of::Numbers | Of::Integers, _) => wanted(given, &[Want::Integer]),
            (Of::Hlls, _) => wanted(given, &[Want::Hll]),
            (Of::Digests, _) => wanted(given, &[Want::Percentile]),
            (Of::Values, [only]) => (!only.is_nested() && !is_sketch(only)).then(|| given.to_vec()),
            (Of::Values, _) => None,
            (Of::Chosen, [bitmap, column, chosen @ ..]) if !chosen.is_empty() => {
                let mut types = wanted(std::slice::from_ref(bitmap), &[Want::Bitmap])?;
                types.extend(vec![column.clone(); chosen.len() + 1]);
                Some(types)
            }
            (Of::Chosen, _) => None,
        }
    }
}

impl AggregateUDFImpl for Gather {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match self.accepts(given) {
            Some(types) => Ok(types),
            None => {
                let types: Vec<String> = given.iter().map(type_text).collect();
                plan_err!("No matching function with signature: {}({})", self.name, types.join(", "))
            }
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.gives == Gives::Count { DataType::Int64 } else { self.sketch() })
    }

    fn is_nullable(&self) -> bool {
        self.gives != Gives::Count
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        if self.gives == Gives::Count { Ok(ScalarValue::from(0_i64)) } else { ScalarValue::try_from(data_type) }
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let counts = self.gives == Gives::Count;
        Ok(match self.of {
            Of::Digests => Box::new(Digest::default()),
            Of::Hlls => Box::new(Sketch::of_hlls(counts)),
            Of::Values => Box::new(Sketch::of_values()),
            Of::Chosen => Box::new(Common::new(args.exprs.len().saturating_sub(2))),
            Of::Bitmaps => Box::new(Sets::of_bitmaps(self.gives == Gives::Intersection, counts)),
            Of::Numbers => Box::new(Sets::of_numbers(false, counts)),
            Of::Integers => Box::new(Sets::of_numbers(true, counts)),
        })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let count = if self.of == Of::Chosen { args.input_fields.len().saturating_sub(2) } else { 1 };
        let field = |at: usize| {
            let name = format_state_name(args.name, &format!("gathered{at}"));
            Arc::new(Field::new(name, self.sketch(), true))
        };
        Ok((0..count).map(field).collect())
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}
