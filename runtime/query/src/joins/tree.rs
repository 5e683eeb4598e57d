//! Trees of joins over numbered relations, and what they cost.

/// Of several conditions between the same parts each further one is believed less: they are seldom independent.
const DAMPING: f64 = 0.5;

/// Relations joined by pairs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    /// One by its number.
    Relation(usize),
    /// Two parts.
    Join(Box<(Tree, Tree)>),
}

impl Tree {
    pub(super) fn of(left: Tree, right: Tree) -> Tree {
        Tree::Join(Box::new((left, right)))
    }

    /// The set of relations in it, one bit each.
    pub(super) fn relations(&self) -> u64 {
        match self {
            Tree::Relation(at) => 1 << at,
            Tree::Join(sides) => sides.0.relations() | sides.1.relations(),
        }
    }
}

/// A condition that rows of some relations meet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Condition {
    /// Which, one bit each.
    pub(super) relations: u64,
    /// Which part of all their combinations meets it.
    pub(super) selectivity: f64,
}

/// What is to be joined.
#[derive(Debug)]
pub(super) struct Graph {
    /// Of each relation.
    pub(super) rows: Vec<f64>,
    pub(super) conditions: Vec<Condition>,
}

/// A tree on its way.
#[derive(Clone, Debug)]
struct Part {
    tree: Tree,
    relations: u64,
    rows: f64,
}

impl Graph {
    /// The rows of two parts joined by whatever conditions are met between them; None: there are none.
    fn joined(&self, one: (u64, f64), other: (u64, f64)) -> Option<f64> {
        let both = one.0 | other.0;
        let between =
            |c: &&Condition| c.relations & !both == 0 && c.relations & !one.0 != 0 && c.relations & !other.0 != 0;
        let mut met: Vec<f64> = self.conditions.iter().filter(between).map(|c| c.selectivity).collect();
        met.sort_by(f64::total_cmp);
        let is_met = !met.is_empty();
        let weights = std::iter::successors(Some(1.0), |weight| Some(weight * DAMPING));
        let selectivity: f64 =
            met.into_iter().zip(weights).map(|(part, weight): (f64, f64)| part.powf(weight)).product();
        is_met.then(|| (one.1 * other.1 * selectivity).max(1.0))
    }

    /// The rows that all joins of a tree give, added up.
    pub(super) fn cost(&self, tree: &Tree) -> f64 {
        self.measured(tree).1
    }

    /// The rows of a tree, and its cost.
    fn measured(&self, tree: &Tree) -> (f64, f64) {
        match tree {
            Tree::Relation(at) => (self.rows[*at], 0.0),
            Tree::Join(sides) => {
                let (left, right) = (self.measured(&sides.0), self.measured(&sides.1));
                let one = (sides.0.relations(), left.0);
                let other = (sides.1.relations(), right.0);
                let rows = self.joined(one, other).unwrap_or(left.0 * right.0);
                (rows, rows + left.1 + right.1)
            }
        }
    }

    /// The tree that comes of always joining the two parts that give the fewest rows, the first of those that give as many;
    /// None: not all hang together.
    pub(super) fn greedy(&self) -> Option<Tree> {
        let part = |(at, rows): (usize, &f64)| Part { tree: Tree::Relation(at), relations: 1 << at, rows: *rows };
        let mut parts: Vec<Part> = self.rows.iter().enumerate().map(part).collect();
        while parts.len() > 1 {
            let mut best: Option<(usize, usize, f64)> = None;
            for one in 0..parts.len() {
                for other in one + 1..parts.len() {
                    let (a, b) = (&parts[one], &parts[other]);
                    let rows = self.joined((a.relations, a.rows), (b.relations, b.rows));
                    if let Some(rows) = rows.filter(|rows| best.is_none_or(|(_, _, least)| *rows < least)) {
                        best = Some((one, other, rows));
                    }
                }
            }
            let (one, other, rows) = best?;
            let right = parts.remove(other);
            let left = parts.remove(one);
            // The smaller part is built, and stands first.
            let (left, right) = if right.rows < left.rows { (right, left) } else { (left, right) };
            let relations = left.relations | right.relations;
            parts.insert(one, Part { tree: Tree::of(left.tree, right.tree), relations, rows });
        }
        parts.pop().map(|part| part.tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(one: usize, other: usize, distinct: f64) -> Condition {
        Condition { relations: 1 << one | 1 << other, selectivity: 1.0 / distinct }
    }

    #[test]
    fn what_leaves_few_rows_is_joined_first() {
        // A large table, a dimension of which a filter leaves ten rows, and one that is whole.
        let graph = Graph { rows: vec![1e6, 1e4, 10.0], conditions: vec![condition(0, 1, 1e4), condition(0, 2, 1e3)] };
        let written = Tree::of(Tree::of(Tree::Relation(0), Tree::Relation(1)), Tree::Relation(2));
        let better = graph.greedy().unwrap();
        assert_eq!(better, Tree::of(Tree::of(Tree::Relation(2), Tree::Relation(0)), Tree::Relation(1)));
        assert_eq!((graph.cost(&written), graph.cost(&better)), (1e6 + 1e4, 1e4 + 1e4));
        assert_eq!(graph.greedy(), Some(better), "it is always the same");
    }

    #[test]
    fn what_does_not_hang_together_is_left_alone() {
        let graph = Graph { rows: vec![10.0, 10.0, 10.0], conditions: vec![condition(0, 1, 10.0)] };
        assert_eq!(graph.greedy(), None);
    }

    #[test]
    fn conditions_of_three_relations_are_met_where_the_third_comes_in() {
        let of_three = Condition { relations: 0b111, selectivity: 0.5 };
        let graph = Graph {
            rows: vec![100.0, 100.0, 100.0],
            conditions: vec![condition(0, 1, 100.0), condition(1, 2, 100.0), of_three],
        };
        let tree = graph.greedy().unwrap();
        assert_eq!(tree, Tree::of(Tree::of(Tree::Relation(0), Tree::Relation(1)), Tree::Relation(2)));
        assert!((graph.cost(&tree) - 170.7).abs() < 0.1);
    }
}
