//! `GET /` and `/assets/…`: the devices page, as `scripts/page` built it from `web/` and the build script embedded it.
//! Does not know: what is on it.

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::extract::{Path, Request};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH,
};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;

use super::Problem;
use crate::config::Config;

/// The name of each file of the page and what is in it; empty when the page was not built before the program.
pub(super) type Files = &'static [(&'static str, &'static [u8])];

/// What this program has of the page.
pub(super) const EMBEDDED: Files = include!(concat!(env!("OUT_DIR"), "/devices_page.rs"));

/// The routes of the page; `None` when `files` hold none.
pub(super) fn routes<S: Clone + Send + Sync + 'static>(files: Files, config: &Config) -> Option<Router<S>> {
    let (_, source) = files.iter().find(|(name, _)| *name == "index.html")?;
    // Nothing to escape: a socket path is made of plain characters only.
    let text = String::from_utf8_lossy(source)
        .replace("{{socket_path}}", config.http.socket_path.as_str())
        .replace("{{registration}}", if config.accounts.registration { "true" } else { "false" });
    let index = File::new("index.html", text.into(), REVALIDATED);
    let assets: Vec<(&str, File)> = files
        .iter()
        .filter_map(|(name, bytes)| name.strip_prefix("assets/").map(|name| (name, *bytes)))
        .map(|(name, bytes)| (name, File::new(name, Bytes::from_static(bytes), IMMUTABLE)))
        .collect();
    let asset = async move |Path(wanted): Path<String>, uri: Uri, request: Request| match assets
        .iter()
        .find(|(name, _)| *name == wanted)
    {
        Some((_, file)) => file.answer(request.headers()),
        None => Problem::not_found(format!("There is nothing at {}.", uri.path())).into_response(),
    };
    Some(
        Router::new()
            .route("/", get(async move |headers: HeaderMap| index.answer(&headers)))
            .route("/assets/{*name}", get(asset))
            .method_not_allowed_fallback(super::method_not_allowed),
    )
}

/// A file as it goes out.
#[derive(Clone)]
struct File {
    bytes: Bytes,
    kind: &'static str,
    cache: &'static str,
    /// By its content (RFC 9110, section 8.8.3).
    tag: HeaderValue,
}

impl File {
    fn new(name: &str, bytes: Bytes, cache: &'static str) -> Self {
        let digits: String =
            digest(&SHA256, &bytes).as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        // Digits and quotes, so this cannot fail.
        let tag = HeaderValue::from_str(&format!("\"{digits}\"")).unwrap_or(HeaderValue::from_static("\"\""));
        Self { bytes, kind: kind(name), cache, tag }
    }

    /// The file, or 304 when the browser has this very one (RFC 9110, section 13.1.2).
    fn answer(&self, request: &HeaderMap) -> Response {
        let kept =
            request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|tags| {
                tags.split(',')
                    .any(|tag| tag.trim().trim_start_matches("W/").as_bytes() == self.tag.as_bytes())
            });
        let (status, body) = match kept {
            true => (StatusCode::NOT_MODIFIED, Bytes::new()),
            false => (StatusCode::OK, self.bytes.clone()),
        };
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(self.cache));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(ETAG, self.tag.clone());
        response
    }
}

/// What the page's own build makes, and nothing else.
fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

/// The index names the assets of one version: it is asked for each time, and mostly answered with 304.
const REVALIDATED: &str = "no-cache";
/// An asset's name has the hash of what is in it.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// Script, style and picture of this server alone; no text becomes markup (trusted types), no foreign frame around it.
/// `'self'` stands for `ws:` and `wss:` of this server too.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use tower::ServiceExt;

    use super::*;

    const FILES: Files = &[
        ("assets/index-1a2b.js", b"alert"),
        ("index.html", b"<meta content='{{socket_path}}'><meta content='{{registration}}'>"),
    ];

    async fn ask(path: &str, kept: &str) -> (StatusCode, HeaderMap, String) {
        let router: Router = routes(FILES, &Config::default()).unwrap();
        let request = Request::get(path).header(IF_NONE_MATCH, kept).body(Body::empty()).unwrap();
        let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
        let text = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
        (parts.status, parts.headers, text)
    }

    #[tokio::test]
    async fn the_index_says_what_the_page_must_know_and_is_asked_for_again() {
        let (status, headers, text) = ask("/", "\"another\"").await;
        assert_eq!(
            (status, text.as_str()),
            (StatusCode::OK, "<meta content='/socket.io/'><meta content='false'>")
        );
        assert_eq!(headers[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(headers[CACHE_CONTROL], "no-cache");
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        let tag = headers[ETAG].to_str().unwrap();
        for kept in [tag.to_owned(), format!("\"x\", W/{tag}")] {
            let (status, again, text) = ask("/", &kept).await;
            assert_eq!((status, text.as_str()), (StatusCode::NOT_MODIFIED, ""), "{kept}");
            assert_eq!(again[ETAG], headers[ETAG]);
        }
    }

    #[tokio::test]
    async fn an_asset_is_kept_for_ever_and_what_is_none_is_not_there() {
        let (status, headers, text) = ask("/assets/index-1a2b.js", "").await;
        assert_eq!((status, text.as_str()), (StatusCode::OK, "alert"));
        assert_eq!(headers[CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert!(headers[CACHE_CONTROL].to_str().unwrap().ends_with("immutable"));
        for path in ["/assets/index.html", "/assets/../index.html", "/assets/index-1a2b.js/", "/index.html"] {
            assert_eq!(ask(path, "").await.0, StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn a_program_without_the_page_has_no_routes_for_it() {
        assert!(routes::<()>(&[], &Config::default()).is_none());
    }
}
