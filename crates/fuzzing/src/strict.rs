//! JSON that is handed from one client to another.

use rollcall::gateway::strict::is_strict;
use serde_json::Value;
use serde_json::value::RawValue;

/// What passes is the same to whoever reads it: `serde_json` reads all of it, no key is there twice, no prototype among
/// them, and it still passes when it was written anew.
pub fn relayed_json(input: &[u8]) {
    let Ok(raw) = serde_json::from_slice::<&RawValue>(input) else { return };
    if !is_strict(raw) {
        return;
    }
    let value: Value = serde_json::from_str(raw.get()).expect("it is JSON of a depth that can be read");
    let mut keys = 0;
    look(&value, &mut keys);
    assert!(keys <= KEYS_MAX);
    assert_eq!(keys, quoted_keys(raw.get()), "a key is there twice");
    let again = RawValue::from_string(value.to_string()).expect("a value is JSON");
    assert!(is_strict(&again), "{again}");
}

fn look(value: &Value, keys: &mut usize) {
    match value {
        Value::Object(object) => {
            *keys += object.len();
            for (key, value) in object {
                assert!(!["__proto__", "constructor"].contains(&&**key) && !key.contains('\0'), "{key:?}");
                look(value, keys);
            }
        }
        Value::Array(array) => array.iter().for_each(|value| look(value, keys)),
        Value::String(text) => assert!(!text.contains('\0')),
        Value::Number(number) => assert!(number.as_f64().is_some_and(f64::is_finite), "{number}"),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Keys as they stand in the text: each colon outside of strings has one in front.
fn quoted_keys(json: &str) -> usize {
    let (mut colons, mut in_text, mut escaped) = (0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b':' if !in_text => colons += 1,
            _ => {}
        }
    }
    colons
}

/// Keys in all objects of one argument.
const KEYS_MAX: usize = 4096;
