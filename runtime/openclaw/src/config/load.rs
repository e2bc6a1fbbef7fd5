//! Finds the home and the configuration file, and makes a [`Config`] of them.
//!
//! Invariant: a file that was named must exist; without one, a gateway on loopback with the bundled components works.
//! What is checked is what was read: the file is opened once, and its bytes are compared and parsed alike.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::expand::{Environment, expand};
use super::file::ConfigFile;
use super::listen::ListenOverrides;
use super::outgoing;
use super::parse::parse;
use super::problem::{ConfigError, Problem, Problems};
use super::resolve::{Config, resolve};

/// A configuration larger than this is no configuration.
const LARGEST_FILE: u64 = 4 << 20;
const FILE_NAME: &str = "openclaw.json";
/// The variable that names the home.
const HOME_VARIABLE: &str = "OPENCLAW_HOME";

/// Where a configuration comes from; loading it again later gives what stands there then.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    home: PathBuf,
    file: PathBuf,
    is_named: bool,
    variables: Environment,
    overrides: ListenOverrides,
}

impl Source {
    /// Settles home and file: `--home`, `OPENCLAW_HOME`, `~/.openclaw`; `--config`, `openclaw.json` in the home.
    ///
    /// # Errors
    /// Without `--home`, `OPENCLAW_HOME` and `HOME` there is no place to look in.
    pub(crate) fn find(
        home: Option<PathBuf>,
        config: Option<PathBuf>,
        overrides: ListenOverrides,
        variables: Environment,
    ) -> anyhow::Result<Self> {
        let set = |name| variables.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = home
            .or_else(|| set(HOME_VARIABLE))
            .or_else(|| set("HOME").map(|user| user.join(".openclaw")))
            .context("no home: neither `--home` nor OPENCLAW_HOME nor HOME is set")?;
        let home = std::path::absolute(&home).with_context(|| format!("the home {}", home.display()))?;
        let is_named = config.is_some();
        let file = match config {
            Some(file) => std::path::absolute(&file).with_context(|| format!("the file {}", file.display()))?,
            None => home.join(FILE_NAME),
        };
        Ok(Self { home, file, is_named, variables, overrides })
    }

    /// The folder everything is kept in.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// The configuration file, whether or not it exists.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Reads and checks the configuration as it stands now.
    ///
    /// # Errors
    /// Every finding at once.
    pub(crate) fn load(&self) -> Result<Config, ConfigError> {
        self.settle(&self.read())
    }

    /// Checks what was read.
    ///
    /// # Errors
    /// Every finding at once.
    pub(crate) fn settle(&self, reading: &Reading) -> Result<Config, ConfigError> {
        match reading {
            Reading::Text(text) => self.check(text, Some(self.file.clone())),
            Reading::Absent if !self.is_named => self.check("{}", None),
            Reading::Absent => Err(self.unusable("cannot be read (it does not exist)", "check the path")),
            Reading::Unreadable { reason, fix } => Err(self.unusable(reason, fix)),
        }
    }

    /// What is said of a file as a whole.
    pub(crate) fn unusable(&self, reason: &str, fix: &str) -> ConfigError {
        let problem = Problem { path: String::new(), reason: reason.to_owned(), fix: fix.to_owned() };
        ConfigError { file: Some(self.file.clone()), problems: vec![problem] }
    }

    fn check(&self, text: &str, file: Option<PathBuf>) -> Result<Config, ConfigError> {
        let mut problems = Problems::default();
        let mut value = parse(text).unwrap_or_else(|error| {
            problems.error("", format!("is not JSON5 ({error})"), "mend it there");
            Value::Object(serde_json::Map::new())
        });
        // What a component is given keeps its `${VAR}`; values go in behind it.
        let lifted = outgoing::lift(&mut value);
        expand(&mut value, "", &self.variables, &mut problems);
        outgoing::put_back(&mut value, lifted);
        let read = ConfigFile::read(&value, &mut problems);
        let mut config = resolve(&read, &self.variables, &self.overrides, &mut problems);
        config.warnings = problems.finish(file)?;
        Ok(config)
    }

    /// Reads the file as it stands now.
    pub(crate) fn read(&self) -> Reading {
        let unreadable =
            |error: std::io::Error, fix| Reading::Unreadable { reason: format!("cannot be read ({error})"), fix };
        let mut bytes = Vec::new();
        match File::open(&self.file) {
            Ok(file) => {
                if let Err(error) = file.take(LARGEST_FILE + 1).read_to_end(&mut bytes) {
                    return unreadable(error, "check that it is a file");
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Reading::Absent,
            Err(error) => return unreadable(error, "check the path and its mode"),
        }
        if bytes.len() as u64 > LARGEST_FILE {
            let reason = format!("is larger than {LARGEST_FILE} bytes");
            return Reading::Unreadable { reason, fix: "a configuration is a few kilobytes" };
        }
        String::from_utf8(bytes).map_or_else(
            |_| Reading::Unreadable { reason: "is not UTF-8 text".to_owned(), fix: "check its encoding" },
            Reading::Text,
        )
    }
}

/// What was found where the file should be. It may hold secrets, so it cannot be printed.
pub(crate) enum Reading {
    /// A file with this text.
    Text(String),
    /// No file.
    Absent,
    /// Something that gives no text.
    Unreadable {
        /// Why, as the rest of a sentence that begins with the file.
        reason: String,
        /// What to do about it.
        fix: &'static str,
    },
}

impl Reading {
    /// Equal for equal findings. The text itself is not kept: it may hold secrets.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let (kind, text) = match self {
            Self::Text(text) => (b"t", text.as_str()),
            Self::Absent => (b"a", ""),
            Self::Unreadable { reason, .. } => (b"u", reason.as_str()),
        };
        Sha256::new_with_prefix(kind).chain_update(text).finalize().into()
    }
}
