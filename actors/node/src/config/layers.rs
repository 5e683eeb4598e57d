//! Defaults, file, environment: laid over one another by the `config` crate, then read key by key.

use std::path::{Path, PathBuf};

use config::{Config, Environment, Source};

use super::Variables;
use super::error::{ConfigError, Warning};
use super::file::FileLayer;
use super::known::is_accepted;
use super::settings::{Key, Vocabulary, masked};

/// What environment variables that override a key begin with.
const PREFIX: &str = "STARKEEP_";

/// Variables with our prefix that are no keys: the scripts, the tests and the CI read them.
const NOT_KEYS: [&str; 6] = ["HOME", "BIN", "E2E", "CI_TARGET", "LOG", "CONF"];

/// The result of laying all layers over one another.
pub(crate) struct Layers {
    merged: config::Map<String, config::Value>,
    /// How the file is called in messages; `defaults` without one.
    pub name: String,
    /// What relative paths start from, and `${STARKEEP_HOME}`.
    pub home: PathBuf,
}

impl Layers {
    /// Reads the file, if one is named, and lays the environment over it.
    pub(crate) fn read(
        path: Option<&Path>,
        variables: &Variables,
        vocabulary: &Vocabulary,
        other_role: &Vocabulary,
        warnings: &mut Vec<Warning>,
    ) -> Result<Layers, ConfigError> {
        let home = home(path, variables);
        let name = path.map_or_else(|| "defaults".to_owned(), |path| path.display().to_string());
        let home_text = home.display().to_string();
        let lookup = |name: &str| match name {
            "STARKEEP_HOME" | "STARROCKS_HOME" => Some(home_text.clone()),
            _ => variables.get(name).cloned(),
        };
        let file = match path {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|source| ConfigError::Unreadable { file: path.to_owned(), source })?;
                FileLayer::read(&text, &name, vocabulary, &lookup, warnings)?
            }
            None => FileLayer::default(),
        };
        let overrides = overrides(variables, vocabulary, other_role, warnings);
        let environment = Environment::with_prefix(PREFIX.trim_end_matches('_')).source(Some(overrides));
        let merged =
            Config::builder().add_source(file).add_source(environment.ignore_empty(true)).build()?.collect()?;
        Ok(Layers { merged, name, home })
    }

    /// Sets one key of a configuration, if a layer says anything of it.
    pub(crate) fn apply<C>(&self, key: &Key<C>, to: &mut C) -> Result<(), ConfigError> {
        let Some(value) = self.merged.get(key.name) else { return Ok(()) };
        let place = match value.origin() {
            Some(place) if place != "the environment" => place.to_owned(),
            _ => format!("environment variable {PREFIX}{}", key.name.to_ascii_uppercase()),
        };
        let text = value.clone().into_string()?;
        key.read(to, &text).map_err(|why| ConfigError::BadValue {
            place,
            key: key.name.to_owned(),
            value: masked(key.name, &text),
            why,
        })
    }

    /// Two keys that are sound alone and wrong together.
    pub(crate) fn inconsistent(&self, why: impl Into<String>) -> ConfigError {
        ConfigError::Inconsistent { place: self.name.clone(), why: why.into() }
    }
}

/// STARKEEP_HOME, else STARROCKS_HOME, else the directory above a `conf` directory, else the file's own directory.
fn home(path: Option<&Path>, variables: &Variables) -> PathBuf {
    let named = ["STARKEEP_HOME", "STARROCKS_HOME"].iter().filter_map(|name| variables.get(*name));
    let chosen = match (named.into_iter().find(|value| !value.is_empty()), path) {
        (Some(named), _) => PathBuf::from(named),
        (None, None) => PathBuf::from("."),
        (None, Some(path)) => {
            let file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            let directory = file.parent().unwrap_or(Path::new("/"));
            match directory.parent() {
                Some(above) if directory.ends_with("conf") => above.to_owned(),
                _ => directory.to_owned(),
            }
        }
    };
    let absolute = std::path::absolute(&chosen).unwrap_or(chosen);
    // `absolute(".")` keeps no dot, but `./x` given by a person may: components() drops it.
    absolute.components().collect()
}

/// The variables that override a key, under the key's first name.
fn overrides(
    variables: &Variables,
    vocabulary: &Vocabulary,
    other_role: &Vocabulary,
    warnings: &mut Vec<Warning>,
) -> config::Map<String, String> {
    let mut taken = config::Map::new();
    let mut strange = Vec::new();
    for (variable, value) in variables {
        let Some(name) = variable.strip_prefix(PREFIX).filter(|name| !NOT_KEYS.contains(name)) else { continue };
        let key = name.to_ascii_lowercase();
        match vocabulary.first_name(&key) {
            // The first name wins over an alias, whatever the order.
            Some(first) if first == key => drop(taken.insert(format!("{PREFIX}{first}"), value.clone())),
            Some(first) => drop(taken.entry(format!("{PREFIX}{first}")).or_insert_with(|| value.clone())),
            None if other_role.first_name(&key).is_some() || is_accepted(&key) => {}
            None => strange.push(variable.as_str()),
        }
    }
    if !strange.is_empty() {
        warnings.push(Warning::new("environment", format!("variables that name no key: {}", strange.join(", "))));
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_is_found() {
        let none = Variables::new();
        assert_eq!(home(Some(Path::new("/opt/sk/conf/fe.conf")), &none), Path::new("/opt/sk"));
        assert_eq!(home(Some(Path::new("/opt/node1/fe.conf")), &none), Path::new("/opt/node1"));
        assert!(home(None, &none).is_absolute());
        let both: Variables =
            [("STARKEEP_HOME", "/a/./b/"), ("STARROCKS_HOME", "/c")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        assert_eq!(home(Some(Path::new("/opt/sk/conf/fe.conf")), &both), Path::new("/a/b"));
        let old: Variables =
            [("STARKEEP_HOME", ""), ("STARROCKS_HOME", "/c")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        assert_eq!(home(None, &old), Path::new("/c"));
    }
}
