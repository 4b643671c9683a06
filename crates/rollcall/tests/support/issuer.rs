//! An identity provider as a test wants it: keys of every type, tokens right or wrong, and a stub that serves its key set,
//! well or badly, and counts who asks. Another library signs, so that the server is judged by somebody else's reading.

#![allow(dead_code, unreachable_pub, reason = "each test file includes this and uses its part")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use engineio::server::spawn;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A key pair of one type.
pub struct Key {
    pub algorithm: Algorithm,
    encoding: EncodingKey,
    pub public_der: Vec<u8>,
    pub public_pem: String,
    /// Without a `kid`.
    pub jwk: Value,
}

impl Key {
    pub fn rsa() -> Self {
        let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = pair.public_key();
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = json!({
            "kty": "RSA",
            "n": number(public.modulus().big_endian_without_leading_zero()),
            "e": number(public.exponent().big_endian_without_leading_zero()),
        });
        let private = pem("PRIVATE KEY", pair.as_der().unwrap().as_ref());
        let encoding = EncodingKey::from_rsa_pem(private.as_bytes()).unwrap();
        Self::new(Algorithm::RS256, encoding, public.as_der().unwrap().as_ref(), jwk)
    }

    pub fn p256() -> Self {
        let private =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private.as_ref()).unwrap();
        Self::on_curve(Algorithm::ES256, "P-256", 32, private.as_ref(), &pair)
    }

    pub fn p384() -> Self {
        let private =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, private.as_ref()).unwrap();
        Self::on_curve(Algorithm::ES384, "P-384", 48, private.as_ref(), &pair)
    }

    fn on_curve(
        algorithm: Algorithm,
        curve: &str,
        bytes: usize,
        private: &[u8],
        pair: &EcdsaKeyPair,
    ) -> Self {
        let (x, y) = pair.public_key().as_ref()[1..].split_at(bytes);
        let jwk = json!({"kty": "EC", "crv": curve, "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)});
        let encoding = EncodingKey::from_ec_pem(pem("PRIVATE KEY", private).as_bytes()).unwrap();
        Self::new(algorithm, encoding, pair.public_key().as_der().unwrap().as_ref(), jwk)
    }

    pub fn ed25519() -> Self {
        let private = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(private.as_ref()).unwrap();
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(pair.public_key())});
        let encoding = EncodingKey::from_ed_pem(pem("PRIVATE KEY", private.as_ref()).as_bytes()).unwrap();
        Self::new(Algorithm::EdDSA, encoding, pair.public_key().as_der().unwrap().as_ref(), jwk)
    }

    pub fn secret(secret: &[u8]) -> Self {
        Self::new(Algorithm::HS256, EncodingKey::from_secret(secret), &[], Value::Null)
    }

    fn new(algorithm: Algorithm, encoding: EncodingKey, public_der: &[u8], jwk: Value) -> Self {
        let public_pem = pem("PUBLIC KEY", public_der);
        Self { algorithm, encoding, public_der: public_der.to_vec(), public_pem, jwk }
    }

    /// The JWK with this `kid` and whatever else.
    pub fn published(&self, kid: &str, more: Value) -> Value {
        let mut jwk = self.jwk.clone();
        jwk["kid"] = kid.into();
        jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        jwk
    }

    /// A token with a header of this key's algorithm.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_text(&json!({"alg": self.algorithm, "typ": "JWT"}).to_string(), &claims.to_string())
    }

    /// A token whose header names a key.
    pub fn sign_as(&self, kid: &str, claims: &Value) -> String {
        self.sign_text(&json!({"alg": self.algorithm, "kid": kid}).to_string(), &claims.to_string())
    }

    /// Any header and claims, signed with this key's algorithm whatever the header says.
    pub fn sign_text(&self, header: &str, claims: &str) -> String {
        self.sign_with(self.algorithm, header, claims)
    }

    pub fn sign_with(&self, algorithm: Algorithm, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &self.encoding, algorithm).unwrap();
        format!("{signed}.{signature}")
    }
}

pub fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

pub fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// What the stub does with a request.
#[derive(Clone, Debug)]
pub enum Answering {
    /// 200 with this body.
    Body(String),
    /// This status line and header lines, no body.
    Head(String),
    /// This, behind the protocol's name: a status line, header lines, a body.
    Raw(String),
    /// A body of so many bytes.
    Huge(usize),
    /// 200 and a body that goes on for ever.
    Endless,
    /// Nothing, for ever.
    Silence,
    /// Waits, then 200 with this body.
    Late(Duration, String),
    /// The connection ends without a byte.
    HangUp,
}

/// A web server of one answer.
#[derive(Clone)]
pub struct Stub {
    pub address: SocketAddr,
    answering: Arc<Mutex<Answering>>,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

impl Stub {
    pub async fn start(answering: Answering) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let stub = Self {
            address: listener.local_addr().unwrap(),
            answering: Arc::new(Mutex::new(answering)),
            requests: Arc::default(),
            connections: Arc::default(),
        };
        let serving = stub.clone();
        spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                serving.connections.fetch_add(1, Ordering::SeqCst);
                let serving = serving.clone();
                spawn(async move { serving.serve(stream).await });
            }
        });
        stub
    }

    pub fn url(&self) -> String {
        format!("http://{}/jwks", self.address)
    }

    pub fn answer(&self, answering: Answering) {
        *self.answering.lock().unwrap() = answering;
    }

    /// Requests whose head has come whole.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Waits until so many requests have come.
    pub async fn wait_for(&self, requests: usize) {
        for _ in 0..2000 {
            if self.requests() >= requests {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} requests and not {requests}", self.requests());
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut head = Vec::new();
        while !head.windows(4).any(|four| four == b"\r\n\r\n") {
            if !stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {
                return;
            }
        }
        let answering = self.answering.lock().unwrap().clone();
        self.requests.fetch_add(1, Ordering::SeqCst);
        let ok = |length: usize| {
            format!("HTTP/1.1 200 OK\r\ncache-control: max-age=3600\r\ncontent-length: {length}\r\n\r\n")
        };
        // Who hangs up first is no concern of the stub's.
        match answering {
            Answering::Body(body) => drop(stream.write_all((ok(body.len()) + &body).as_bytes()).await),
            Answering::Head(head) => {
                drop(
                    stream
                        .write_all(format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\n\r\n").as_bytes())
                        .await,
                );
            }
            Answering::Raw(rest) => drop(stream.write_all(format!("HTTP/1.1 {rest}").as_bytes()).await),
            Answering::Huge(bytes) => {
                drop(stream.write_all(ok(bytes).as_bytes()).await);
                drop(stream.write_all(&vec![b' '; bytes]).await);
            }
            Answering::Endless => {
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await);
                while stream.write_all(b"1\r\n \r\n").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            Answering::Silence => std::future::pending().await,
            Answering::Late(wait, body) => {
                tokio::time::sleep(wait).await;
                drop(stream.write_all((ok(body.len()) + &body).as_bytes()).await);
            }
            Answering::HangUp => {}
        }
    }
}
