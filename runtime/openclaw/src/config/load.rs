//! Finds the home and the configuration file, and makes a [`Config`] of them.
//!
//! Invariant: a file that was named must exist; without one, a gateway on loopback with the bundled components works.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;

use super::expand::{Environment, expand};
use super::file::ConfigFile;
use super::listen::ListenOverrides;
use super::parse::parse;
use super::problem::{ConfigError, Problems};
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
        let mut problems = Problems::default();
        let file = Some(self.file.clone());
        let text = match self.read() {
            Ok(Some(text)) => text,
            Ok(None) => return self.check("{}", Problems::default(), None),
            Err((reason, fix)) => {
                problems.error("", reason, fix);
                return Err(problems.finish(file).err().unwrap_or(ConfigError { file: None, problems: Vec::new() }));
            }
        };
        self.check(&text, problems, file)
    }

    fn check(&self, text: &str, mut problems: Problems, file: Option<PathBuf>) -> Result<Config, ConfigError> {
        let mut value = parse(text).unwrap_or_else(|error| {
            problems.error("", format!("is not JSON5 ({error})"), "mend it there");
            Value::Object(serde_json::Map::new())
        });
        expand(&mut value, "", &self.variables, &mut problems);
        let read = ConfigFile::read(&value, &mut problems);
        let mut config = resolve(&read, &self.variables, &self.overrides, &mut problems);
        config.warnings = problems.finish(file)?;
        Ok(config)
    }

    fn read(&self) -> Result<Option<String>, (String, String)> {
        let metadata = match std::fs::metadata(&self.file) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound && !self.is_named => return Ok(None),
            Err(error) => return Err((format!("cannot be read ({error})"), "check the path and its mode".to_owned())),
        };
        if metadata.len() > LARGEST_FILE {
            let reason = format!("is larger than {LARGEST_FILE} bytes");
            return Err((reason, "a configuration is a few kilobytes".to_owned()));
        }
        std::fs::read_to_string(&self.file)
            .map(Some)
            .map_err(|error| (format!("cannot be read ({error})"), "check its mode and its encoding".to_owned()))
    }
}
