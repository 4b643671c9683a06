//! The errors in the description. An annotation names codes only (`status = 401, description = "credentials_invalid"`);
//! what follows from how an operation is asked (a body, a token, a page) is added to each, and all of them become problem
//! details. The one table of what the codes mean.

use serde_json::{Map, Value, json};

use super::{API_KEY, AUTH, BEARER, SESSIONS};

/// Completes the errors of all operations.
pub(super) fn complete(document: &mut Value) {
    let Some(paths) = document["paths"].as_object_mut() else { return };
    for operation in paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        if operation.get("responses").is_some() {
            complete_operation(operation);
        }
    }
}

/// Path, method and operation of each.
pub(super) fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        let operations = methods.filter(|(_, operation)| operation.get("responses").is_some());
        operations.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

fn complete_operation(operation: &mut Value) {
    let mut errors: Vec<(u16, String)> = Vec::new();
    let Some(responses) = operation["responses"].as_object() else { return };
    for (status, response) in responses {
        let status = status.parse().unwrap_or(0);
        if status >= 400 && response.get("content").is_none() {
            let codes = response["description"].as_str().unwrap_or_default();
            errors.extend(codes.split_whitespace().map(|code| (status, code.to_owned())));
        }
    }
    errors.extend(implied(operation).into_iter().map(|(status, code)| (status, code.to_owned())));
    for (status, _) in errors.clone() {
        let mut codes: Vec<&str> = Vec::new();
        for (_, code) in errors.iter().filter(|(of, _)| *of == status) {
            if !codes.contains(&code.as_str()) {
                codes.push(code);
            }
        }
        operation["responses"][status.to_string()] = response(status, &codes);
    }
}

/// What follows from how an operation is asked.
fn implied(operation: &Value) -> Vec<(u16, &'static str)> {
    let mut errors = Vec::new();
    if operation.get("requestBody").is_some() {
        errors.extend([(400, "payload_invalid"), (408, "request_timeout"), (413, "payload_too_large")]);
        errors.push((415, "unsupported_media_type"));
    }
    let is_for = |scheme: &str| {
        let schemes = operation["security"].as_array();
        schemes.is_some_and(|all| !all.is_empty() && all.iter().all(|one| one.get(scheme).is_some()))
    };
    if is_for(BEARER) {
        let codes = ["token_missing", "token_invalid", "token_expired", "token_revoked"];
        errors.extend(codes.map(|code| (401, code)));
        errors.push((503, "unavailable"));
    }
    if is_for(API_KEY) {
        errors.extend([(400, "payload_invalid"), (401, "token_missing"), (401, "token_invalid")]);
        errors.push((403, "forbidden"));
    }
    if GUARDED.iter().any(|tag| operation["tags"][0] == **tag) {
        errors.push((403, "forbidden"));
    }
    errors
}

fn response(status: u16, codes: &[&str]) -> Value {
    let meaning = |code: &&str| {
        let known = CODES.iter().find(|(known, _)| known == code);
        format!("`{code}`: {}.", known.map_or("unknown code", |(_, meaning)| meaning))
    };
    let mut response = json!({
        "description": codes.iter().map(meaning).collect::<Vec<_>>().join(" "),
        "content": { "application/problem+json": { "schema": { "allOf": [
            { "$ref": "#/components/schemas/Problem" },
            { "properties": { "status": { "const": status }, "code": { "enum": codes } } },
        ] } } },
    });
    let header = match status {
        401 => Some(("WWW-Authenticate", json!({ "schema": { "type": "string" } }))),
        429 | 503 => Some((
            "Retry-After",
            json!({ "description": "Seconds.", "schema": { "type": "integer", "minimum": 0 } }),
        )),
        _ => None,
    };
    if let Some((name, header)) = header {
        response["headers"] = json!({ name: header });
    }
    response
}

/// Tags of what foreign pages may not call.
const GUARDED: [&str; 2] = [AUTH, SESSIONS];

const CODES: [(&str, &str); 23] = [
    ("account_not_found", "the token is good, but its user has no account here"),
    ("credentials_invalid", "the address or the password is wrong"),
    ("email_taken", "another account has the address"),
    ("forbidden", "the page's origin is not allowed, or the key is not for this"),
    ("history_off", "ended sessions are not kept here"),
    ("internal_error", "a fault of the server's; its log says more"),
    ("not_found", "there is nothing here"),
    ("overloaded", "too many passwords wait to be hashed"),
    ("payload_invalid", "the request is not what it has to be; `field` says which part"),
    ("payload_too_large", "the body is too large"),
    ("rate_limited", "too often; come back when `Retry-After` says"),
    ("registration_off", "registration is not open"),
    ("request_timeout", "the body did not arrive in time"),
    ("session_not_found", "the user has no such session"),
    ("storage_unavailable", "the database does not answer; what was asked for may have been done"),
    ("token_expired", "the token was good once"),
    ("token_invalid", "the token is not good"),
    ("token_missing", "there is no token"),
    ("token_revoked", "the token's login was ended"),
    ("unavailable", "something that is needed cannot be reached just now"),
    ("unsupported_media_type", "the body is not `application/json`, or compressed"),
    ("method_not_allowed", "another method is meant; `Allow` says which"),
    ("invalid_request", "the logout token is not good, or was used before"),
];
