//! `x = ANY (members)` and its like, over the members of a query in one sorted list.

use std::cmp::Ordering;
use std::ops::Range;

use arrow::array::{Array, AsArray, BooleanArray, ListArray, make_comparator};
use arrow::compute::SortOptions;
use arrow::datatypes::DataType;
use datafusion::common::{Result, internal_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, Operator, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

/// `any(x, members)`: whether `x` compares so with one of the members; NULL where a NULL, of `x` or among them, leaves it
/// open. The list is sorted, NULL first; a list that is NULL has no members.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Any {
    op: Operator,
    name: &'static str,
    signature: Signature,
}

/// The name of the function for an operator; None: it is no comparison.
pub(crate) fn any(op: Operator) -> Option<&'static str> {
    Some(match op {
        Operator::Eq => "__any_equal",
        Operator::NotEq => "__any_other",
        Operator::Lt => "__any_greater",
        Operator::LtEq => "__any_not_less",
        Operator::Gt => "__any_less",
        Operator::GtEq => "__any_not_greater",
        _ => return None,
    })
}

impl Any {
    /// One for each comparison.
    pub(super) fn all() -> impl Iterator<Item = Any> {
        [Operator::Eq, Operator::NotEq, Operator::Lt, Operator::LtEq, Operator::Gt, Operator::GtEq]
            .into_iter()
            .filter_map(|op| {
                Some(Any { op, name: any(op)?, signature: Signature::user_defined(Volatility::Immutable) })
            })
    }
}

impl ScalarUDFImpl for Any {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        match arguments {
            [subject, DataType::List(member)] if member.data_type() == subject => Ok(arguments.to_vec()),
            _ => plan_err!("No matching function with signature: {} of {arguments:?}", self.name),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [subject, lists] = args.args.as_slice() else { return internal_err!("{} takes two arguments", self.name) };
        let rows = args.number_rows;
        let subject = subject.to_array(rows)?;
        let constant = matches!(lists, ColumnarValue::Scalar(_));
        let lists = lists.to_array(if constant { 1 } else { rows })?;
        let Some(lists) = lists.as_list_opt::<i32>() else { return internal_err!("{} takes a list", self.name) };
        let only = (constant && rows > 0).then(|| Members::of(lists, 0));
        let compare = make_comparator(&subject, lists.values(), SortOptions::default())?;
        let answer = |row: usize| {
            let own;
            let members = match &only {
                Some(only) => only,
                None => {
                    own = Members::of(lists, row);
                    &own
                }
            };
            if members.all.is_empty() {
                return Some(false);
            }
            if subject.is_null(row) {
                return None;
            }
            match members.hold(self.op, |at| compare(row, at)) {
                true => Some(true),
                false if members.has_null() => None,
                false => Some(false),
            }
        };
        let answers: BooleanArray = (0..rows).map(answer).collect();
        Ok(ColumnarValue::Array(std::sync::Arc::new(answers)))
    }
}

/// Where the members of one list are among the values of all lists.
struct Members {
    all: Range<usize>,
    /// Those that are not NULL.
    known: Range<usize>,
}

impl Members {
    fn of(lists: &ListArray, row: usize) -> Members {
        if lists.is_null(row) {
            return Members { all: 0..0, known: 0..0 };
        }
        let offsets = lists.value_offsets();
        let all = offsets[row] as usize..offsets[row + 1] as usize;
        let nulls = lists.values().nulls().map_or(0, |nulls| nulls.slice(all.start, all.len()).null_count());
        Members { known: all.start + nulls..all.end, all }
    }

    fn has_null(&self) -> bool {
        self.known.len() < self.all.len()
    }

    /// Whether the subject, by how it compares with the member at a place, stands so to one of those that are known.
    fn hold(&self, op: Operator, compare: impl Fn(usize) -> Ordering) -> bool {
        if self.known.is_empty() {
            return false;
        }
        let (least, greatest) = (self.known.start, self.known.end - 1);
        match op {
            Operator::Eq => self.find(compare),
            Operator::NotEq => compare(least).is_ne() || compare(greatest).is_ne(),
            Operator::Lt => compare(greatest).is_lt(),
            Operator::LtEq => compare(greatest).is_le(),
            Operator::Gt => compare(least).is_gt(),
            Operator::GtEq => compare(least).is_ge(),
            _ => false,
        }
    }

    fn find(&self, compare: impl Fn(usize) -> Ordering) -> bool {
        let (mut from, mut to) = (self.known.start, self.known.end);
        while from < to {
            let middle = from + (to - from) / 2;
            match compare(middle) {
                Ordering::Equal => return true,
                Ordering::Less => to = middle,
                Ordering::Greater => from = middle + 1,
            }
        }
        false
    }
}
