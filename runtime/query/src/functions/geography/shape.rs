//! Shapes, how they are read and written (WKT), and which holds which.

use std::fmt;

use datafusion::common::{Result, exec_err};

use super::sphere::{EARTH_METERS, Point, Ring, any_crossing, middle};

/// Points of a shape: what is asked of one is answered in seconds.
const MOST_POINTS: usize = 16_384;
/// Digits of a coordinate as text, as in StarRocks.
const DIGITS: usize = 12;

/// What a GEOMETRY is.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Point(Point),
    /// Two points at least, no two neighbours of which are one.
    Line(Vec<Point>),
    /// One around all, and holes in it.
    Polygon(Vec<Ring>),
    Circle {
        center: Point,
        meters: f64,
    },
}

impl Shape {
    /// None: there is no such shape.
    ///
    /// # Errors
    /// When it has too many points.
    pub(super) fn read(text: &str) -> Result<Option<Shape>> {
        let separators = text.bytes().filter(|byte| *byte == b',').count();
        if separators >= MOST_POINTS {
            return exec_err!("a shape has more than {MOST_POINTS} points");
        }
        Ok(parsed(text))
    }

    /// With as many digits as StarRocks shows.
    pub(super) fn rounded(&self) -> String {
        self.written(|number| {
            let digits = format!("{number:.*e}", DIGITS - 1);
            digits.parse::<f64>().unwrap_or(number)
        })
    }

    fn written(&self, number: fn(f64) -> f64) -> String {
        let number = |value: f64| {
            let (value, mut out) = (number(value) + 0.0, Vec::new());
            crate::cells::write_float(value, &format!("{value:e}"), &mut out);
            String::from_utf8_lossy(&out).into_owned()
        };
        let point = |point: &Point| format!("{} {}", number(point.lng), number(point.lat));
        let points = |points: &mut dyn Iterator<Item = &Point>| points.map(point).collect::<Vec<_>>().join(", ");
        match self {
            Shape::Point(at) => format!("POINT ({})", point(at)),
            Shape::Line(line) => format!("LINESTRING ({})", points(&mut line.iter())),
            Shape::Polygon(rings) => {
                let ring =
                    |ring: &Ring| format!("({})", points(&mut ring.points().iter().chain(ring.points().first())));
                format!("POLYGON ({})", rings.iter().map(ring).collect::<Vec<_>>().join(", "))
            }
            Shape::Circle { center, meters } => format!("CIRCLE (({}), {})", point(center), number(*meters)),
        }
    }

    /// Whether all of another shape is in this one.
    pub(super) fn contains(&self, part: &Shape) -> bool {
        match (self, part) {
            (Shape::Polygon(rings), Shape::Point(point)) => has_point(rings, point),
            (Shape::Polygon(rings), Shape::Line(line)) => has_edges(rings, || line.iter().zip(line.iter().skip(1))),
            (Shape::Polygon(rings), Shape::Polygon(others)) => {
                let inside = |hole: &Ring| hole.points().iter().find(|point| !is_vertex(others, point)).copied();
                let holes = rings[1..].iter().filter_map(inside);
                has_edges(rings, || others.iter().flat_map(Ring::edges))
                    && !holes.into_iter().any(|at| has_point(others, &at))
            }
            (Shape::Circle { center, meters }, Shape::Point(point)) => center.angle_to(point) * EARTH_METERS <= *meters,
            _ => false,
        }
    }
}

/// With all digits.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written(|number| number))
    }
}

fn has_point(rings: &[Ring], point: &Point) -> bool {
    rings.iter().filter(|ring| ring.contains(point)).count() % 2 == 1
}

fn is_vertex(rings: &[Ring], point: &Point) -> bool {
    rings.iter().any(|ring| ring.has_vertex(point))
}

/// Whether edges are in a polygon: none crosses one of its own, and ends and middles are in it or on them.
fn has_edges<'a, I: Iterator<Item = (&'a Point, &'a Point)>>(rings: &'a [Ring], edges: impl Fn() -> I) -> bool {
    let own = rings.iter().flat_map(Ring::edges).map(|edge| (edge, 0));
    if any_crossing(own.chain(edges().map(|edge| (edge, 1))), false) {
        return false;
    }
    let is_in = |point: &Point| is_vertex(rings, point) || has_point(rings, point);
    let is_own = |a: &Point, b: &Point| {
        rings.iter().flat_map(Ring::edges).any(|(from, to)| (from, to) == (a, b) || (to, from) == (a, b))
    };
    let is_through = |a: &Point, b: &Point| is_vertex(rings, a) && is_vertex(rings, b);
    edges().all(|(a, b)| is_in(a) && is_in(b) && (!is_through(a, b) || is_own(a, b) || has_point(rings, &middle(a, b))))
}

/// A text that is read from its beginning.
struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    fn word(&mut self) -> &'a str {
        self.0 = self.0.trim_start();
        let (word, rest) = self.0.split_at(self.0.bytes().take_while(u8::is_ascii_alphabetic).count());
        self.0 = rest;
        word
    }

    fn mark(&mut self, mark: char) -> Option<()> {
        self.0 = self.0.trim_start().strip_prefix(mark)?;
        Some(())
    }

    fn number(&mut self) -> Option<f64> {
        self.0 = self.0.trim_start();
        let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
        let (number, rest) = self.0.split_at(self.0.bytes().take_while(|byte| is_part(byte)).count());
        self.0 = rest;
        number.parse().ok()
    }

    fn point(&mut self) -> Option<Point> {
        let (lng, lat) = (self.number()?, self.number()?);
        Point::new(lng, lat)
    }

    /// `(part, part, …)`.
    fn list<T>(&mut self, part: impl Fn(&mut Reader<'a>) -> Option<T>) -> Option<Vec<T>> {
        self.mark('(')?;
        let mut parts = vec![part(self)?];
        while self.mark(',').is_some() {
            parts.push(part(self)?);
        }
        self.mark(')')?;
        Some(parts)
    }

    fn circle(&mut self) -> Option<Shape> {
        self.mark('(')?;
        let center = self.list(Reader::point)?.pop()?;
        self.mark(',')?;
        let meters = self.number()?;
        self.mark(')')?;
        Some(Shape::Circle { center, meters })
    }
}

fn parsed(text: &str) -> Option<Shape> {
    let mut reader = Reader(text);
    let shape = match reader.word().to_ascii_uppercase().as_str() {
        "POINT" => match reader.list(Reader::point)?.as_slice() {
            [only] => Shape::Point(*only),
            _ => return None,
        },
        "LINESTRING" => {
            let mut points = reader.list(Reader::point)?;
            points.dedup();
            (points.len() > 1).then_some(Shape::Line(points))?
        }
        "POLYGON" => polygon(reader.list(|reader| reader.list(Reader::point))?)?,
        "CIRCLE" => reader.circle()?,
        _ => return None,
    };
    reader.0.trim().is_empty().then_some(shape)
}

/// None: a ring is not closed or crosses itself or another, or one that should be a hole is not in the first.
fn polygon(rings: Vec<Vec<Point>>) -> Option<Shape> {
    let mut read = Vec::with_capacity(rings.len());
    for mut points in rings {
        if points.first() != points.last() {
            return None;
        }
        points.dedup();
        points.pop();
        read.push(Ring::new(points)?);
    }
    if any_crossing(read.iter().flat_map(Ring::edges).map(|edge| (edge, 0)), true) {
        return None;
    }
    let around = read.first()?;
    let is_hole = |ring: &Ring| ring.points().iter().all(|point| around.has_vertex(point) || around.contains(point));
    read[1..].iter().all(is_hole).then_some(Shape::Polygon(read))
}
