//! Drafts of configs: sections in the usual order, keys in the order in which they were set, so that the file reads as if written by hand.

use std::fmt::{self, Display, Write};

/// The order of sections.
const ORDER: [&str; 9] = ["data", "model", "init", "loss", "optim", "perturb", "shrink", "analysis", "train"];

/// Sections with their keys, each value as TOML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    sections: Vec<(String, Vec<(String, String)>)>,
}

impl Draft {
    /// Sets a key to a value in TOML syntax.
    pub fn set(&mut self, section: &str, key: &str, value: impl Display) {
        let keys = match self.sections.iter().position(|(name, _)| name == section) {
            Some(at) => &mut self.sections[at].1,
            None => {
                self.sections.push((section.into(), vec![]));
                &mut self.sections.last_mut().expect("one was pushed").1
            }
        };
        match keys.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value.to_string(),
            None => keys.push((key.into(), value.to_string())),
        }
    }

    /// Sets several keys of a section.
    pub fn section(&mut self, section: &str, keys: &[(&str, &dyn Display)]) {
        keys.iter().for_each(|(key, value)| self.set(section, key, value));
    }
}

impl Display for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rank = |name: &str| ORDER.iter().position(|o| *o == name).unwrap_or(ORDER.len());
        let mut sections: Vec<_> = self.sections.iter().collect();
        sections.sort_by_key(|(name, _)| rank(name));
        for (i, (section, keys)) in sections.into_iter().enumerate() {
            if i > 0 {
                f.write_char('\n')?;
            }
            writeln!(f, "[{section}]")?;
            keys.iter().try_for_each(|(key, value)| writeln!(f, "{key} = {value}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_where_they_were_first_set() {
        let mut draft = Draft::default();
        draft.set("train", "epochs", 3);
        draft.section("data", &[("dataset", &"\"digits\""), ("size", &8)]);
        draft.set("data", "dataset", "\"mnist\"");
        assert_eq!(draft.to_string(), "[data]\ndataset = \"mnist\"\nsize = 8\n\n[train]\nepochs = 3\n");
    }
}
