//! The limits of the whole process: how much of each is used, and how often one was in somebody's way.
//! Does not know: when anything happens.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::overload::Limit;

type Label = [(&'static str, &'static str); 1];

/// The metrics of the limits.
pub struct LimitMetrics {
    refusals: Family<Label, Counter>,
    used: Family<Label, Gauge>,
    max: Family<Label, Gauge>,
}

impl LimitMetrics {
    /// All at zero.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let refusals = Family::<Label, Counter>::default();
        let help =
            "Times that a limit of the whole process was reached and somebody refused or cut, by limit";
        registry.register("limit_refusals", help, refusals.clone());
        let used = Family::<Label, Gauge>::default();
        let help = "How much of a limit of the whole process is used, by limit";
        registry.register("limit_used", help, used.clone());
        let max = Family::<Label, Gauge>::default();
        registry.register("limit_max", "The limits of the whole process, by limit", max.clone());
        for limit in Limit::ALL {
            drop(refusals.get_or_create(&label(limit)));
        }
        Self { refusals, used, max }
    }

    /// `rollcall_limit_refusals_total{limit}`.
    pub fn refused(&self, limit: Limit) {
        self.refusals.get_or_create(&label(limit)).inc();
    }

    /// That counter of one limit, for who knows nothing else of metrics.
    pub fn refusals(&self, limit: Limit) -> Counter {
        self.refusals.get_or_create_owned(&label(limit))
    }

    /// `rollcall_limit_max{limit}`, and `rollcall_limit_used{limit}` where that can be said.
    pub fn set(&self, limit: Limit, used: Option<usize>, max: u64) {
        if let Some(used) = used {
            self.used.get_or_create(&label(limit)).set(i64::try_from(used).unwrap_or(i64::MAX));
        }
        self.max.get_or_create(&label(limit)).set(i64::try_from(max).unwrap_or(i64::MAX));
    }
}

fn label(limit: Limit) -> Label {
    [("limit", limit.as_str())]
}
