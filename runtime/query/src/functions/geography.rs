//! Points, lines, polygons and circles on the sphere of the earth, in degrees of longitude and latitude. A GEOMETRY is a VARCHAR, as
//! in StarRocks; here it is the text that says it (WKT), with all digits. What is no such shape is NULL.

mod shape;
mod sphere;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, StringArray};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result;

use super::sketches::{Want, wanted};
use super::text::texts;
use super::time::text_at;
use super::typed::Typed;
use shape::Shape;
use sphere::{EARTH_METERS, Point};

/// The greatest radius of a circle, in meters.
const WIDEST: f64 = 9_999_999.0;

pub(super) fn functions() -> Vec<Typed> {
    let text = |_: &[DataType]| DataType::Utf8;
    let double = |_: &[DataType]| DataType::Float64;
    let one = |types: &[DataType]| wanted(types, &[Want::Text]);
    let mut all = vec![
        Typed::new("st_point", numbers::<2>, text, |args, rows, _| {
            made(args, rows, |[lng, lat]| Point::new(lng, lat).map(Shape::Point))
        }),
        Typed::new("st_circle", numbers::<3>, text, |args, rows, _| made(args, rows, circle)),
        Typed::new("st_x", one, double, |args, rows, _| coordinates(args, rows, |point| point.lng)),
        Typed::new("st_y", one, double, |args, rows, _| coordinates(args, rows, |point| point.lat)),
        Typed::new("st_distance_sphere", numbers::<4>, double, distances),
        Typed::new("st_contains", |types| wanted(types, &[Want::Text; 2]), |_| DataType::Boolean, contains).once(),
    ];
    all.extend(["st_astext", "st_aswkt"].map(|name| Typed::new(name, one, text, rounded)));
    all.extend(["st_geometryfromtext", "st_geomfromtext"].map(|name| {
        Typed::new(name, one, text, |args, rows, _| {
            wanted_shapes(args, rows, |shape| !matches!(shape, Shape::Circle { .. }))
        })
    }));
    all.extend(["st_linefromtext", "st_linestringfromtext"].map(|name| {
        Typed::new(name, one, text, |args, rows, _| wanted_shapes(args, rows, |shape| matches!(shape, Shape::Line(_))))
    }));
    all.extend(["st_polygon", "st_polyfromtext", "st_polygonfromtext"].map(|name| {
        Typed::new(name, one, text, |args, rows, _| {
            wanted_shapes(args, rows, |shape| matches!(shape, Shape::Polygon(_)))
        })
    }));
    all
}

fn numbers<const N: usize>(types: &[DataType]) -> Option<Vec<DataType>> {
    let is_plain = |given: &DataType| given.is_numeric() || given.is_string() || given.is_null();
    (types.len() == N && types.iter().all(is_plain)).then(|| vec![DataType::Float64; N])
}

/// The numbers of a row, unless one is NULL.
fn numbers_at<const N: usize>(args: &[ArrayRef], row: usize) -> Option<[f64; N]> {
    let mut all = [0.0; N];
    for (number, arg) in all.iter_mut().zip(args) {
        let values = arg.as_primitive::<Float64Type>();
        *number = values.is_valid(row).then(|| values.value(row))?;
    }
    Some(all)
}

fn made<const N: usize>(args: &[ArrayRef], rows: usize, make: fn([f64; N]) -> Option<Shape>) -> Result<ArrayRef> {
    let text = |row| numbers_at(args, row).and_then(make).map(|shape| shape.to_string());
    Ok(Arc::new((0..rows).map(text).collect::<StringArray>()))
}

fn circle([lng, lat, meters]: [f64; 3]) -> Option<Shape> {
    let center = Point::new(lng, lat)?;
    (0.0..=WIDEST).contains(&meters).then_some(Shape::Circle { center, meters })
}

fn distances(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let distance = |row| {
        let [lng, lat, other_lng, other_lat] = numbers_at(args, row)?;
        Some(Point::new(lng, lat)?.angle_to(&Point::new(other_lng, other_lat)?) * EARTH_METERS)
    };
    Ok(Arc::new((0..rows).map(distance).collect::<Float64Array>()))
}

/// What becomes of the shape of each row.
fn shapes<T>(args: &[ArrayRef], rows: usize, of: impl Fn(&Shape) -> Option<T>) -> Result<Vec<Option<T>>> {
    let values = texts(&args[0], rows)?;
    let mut found = Vec::with_capacity(rows);
    for row in 0..rows {
        let shape = text_at(&values, row).map(Shape::read).transpose()?.flatten();
        found.push(shape.and_then(|shape| of(&shape)));
    }
    Ok(found)
}

fn coordinates(args: &[ArrayRef], rows: usize, of: fn(&Point) -> f64) -> Result<ArrayRef> {
    let found = shapes(args, rows, |shape| match shape {
        Shape::Point(point) => Some(of(point)),
        _ => None,
    })?;
    Ok(Arc::new(Float64Array::from(found)))
}

fn rounded(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    Ok(Arc::new(StringArray::from(shapes(args, rows, |shape| Some(shape.rounded()))?)))
}

/// Shapes that are wanted, as they are written from here on.
fn wanted_shapes(args: &[ArrayRef], rows: usize, is_wanted: fn(&Shape) -> bool) -> Result<ArrayRef> {
    Ok(Arc::new(StringArray::from(shapes(args, rows, |shape| is_wanted(shape).then(|| shape.to_string()))?)))
}

fn contains(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let (wholes, parts) = (texts(&args[0], args[0].len())?, texts(&args[1], rows)?);
    // One that is there for many rows is read once.
    let mut known: Option<(&str, Option<Shape>)> = None;
    let mut found = Vec::with_capacity(rows);
    for row in 0..rows {
        let whole = text_at(&wholes, if wholes.len() == 1 { 0 } else { row });
        let Some((whole, part)) = whole.zip(text_at(&parts, row)) else {
            found.push(None);
            continue;
        };
        let (_, whole) = match known.take() {
            Some(same) if same.0 == whole => known.insert(same),
            _ => known.insert((whole, Shape::read(whole)?)),
        };
        let part = Shape::read(part)?;
        found.push(whole.as_ref().zip(part.as_ref()).map(|(whole, part)| whole.contains(part)));
    }
    Ok(Arc::new(BooleanArray::from(found)))
}
