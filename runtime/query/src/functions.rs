//! The functions that StarRocks' users have and DataFusion does not, or has with another meaning. Every one is known
//! by its name on frontends and compute nodes alike. What only renames another function or asks about the session is
//! done earlier, on the syntax tree (see `rewrite`).

mod aes;
mod arithmetic;
mod arrays;
mod binary;
mod bitmaps;
mod bits;
pub(crate) mod cast;
mod clock;
mod days;
mod events;
mod extreme;
pub(crate) mod fresh;
mod gather;
mod geography;
mod hash;
mod hlls;
mod json;
mod latest;
mod maps;
mod members;
pub(crate) mod merged;
mod moments;
mod ngrams;
mod ordered;
mod patterns;
mod percentiles;
mod ranks;
mod read_time;
mod same;
pub(crate) mod sketches;
mod slice;
mod statistics;
mod strings;
mod text;
mod time;
mod tokens;
pub(crate) mod truth;
mod typed;
mod unnest;
mod urls;
mod wait;
mod week;

use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    AggregateUDF, ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

pub(crate) use members::any;
pub(crate) use text::texts;
pub(crate) use typed::{common, type_text};
pub(crate) use unnest::{UNNEST, Unnesting};

/// The text of any value, as clients see it: what CAST AS CHAR means.
pub(crate) const TEXT: &str = "__text";
/// A text of any width as the one that text columns have.
pub(crate) const WORDS: &str = "__words";
/// `shift(time, count, unit)`: what `+ INTERVAL` and the `*_add` family mean.
pub(crate) const SHIFT: &str = "__shift";
/// `difference(unit, from, to)` in whole units.
pub(crate) const DIFFERENCE: &str = "__difference";
/// `epoch(time, zone)`: seconds since 1970 of a time on the clocks of a time zone.
pub(crate) const EPOCH: &str = "__epoch";
/// `from_epoch(seconds, zone)`: the reverse.
pub(crate) const FROM_EPOCH: &str = "__from_epoch";
/// `time(x)`: a text or a number, read as DATETIME; NULL where it is none.
pub(crate) const TIME: &str = "__time";
/// `truth(x)`: any value as a condition.
pub(crate) const TRUTH: &str = "__truth";
/// `bit(x)`: a boolean as 1 or 0, everything else as it is.
pub(crate) const BIT: &str = "__bit";
/// `read_time(x)`: a text or a number as DATETIME, everything else as it is.
pub(crate) const READ_TIME: &str = "__read_time";
/// `read_text(x)`: a number, a boolean or a time as its text, everything else as it is.
pub(crate) const READ_TEXT: &str = "__read_text";
/// `pad_length(n)`: how long a text is made; NULL when that is too long.
pub(crate) const PAD_LENGTH: &str = "__pad_length";
/// `number(x)`: any value as what can be summed.
pub(crate) const NUMBER: &str = "__number";

/// `slice(time, count, unit, floor or ceil)`.
pub(crate) const SLICE: &str = "__slice";
/// `same(a, b)`: whether values that hold others are equal.
pub(crate) const SAME: &str = "__same";
/// `top(array, count)`: the most frequent elements.
pub(crate) const TOP: &str = "__top";
/// `funnel(window, mode, events)`: how far a chain of events got.
pub(crate) const FUNNEL: &str = "__funnel";
/// `mann_whitney(samples, alternative, corrected)`: how likely two groups are alike.
pub(crate) const MANN_WHITNEY: &str = "__mann_whitney";
/// `week(time, mode)`.
pub(crate) const WEEK: &str = "__week";

fn scalar() -> Vec<Arc<ScalarUDF>> {
    let mut all = text::functions();
    all.extend(time::functions());
    all.extend(clock::functions());
    all.extend(moments::functions());
    all.extend(hash::functions());
    all.extend(week::functions());
    all.extend(slice::functions());
    all.extend(read_time::functions());
    all.extend(days::functions());
    all.extend(strings::functions());
    all.extend(urls::functions());
    let mut all: Vec<Arc<ScalarUDF>> = all.into_iter().map(|f| Arc::new(ScalarUDF::new_from_impl(f))).collect();
    all.push(Arc::new(ScalarUDF::new_from_impl(crate::insert::store::Store::new())));
    all.push(Arc::new(ScalarUDF::new_from_impl(truth::Truth::new())));
    all.extend(truth::Reading::all().map(|f| Arc::new(ScalarUDF::new_from_impl(f))));
    all.extend(members::Any::all().map(|f| Arc::new(ScalarUDF::new_from_impl(f))));
    all.push(Arc::new(ScalarUDF::new_from_impl(merged::Merged::new())));
    all.push(Arc::new(ScalarUDF::new_from_impl(cast::Cast::new())));
    all.extend(fresh::Fresh::all().map(|f| Arc::new(ScalarUDF::new_from_impl(f))));
    let typed = arrays::functions().into_iter().chain(maps::functions()).chain(json::functions());
    let typed = typed.chain(bitmaps::functions()).chain(hlls::functions());
    let typed = typed
        .chain(arithmetic::functions())
        .chain(strings::of_numbers())
        .chain(patterns::functions())
        .chain(events::functions());
    let typed =
        typed.chain(binary::functions()).chain(bits::functions()).chain([slice::truncation(), same::function()]);
    let typed = typed.chain(percentiles::functions()).chain(ranks::functions());
    let typed = typed
        .chain(aes::functions())
        .chain(ngrams::functions())
        .chain(tokens::functions())
        .chain(geography::functions());
    all.extend(typed.map(|f| Arc::new(ScalarUDF::new_from_impl(f))));
    all.push(Arc::new(ScalarUDF::new_from_impl(unnest::elements())));
    all.push(Arc::new(wait::sleep()));
    all
}

/// `latest(value, sequence)`: the value with the greatest sequence, NULL too.
pub(crate) const LATEST: &str = "__latest";
/// `latest_not_null(value, sequence)`: the same among those that are not NULL.
pub(crate) const LATEST_NOT_NULL: &str = "__latest_not_null";

/// `column_statistics(value)`: what is known of the values then, as text.
pub const COLUMN_STATISTICS: &str = "__column_statistics";

/// `bitmap_union(bitmap)`: what is in any of them.
pub(crate) const BITMAP_UNION: &str = "bitmap_union";
/// `hll_union(hll)`: what any of them has counted.
pub(crate) const HLL_UNION: &str = "hll_union";
/// `distinct_ordered(value, how, key, …)`: the different values in the order of keys.
pub(crate) const DISTINCT_ORDERED: &str = "__distinct_ordered";
/// `subdivide(bitmap, length)`: a BITMAP as an ARRAY of shorter ones.
pub(crate) const SUBDIVIDE: &str = "__subdivide";

static OWN_AGGREGATES: LazyLock<Vec<Arc<AggregateUDF>>> = LazyLock::new(|| {
    let latest = [latest::Latest::new(LATEST, true), latest::Latest::new(LATEST_NOT_NULL, false)];
    let latest = latest.into_iter().map(AggregateUDF::new_from_impl);
    let gathering = gather::all().into_iter().map(AggregateUDF::new_from_impl);
    let by = extreme::By::all().into_iter().map(AggregateUDF::new_from_impl);
    let ordered = AggregateUDF::new_from_impl(ordered::Ordered::new());
    let statistics = AggregateUDF::new_from_impl(statistics::Statistics::new());
    latest.chain(gathering).chain(by).chain([ordered, statistics]).map(Arc::new).collect()
});

/// All aggregate functions of this room.
pub(crate) fn aggregates() -> Vec<Arc<AggregateUDF>> {
    OWN_AGGREGATES.clone()
}

/// An aggregate function of this room by its name.
pub(crate) fn own_aggregate(name: &str) -> Option<Arc<AggregateUDF>> {
    OWN_AGGREGATES.iter().find(|function| function.name() == name).cloned()
}

static OWN: LazyLock<Vec<Arc<ScalarUDF>>> = LazyLock::new(scalar);

/// All functions of this room.
pub(crate) fn all() -> Vec<Arc<ScalarUDF>> {
    OWN.clone()
}

/// A function of this room by its name.
pub(crate) fn own(name: &str) -> Option<Arc<ScalarUDF>> {
    OWN.iter().find(|function| function.name() == name).cloned()
}

/// DATETIME in memory.
pub(crate) const DATETIME: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// What a function does with an argument before it sees it.
#[derive(Clone, Copy, Debug)]
enum Slot {
    /// Taken as it is.
    Any,
    /// Cast to 64 bits.
    Integer,
    /// Cast to text.
    Text,
    /// Cast to text where all such arguments are texts or one is a time, to DOUBLE otherwise.
    Alike,
}

/// A function over arrays of one length.
struct Function {
    name: &'static str,
    /// One for each argument; `variadic` repeats the last.
    slots: &'static [Slot],
    variadic: bool,
    returns: DataType,
    body: fn(&[ArrayRef], usize) -> Result<ArrayRef>,
    signature: Signature,
}

impl Function {
    fn new(
        name: &'static str,
        slots: &'static [Slot],
        returns: DataType,
        body: fn(&[ArrayRef], usize) -> Result<ArrayRef>,
    ) -> Function {
        let signature = Signature::user_defined(Volatility::Immutable);
        Function { name, slots, variadic: false, returns, body, signature }
    }

    fn variadic(mut self) -> Function {
        self.variadic = true;
        self
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Function").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let enough =
            if self.variadic { arguments.len() >= self.slots.len() } else { arguments.len() == self.slots.len() };
        let Some(last) = self.slots.last().filter(|_| enough) else {
            return plan_err!("No matching function with signature: {} of {} arguments", self.name, arguments.len());
        };
        let is_time = |given: &DataType| matches!(given, DataType::Date32 | DataType::Timestamp(_, _));
        let are_texts = arguments.iter().all(|given| given.is_string() || given.is_null());
        let alike = if are_texts || arguments.iter().any(is_time) { DataType::Utf8 } else { DataType::Float64 };
        let coerced = arguments.iter().enumerate().map(|(at, given)| match self.slots.get(at).unwrap_or(last) {
            Slot::Any => given.clone(),
            Slot::Integer => DataType::Int64,
            Slot::Text => DataType::Utf8,
            // A text that is no number is NULL, which no cast of the engine's would say.
            Slot::Alike if given.is_string() => DataType::Utf8,
            Slot::Alike => alike.clone(),
        });
        Ok(coerced.collect())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|a| a.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let array = (self.body)(&arrays, rows)?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}
