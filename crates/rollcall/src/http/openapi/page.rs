//! The description as a page: plain HTML, made once. No script, no request to anybody else.

use std::fmt::Write;
use std::sync::Arc;

use axum::Router;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::Value;

use super::problems::operations;
use crate::app::App;

pub(super) fn routes(page: Arc<str>) -> Router<Arc<App>> {
    let page = move || async move {
        let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY)];
        (headers, page.to_string()).into_response()
    };
    let style = async || ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response();
    Router::new().route("/docs", get(page)).route("/docs.css", get(style))
}

/// The whole page: an index, then each operation by its tag.
pub(super) fn render(document: &Value) -> String {
    let mut out = String::new();
    let title = text(&document["info"]["title"]);
    let version = text(&document["info"]["version"]);
    push(
        &mut out,
        format_args!("{HEAD}<h1>{title} {version}</h1><p>{}</p>", prose(&document["info"]["description"])),
    );
    push(
        &mut out,
        format_args!("<p>The same for programs: <a href=\"/openapi.json\">/openapi.json</a>.</p>"),
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        push(&mut out, format_args!("<h2>{}</h2><p>{}</p>", text(&tag["name"]), prose(&tag["description"])));
        for (path, method, operation) in operations(document) {
            if operation["tags"][0] == tag["name"] {
                render_operation(document, path, method, operation, &mut out);
            }
        }
    }
    push(&mut out, format_args!("</main></body></html>\n"));
    out
}

fn render_operation(document: &Value, path: &str, method: &str, operation: &Value, out: &mut String) {
    let (method, path) = (method.to_uppercase(), escape(path));
    let id = text(&operation["operationId"]);
    push(out, format_args!("<section id=\"{id}\"><h3><code>{method} {path}</code></h3>"));
    push(out, format_args!("<p>{} {}</p>", prose(&operation["summary"]), prose(&operation["description"])));
    for requirement in operation["security"].as_array().into_iter().flatten() {
        for name in requirement.as_object().into_iter().flatten().map(|(name, _)| name) {
            let scheme = &document["components"]["securitySchemes"][name]["description"];
            push(out, format_args!("<p><code>Authorization: Bearer …</code> {}</p>", prose(scheme)));
        }
    }
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let rows = parameters.map(|parameter| {
        let place = text(&parameter["in"]);
        let required = if parameter["required"] == true { "" } else { ", optional" };
        (format!("{} ({place}{required})", text(&parameter["name"])), prose(&parameter["description"]))
    });
    render_table("Parameters", rows, out);
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    render_table("Body", fields(document, body), out);
    let answers = operation["responses"].as_object().into_iter().flatten();
    render_table(
        "Answers",
        answers.clone().map(|(status, answer)| (escape(status), prose(&answer["description"]))),
        out,
    );
    for (status, answer) in answers {
        let fields = fields(document, &answer["content"]["application/json"]["schema"]);
        render_table(&format!("Fields of {}", escape(status)), fields, out);
    }
    push(out, format_args!("</section>"));
}

/// Name and meaning of each field of an object.
fn fields<'a>(document: &'a Value, schema: &'a Value) -> impl Iterator<Item = (String, String)> + use<'a> {
    let schema = resolve(document, schema);
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    schema["properties"].as_object().into_iter().flatten().map(move |(name, field)| {
        let optional = if required.iter().any(|one| one == name) { "" } else { ", optional" };
        let kind = match &resolve(document, field)["type"] {
            Value::String(kind) => kind.clone(),
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
            _ => "any".to_owned(),
        };
        (format!("{} ({}{optional})", escape(name), escape(&kind)), prose(&field["description"]))
    })
}

fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    reference.and_then(|pointer| document.pointer(pointer)).unwrap_or(schema)
}

fn render_table(title: &str, rows: impl Iterator<Item = (String, String)>, out: &mut String) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    push(out, format_args!("<table><caption>{title}</caption>"));
    for (name, meaning) in rows {
        push(out, format_args!("<tr><th scope=\"row\"><code>{name}</code></th><td>{meaning}</td></tr>"));
    }
    push(out, format_args!("</table>"));
}

fn text(value: &Value) -> String {
    escape(value.as_str().unwrap_or_default())
}

/// Escaped; what stands between backticks is code.
fn prose(value: &Value) -> String {
    let mut out = String::new();
    for (place, part) in text(value).split('`').enumerate() {
        if place % 2 == 0 {
            out.push_str(part);
        } else {
            push(&mut out, format_args!("<code>{part}</code>"));
        }
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text); // writing into a string cannot fail
}

const HEAD: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>Rollcall: HTTP</title>\
    <link rel=\"stylesheet\" href=\"/docs.css\"></head><body><main>";
const STYLE: &str = concat!(include_str!("../page.css"), include_str!("page.css"));

/// Only the style sheet of this server; no script, no form, no frame.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whatever_is_described_stays_text() {
        let operation = json!({
            "operationId": "x", "tags": ["T"], "summary": "<script>alert(1)</script> & `a<b`",
            "responses": {"200": {"description": "\"fine\""}},
        });
        let document = json!({"tags": [{"name": "T"}], "paths": {"/x/{<y>}": {"get": operation}}});
        let page = render(&document);
        for shown in [
            "GET /x/{&lt;y&gt;}",
            "&lt;script&gt;alert(1)&lt;/script&gt; &amp;",
            "<code>a&lt;b</code>",
            "&quot;fine&quot;",
        ] {
            assert!(page.contains(shown), "{shown} in {page}");
        }
        assert!(!page.contains("<script") && !page.contains("<y>"));
    }
}
