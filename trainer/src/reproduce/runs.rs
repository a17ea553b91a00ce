//! The runs of a study: checked before the first is trained, trained by several jobs at once, and measured.

use super::measures::{Measures, Wanted};
use super::planned::Planned;
use super::study::Study;
use crate::config::Config;
use crate::data::{Remarks, load, sources};
use crate::error::Error;
use crate::paper::Draft;
use crate::training;
use crate::words::count;
use std::collections::BTreeSet;
use std::path::Path;

impl Study<'_> {
    /// Checks the data of these runs and of their measures, the configs, and the run folders, before the first run is
    /// trained.
    ///
    /// # Errors
    /// If data is missing, a config does not match it, or a folder contains a run with a different config or different images.
    pub(super) fn plan(&self, runs: &[&Planned], wanted: &Wanted) -> Result<(), Error> {
        let mut finished = 0;
        let left_out = runs.iter().flat_map(|run| Config::left_out(&run.draft.to_string(), &self.set));
        // Many runs leave out the same keys.
        left_out.collect::<BTreeSet<String>>().iter().for_each(|line| (self.say)(&format!("note: {line}")));
        let configs = runs.iter().map(|planned| planned.config(self)).collect::<Result<Vec<Config>, Error>>()?;
        let mut remarks = Remarks::default();
        for (data, numbers) in sources(configs.iter().map(|config| &config.data)) {
            let split = load(&data, &self.search_path)?;
            remarks.tell(&split, self.say);
            let (facts, fingerprint, classes) =
                (training::facts(&split), split.fingerprint(), split.train.names.clone());
            wanted.find(&data, &self.search_path, split)?;
            for number in numbers {
                let (planned, config) = (runs[number], &configs[number]);
                let resolved = config.resolve(&facts).map_err(|p| p.in_file(Path::new(&planned.name)))?;
                finished += usize::from(planned.is_finished(self, &resolved, (&fingerprint, &classes))?);
            }
        }
        (self.say)(&format!("{}, already finished: {finished}", count(runs.len(), "run")));
        Ok(())
    }

    /// The measures of these named configs, with one run for every seed. Missing runs are trained; configs with the same name share their runs.
    pub(super) fn measured(&self, configs: &[(String, Draft)], wanted: &Wanted) -> Result<Vec<Vec<Measures>>, Error> {
        let first = |name: &str| configs.iter().position(|(n, _)| n == name);
        let once = configs.iter().enumerate().filter(|(i, (name, _))| first(name) == Some(*i));
        let runs: Vec<(usize, Planned)> = once
            .flat_map(|(i, (name, draft))| (0..self.seeds).map(move |seed| (i, Planned::new(name, draft, seed))))
            .collect();
        self.plan(&runs.iter().map(|(_, planned)| planned).collect::<Vec<_>>(), wanted)?;
        let measured = self.all(&runs, |(i, planned), device| {
            let run = planned.ensure(self, device)?;
            Ok((*i, Measures::of(planned, &run, wanted, self, device)?))
        })?;
        let of = |name: &str| {
            let mine = measured.iter().filter(|(i, _)| Some(*i) == first(name));
            mine.map(|(_, measures)| measures.clone()).collect()
        };
        Ok(configs.iter().map(|(name, _)| of(name)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::study::tests::study;
    use super::*;

    #[test]
    fn configs_of_one_name_share_their_runs() {
        let folder = tempfile::tempdir().unwrap();
        let mut draft = Draft::default();
        draft.section("data", &[("dataset", &"\"digits\""), ("train_limit", &64)]);
        draft.section("model", &[("kind", &"\"mlp\""), ("widths", &"[8]")]);
        draft.section("optim", &[("kind", &"\"sgd\""), ("lr", &"0.1")]);
        draft.section("train", &[("epochs", &1), ("batch", &32)]);
        let mut faster = draft.clone();
        faster.set("optim", "lr", "0.2");
        let configs = [("a".into(), draft.clone()), ("b".into(), faster), ("a".into(), draft)];
        let of = |jobs, name| study(&folder.path().join(name), jobs).measured(&configs, &Wanted::accuracy()).unwrap();
        let measured = of(2, "two");
        let seeds = |all: &Vec<Measures>| all.iter().map(|m| m.seed).collect::<Vec<_>>();
        assert!(
            measured.iter().all(|all| seeds(all) == [0, 1]) && measured[0] == measured[2] && measured[0] != measured[1]
        );
        assert_eq!(std::fs::read_dir(folder.path().join("two/runs")).unwrap().count(), 4);
        assert_eq!(measured, of(1, "one"));
    }
}
