//! Argon2id (RFC 9106) off the reactor: as many hashes at once as there are cores, a bounded number waiting.
//! Does not know: whose password it is.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::Semaphore;

use super::Password;
use crate::config::cores;
use crate::ids;

/// Computes and compares password hashes.
pub struct Hasher {
    argon2: Counted,
    /// One permit a core. A permit goes with the work and comes back with its end: a client that hangs up frees
    /// nothing early.
    running: Arc<Semaphore>,
    /// One permit for each that runs or waits.
    places: Arc<Semaphore>,
    /// Compared with when there is no account, so that an unknown address takes as long as a known one.
    dummy: String,
    /// Those that found no place.
    refused: Counter,
    places_max: usize,
}

/// Argon2id with today's parameters; what it is made to do is counted where it is done.
#[derive(Clone)]
struct Counted {
    argon2: Argon2<'static>,
    computed: Arc<AtomicU64>,
    work: Arc<AtomicU64>,
}

/// Why there is no hash.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// All places are taken.
    #[error("too many hashes wait already")]
    Busy,
    /// The computation itself failed, for want of memory for example.
    #[error("{0}")]
    Failed(String),
}

/// What came of comparing.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// It is the password.
    Right {
        /// A hash with today's parameters, when the stored one has weaker ones.
        rehashed: Option<String>,
    },
    /// It is not, or there was nothing to compare with.
    Wrong,
}

impl Hasher {
    /// With today's parameters; `queue` hashes may wait besides those that run. Takes as long as one hash.
    pub async fn new(queue: NonZeroUsize) -> Result<Self, HashError> {
        Self::with_params(queue, MEMORY_KIB, PASSES).await
    }

    async fn with_params(queue: NonZeroUsize, memory_kib: u32, passes: u32) -> Result<Self, HashError> {
        let params = Params::new(memory_kib, passes, LANES, None).map_err(failed)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let places_max = cores().saturating_add(queue.get()).min(Semaphore::MAX_PERMITS);
        let mut hasher = Self {
            argon2: Counted { argon2, computed: Arc::default(), work: Arc::default() },
            running: Arc::new(Semaphore::new(cores())),
            places: Arc::new(Semaphore::new(places_max)),
            dummy: String::new(),
            refused: Counter::default(),
            places_max,
        };
        let argon2 = hasher.argon2.clone();
        hasher.dummy = hasher.run(move || argon2.hash(ids::secret().as_bytes())).await??;
        Ok(hasher)
    }

    /// Counts those that find no place by this.
    pub fn counting(self, refused: Counter) -> Self {
        Self { refused, ..self }
    }

    /// Hashes that run or wait, and the most there may be.
    pub fn load(&self) -> (usize, usize) {
        (self.places_max - self.places.available_permits(), self.places_max)
    }

    /// The hash of a password as a PHC string.
    pub(super) async fn hash(&self, password: Password) -> Result<String, HashError> {
        let argon2 = self.argon2.clone();
        self.run(move || argon2.hash(password.as_bytes())).await?
    }

    /// Compares with the `stored` PHC string. One that is missing, damaged or absurdly expensive is never right, and
    /// costs what a good one does.
    pub(super) async fn verify(
        &self,
        password: Password,
        stored: Option<String>,
    ) -> Result<Verdict, HashError> {
        let (argon2, dummy) = (self.argon2.clone(), self.dummy.clone());
        self.run(move || {
            let usable = stored.as_deref().and_then(usable_hash);
            let is_real = usable.is_some();
            let Some((parsed, params)) = usable.or_else(|| usable_hash(&dummy)) else {
                return Err(HashError::Failed("the stand-in hash cannot be parsed".to_owned()));
            };
            let matches = argon2.matches(password.as_bytes(), &parsed, &params);
            let live = argon2.argon2.params();
            let weaker = params.m_cost() < live.m_cost() || params.t_cost() < live.t_cost();
            // Whether it matches or not: a wrong password of an old account must not cost less than one of nobody.
            let rehashed = if weaker { Some(argon2.hash(password.as_bytes())?) } else { None };
            Ok(if matches && is_real { Verdict::Right { rehashed } } else { Verdict::Wrong })
        })
        .await?
    }

    /// Hashes that were computed since start: one for each password that was judged, whoever it belonged to.
    pub fn computed(&self) -> u64 {
        self.argon2.computed.load(Ordering::Relaxed)
    }

    /// What these hashes have cost since start: KiB of memory times passes over it, each by its own parameters.
    pub fn work(&self) -> u64 {
        self.argon2.work.load(Ordering::Relaxed)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            self.refused.inc();
            HashError::Busy
        })?;
        let core = Arc::clone(&self.running).acquire_owned().await.map_err(failed)?;
        let task = tokio::task::spawn_blocking(move || {
            let _held_until_the_work_is_done = (place, core);
            work()
        });
        task.await.map_err(failed)
    }
}

impl Counted {
    fn hash(&self, password: &[u8]) -> Result<String, HashError> {
        self.count(self.argon2.params());
        let hash = self.argon2.hash_password_with_salt(password, &ids::salt());
        hash.map(|hash| hash.to_string()).map_err(failed)
    }

    /// `params` are those of `hash`, by which its password is hashed again.
    fn matches(&self, password: &[u8], hash: &PasswordHash, params: &Params) -> bool {
        self.count(params);
        self.argon2.verify_password(password, hash).is_ok()
    }

    fn count(&self, params: &Params) {
        self.computed.fetch_add(1, Ordering::Relaxed);
        self.work.fetch_add(u64::from(params.m_cost()) * u64::from(params.t_cost()), Ordering::Relaxed);
    }
}

/// A stored hash that is Argon2id with a cost that this server would ever pay.
fn usable_hash(stored: &str) -> Option<(PasswordHash, Params)> {
    let parsed = PasswordHash::new(stored).ok()?;
    let params = Params::try_from(&parsed).ok()?;
    let usable = parsed.algorithm == Algorithm::Argon2id.ident()
        && params.m_cost() <= MEMORY_KIB_MAX
        && params.t_cost() <= PASSES_MAX
        && params.p_cost() <= LANES_MAX;
    if !usable {
        tracing::error!(
            "a stored password hash has parameters that no release has written; it counts as wrong"
        );
    }
    usable.then_some((parsed, params))
}

fn failed(error: impl std::fmt::Display) -> HashError {
    HashError::Failed(error.to_string())
}

/// The OWASP minimum for Argon2id: 19 MiB, 2 passes, 1 lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Far above whatever a later release may choose; a row that asks for more would be an attack on memory or time.
const MEMORY_KIB_MAX: u32 = 262_144;
const PASSES_MAX: u32 = 16;
const LANES_MAX: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const QUEUE: NonZeroUsize = NonZeroUsize::MIN;

    fn password(text: &str) -> Password {
        Password::parse(text.to_owned()).unwrap()
    }

    #[tokio::test]
    async fn a_password_is_right_for_its_own_hash_only() {
        let hasher = Hasher::new(QUEUE).await.unwrap();
        let stored = hasher.hash(password("correct horse")).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        let right = hasher.verify(password("correct horse"), Some(stored.clone())).await.unwrap();
        assert_eq!(right, Verdict::Right { rehashed: None });
        assert_eq!(hasher.verify(password("correct horsf"), Some(stored)).await.unwrap(), Verdict::Wrong);
    }

    #[tokio::test]
    async fn nothing_is_cut_off_a_long_password() {
        let hasher = Hasher::with_params(QUEUE, 8, 1).await.unwrap();
        let long = "x".repeat(1000);
        let stored = hasher.hash(password(&long)).await.unwrap();
        for other in [&long[1..], &format!("{long}y"), &format!("{}\0{}", &long[..72], &long[73..])] {
            assert_eq!(hasher.verify(password(other), Some(stored.clone())).await.unwrap(), Verdict::Wrong);
        }
    }

    #[tokio::test]
    async fn without_an_account_the_same_work_is_done_against_a_hash_of_the_same_cost() {
        let hasher = Hasher::with_params(QUEUE, 16, 1).await.unwrap();
        let (_, params) = usable_hash(&hasher.dummy).expect("the stand-in parses");
        assert_eq!((params.m_cost(), params.t_cost()), (16, 1));
        let before = (hasher.computed(), hasher.work());
        assert_eq!(hasher.verify(password("swordfish"), None).await.unwrap(), Verdict::Wrong);
        assert_eq!((hasher.computed(), hasher.work()), (before.0 + 1, before.1 + 16));
    }

    #[tokio::test]
    async fn absurd_or_damaged_hashes_are_never_computed() {
        let hasher = Hasher::with_params(QUEUE, 8, 1).await.unwrap();
        let good = hasher.hash(password("swordfish")).await.unwrap();
        for bad in [
            good.replace("m=8", "m=4194304"),
            good.replace("t=1", "t=1000000000"),
            good.replace("argon2id", "argon2i"),
            good[..good.len() / 2].to_owned(),
            String::new(),
        ] {
            assert_ne!(bad, good);
            assert_eq!(hasher.verify(password("swordfish"), Some(bad)).await.unwrap(), Verdict::Wrong);
        }
    }

    #[tokio::test]
    async fn a_weaker_hash_is_replaced_when_the_password_is_known() {
        let weak = Hasher::with_params(QUEUE, 8, 1).await.unwrap().hash(password("swordfish")).await.unwrap();
        let hasher = Hasher::with_params(QUEUE, 16, 1).await.unwrap();
        let Verdict::Right { rehashed: Some(raised) } =
            hasher.verify(password("swordfish"), Some(weak)).await.unwrap()
        else {
            panic!("not rehashed")
        };
        assert!(raised.contains("m=16"), "{raised}");
        let again = hasher.verify(password("swordfish"), Some(raised)).await.unwrap();
        assert_eq!(again, Verdict::Right { rehashed: None });
    }

    #[tokio::test]
    async fn a_wrong_password_for_a_weaker_hash_costs_no_less_than_one_of_nobody() {
        let hasher = Hasher::with_params(QUEUE, 16, 2).await.unwrap();
        let cost = async |stored: Option<String>| {
            let before = hasher.work();
            assert_eq!(hasher.verify(password("wrong horse"), stored).await.unwrap(), Verdict::Wrong);
            hasher.work() - before
        };
        let of_nobody = cost(None).await;
        for (memory_kib, passes) in [(8, 1), (8, 2), (16, 1), (8, 8), (16, 2), (32, 2)] {
            let stored = Hasher::with_params(QUEUE, memory_kib, passes).await.unwrap();
            let stored = stored.hash(password("swordfish")).await.unwrap();
            assert!(cost(Some(stored)).await >= of_nobody, "m={memory_kib}, t={passes}");
        }
    }

    #[tokio::test]
    async fn a_client_that_hangs_up_frees_its_core_only_when_the_work_is_done() {
        let hasher = Hasher::with_params(QUEUE, 8, 1).await.unwrap();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (end, may_end) = mpsc::channel::<()>();
        let work = hasher.run(move || {
            begun.send(()).unwrap();
            may_end.recv().unwrap();
        });
        tokio::select! {
            biased;
            _ = work => panic!("done before it may end"),
            _ = has_begun => {}
        }
        // The future is dropped here, as when the connection closes.
        assert_eq!(hasher.running.available_permits(), cores() - 1);
        end.send(()).unwrap();
        let all = hasher.running.acquire_many(u32::try_from(cores()).unwrap()).await.unwrap();
        assert_eq!(all.num_permits(), cores());
    }

    #[tokio::test]
    async fn more_than_the_queue_holds_is_turned_away_at_once() {
        let hasher = Hasher::with_params(QUEUE, 8, 1).await.unwrap();
        let all =
            Arc::clone(&hasher.running).acquire_many_owned(u32::try_from(cores()).unwrap()).await.unwrap();
        let places =
            Arc::clone(&hasher.places).acquire_many_owned(u32::try_from(cores()).unwrap()).await.unwrap();
        let mut waiting = std::pin::pin!(hasher.run(|| ()));
        assert!(futures_poll(waiting.as_mut()).await, "the one place of the queue was not free");
        assert!(matches!(hasher.run(|| ()).await, Err(HashError::Busy)));
        drop((all, places));
        waiting.await.unwrap();
        hasher.run(|| ()).await.unwrap();
    }

    /// Polls once; whether it still waits.
    async fn futures_poll(future: std::pin::Pin<&mut (impl Future + ?Sized)>) -> bool {
        let mut future = Some(future);
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(future.take().is_some_and(|future| future.poll(context).is_pending()))
        })
        .await
    }
}
