//! One list per role says everything of a key: field, type, default, comment, aliases, whether it may change while the
//! node runs. Parsing, ADMIN SHOW and ADMIN SET all go by that list.

use storage_model::volume::is_secret;

use super::error::SetError;

/// A type that a setting can have.
pub(crate) trait Setting {
    /// Takes a text; the error says what a right one looks like, and nothing has changed.
    fn read(&mut self, text: &str) -> Result<(), String>;
    /// The text that [`Setting::read`] would take.
    fn show(&self) -> String;
    /// StarRocks' name of the type.
    fn type_name(&self) -> &'static str;
    /// The value, where limits apply to it.
    fn number(&self) -> Option<u64> {
        None
    }
}

/// One key of a role's configuration `C`.
pub(crate) struct Key<C: 'static> {
    /// Its first name, which is the name of the field.
    pub name: &'static str,
    /// Other names of it.
    pub aliases: &'static [&'static str],
    /// What it is for.
    pub comment: &'static str,
    /// Whether ADMIN SET FRONTEND CONFIG may change it.
    pub mutable: bool,
    /// Smallest value of a number.
    least: u64,
    get: fn(&C) -> &dyn Setting,
    get_mut: fn(&mut C) -> &mut dyn Setting,
}

impl<C> Key<C> {
    pub(crate) const fn new(
        name: &'static str,
        comment: &'static str,
        get: fn(&C) -> &dyn Setting,
        get_mut: fn(&mut C) -> &mut dyn Setting,
    ) -> Key<C> {
        Key { name, aliases: &[], comment, mutable: false, least: 0, get, get_mut }
    }

    /// Other names.
    pub(crate) const fn also(mut self, aliases: &'static [&'static str]) -> Key<C> {
        self.aliases = aliases;
        self
    }

    /// It may change while the node runs.
    pub(crate) const fn mutable(mut self) -> Key<C> {
        self.mutable = true;
        self
    }

    /// Its smallest value.
    pub(crate) const fn at_least(mut self, least: u64) -> Key<C> {
        self.least = least;
        self
    }

    /// Reads a text into the field; on an error the field is as before.
    pub(crate) fn read(&self, to: &mut C, text: &str) -> Result<(), String> {
        let before = (self.get)(to).show();
        let field = (self.get_mut)(to);
        field.read(text.trim())?;
        match field.number() {
            Some(number) if number < self.least => {
                field.read(&before)?;
                Err(format!("must be at least {}", self.least))
            }
            _ => Ok(()),
        }
    }

    /// The row of ADMIN SHOW FRONTEND CONFIG.
    pub(crate) fn entry(&self, of: &C) -> ConfigEntry {
        let field = (self.get)(of);
        ConfigEntry {
            key: self.name,
            aliases: self.aliases,
            value: masked(self.name, &field.show()),
            value_type: field.type_name(),
            mutable: self.mutable,
            comment: self.comment.trim(),
        }
    }
}

/// A row of ADMIN SHOW FRONTEND CONFIG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Key.
    pub key: &'static str,
    /// AliasNames.
    pub aliases: &'static [&'static str],
    /// Value, `******` for a secret.
    pub value: String,
    /// Type: `int`, `long`, `boolean` or `String`.
    pub value_type: &'static str,
    /// IsMutable.
    pub mutable: bool,
    /// Comment.
    pub comment: &'static str,
}

/// The value, or stars in place of a secret.
pub(crate) fn masked(key: &str, value: &str) -> String {
    if is_secret(key) && !value.is_empty() { "******".to_owned() } else { value.to_owned() }
}

/// The names that a role knows.
pub(crate) struct Vocabulary {
    /// Name (or alias) and first name.
    names: Vec<(&'static str, &'static str)>,
}

impl Vocabulary {
    pub(crate) fn of<C>(keys: &[Key<C>]) -> Vocabulary {
        let all = |key: &Key<C>| {
            let (first, aliases) = (key.name, key.aliases);
            std::iter::once((first, first)).chain(aliases.iter().map(move |alias| (*alias, first)))
        };
        Vocabulary { names: keys.iter().flat_map(all).collect() }
    }

    /// The first name of a key, if the role knows it.
    pub(crate) fn first_name(&self, name: &str) -> Option<&'static str> {
        self.names.iter().find(|(known, _)| *known == name).map(|(_, first)| *first)
    }

    /// All names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.names.iter().map(|(name, _)| *name)
    }

    /// A value as it may stand in a message.
    pub(crate) fn printable(&self, key: &str, value: &str) -> String {
        masked(key, value)
    }
}

/// ADMIN SET FRONTEND CONFIG ("key" = "value").
pub(crate) fn set<C>(keys: &[Key<C>], config: &mut C, name: &str, value: &str) -> Result<(), SetError> {
    let wanted = |key: &&Key<C>| key.mutable && (key.name == name || key.aliases.contains(&name));
    let key = keys.iter().find(wanted).ok_or_else(|| SetError::NotMutable(name.to_owned()))?;
    let refused = |why| SetError::Refused(format!("{} = {}: {why}", key.name, masked(key.name, value)));
    key.read(config, value).map_err(refused)
}

/// Declares the configuration of a role: a plain struct with its defaults, and the list of its keys. Doc comments are
/// also the comments of ADMIN SHOW FRONTEND CONFIG.
macro_rules! settings {
    (
        $(#[doc = $about:literal])+
        pub struct $name:ident {
            $( $(#[doc = $doc:literal])+ $field:ident : $type:ty = $default:expr $(=> $(.$option:ident($($argument:expr)?))+ )? ; )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, PartialEq)]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $field: $type, )+
            /// The file that was read; None: defaults and environment only.
            pub file: Option<std::path::PathBuf>,
            /// What relative paths start from, and `${STARKEEP_HOME}`.
            pub home: std::path::PathBuf,
        }

        impl Default for $name {
            fn default() -> $name {
                $name { $( $field: $default, )+ file: None, home: std::path::PathBuf::from(".") }
            }
        }

        impl $name {
            pub(crate) const KEYS: &'static [$crate::config::settings::Key<$name>] = &[ $(
                $crate::config::settings::Key::new(
                    stringify!($field), concat!($($doc),+), |config: &$name| &config.$field, |config: &mut $name| &mut config.$field,
                ) $($(.$option($($argument)?))+)?,
            )+ ];

            /// Every key with its value and what is known of it, in the order of the documentation; secrets masked.
            pub fn entries(&self) -> Vec<$crate::config::ConfigEntry> {
                Self::KEYS.iter().map(|key| key.entry(self)).collect()
            }

            /// Changes a mutable key, as ADMIN SET FRONTEND CONFIG does; on an error nothing has changed.
            pub fn set(&mut self, key: &str, value: &str) -> Result<(), $crate::config::SetError> {
                $crate::config::settings::set(Self::KEYS, self, key, value)
            }

            /// Reads the file, if one is named, and the environment of this process over it.
            pub fn load(
                path: Option<&std::path::Path>,
            ) -> Result<($name, Vec<$crate::config::Warning>), $crate::config::ConfigError> {
                Self::load_with(path, &$crate::config::environment())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let pairs = self.entries().into_iter().map(|entry| (entry.key, entry.value));
                f.debug_map().entries(pairs).finish()
            }
        }
    };
}
pub(crate) use settings;
