//! The types of the TypeScript client, made of the same types. The committed file has to be what comes out here:
//! `make types` writes it.

use serde_json::Value;
use ts_rs::{Config, TS};

use super::asyncapi::document;
use super::*;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../clients/typescript/src/wire.ts");
const HEAD: &str = "\
// What the server and a client say to each other in the namespace `sessions`, as types and nothing else.
// Meanings, limits and units: docs/wire.md. Written by `make types` from the types of the server: do not edit.
";

/// Name, declaration and documentation of each type.
fn types() -> Vec<(String, String, String)> {
    macro_rules! all {
        ($($name:ident),* $(,)?) => {
            vec![$((<$name as TS>::name(&config()), <$name as TS>::decl(&config()), <$name as TS>::docs().unwrap_or_default())),*]
        };
    }
    all![
        DeviceType,
        Device,
        SessionActivity,
        SessionMetadata,
        SessionItem,
        SessionsReady,
        UpdateMeta,
        SessionsErrorCode,
        SessionsError,
        SessionsExpiring,
        SessionsMessage,
        SessionsNew,
        SessionsAuth,
        RenameRequest,
        StateRequest,
        RevokeRequest,
        SendRequest,
        RefreshRequest,
        Held,
        AckErrorCode,
        AckError,
        ListAck,
        DoneAck,
        RevokeAck,
        SendAck,
        RefreshAck,
    ]
}

fn config() -> Config {
    Config::new().with_large_int("number")
}

fn file() -> String {
    let mut text = HEAD.to_owned();
    for (_, declaration, docs) in types() {
        text.push_str(&tidy(&format!("\n{docs}export {declaration}\n")));
    }
    text
}

/// A line a field and a line a comment, as the rest of the client is written.
fn tidy(text: &str) -> String {
    let text = text.replace("/**\n * ", "/** ").replace("\n */", " */");
    let mut tidy = String::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() {
            tidy.push('\n');
        }
        let line = match line.starts_with("/**") {
            true => line.to_owned(),
            false => line.replace('"', "'").replace(", }", ";\n}"),
        };
        for line in line.lines() {
            let is_inside = !line.starts_with("export ")
                && !line.starts_with('}')
                && tidy.trim_end().ends_with(['{', ';', '/'])
                && tidy.contains("export ");
            tidy.push_str(if is_inside { "  " } else { "" });
            tidy.push_str(
                &line.strip_suffix(',').map_or_else(|| line.to_owned(), |field| format!("{field};")),
            );
            tidy.push('\n');
        }
    }
    tidy
}

#[test]
fn the_types_of_the_client_are_those_of_the_server() {
    let made = file();
    if std::env::var_os("ROLLCALL_WRITE_TYPES").is_some() {
        std::fs::write(FILE, &made).unwrap();
    }
    let committed = std::fs::read_to_string(FILE).unwrap();
    assert!(
        made == committed,
        "clients/typescript/src/wire.ts differs from the types: run `make types`\n{made}"
    );
}

/// What a schema of the document is in TypeScript.
fn in_typescript(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap().to_owned();
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(schemas) = schema[several].as_array() {
            return schemas.iter().map(in_typescript).collect::<Vec<_>>().join(" | ");
        }
    }
    let one = |kind: &str| match kind {
        "integer" | "number" => "number".to_owned(),
        "array" => format!("Array<{}>", in_typescript(&schema["items"])),
        "object" => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let fields = schema["properties"].as_object().unwrap().iter().map(|(name, of)| {
                let mark = if required.contains(&name.clone().into()) { "" } else { "?" };
                format!("{name}{mark}: {}", in_typescript(of))
            });
            let mut fields: Vec<String> = fields.collect();
            fields.sort();
            format!("{{ {} }}", fields.join(", "))
        }
        other => other.to_owned(),
    };
    match &schema["type"] {
        Value::String(kind) => one(kind),
        Value::Array(kinds) => {
            kinds.iter().map(|kind| one(kind.as_str().unwrap())).collect::<Vec<_>>().join(" | ")
        }
        _ => "unknown".to_owned(),
    }
}

/// A declaration without its comments, fields in the order of their names.
fn plain(declaration: &str) -> String {
    let (_, mut text) = declaration.split_once(" = ").unwrap();
    let mut bare = String::new();
    while let Some((before, rest)) = text.split_once("/**") {
        bare.push_str(before);
        text = rest.split_once("*/").unwrap().1;
    }
    bare.push_str(text.trim_end_matches(';'));
    let words = bare.split_whitespace().collect::<Vec<_>>().join(" ");
    let alternatives = words.split(" | ").map(|one| {
        let Some(fields) = one.strip_prefix('{').and_then(|one| one.strip_suffix('}')) else {
            return one.to_owned();
        };
        let mut fields: Vec<&str> =
            fields.split(',').map(str::trim).filter(|field| !field.is_empty()).collect();
        fields.sort_unstable();
        format!("{{ {} }}", fields.join(", "))
    });
    // A union inside of a field is no alternative of the whole.
    match words.starts_with('{') && !words.contains("} | {") {
        true => {
            let mut fields: Vec<&str> = words
                .trim_matches(['{', '}'])
                .split(',')
                .map(str::trim)
                .filter(|field| !field.is_empty())
                .collect();
            fields.sort_unstable();
            format!("{{ {} }}", fields.join(", "))
        }
        false => alternatives.collect::<Vec<_>>().join(" | "),
    }
}

#[test]
fn the_types_of_the_client_are_the_schemas_of_the_document() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let types = types();
    let mut names: Vec<&str> = types.iter().map(|(name, ..)| name.as_str()).collect();
    names.sort_unstable();
    let mut described: Vec<&str> = schemas.keys().map(String::as_str).collect();
    described.sort_unstable();
    assert_eq!(names, described);
    for (name, declaration, _) in &types {
        assert_eq!(plain(declaration), in_typescript(&schemas[name]), "{name}");
    }
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    fn check(document: &Value, value: &Value, seen: &mut usize) {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(reference)) = object.get("$ref") {
                    *seen += 1;
                    assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
                }
                object.values().for_each(|value| check(document, value, seen));
            }
            Value::Array(array) => array.iter().for_each(|value| check(document, value, seen)),
            _ => {}
        }
    }
    let (document, mut seen) = (document(), 0);
    check(&document, &document, &mut seen);
    assert!(seen > 60, "{seen} references");
}
