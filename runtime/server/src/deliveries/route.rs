//! Which endpoints an event is owed to, and which endpoints have something new.
//!
//! Asked on the way of every event to the disk: without endpoints it is one look at an empty table. Invariants: an
//! event stays within its tenant; an alert about an endpoint is never owed to that endpoint, or its failing would feed
//! itself.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use openclaw_domain::ports::Route;
use openclaw_domain::{EndpointKey, EndpointName, Event, EventKind, NewEvent};
use serde_json::Value;
use tokio::sync::Notify;

use super::measures::Measures;
use super::settings::OutgoingEndpoint;

/// The endpoints in force, as everybody sees them.
#[derive(Default)]
pub(super) struct Table {
    pub(super) endpoints: Vec<Arc<Entry>>,
}

/// One endpoint with what the committing thread tells the worker.
pub(super) struct Entry {
    pub(super) settings: OutgoingEndpoint,
    /// Whether events it may be owed were committed since the worker last looked.
    pub(super) is_fresh: AtomicBool,
    /// What is counted about it.
    pub(super) measures: Measures,
}

/// Decides whom events are owed to. The binary gives it to the storage, and tells it of commits.
pub struct DeliveryRoute {
    table: ArcSwap<Table>,
    /// Endpoints that nothing is owed to: an operator or their own failing has disabled them.
    disabled: Mutex<HashSet<EndpointKey>>,
    pub(super) wake: Notify,
}

impl Default for DeliveryRoute {
    fn default() -> Self {
        Self { table: ArcSwap::from_pointee(Table::default()), disabled: Mutex::default(), wake: Notify::new() }
    }
}

impl DeliveryRoute {
    /// One that only decides: for a process that records events and leaves it to the next gateway to post them.
    pub fn deciding(endpoints: Vec<OutgoingEndpoint>, disabled: impl IntoIterator<Item = EndpointKey>) -> Self {
        let route = Self { disabled: Mutex::new(disabled.into_iter().collect()), ..Self::default() };
        route.replace(endpoints);
        route
    }

    /// Puts these endpoints in force; the worker looks at all of them.
    pub(super) fn replace(&self, endpoints: Vec<OutgoingEndpoint>) {
        let entry = |settings: OutgoingEndpoint| {
            let measures = Measures::of(&settings.key);
            Arc::new(Entry { settings, is_fresh: AtomicBool::new(true), measures })
        };
        self.table.store(Arc::new(Table { endpoints: endpoints.into_iter().map(entry).collect() }));
        self.wake.notify_one();
    }

    pub(super) fn table(&self) -> Arc<Table> {
        self.table.load_full()
    }

    /// Tells the worker to look at everything again.
    pub(super) fn refresh(&self) {
        for entry in &self.table.load().endpoints {
            entry.is_fresh.store(true, Ordering::Release);
        }
        self.wake.notify_one();
    }

    /// Whether that changes anything.
    pub(super) fn set_disabled(&self, key: &EndpointKey, is_disabled: bool) -> bool {
        let mut disabled = self.disabled.lock().unwrap_or_else(PoisonError::into_inner);
        if is_disabled { disabled.insert(key.clone()) } else { disabled.remove(key) }
    }

    pub(super) fn is_disabled(&self, key: &EndpointKey) -> bool {
        self.disabled.lock().unwrap_or_else(PoisonError::into_inner).contains(key)
    }

    /// Hears of committed events and wakes the worker if any may be owed. Never waits: call it from the thread that
    /// committed them.
    pub fn committed(&self, events: &[Event]) {
        let table = self.table.load();
        let mut found = false;
        for entry in &table.endpoints {
            if !entry.is_fresh.load(Ordering::Acquire)
                && events.iter().any(|event| may_want(&entry.settings, &event.fact))
            {
                entry.is_fresh.store(true, Ordering::Release);
            }
            found |= entry.is_fresh.load(Ordering::Acquire);
        }
        if found {
            self.wake.notify_one();
        }
    }
}

/// Whether an endpoint wants an event, as far as its name tells.
fn may_want(settings: &OutgoingEndpoint, event: &NewEvent) -> bool {
    settings.enabled
        && settings.key.tenant == event.tenant
        && settings.events.iter().any(|pattern| pattern.matches(event.kind))
}

impl Route for DeliveryRoute {
    fn owed_to(&self, event: &NewEvent) -> Vec<EndpointName> {
        let table = self.table.load();
        let mut owed = Vec::new();
        // Read at most once, and only if a filter asks for it.
        let mut data: Option<Value> = None;
        for entry in table.endpoints.iter().filter(|entry| may_want(&entry.settings, event)) {
            let settings = &entry.settings;
            if !settings.filter.is_empty() || event.kind == EventKind::SecurityAlert {
                let data = data.get_or_insert_with(|| serde_json::from_str(&event.data).unwrap_or(Value::Null));
                if !settings.filter.matches(data) || is_about(event, data, &settings.key) {
                    continue;
                }
            }
            if !self.is_disabled(&settings.key) {
                owed.push(settings.key.name.clone());
            }
        }
        owed
    }
}

/// Whether an alert is about this very endpoint.
fn is_about(event: &NewEvent, data: &Value, key: &EndpointKey) -> bool {
    event.kind == EventKind::SecurityAlert
        && data["type"] == super::ALERT_DISABLED
        && data["details"]["endpoint"] == key.name.as_str()
}
