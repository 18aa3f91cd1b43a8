//! envelog through its public surface, with its defaults but for the durability level.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use envelog::{Accepted, DateTime, Durability, Envelope, Options, Store, Utc, Uuid};

use crate::peer::{Level, Peer, Promise, Sum, View, Visited};

/// An open store.
#[derive(Debug)]
pub struct Envelog {
    /// The store itself, for what only envelog is asked.
    pub store: Store,
}

impl Peer for Envelog {
    const NAME: &'static str = "envelog";

    type Ready = Accepted;
    type View<'a> = Views;

    fn promise(level: Level) -> Promise {
        match level {
            Level::Buffered => Promise { kill: "all", power: "a prefix" },
            Level::Durable => Promise { kill: "all", power: "all" },
        }
    }

    fn open(directory: &Path, level: Level) -> Result<Self> {
        let durability = match level {
            Level::Buffered => Durability::Buffered,
            Level::Durable => Durability::Synced,
        };
        let store = Options::new().durability(durability).open(directory.join("store"))?;
        Ok(Self { store })
    }

    fn ready(&self, line: &str) -> Result<Accepted> {
        Ok(self.store.accept(&Envelope::from_json(line.as_bytes())?)?)
    }

    fn append(&self, events: &[Accepted]) -> Result<()> {
        if let [event] = events {
            self.store.append_accepted(event)?;
            return Ok(());
        }
        let mut batch = self.store.batch();
        for event in events {
            batch.push_accepted(event)?;
        }
        batch.commit()?;
        Ok(())
    }

    fn import(&self, lines: &[String]) -> Result<()> {
        let mut batch = self.store.batch();
        for line in lines {
            batch.push_json(line.as_bytes())?;
        }
        batch.commit()?;
        Ok(())
    }

    fn settle(&self) -> Result<()> {
        Ok(self.store.wait_sealed()?)
    }

    fn view(&self) -> Result<Views> {
        let views = self.store.projects()?.into_iter().map(|id| Ok((id, self.store.project(id).view()?)));
        Ok(Views(views.collect::<envelog::Result<_>>()?))
    }

    fn bytes_used(&self) -> Result<Option<u64>> {
        let stats = self.store.stats()?;
        Ok(Some(stats.log_bytes + stats.index_bytes + stats.profile_bytes + stats.ids_bytes))
    }

    fn close(self) -> Result<()> {
        Ok(self.store.close()?)
    }
}

/// A view of each project.
#[derive(Debug)]
pub struct Views(Vec<(Uuid, envelog::View)>);

impl Views {
    fn of(&self, project: Uuid) -> Result<&envelog::View> {
        let view = self.0.iter().find(|(id, _)| *id == project);
        view.map(|(_, view)| view).context("no events of this project")
    }
}

fn millis(time: DateTime<Utc>) -> u64 {
    time.timestamp_millis().cast_unsigned()
}

fn time(millis: u64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_millis(millis.cast_signed()).context("a time out of range")
}

fn sum_of(sum: envelog::Sum) -> Result<Sum> {
    anyhow::ensure!(sum.floats == 0.0, "a property that is summed has integers only");
    Ok(Sum { count: sum.count, total: i64::try_from(sum.integers)? })
}

impl View for Views {
    fn events(&self) -> Result<u64> {
        self.0.iter().map(|(_, view)| Ok(view.events().count()?)).sum()
    }

    fn visit_type(&self, project: Uuid, event_type: &str) -> Result<Visited> {
        let mut visited = Visited::default();
        for event in self.of(project)?.events().of_type(event_type).iter() {
            visited.add(millis(event?.timestamp()));
        }
        Ok(visited)
    }

    fn newest(&self, project: Uuid, user: &str, limit: usize) -> Result<Visited> {
        let mut visited = Visited::default();
        for event in self.of(project)?.timeline(user).newest_first().limit(limit).iter() {
            visited.add(millis(event?.timestamp()));
        }
        Ok(visited)
    }

    fn count(&self, project: Uuid, event_type: &str) -> Result<u64> {
        Ok(self.of(project)?.events().of_type(event_type).count()?)
    }

    fn count_between(&self, project: Uuid, event_type: &str, from: u64, until: u64) -> Result<u64> {
        let times = time(from)?..time(until)?;
        Ok(self.of(project)?.events().of_type(event_type).between(times).count()?)
    }

    fn sum_type(&self, project: Uuid, event_type: &str, property: &str) -> Result<Sum> {
        sum_of(self.of(project)?.events().of_type(event_type).sum(property)?)
    }

    fn sum_all(&self, projects: &[Uuid], property: &str) -> Result<Sum> {
        let mut all = Sum::default();
        for project in projects {
            let sum = sum_of(self.of(*project)?.events().sum(property)?)?;
            all = Sum { count: all.count + sum.count, total: all.total + sum.total };
        }
        Ok(all)
    }

    fn trait_len(&self, project: Uuid, user: &str, name: &str) -> Result<Option<usize>> {
        let profile = self.of(project)?.profile(user)?;
        let value = profile.as_ref().and_then(|profile| profile.trait_value(name));
        Ok(value.and_then(|value| value.as_str()).map(str::len))
    }

    fn traits(&self, project: Uuid, user: &str) -> Result<BTreeMap<String, serde_json::Value>> {
        match self.of(project)?.profile(user)? {
            Some(profile) => Ok(serde_json::from_str(&profile.traits_json())?),
            None => Ok(BTreeMap::new()),
        }
    }
}
