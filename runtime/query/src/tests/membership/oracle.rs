//! Conditions over two small tables, drawn at random, as SQL and as what they mean, row by row.

use std::fmt;

/// None is NULL.
pub(super) type Row = Vec<Option<i64>>;
type Truth = Option<bool>;

/// The rows of `t (id, a, b, c)` and of `u (k, n, m)`; `id`, `c` and `m` are never NULL.
#[derive(Clone, Debug)]
pub(super) struct Data {
    pub t: Vec<Row>,
    pub u: Vec<Row>,
}

pub(super) fn row(row: &[Option<i64>]) -> String {
    let cells: Vec<_> = row.iter().map(|cell| cell.map_or_else(|| "NULL".to_owned(), |n| n.to_string())).collect();
    format!("({})", cells.join(", "))
}

/// Numbers from a seed.
pub(super) struct Draw(u64);

impl Draw {
    pub(super) fn new(seed: u64) -> Draw {
        Draw(seed)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    fn cell(&mut self, nulls: bool) -> Option<i64> {
        if nulls && self.one_in(3) { None } else { Some(self.below(4) as i64) }
    }

    fn rows_t(&mut self, rows: i64) -> Vec<Row> {
        (0..rows).map(|id| vec![Some(id), self.cell(true), self.cell(true), self.cell(false)]).collect()
    }

    fn rows_u(&mut self, rows: usize, nulls: bool) -> Vec<Row> {
        (0..rows).map(|_| vec![self.cell(nulls), self.cell(nulls), self.cell(false)]).collect()
    }

    fn term(&mut self, in_query: bool) -> Term {
        let t = [Term::T("id", 0), Term::T("a", 1), Term::T("b", 2), Term::T("c", 3)];
        let u = [Term::U("k", 0), Term::U("n", 1), Term::U("m", 2)];
        match self.below(8) {
            0 => Term::Constant(self.cell(true)),
            _ if in_query => self.of(&u),
            _ => self.of(&t),
        }
    }

    fn op(&mut self) -> Op {
        self.of(&[Op::Equal, Op::Equal, Op::Other, Op::Less, Op::AtMost])
    }

    fn query(&mut self) -> Query {
        let filter = match self.below(6) {
            0 | 1 => None,
            2 => Some(Condition::Compare(Op::Less, Term::U("m", 2), Term::Constant(Some(self.below(4) as i64)))),
            3 => Some(Condition::Compare(Op::Equal, Term::Constant(Some(1)), Term::Constant(Some(2)))),
            4 => Some(Condition::Compare(Op::Equal, Term::U("k", 0), self.of(&[Term::T("a", 1), Term::T("c", 3)]))),
            _ => Some(Condition::Compare(self.op(), self.term(true), self.term(false))),
        };
        let shape = match self.below(9) {
            0 => Shape::Distinct,
            1 => Shape::Max,
            2 => Shape::Count,
            3 => Shape::MaxByK,
            4 => Shape::First,
            5 => Shape::Nested,
            _ => Shape::Plain,
        };
        Query { member: self.term(true), shape, filter: filter.map(Box::new) }
    }

    /// One that is about IN, ANY and ALL, with so much around it.
    pub(super) fn condition(&mut self, depth: u32) -> Condition {
        let inner = |draw: &mut Draw| Box::new(draw.condition(depth.saturating_sub(1)));
        match if depth == 0 { 0 } else { self.below(12) } {
            0..=3 => {
                let (subject, query) = (self.term(false), self.query());
                match self.below(8) {
                    0 => Condition::Any(subject, self.op(), query),
                    1 => Condition::All(subject, self.op(), query),
                    2..=4 => Condition::In(subject, query),
                    _ => Condition::NotIn(subject, query),
                }
            }
            4 => Condition::Not(inner(self)),
            5 => {
                let own = Condition::Compare(self.op(), self.term(false), self.term(false));
                Condition::Or(Box::new(own), inner(self))
            }
            6 => Condition::Or(inner(self), inner(self)),
            7 => {
                let own = Condition::Compare(self.op(), self.term(false), self.term(false));
                Condition::And(inner(self), Box::new(own))
            }
            8 => Condition::Is(inner(self), self.of(&[None, Some(true), Some(false)]), self.one_in(2)),
            9 => Condition::Equals(inner(self), self.one_in(2)),
            10 => Condition::Case(inner(self), self.one_in(2)),
            _ => Condition::And(inner(self), inner(self)),
        }
    }
}

impl Data {
    /// Tables that have NULLs or none, and that are empty.
    pub(super) fn samples(draw: &mut Draw) -> Vec<Data> {
        let mut all = Vec::new();
        for (rows, nulls) in [(0, false), (1, true), (4, false), (5, true), (9, true), (6, true), (7, false)] {
            all.push(Data { t: draw.rows_t(7), u: draw.rows_u(rows, nulls) });
        }
        all
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Term {
    T(&'static str, usize),
    U(&'static str, usize),
    Constant(Option<i64>),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Equal,
    Other,
    Less,
    AtMost,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    Plain,
    Distinct,
    Max,
    Count,
    MaxByK,
    /// The first of all in order.
    First,
    /// In a table of its own.
    Nested,
}

#[derive(Clone, Debug)]
pub(super) struct Query {
    member: Term,
    shape: Shape,
    filter: Option<Box<Condition>>,
}

#[derive(Clone, Debug)]
pub(super) enum Condition {
    Compare(Op, Term, Term),
    In(Term, Query),
    NotIn(Term, Query),
    Any(Term, Op, Query),
    All(Term, Op, Query),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    /// IS NULL (None), IS TRUE, IS FALSE; or IS NOT so.
    Is(Box<Condition>, Truth, bool),
    Equals(Box<Condition>, bool),
    /// CASE WHEN it THEN this ELSE the other END.
    Case(Box<Condition>, bool),
}

/// Where a condition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Where,
    Select,
    Having,
    On,
    Delete,
}

impl Place {
    pub(super) const ALL: [Place; 6] =
        [Place::Where, Place::Delete, Place::Select, Place::Where, Place::Having, Place::On];

    pub(super) fn sql(self, condition: &Condition) -> String {
        match self {
            Place::Where => format!("SELECT t.id FROM t WHERE {condition}"),
            Place::Select => format!("SELECT t.id, {condition} FROM t"),
            Place::Having => {
                format!("SELECT t.id FROM t GROUP BY t.id, t.a, t.b, t.c HAVING {condition}")
            }
            Place::On => format!("SELECT t.id FROM t JOIN (SELECT 1 AS one) o ON o.one = 1 AND ({condition})"),
            Place::Delete => format!("DELETE FROM t WHERE {condition}"),
        }
    }
}

/// The lines that a statement gives.
pub(super) fn answer(data: &Data, place: Place, condition: &Condition) -> Vec<String> {
    let id = |row: &Row| row[0].unwrap().to_string();
    let said = |row: &Row| condition.truth(&World { data, t: row, u: &[] });
    match place {
        Place::Where | Place::Having | Place::On => {
            data.t.iter().filter(|row| said(row) == Some(true)).map(id).collect()
        }
        Place::Select => {
            let text = |row: &Row| said(row).map_or("NULL", |truth| if truth { "1" } else { "0" });
            data.t.iter().map(|row| format!("{}|{}", id(row), text(row))).collect()
        }
        Place::Delete => {
            let rest: Vec<_> = data.t.iter().filter(|row| said(row) != Some(true)).map(id).collect();
            let found = data.t.len() - rest.len();
            let mut lines = vec![format!("{found} found")];
            lines.extend(rest.into_iter().filter(|_| found > 0));
            lines
        }
    }
}

#[derive(Clone, Copy)]
struct World<'a> {
    data: &'a Data,
    t: &'a [Option<i64>],
    u: &'a [Option<i64>],
}

impl World<'_> {
    fn over<'s>(&'s self, u: &'s [Option<i64>]) -> World<'s> {
        World { u, ..*self }
    }
}

impl Term {
    fn value(self, world: &World<'_>) -> Option<i64> {
        match self {
            Term::T(_, at) => world.t[at],
            Term::U(_, at) => world.u[at],
            Term::Constant(value) => value,
        }
    }

    fn is_outside(self) -> bool {
        matches!(self, Term::T(..))
    }
}

impl Op {
    fn compare(self, left: Option<i64>, right: Option<i64>) -> Truth {
        let (left, right) = (left?, right?);
        Some(match self {
            Op::Equal => left == right,
            Op::Other => left != right,
            Op::Less => left < right,
            Op::AtMost => left <= right,
        })
    }
}

fn any(truths: impl IntoIterator<Item = Truth>) -> Truth {
    truths.into_iter().fold(Some(false), or)
}

fn or(left: Truth, right: Truth) -> Truth {
    match (left, right) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

fn not(truth: Truth) -> Truth {
    truth.map(|truth| !truth)
}

impl Query {
    fn members(&self, outside: &World<'_>) -> Vec<Option<i64>> {
        let holds =
            |row: &&Row| self.filter.as_ref().is_none_or(|filter| filter.truth(&outside.over(row)) == Some(true));
        let rows: Vec<_> = outside.data.u.iter().filter(holds).collect();
        let mut members: Vec<_> = rows.iter().map(|row| self.member.value(&outside.over(row))).collect();
        match self.shape {
            Shape::Plain | Shape::Distinct | Shape::Nested => members,
            Shape::Max => vec![members.into_iter().flatten().max()],
            Shape::Count => vec![Some(members.iter().flatten().count() as i64)],
            Shape::MaxByK => {
                let mut keys: Vec<_> = rows.iter().map(|row| row[0]).collect();
                keys.sort();
                keys.dedup();
                let of = |key| rows.iter().zip(&members).filter(move |(row, _)| row[0] == key).filter_map(|(_, m)| *m);
                keys.into_iter().map(|key| of(key).max()).collect()
            }
            Shape::First => {
                // NULL is the smallest.
                members.sort();
                members.truncate(1);
                members
            }
        }
    }
}

impl Condition {
    fn truth(&self, world: &World<'_>) -> Truth {
        let any_of = |subject: &Term, op: Op, query: &Query| {
            any(query.members(world).into_iter().map(|member| op.compare(subject.value(world), member)))
        };
        match self {
            Condition::Compare(op, left, right) => op.compare(left.value(world), right.value(world)),
            Condition::In(subject, query) => any_of(subject, Op::Equal, query),
            Condition::NotIn(subject, query) => not(any_of(subject, Op::Equal, query)),
            Condition::Any(subject, op, query) => any_of(subject, *op, query),
            Condition::All(subject, op, query) => {
                let members = query.members(world);
                not(any(members.into_iter().map(|member| not(op.compare(subject.value(world), member)))))
            }
            Condition::Not(inner) => not(inner.truth(world)),
            Condition::And(left, right) => not(or(not(left.truth(world)), not(right.truth(world)))),
            Condition::Or(left, right) => or(left.truth(world), right.truth(world)),
            Condition::Is(inner, what, negated) => Some((inner.truth(world) == *what) != *negated),
            Condition::Equals(inner, what) => inner.truth(world).map(|truth| truth == *what),
            Condition::Case(inner, then) => Some(if inner.truth(world) == Some(true) { *then } else { !*then }),
        }
    }

    /// Whether a query in it reads a column of `t`.
    pub(super) fn names_outside(&self) -> bool {
        match self {
            Condition::Compare(..) => false,
            Condition::In(_, query)
            | Condition::NotIn(_, query)
            | Condition::Any(_, _, query)
            | Condition::All(_, _, query) => matches!(
                query.filter.as_deref(),
                Some(Condition::Compare(_, left, right)) if left.is_outside() || right.is_outside()
            ),
            Condition::Not(inner)
            | Condition::Is(inner, ..)
            | Condition::Equals(inner, _)
            | Condition::Case(inner, _) => inner.names_outside(),
            Condition::And(left, right) | Condition::Or(left, right) => left.names_outside() || right.names_outside(),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Term::T(name, _) => write!(f, "t.{name}"),
            Term::U(name, _) => write!(f, "u.{name}"),
            Term::Constant(None) => f.write_str("NULL"),
            Term::Constant(Some(value)) => write!(f, "{value}"),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Op::Equal => "=",
            Op::Other => "<>",
            Op::Less => "<",
            Op::AtMost => "<=",
        })
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let member = self.member;
        let rows = match &self.filter {
            Some(filter) => format!("FROM u WHERE {filter}"),
            None => "FROM u".to_owned(),
        };
        match self.shape {
            Shape::Plain => write!(f, "SELECT {member} {rows}"),
            Shape::Distinct => write!(f, "SELECT DISTINCT {member} {rows}"),
            Shape::Max => write!(f, "SELECT max({member}) {rows}"),
            Shape::Count => write!(f, "SELECT count({member}) {rows}"),
            Shape::MaxByK => write!(f, "SELECT max({member}) {rows} GROUP BY u.k"),
            Shape::First => write!(f, "SELECT {member} AS first {rows} ORDER BY first LIMIT 1"),
            Shape::Nested => write!(f, "SELECT s.one FROM (SELECT {member} AS one {rows}) s"),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |truth: &Truth| truth.map_or("NULL", |truth| if truth { "TRUE" } else { "FALSE" });
        match self {
            Condition::Compare(op, left, right) => write!(f, "{left} {op} {right}"),
            Condition::In(subject, query) => write!(f, "{subject} IN ({query})"),
            Condition::NotIn(subject, query) => write!(f, "{subject} NOT IN ({query})"),
            Condition::Any(subject, op, query) => write!(f, "{subject} {op} ANY ({query})"),
            Condition::All(subject, op, query) => write!(f, "{subject} {op} ALL ({query})"),
            Condition::Not(inner) => write!(f, "NOT ({inner})"),
            Condition::And(left, right) => write!(f, "({left}) AND ({right})"),
            Condition::Or(left, right) => write!(f, "({left}) OR ({right})"),
            Condition::Is(inner, what, negated) => {
                write!(f, "({inner}) IS {}{}", if *negated { "NOT " } else { "" }, text(what))
            }
            Condition::Equals(inner, what) => write!(f, "({inner}) = {}", text(&Some(*what))),
            Condition::Case(inner, then) => {
                write!(f, "CASE WHEN {inner} THEN {} ELSE {} END", text(&Some(*then)), text(&Some(!*then)))
            }
        }
    }
}
