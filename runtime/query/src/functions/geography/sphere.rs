//! What is where on a sphere: distances, edges that cross, what a loop of edges has inside. Edges are the shortest ways between
//! points. A loop has the smaller part of the sphere inside.

use std::cmp::Ordering;

/// The mean radius of the earth.
pub(super) const EARTH_METERS: f64 = 6_371_010.0;

/// A direction that nobody writes down: edges to it go through no other point by chance.
const ELSEWHERE: [f64; 3] = [-0.009_999_466_435_025_02, 0.002_592_454_260_932_412, 0.999_946_643_502_502];

/// A place in degrees, and where that is in space.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) lng: f64,
    pub(super) lat: f64,
    at: Vector,
}

type Vector = [f64; 3];

impl PartialEq for Point {
    fn eq(&self, other: &Point) -> bool {
        self.at == other.at
    }
}

impl Point {
    /// None: there is no such place.
    pub(super) fn new(lng: f64, lat: f64) -> Option<Point> {
        let exists = (-180.0..=180.0).contains(&lng) && (-90.0..=90.0).contains(&lat);
        let (x, y) = (lng.to_radians(), lat.to_radians());
        let at = positive_zeros([y.cos() * x.cos(), y.cos() * x.sin(), y.sin()]);
        exists.then_some(Point { lng, lat, at })
    }

    /// The angle between two places, seen from the center of the sphere.
    pub(super) fn angle_to(&self, other: &Point) -> f64 {
        let half = |from: f64, to: f64| (0.5 * (to.to_radians() - from.to_radians())).sin();
        let (lat, lng) = (half(self.lat, other.lat), half(self.lng, other.lng));
        let x = lat * lat + lng * lng * self.lat.to_radians().cos() * other.lat.to_radians().cos();
        2.0 * x.min(1.0).sqrt().asin()
    }

    fn is_opposite(&self, other: &Point) -> bool {
        self.at.iter().zip(other.at).all(|(ours, theirs)| *ours == -theirs)
    }
}

/// Zero has no sign: what is equal is in one order then.
fn positive_zeros(at: Vector) -> Vector {
    at.map(|part| part + 0.0)
}

fn cross(a: &Vector, b: &Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn dot(a: &Vector, b: &Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn ordered(a: &Vector, b: &Vector) -> Ordering {
    let parts = a.iter().zip(b).map(|(a, b)| a.total_cmp(b));
    parts.fold(Ordering::Equal, Ordering::then)
}

/// Whether three points turn left (1) or right (-1); 0: two of them are one. Points in a line turn in a way that is always the
/// same for them, so that neighbours never both have, or both lack, what is between them.
fn turn(a: &Vector, b: &Vector, c: &Vector) -> i8 {
    if a == b || b == c || a == c {
        return 0;
    }
    let mut points = [a, b, c];
    let mut is_odd = false;
    for (left, right) in [(0, 1), (1, 2), (0, 1)] {
        if ordered(points[left], points[right]) == Ordering::Greater {
            points.swap(left, right);
            is_odd = !is_odd;
        }
    }
    let is_left = dot(&cross(points[0], points[1]), points[2]) >= 0.0;
    if is_left != is_odd { 1 } else { -1 }
}

/// Whether b is met before c on the way round o, to the left, from a.
fn is_between(a: &Vector, b: &Vector, c: &Vector, o: &Vector) -> bool {
    let met = [turn(b, o, a) >= 0, turn(c, o, b) >= 0, turn(a, o, c) > 0];
    met.into_iter().filter(|met| *met).count() >= 2
}

/// A direction at a right angle to another, always the same one.
fn beside(a: &Vector) -> Vector {
    let least = if a[0].abs() <= a[1].abs() && a[0].abs() <= a[2].abs() {
        0
    } else if a[1].abs() <= a[2].abs() {
        1
    } else {
        2
    };
    let mut axis = [0.0; 3];
    axis[least] = 1.0;
    let at = cross(a, &axis);
    let length = dot(&at, &at).sqrt();
    at.map(|part| part / length)
}

/// Whether two edges cross within both.
fn is_crossing((a, b): (&Point, &Point), (c, d): (&Point, &Point)) -> bool {
    crossing(&a.at, &b.at, &c.at, &d.at) == Some(true)
}

/// None: they share an end.
fn crossing(a: &Vector, b: &Vector, c: &Vector, d: &Vector) -> Option<bool> {
    let (first, second) = (turn(a, b, c), turn(a, b, d));
    let (third, fourth) = (turn(c, d, a), turn(c, d, b));
    if [first, second, third, fourth].contains(&0) {
        return None;
    }
    // Each has the other's ends on different sides, and they are on the same side of the sphere.
    Some(first != second && third != fourth && first != third)
}

/// The same, where an edge that goes through a vertex crosses exactly one of two edges that pass there.
fn passes(a: &Vector, b: &Vector, c: &Vector, d: &Vector) -> bool {
    if let Some(known) = crossing(a, b, c, d) {
        return known;
    }
    match () {
        () if a == b || c == d => false,
        () if a == c => b == d || is_between(&beside(a), d, b, a),
        () if b == d => is_between(&beside(b), c, a, b),
        () if a == d => b == c || is_between(&beside(a), c, b, a),
        () => b == c && is_between(&beside(b), d, a, b),
    }
}

/// A ring of at least three points, without the first one at its end; its inside is to the left.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    points: Vec<Point>,
    /// Whether [`ELSEWHERE`] is inside.
    has_elsewhere: bool,
}

impl Ring {
    /// Turned so that the smaller part of the sphere is inside. None: too few points, or two of them are one or opposite.
    pub(super) fn new(mut points: Vec<Point>) -> Option<Ring> {
        if points.len() < 3 || pairs(&points).any(|(a, b)| a.is_opposite(b)) {
            return None;
        }
        let mut known: Vec<&Vector> = points.iter().map(|point| &point.at).collect();
        known.sort_unstable_by(|a, b| ordered(a, b));
        if known.windows(2).any(|pair| pair[0] == pair[1]) {
            return None;
        }
        if turned(&points) < 0.0 {
            points.reverse();
        }
        let (before, vertex, after) = (&points[0].at, &points[1].at, &points[2].at);
        let is_inside = !is_between(&beside(vertex), after, before, vertex);
        let mut ring = Ring { points, has_elsewhere: false };
        ring.has_elsewhere = is_inside != ring.contains(&ring.points[1]);
        Some(ring)
    }

    pub(super) fn points(&self) -> &[Point] {
        &self.points
    }

    pub(super) fn edges(&self) -> impl Iterator<Item = (&Point, &Point)> {
        pairs(&self.points)
    }

    /// Of two rings beside each other exactly one has a vertex that both have.
    pub(super) fn contains(&self, point: &Point) -> bool {
        let passed = self.edges().filter(|(a, b)| passes(&ELSEWHERE, &point.at, &a.at, &b.at)).count();
        self.has_elsewhere != (passed % 2 == 1)
    }

    pub(super) fn has_vertex(&self, point: &Point) -> bool {
        self.points.contains(point)
    }
}

/// Each point with the next one, the last with the first.
fn pairs(points: &[Point]) -> impl Iterator<Item = (&Point, &Point)> {
    points.iter().zip(points.iter().skip(1).chain(points.first()))
}

/// By how much a ring turns left: what is left of a full turn is its area.
fn turned(points: &[Point]) -> f64 {
    let count = points.len();
    let angle = |at: usize| {
        let (a, b, c) = (&points[at].at, &points[(at + 1) % count].at, &points[(at + 2) % count].at);
        let (first, second) = (cross(a, b), cross(b, c));
        let across = cross(&first, &second);
        let angle = dot(&across, &across).sqrt().atan2(dot(&first, &second));
        if turn(a, b, c) > 0 { angle } else { -angle }
    };
    (0..count).map(angle).sum()
}

/// The point in the middle of an edge.
pub(super) fn middle(a: &Point, b: &Point) -> Point {
    let sum = [a.at[0] + b.at[0], a.at[1] + b.at[1], a.at[2] + b.at[2]];
    let length = dot(&sum, &sum).sqrt();
    let at = positive_zeros(sum.map(|part| part / length));
    Point { lng: at[1].atan2(at[0]).to_degrees(), lat: at[2].asin().to_degrees(), at }
}

/// An edge and what is all of it on one axis.
struct Span<'a> {
    edge: (&'a Point, &'a Point),
    group: usize,
    low: Vector,
    high: Vector,
}

impl<'a> Span<'a> {
    fn new(edge: (&'a Point, &'a Point), group: usize) -> Span<'a> {
        let (a, b) = (&edge.0.at, &edge.1.at);
        // The way between two points rises above the straight line between them by no more than this.
        let rise: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>() / 4.0 + 1e-15;
        let part = |pick: fn(f64, f64) -> f64, by: f64| [0, 1, 2].map(|axis| pick(a[axis], b[axis]) + by);
        Span { edge, group, low: part(f64::min, -rise), high: part(f64::max, rise) }
    }

    fn touches(&self, other: &Span<'_>) -> bool {
        (1..3).all(|axis| self.low[axis] <= other.high[axis] && other.low[axis] <= self.high[axis])
    }
}

/// Whether an edge crosses another of another group, or any other where all are of one group.
pub(super) fn any_crossing<'a>(edges: impl Iterator<Item = ((&'a Point, &'a Point), usize)>, within: bool) -> bool {
    let mut spans: Vec<Span<'a>> = edges.map(|(edge, group)| Span::new(edge, group)).collect();
    spans.sort_unstable_by(|a, b| a.low[0].total_cmp(&b.low[0]));
    spans.iter().enumerate().any(|(at, span)| {
        let near = spans[at + 1..].iter().take_while(|other| other.low[0] <= span.high[0]);
        let mut near = near.filter(|other| (within || other.group != span.group) && span.touches(other));
        near.any(|other| is_crossing(span.edge, other.edge))
    })
}
