//! `permissions.toml`: what each permission needs, and the roles of a new tree; every name is checked.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use crate::domain::nouns::{Catalogue, Role, Template};
use crate::finding::Finding;
use crate::policy::Source;

/// The name of the file beside the policies.
pub const CATALOGUE_FILE: &str = "permissions.toml";
/// Stands alone in a list of permissions for all of them.
const EVERYTHING: &str = "*";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    needs: BTreeMap<Spanned<String>, Vec<Spanned<String>>>,
    #[serde(default)]
    role: Vec<Spanned<RoleFile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleFile {
    id: Spanned<String>,
    name: Spanned<String>,
    permissions: Vec<Spanned<String>>,
    #[serde(default)]
    keeps: Vec<Spanned<String>>,
}

/// Reads the file; `known` are the permissions of the schema.
pub(super) fn parse(source: &Source, known: &[String]) -> Result<Catalogue, Vec<Finding>> {
    let file: File = toml::from_str(&source.text).map_err(|error| {
        let found = Finding::error(source.name.clone(), error.message().to_owned());
        vec![match error.span() {
            Some(span) => found.at(source.text.clone(), span),
            None => found,
        }]
    })?;
    let mut reader =
        Reader { source, known: known.iter().map(String::as_str).collect(), findings: Vec::new() };
    let needs = file.needs.iter().map(|(name, needed)| (reader.permission(name), reader.all(needed)));
    let needs = needs.collect();
    let mut catalogue = Catalogue { needs, roles: Vec::new() };
    for role in &file.role {
        let template = reader.template(role.get_ref(), &catalogue);
        catalogue.roles.push(template);
    }
    if let Some(first) = file.role.first().filter(|_| catalogue.role(Role::ADMIN).is_none()) {
        let found = reader.mistake(first.span(), format!("no role is called `{}`", Role::ADMIN));
        reader.findings.push(found.with_help("whoever sets a tree up gets that role: add it"));
    }
    if reader.findings.is_empty() { Ok(catalogue) } else { Err(reader.findings) }
}

struct Reader<'a> {
    source: &'a Source,
    known: BTreeSet<&'a str>,
    findings: Vec<Finding>,
}

impl Reader<'_> {
    fn mistake(&self, span: Range<usize>, message: String) -> Finding {
        Finding::error(self.source.name.clone(), message).at(self.source.text.clone(), span)
    }

    fn permission(&mut self, name: &Spanned<String>) -> String {
        if !self.known.contains(name.get_ref().as_str()) {
            let found = self.mistake(name.span(), format!("there is no permission `{}`", name.get_ref()));
            self.findings.push(found.with_help("write it as in the schema, or add it there"));
        }
        name.get_ref().clone()
    }

    fn all(&mut self, names: &[Spanned<String>]) -> BTreeSet<String> {
        names.iter().map(|name| self.permission(name)).collect()
    }

    fn template(&mut self, role: &RoleFile, before: &Catalogue) -> Template {
        let taken = |it: &&Template| it.id == *role.id.get_ref() || it.name == *role.name.get_ref();
        if before.roles.iter().any(|it| taken(&it)) {
            let found = self.mistake(role.id.span(), "there is a role of this id or name already".to_owned());
            self.findings.push(found.with_help("choose another one"));
        }
        for text in [&role.id, &role.name] {
            let is_plain = |c: char| !c.is_control() && c != '/';
            let is_short = (1..=60).contains(&text.get_ref().chars().count());
            if !is_short || !text.get_ref().chars().all(is_plain) {
                let found = self.mistake(text.span(), "this cannot be the name of a role".to_owned());
                self.findings.push(found.with_help("write 1 to 60 characters, none of them `/`"));
            }
        }
        let held = match role.permissions.as_slice() {
            [only] if only.get_ref() == EVERYTHING => self.known.iter().map(|it| (*it).to_owned()).collect(),
            names => self.all(names),
        };
        let keeps = self.all(&role.keeps);
        let permissions = before.completed(&held.union(&keeps).cloned().collect());
        let (id, name) = (role.id.get_ref().clone(), role.name.get_ref().clone());
        Template { id, name, permissions, keeps: before.completed(&keeps) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Catalogue, Vec<Finding>> {
        let known = ["VIEW", "CONTROL", "LEND"].map(str::to_owned);
        parse(&Source::new(CATALOGUE_FILE, text), &known)
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|it| (*it).to_owned()).collect()
    }

    #[test]
    fn roles_hold_what_their_permissions_need() {
        let text = "[needs]\nCONTROL = [\"VIEW\"]\nLEND = [\"CONTROL\"]\n\
                    [[role]]\nid = \"admin\"\nname = \"Admin\"\npermissions = [\"*\"]\nkeeps = [\"CONTROL\"]\n\
                    [[role]]\nid = \"guest\"\nname = \"Guest\"\npermissions = [\"LEND\"]\n";
        let read = read(text).unwrap();
        assert_eq!(read.role("Admin").unwrap().permissions, set(&["VIEW", "CONTROL", "LEND"]));
        assert_eq!(read.role("Admin").unwrap().keeps, set(&["VIEW", "CONTROL"]));
        assert_eq!(read.role("Guest").unwrap().permissions, set(&["VIEW", "CONTROL", "LEND"]));
        assert_eq!(read.dependents(&set(&["VIEW"])), set(&["VIEW", "CONTROL", "LEND"]));
    }

    #[test]
    fn a_mistake_is_shown_where_it_is() {
        let admin = "[[role]]\nid = \"a\"\nname = \"Admin\"\npermissions = []\n";
        for (text, caret) in [
            ("[needs]\nCONTROLL = [\"VIEW\"]\n".to_owned(), "CONTROLL"),
            ("[needs]\nCONTROL = [\"VEIW\"]\n".to_owned(), "\"VEIW\""),
            (format!("{admin}keeps = [\"X\"]\n"), "\"X\""),
            (admin.replace("[]", "[\"*\", \"VIEW\"]"), "\"*\""),
            (format!("{admin}{admin}"), "\"a\""),
            (admin.replace("\"a\"", "\"a/b\""), "\"a/b\""),
        ] {
            let found = read(&text).unwrap_err();
            assert_eq!(&text[found[0].span.clone().unwrap()], caret, "{found:?}");
        }
        assert!(read(&admin.replace("Admin", "Boss")).unwrap_err()[0].message.contains("Admin"));
        assert!(read("[neds]\n").is_err());
        assert_eq!(read("").unwrap(), Catalogue::default());
    }
}
