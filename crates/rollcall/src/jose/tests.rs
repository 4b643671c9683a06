//! Keys from every source against signatures of another library, and the test vectors of the RFCs.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;

use super::*;

/// A PEM block (RFC 7468).
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A token with this header, whatever the key.
pub(crate) fn token(key: &SigningKey, header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = key.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// One key of each type: its PKCS#8 and its SubjectPublicKeyInfo in DER.
struct Pair {
    algorithm: Algorithm,
    private: Vec<u8>,
    public: Vec<u8>,
}

fn pairs() -> Vec<Pair> {
    let random = SystemRandom::new();
    let p256 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let p384 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random).unwrap();
    let ed25519 = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    let of_p256 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, p256.as_ref()).unwrap();
    let of_p384 = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, p384.as_ref()).unwrap();
    let of_ed25519 = Ed25519KeyPair::from_pkcs8(ed25519.as_ref()).unwrap();
    let pair = |algorithm, private: &[u8], public: &[u8]| Pair {
        algorithm,
        private: private.into(),
        public: public.into(),
    };
    vec![
        pair(Algorithm::Es256, p256.as_ref(), of_p256.public_key().as_der().unwrap().as_ref()),
        pair(Algorithm::Es384, p384.as_ref(), of_p384.public_key().as_der().unwrap().as_ref()),
        pair(Algorithm::EdDsa, ed25519.as_ref(), of_ed25519.public_key().as_der().unwrap().as_ref()),
    ]
}

fn rsa(size: KeySize) -> (aws_lc_rs::rsa::KeyPair, Vec<u8>) {
    let key = aws_lc_rs::rsa::KeyPair::generate(size).unwrap();
    let public = key.public_key().as_der().unwrap().as_ref().to_vec();
    (key, public)
}

fn theirs(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    algorithm.name().parse().unwrap()
}

#[test]
fn each_type_of_key_verifies_what_another_library_signed_and_only_that() {
    let all = pairs();
    for pair in &all {
        let encoding = match pair.algorithm {
            Algorithm::EdDsa => EncodingKey::from_ed_pem(pem("PRIVATE KEY", &pair.private).as_bytes()),
            _ => EncodingKey::from_ec_pem(pem("PRIVATE KEY", &pair.private).as_bytes()),
        };
        let signature = jsonwebtoken::crypto::sign(b"message", &encoding.unwrap(), theirs(pair.algorithm));
        let signature = URL_SAFE_NO_PAD.decode(signature.unwrap()).unwrap();
        let keys = PublicKey::all_from_pem(&pem("PUBLIC KEY", &pair.public)).unwrap();
        let [key] = &keys[..] else { panic!("one key") };
        assert!(key.verify(pair.algorithm, b"message", &signature), "{}", pair.algorithm);
        assert!(!key.verify(pair.algorithm, b"massage", &signature));
        for other in Algorithm::PUBLIC.into_iter().filter(|other| *other != pair.algorithm) {
            assert!(!key.fits(other) && !key.verify(other, b"message", &signature), "{other}");
        }
        let longer = [&signature[..], &[0]].concat();
        let zero = vec![0; signature.len()];
        for bad in [&[][..], &signature[1..], &longer, &zero, &[0xFF; 64]] {
            assert!(!key.verify(pair.algorithm, b"message", bad), "{} {bad:02x?}", pair.algorithm);
        }
        for other in all.iter().filter(|other| other.algorithm != pair.algorithm) {
            let others = PublicKey::all_from_pem(&pem("PUBLIC KEY", &other.public)).unwrap();
            assert!(!others[0].verify(pair.algorithm, b"message", &signature));
        }
    }
}

#[test]
fn an_rsa_key_does_both_paddings_unless_it_says_one() {
    let (pair, public) = rsa(KeySize::Rsa2048);
    let key = PublicKey::all_from_pem(&pem("PUBLIC KEY", &public)).unwrap().remove(0);
    let private = pair.as_der().unwrap();
    let encoding = EncodingKey::from_rsa_pem(pem("PRIVATE KEY", private.as_ref()).as_bytes()).unwrap();
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256] {
        let signature = jsonwebtoken::crypto::sign(b"message", &encoding, theirs(algorithm)).unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(key.verify(algorithm, b"message", &signature), "{algorithm}");
        assert!(key.clone().only(algorithm).unwrap().verify(algorithm, b"message", &signature));
        let other = if algorithm == Algorithm::Rs256 { Algorithm::Ps256 } else { Algorithm::Rs256 };
        assert!(!key.verify(other, b"message", &signature));
        assert!(!key.clone().only(other).unwrap().verify(algorithm, b"message", &signature));
    }
    assert!(key.only(Algorithm::Es256).is_none());
}

#[test]
fn several_keys_stand_in_one_pem_and_one_that_is_bad_spoils_it() {
    let [p256, p384, ed25519] = &pairs()[..] else { panic!() };
    let blocks = |keys: &[&Pair]| keys.iter().map(|pair| pem("PUBLIC KEY", &pair.public)).collect::<String>();
    assert_eq!(PublicKey::all_from_pem(&blocks(&[p256, p384, ed25519])).unwrap().len(), 3);
    let garbage = blocks(&[p256]) + &pem("PUBLIC KEY", b"garbage");
    assert_eq!(PublicKey::all_from_pem(&garbage).unwrap_err(), KeyPemError::Unsupported);
    for text in ["", "key", &pem("CERTIFICATE", &p256.public), &pem("PRIVATE KEY", &p256.private)] {
        assert_eq!(PublicKey::all_from_pem(text).unwrap_err(), KeyPemError::NoBlock, "{text}");
    }
    let cut = blocks(&[p256]);
    assert!(PublicKey::all_from_pem(&cut[..cut.len() / 2]).is_err());
}

#[test]
fn what_signs_here_is_verified_by_another_library() {
    for pair in pairs() {
        let signing = SigningKey::from_pem(&pem("PRIVATE KEY", &pair.private));
        if pair.algorithm == Algorithm::Es384 {
            assert!(signing.is_none(), "P-384 signs nothing here");
            continue;
        }
        let signing = signing.unwrap();
        assert_eq!(signing.algorithm(), pair.algorithm);
        let decoding = match pair.algorithm {
            Algorithm::EdDsa => {
                jsonwebtoken::DecodingKey::from_ed_pem(pem("PUBLIC KEY", &pair.public).as_bytes())
            }
            _ => jsonwebtoken::DecodingKey::from_ec_pem(pem("PUBLIC KEY", &pair.public).as_bytes()),
        };
        let signature = URL_SAFE_NO_PAD.encode(signing.sign(b"message").unwrap());
        let good =
            jsonwebtoken::crypto::verify(&signature, b"message", &decoding.unwrap(), theirs(pair.algorithm));
        assert!(good.unwrap());
        assert_eq!(format!("{signing:?}"), format!("SigningKey({})", pair.algorithm));
    }
    for text in ["", "secret", &pem("PRIVATE KEY", b"x"), &pem("EC PRIVATE KEY", b"x")] {
        assert!(SigningKey::from_pem(text).is_none(), "{text}");
    }
}

/// RFC 8037 appendix A.2 and A.3.
#[test]
fn the_thumbprint_of_the_rfc_comes_out() {
    let x = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    let key = PublicKey::ed25519(&x).unwrap();
    assert_eq!(key.thumbprint().unwrap(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(
        encode_set(&[key]),
        r#"{"keys":[{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k","alg":"EdDSA","use":"sig"}]}"#
    );
}

#[test]
fn a_published_set_is_read_back_and_verifies() {
    let signing: Vec<SigningKey> =
        pairs().iter().filter_map(|pair| SigningKey::from_pem(&pem("PRIVATE KEY", &pair.private))).collect();
    let public: Vec<PublicKey> = signing.iter().filter_map(SigningKey::public).collect();
    let (set, ignored) = JwkSet::parse(encode_set(&public).as_bytes()).unwrap();
    assert_eq!((set.len(), ignored.len(), signing.len()), (2, 0, 2));
    for (signing, public) in signing.iter().zip(&public) {
        let id = public.thumbprint().unwrap();
        let found = set.find(Some(&id), signing.algorithm()).unwrap();
        assert!(found.verify(signing.algorithm(), b"m", &signing.sign(b"m").unwrap()));
    }
    assert_eq!(encode_set(&[]), "{\"keys\":[]}");
}

/// One key of a set: its JSON, and what becomes of it.
#[track_caller]
fn check(jwk: &str, expected: Result<&[Algorithm], IgnoredKey>) {
    let (set, ignored) = JwkSet::parse(format!("{{\"keys\":[{jwk}]}}").as_bytes()).unwrap();
    match expected {
        Ok(algorithms) => {
            assert_eq!((set.len(), &ignored[..]), (1, &[][..]), "{jwk}");
            let fits: Vec<_> =
                Algorithm::PUBLIC.into_iter().filter(|name| set.find(None, *name).is_some()).collect();
            assert_eq!(fits, algorithms, "{jwk}");
        }
        Err(why) => assert_eq!((set.len(), &ignored[..]), (0, &[why][..]), "{jwk}"),
    }
}

/// The keys of RFC 7517 appendix A.1 and RFC 8037 appendix A.2, and what others make of them.
#[test]
fn keys_of_a_set_are_used_or_ignored_one_by_one() {
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let (x, y) =
        ("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM");
    let okp = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let (both, ps256, es256, eddsa) =
        ([Algorithm::Rs256, Algorithm::Ps256], [Algorithm::Ps256], [Algorithm::Es256], [Algorithm::EdDsa]);
    check(&format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB"}}"#), Ok(&both));
    check(
        &format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB","use":"sig","key_ops":["verify"],"alg":"PS256"}}"#),
        Ok(&ps256),
    );
    check(&format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, &n[..8]), Err(IgnoredKey::Weak));
    check(
        &format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}","x5c":["AAAA"],"x5u":"http://x"}}"#),
        Ok(&es256),
    );
    check(&format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{okp}"}}"#), Ok(&eddsa));

    for usage in [r#""use":"enc""#, r#""use":"""#, r#""key_ops":["sign"]"#, r#""key_ops":[]"#] {
        check(
            &format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{okp}",{usage}}}"#),
            Err(IgnoredKey::NotForSignatures),
        );
    }
    for alg in ["ES256", "RS256", "HS256", "none", "EdDSA ", "Ed25519"] {
        check(
            &format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{okp}","alg":"{alg}"}}"#),
            Err(IgnoredKey::Unsupported),
        );
    }
    for private in [
        r#""kty":"oct","k":"c2VjcmV0""#,
        r#""kty":"oct""#,
        r#""kty":"OKP","crv":"Ed25519","x":"AA","d":"AA""#,
    ] {
        check(&format!("{{{private}}}"), Err(IgnoredKey::Private));
    }
    for unsupported in [
        r#""kty":"EC","crv":"secp256k1""#,
        r#""kty":"EC""#,
        r#""kty":"OKP","crv":"X25519""#,
        r#""kty":"AKP""#,
        r#""kty":"rsa""#,
    ] {
        check(&format!(r#"{{{unsupported},"x":"AA","y":"AA"}}"#), Err(IgnoredKey::Unsupported));
    }
    for malformed in [
        "1".to_owned(),
        "null".to_owned(),
        "{}".to_owned(),
        r#"["OKP",null,null,null,null,"Ed25519"]"#.to_owned(),
        r#"{"kty":1}"#.to_owned(),
        r#"{"kty":"RSA","e":"AQAB"}"#.to_owned(),
        format!(r#"{{"kty":"RSA","n":"{n}=","e":"AQAB"}}"#),
        format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{okp}","kid":7}}"#),
        format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{okp}","kid":""}}"#),
        format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{okp}","kid":"{}"}}"#, "k".repeat(256)),
        format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{okp}","x":"{okp}"}}"#),
    ] {
        check(&malformed, Err(IgnoredKey::Malformed));
    }
    for weak in [
        format!(r#""kty":"EC","crv":"P-256","x":"{x}","y":"{x}""#),
        format!(r#""kty":"EC","crv":"P-384","x":"{x}","y":"{y}""#),
        r#""kty":"OKP","crv":"Ed25519","x":"AA""#.to_owned(),
    ] {
        check(&format!("{{{weak}}}"), Err(IgnoredKey::Weak));
    }
}

#[test]
fn rsa_of_512_and_1024_bits_is_ignored_and_4096_is_not() {
    let jwk = |bits: usize| {
        let mut n = vec![0xC3; bits / 8];
        n[bits / 8 - 1] |= 1;
        format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, URL_SAFE_NO_PAD.encode(n))
    };
    check(&jwk(512), Err(IgnoredKey::Weak));
    check(&jwk(1024), Err(IgnoredKey::Weak));
    check(&jwk(2040), Err(IgnoredKey::Weak));
    check(&jwk(4096), Ok(&[Algorithm::Rs256, Algorithm::Ps256]));
    check(&jwk(8200), Err(IgnoredKey::Weak));
}

#[test]
fn of_two_keys_with_one_kid_the_first_counts_unless_their_types_differ() {
    let [p256, _, ed25519] = &pairs()[..] else { panic!() };
    let jwk = |pair: &Pair, id: &str| {
        let key = PublicKey::all_from_pem(&pem("PUBLIC KEY", &pair.public)).unwrap();
        let set = encode_set(&key);
        let one = set.strip_prefix("{\"keys\":[").unwrap().strip_suffix("]}").unwrap().to_owned();
        one.replace("\"kid\":\"", &format!("\"kid\":\"{id}\",\"was\":\""))
    };
    let rival = &pairs()[2];
    let json = format!("{{\"keys\":[{},{},{}]}}", jwk(ed25519, "a"), jwk(rival, "a"), jwk(p256, "a"));
    let (set, ignored) = JwkSet::parse(json.as_bytes()).unwrap();
    assert_eq!((set.len(), &ignored[..]), (2, &[IgnoredKey::Duplicate][..]));
    let signing = SigningKey::from_pem(&pem("PRIVATE KEY", &ed25519.private)).unwrap();
    let found = set.find(Some("a"), Algorithm::EdDsa).unwrap();
    assert!(found.verify(Algorithm::EdDsa, b"m", &signing.sign(b"m").unwrap()));
    assert!(set.find(Some("a"), Algorithm::Es256).is_some());
    assert!(set.find(Some("b"), Algorithm::EdDsa).is_none() && !set.knows(Some("b")));

    let json = format!("{{\"keys\":[{},{}]}}", jwk(ed25519, "a"), jwk(rival, "b"));
    let (set, _) = JwkSet::parse(json.as_bytes()).unwrap();
    assert!(set.find(None, Algorithm::EdDsa).is_none(), "without a kid a token does not choose");
    assert!(set.find(Some("b"), Algorithm::EdDsa).is_some());
}

#[test]
fn a_set_is_bounded_and_what_is_no_set_is_none() {
    let okp = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let many = format!("{{\"keys\":[{}]}}", vec![okp; KEYS_MAX + 10].join(","));
    let (set, ignored) = JwkSet::parse(many.as_bytes()).unwrap();
    assert_eq!((set.len(), &ignored[..]), (KEYS_MAX, &[IgnoredKey::TooMany][..]));
    for json in [
        "",
        "[]",
        "[[]]",
        "{}",
        "null",
        "{\"keys\":{}}",
        "{\"keys\":null}",
        "{\"keys\":[]} x",
        "{\"keys\":[],\"keys\":[]}",
        "<html>",
    ] {
        assert!(JwkSet::parse(json.as_bytes()).is_none(), "{json}");
    }
}
