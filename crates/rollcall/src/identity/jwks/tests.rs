//! When keys are fetched and who waits, on a clock that is moved by hand and with answers that are made up.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::fetch::{FetchError, Fetched};
use super::*;
use crate::clock::Clock;
use crate::jose::{PublicKey, SigningKey};

const COOLDOWN: Duration = Duration::from_secs(30);

/// An issuer whose answers the test writes; it counts how often it is asked, and when.
#[derive(Clone)]
struct Issuer {
    asked: Rc<RefCell<Vec<Instant>>>,
    body: Rc<RefCell<Option<String>>>,
    max_age: Option<u64>,
    takes: Duration,
}

impl Issuer {
    fn new(keys: &[&str]) -> Self {
        let issuer =
            Self { asked: Rc::default(), body: Rc::default(), max_age: Some(3600), takes: Duration::ZERO };
        issuer.publish(keys);
        issuer
    }

    fn publish(&self, keys: &[&str]) {
        *self.body.borrow_mut() = Some(format!("{{\"keys\":[{}]}}", keys.join(",")));
    }

    fn asked(&self) -> usize {
        self.asked.borrow().len()
    }

    async fn answer(self, clock: Clock) -> Result<Fetched, FetchError> {
        self.asked.borrow_mut().push(clock.now());
        tokio::time::sleep(self.takes).await;
        match &*self.body.borrow() {
            Some(body) => Ok(Fetched { body: Bytes::from(body.clone()), date: None, max_age: self.max_age }),
            None => Err(FetchError::TimedOut),
        }
    }
}

/// A key pair and its JWK under a `kid`.
struct Key {
    signing: SigningKey,
    id: &'static str,
}

impl Key {
    fn new(id: &'static str) -> Self {
        let pkcs8 =
            aws_lc_rs::signature::Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new());
        let pem = crate::jose::tests::pem("PRIVATE KEY", pkcs8.unwrap().as_ref());
        Self { signing: SigningKey::from_pem(&pem).unwrap(), id }
    }

    fn jwk(&self) -> String {
        let public: PublicKey = self.signing.public().unwrap();
        let set = crate::jose::encode_set(&[public]);
        let one = set.strip_prefix("{\"keys\":[").unwrap().strip_suffix("]}").unwrap().to_owned();
        one.replace("\"kid\":\"", &format!("\"kid\":\"{}\",\"was\":\"", self.id))
    }

    fn token(&self) -> String {
        crate::jose::tests::token(&self.signing, &format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, self.id), "{}")
    }
}

#[derive(Debug, PartialEq)]
enum Said {
    Good,
    Invalid,
    Unavailable,
    Pending,
}

fn said(jwks: &Jwks, token: &str) -> Said {
    match jwks.verify(&Jws::parse(token).unwrap()) {
        Ok(()) => Said::Good,
        Err(Unproven::Refused(TokenRefusal::Invalid)) => Said::Invalid,
        Err(Unproven::Refused(other)) => panic!("{other:?}"),
        Err(Unproven::Unavailable) => Said::Unavailable,
        Err(Unproven::Pending(_)) => Said::Pending,
    }
}

/// Lets the keeper do all that it can do without time going on.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

async fn pass(duration: Duration) {
    tokio::time::advance(duration).await;
    settle().await;
}

async fn with_keeper<F: Future<Output = ()>>(issuer: &Issuer, test: impl FnOnce(Rc<Jwks>) -> F) {
    let (jwks, clock) = (Rc::new(Jwks::new()), Clock::system());
    let fetch = || issuer.clone().answer(clock.clone());
    tokio::select! {
        never = jwks.keep("shop", &clock, COOLDOWN, fetch) => match never {},
        () = test(jwks.clone()) => {}
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_token_waits_for_the_first_fetch_and_the_second_does_not() {
    let key = Key::new("one");
    let mut issuer = Issuer::new(&[&key.jwk()]);
    issuer.takes = Duration::from_secs(2);
    with_keeper(&issuer, async |jwks| {
        let waiting = match jwks.verify(&Jws::parse(&key.token()).unwrap()) {
            Err(Unproven::Pending(pending)) => pending,
            other => panic!("{other:?}"),
        };
        let begun = Clock::system().now();
        waiting.resolved().await;
        assert_eq!(Clock::system().now() - begun, Duration::from_secs(2));
        assert_eq!(said(&jwks, &key.token()), Said::Good);
        assert_eq!(issuer.asked(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_unknown_kids_cost_one_fetch_a_cooldown_and_known_ones_are_not_delayed() {
    let (key, stranger) = (Key::new("one"), Key::new("?"));
    let issuer = Issuer::new(&[&key.jwk()]);
    with_keeper(&issuer, async |jwks| {
        settle().await;
        assert_eq!(issuer.asked(), 1);
        let unknown = |number: usize| {
            let header = format!(r#"{{"alg":"EdDSA","kid":"{number}"}}"#);
            crate::jose::tests::token(&stranger.signing, &header, "{}")
        };
        for number in 0..1000 {
            assert_eq!(said(&jwks, &unknown(number)), Said::Invalid);
            assert_eq!(said(&jwks, &key.token()), Said::Good);
            pass(Duration::from_millis(1)).await;
        }
        assert_eq!(issuer.asked(), 1, "within the cooldown of the first");
        pass(COOLDOWN).await;
        for number in 0..1000 {
            assert!(matches!(said(&jwks, &unknown(number)), Said::Pending | Said::Invalid));
            assert_eq!(said(&jwks, &key.token()), Said::Good);
            pass(Duration::from_millis(1)).await;
        }
        assert_eq!(issuer.asked(), 2);
        let asked = issuer.asked.borrow();
        assert!(asked[1] - asked[0] >= COOLDOWN);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_cooldown_holds_after_a_failure_and_after_an_empty_set_and_good_keys_stay() {
    let (key, next) = (Key::new("one"), Key::new("two"));
    let mut issuer = Issuer::new(&[&key.jwk()]);
    issuer.max_age = Some(60);
    with_keeper(&issuer, async |jwks| {
        settle().await;
        for body in [
            None,
            Some("{\"keys\":[]}"),
            Some("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AA\"}]}"),
            Some("[]"),
            Some("{"),
        ] {
            *issuer.body.borrow_mut() = body.map(str::to_owned);
            let before = issuer.asked();
            pass(Duration::from_secs(61)).await;
            assert!(issuer.asked() > before, "{body:?}: the old keys were to be fetched anew");
            let after = issuer.asked();
            assert_eq!(said(&jwks, &key.token()), Said::Good, "{body:?}");
            assert_eq!(said(&jwks, &next.token()), Said::Unavailable, "{body:?}: nobody could look");
            settle().await;
            assert_eq!(issuer.asked(), after, "{body:?}: the cooldown");
        }
        issuer.publish(&[&next.jwk()]);
        pass(COOLDOWN).await;
        assert_eq!(said(&jwks, &next.token()), Said::Good);
        assert_eq!(said(&jwks, &key.token()), Said::Invalid, "it was taken out");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_good_within_one_cooldown() {
    let (old, new) = (Key::new("old"), Key::new("new"));
    let issuer = Issuer::new(&[&old.jwk()]);
    with_keeper(&issuer, async |jwks| {
        settle().await;
        issuer.publish(&[&new.jwk(), &old.jwk()]);
        assert_eq!(said(&jwks, &new.token()), Said::Invalid, "within the cooldown");
        pass(COOLDOWN).await;
        assert_eq!(said(&jwks, &new.token()), Said::Pending);
        settle().await;
        assert_eq!(said(&jwks, &new.token()), Said::Good);
        assert_eq!(said(&jwks, &old.token()), Said::Good);
        assert_eq!(issuer.asked(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn old_keys_are_fetched_again_without_being_asked_for() {
    let (old, new) = (Key::new("same"), Key::new("same"));
    let mut issuer = Issuer::new(&[&old.jwk()]);
    issuer.max_age = Some(300);
    with_keeper(&issuer, async |jwks| {
        settle().await;
        issuer.publish(&[&new.jwk()]);
        pass(Duration::from_secs(299)).await;
        assert_eq!((issuer.asked(), said(&jwks, &old.token())), (1, Said::Good));
        pass(Duration::from_secs(1)).await;
        assert_eq!(issuer.asked(), 2);
        assert_eq!((said(&jwks, &old.token()), said(&jwks, &new.token())), (Said::Invalid, Said::Good));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn no_more_than_the_bound_may_wait_and_places_come_back() {
    let key = Key::new("one");
    let mut issuer = Issuer::new(&[&key.jwk()]);
    issuer.takes = Duration::from_secs(2);
    with_keeper(&issuer, async |jwks| {
        let token = key.token();
        let ask = || jwks.verify(&Jws::parse(&token).unwrap());
        let mut waiting: Vec<_> = (0..WAITING_MAX).map(|_| ask()).collect();
        assert!(waiting.iter().all(|outcome| matches!(outcome, Err(Unproven::Pending(_)))));
        assert!(matches!(ask(), Err(Unproven::Unavailable)));
        waiting.pop();
        assert!(matches!(ask(), Err(Unproven::Pending(_))));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_key_of_another_type_asks_for_no_fetch() {
    let key = Key::new("one");
    let issuer = Issuer::new(&[&key.jwk()]);
    with_keeper(&issuer, async |jwks| {
        pass(COOLDOWN).await;
        for header in
            [r#"{"alg":"RS256","kid":"one"}"#, r#"{"alg":"ES256"}"#, r#"{"alg":"HS256","kid":"one"}"#]
        {
            let token = crate::jose::tests::token(&key.signing, header, "{}");
            assert_eq!(said(&jwks, &token), Said::Invalid, "{header}");
        }
        assert_eq!(
            said(&jwks, &crate::jose::tests::token(&key.signing, r#"{"alg":"EdDSA"}"#, "{}")),
            Said::Good
        );
        settle().await;
        assert_eq!(issuer.asked(), 1);
    })
    .await;
}
