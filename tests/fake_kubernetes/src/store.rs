//! The objects and their history.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::answer::Refusal;
use crate::selector::Selector;

/// The kinds of objects that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Job,
    Pod,
    Event,
}

impl Kind {
    /// The name in a path, and the API version and kind of an object.
    pub(crate) fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Job => ("jobs.batch", "batch/v1", "Job"),
            Self::Pod => ("pods", "v1", "Pod"),
            Self::Event => ("events", "v1", "Event"),
        }
    }
}

/// A change in the history.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
    /// `ADDED`, `MODIFIED` or `DELETED`.
    pub(crate) what: &'static str,
    pub(crate) object: Value,
}

/// All objects, by kind, namespace and name.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) version: u64,
    objects: BTreeMap<(Kind, String, String), Value>,
    history: Vec<Change>,
    /// The versions up to this one are forgotten.
    pub(crate) compacted: u64,
    count: u64,
}

impl Store {
    /// An empty store that has seen some changes.
    pub(crate) fn new() -> Self {
        Self {
            version: 100,
            ..Self::default()
        }
    }

    pub(crate) fn get(&self, kind: Kind, namespace: &str, name: &str) -> Result<&Value, Refusal> {
        self.objects
            .get(&(kind, namespace.to_owned(), name.to_owned()))
            .ok_or_else(|| Refusal::not_found(kind.names().0, name))
    }

    pub(crate) fn list(&self, kind: Kind, namespace: &str, selector: &Selector) -> Vec<Value> {
        self.objects
            .iter()
            .filter(|((other, place, _), object)| {
                *other == kind && place == namespace && selector.matches(object)
            })
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// All objects of a kind, wherever they are.
    pub(crate) fn all(&self, kind: Kind) -> Vec<Value> {
        self.objects
            .iter()
            .filter(|((other, ..), _)| *other == kind)
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// Adds an object; gives it as it is kept.
    pub(crate) fn create(
        &mut self,
        kind: Kind,
        namespace: &str,
        mut object: Value,
    ) -> Result<Value, Refusal> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let key = (kind, namespace.to_owned(), name.clone());
        if self.objects.contains_key(&key) {
            let message = format!("{} \"{name}\" already exists", kind.names().0);
            return Err(Refusal::new(409, "AlreadyExists", message));
        }
        self.count += 1;
        let metadata = &mut object["metadata"];
        metadata["namespace"] = namespace.into();
        metadata["uid"] = format!("00000000-0000-4000-8000-{:012}", self.count).into();
        metadata["creationTimestamp"] = crate::logs::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string()
            .into();
        object = self.keep(kind, namespace, "ADDED", object);
        Ok(object)
    }

    /// Changes an object, where it is there.
    pub(crate) fn change(
        &mut self,
        kind: Kind,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Option<Value> {
        let mut object = self.get(kind, namespace, name).ok()?.clone();
        change(&mut object);
        Some(self.keep(kind, namespace, "MODIFIED", object))
    }

    pub(crate) fn delete(&mut self, kind: Kind, namespace: &str, name: &str) -> Option<Value> {
        let key = (kind, namespace.to_owned(), name.to_owned());
        let mut object = self.objects.remove(&key)?;
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.remember(kind, namespace, "DELETED", object.clone());
        Some(object)
    }

    fn keep(&mut self, kind: Kind, namespace: &str, what: &'static str, mut object: Value) -> Value {
        self.version += 1;
        let (_, api_version, name) = kind.names();
        object["apiVersion"] = api_version.into();
        object["kind"] = name.into();
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        self.objects
            .insert((kind, namespace.to_owned(), name), object.clone());
        self.remember(kind, namespace, what, object.clone());
        object
    }

    fn remember(&mut self, kind: Kind, namespace: &str, what: &'static str, object: Value) {
        self.history.push(Change {
            version: self.version,
            kind,
            namespace: namespace.to_owned(),
            what,
            object,
        });
    }

    /// The changes after a version.
    pub(crate) fn since(
        &self,
        version: u64,
        kind: Kind,
        namespace: &str,
        selector: &Selector,
    ) -> Vec<Change> {
        self.history
            .iter()
            .filter(|change| {
                change.version > version
                    && change.kind == kind
                    && change.namespace == namespace
                    && selector.matches(&change.object)
            })
            .cloned()
            .collect()
    }

    /// Forgets the history, as etcd does from time to time.
    pub(crate) fn compact(&mut self) {
        // Something else in the cluster has changed meanwhile.
        self.version += 10;
        self.compacted = self.version;
        self.history.clear();
    }
}

/// A list as the API answers it.
pub(crate) fn list_object(kind: Kind, version: u64, items: Vec<Value>) -> Value {
    let (_, api_version, name) = kind.names();
    json!({
        "kind": format!("{name}List"), "apiVersion": api_version,
        "metadata": {"resourceVersion": version.to_string()},
        "items": items,
    })
}
