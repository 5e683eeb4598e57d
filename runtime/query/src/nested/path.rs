//! Paths into JSON: `$.a.b[0]`, `a.b`, `$."x y"[*]`.

use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(usize),
    /// `[*]`: all values of an array.
    All,
}

/// A path into JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path(Vec<Step>);

impl Path {
    /// None: the text is no path.
    pub(crate) fn parse(text: &str) -> Option<Path> {
        let mut rest = text.trim();
        rest = rest.strip_prefix('$').unwrap_or(rest);
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(inside) = rest.strip_prefix('[') {
                let (index, behind) = inside.split_once(']')?;
                let index = index.trim();
                let quoted = index.len() >= 2 && index.starts_with(['"', '\'']) && index.ends_with(['"', '\'']);
                steps.push(match index {
                    "*" => Step::All,
                    name if quoted => Step::Field(name[1..name.len() - 1].to_owned()),
                    number => Step::Index(number.parse().ok()?),
                });
                rest = behind;
                continue;
            }
            rest = match rest.strip_prefix('.') {
                Some(behind) => behind,
                // `a.b` without `$` begins with a name.
                None if steps.is_empty() && rest.len() == text.trim().len() => rest,
                None => return None,
            };
            if let Some(quoted) = rest.strip_prefix('"') {
                let (name, behind) = quoted.split_once('"')?;
                steps.push(Step::Field(name.to_owned()));
                rest = behind;
            } else {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                if end == 0 {
                    return None;
                }
                steps.push(Step::Field(rest[..end].to_owned()));
                rest = &rest[end..];
            }
        }
        Some(Path(steps))
    }

    /// What is there; None: nothing.
    pub(crate) fn find(&self, value: &Value) -> Option<Value> {
        find(&self.0, value)
    }
}

fn find(steps: &[Step], value: &Value) -> Option<Value> {
    let Some((step, rest)) = steps.split_first() else { return Some(value.clone()) };
    match (step, value) {
        (Step::Field(name), Value::Object(fields)) => find(rest, fields.get(name)?),
        (Step::Index(at), Value::Array(values)) => find(rest, values.get(*at)?),
        (Step::All, Value::Array(values)) => {
            let found: Vec<Value> = values.iter().filter_map(|value| find(rest, value)).collect();
            (!found.is_empty()).then_some(Value::Array(found))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_values() {
        let value = serde_json::json!({"a": {"b": [1, {"c": 2}, {"c": 3}]}, "x y": true, "n": null});
        for (path, found) in [
            ("$", Some(value.to_string())),
            ("$.a.b[0]", Some("1".to_owned())),
            ("a.b[1].c", Some("2".to_owned())),
            ("$.a.b[*].c", Some("[2,3]".to_owned())),
            ("$.\"x y\"", Some("true".to_owned())),
            ("$['x y']", Some("true".to_owned())),
            ("$.n", Some("null".to_owned())),
            ("$.a.b[9]", None),
            ("$.a.b.c", None),
            ("$.no", None),
        ] {
            let path = Path::parse(path).unwrap();
            assert_eq!(path.find(&value).map(|v| v.to_string()), found, "{path:?}");
        }
        for bad in ["$.", "$..a", "$.a[", "$.a[x]", "$a", "$.\"a"] {
            assert_eq!(Path::parse(bad), None, "{bad}");
        }
    }
}
