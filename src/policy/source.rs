//! Policy and schema files as read from a folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use crate::finding::Finding;
use crate::policy::CATALOGUE_FILE;

/// One file of policy or schema text.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its path as people should see it.
    pub name: String,
    /// Its whole text.
    pub text: Arc<str>,
}

impl Source {
    /// A source from a name and a text; a name ending in `.cedarschema` is a schema.
    pub fn new(name: impl Into<String>, text: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    pub(super) fn is_catalogue(&self) -> bool {
        self.name.ends_with(CATALOGUE_FILE)
    }

    pub(super) fn is_schema(&self) -> bool {
        self.name.ends_with(".cedarschema")
    }
}

/// The files of a folder with one of these extensions, in the order of their names.
pub fn files(dir: &Path, extensions: &[&str]) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(dir)?.map(|entry| Ok(entry?.path()));
    let mut found = paths.collect::<io::Result<Vec<_>>>()?;
    found.retain(|path| path.extension().is_some_and(|it| extensions.iter().any(|wanted| it == *wanted)));
    found.sort();
    Ok(found)
}

/// Whether a file of the policies' folder is one that is loaded from there.
#[must_use]
pub fn is_policy_file(path: &Path) -> bool {
    let is_catalogue = path.file_name().is_some_and(|name| name == CATALOGUE_FILE);
    is_catalogue || path.extension().is_some_and(|it| it == "cedar" || it == "cedarschema")
}

/// Reads every `*.cedarschema` and `*.cedar` of a folder, and `permissions.toml`, in the order of their names.
pub fn read_dir(dir: &Path) -> Result<Vec<Source>, Vec<Finding>> {
    let unreadable = |error: &std::io::Error| {
        vec![
            Finding::error(dir.display().to_string(), format!("cannot read the policy folder: {error}"))
                .with_help("set `policies.dir` to a folder with *.cedarschema and *.cedar files"),
        ]
    };
    let mut paths = files(dir, &["cedar", "cedarschema", "toml"]).map_err(|error| unreadable(&error))?;
    // Claims describe what must never be allowed; they are proven, not enforced.
    paths.retain(|path| is_policy_file(path) && path.file_name().is_none_or(|name| name != "claims.cedar"));
    paths
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).map_err(|error| {
                vec![Finding::error(path.display().to_string(), format!("cannot read: {error}"))]
            })?;
            Ok(Source::new(path.display().to_string(), text))
        })
        .collect()
}
