//! The query of a request: parameters by their exact names, and none that nobody asks for. Does not know: what they mean.

use std::borrow::Cow;

use super::Problem;

/// Refuses a parameter that is none of `names`: one that is misspelled (`?Tokens=keep`) would be passed over, and more be
/// done than was meant.
///
/// # Errors
/// 400 that names the parameter, as it was given and cut, and those that are allowed.
pub(super) fn only(query: Option<&str>, names: &[&str]) -> Result<(), Problem> {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let Some((unknown, _)) = pairs.find(|(name, _)| !names.contains(&&**name)) else { return Ok(()) };
    let given = unknown[..unknown.floor_char_boundary(NAME_MAX)].to_owned();
    let allowed = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let detail = format!("{given:?} is no query parameter of this route; allowed: {allowed}");
    Err(Problem::field(given, detail))
}

/// The value of a parameter that may be there once.
pub(super) fn find<'q>(query: Option<&'q str>, name: &'static str) -> Result<Option<Cow<'q, str>>, Problem> {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let mut values = pairs.filter(|(key, _)| key == name).map(|(_, value)| value);
    let value = values.next();
    match values.next() {
        // Two proxies that pick different ones would make two requests of one.
        Some(_) => Err(Problem::field(name, format!("{name} may be given once"))),
        None => Ok(value),
    }
}

/// Bytes that are told of a name that nobody knows.
const NAME_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_nobody_asks_for_is_named_and_cut() {
        let check = |query: Option<&str>, names: &[&str], expected: Result<(), (&str, &str)>| {
            let found = only(query, names).map_err(|problem| problem.blames());
            let expected = expected.map_err(|(field, detail)| (field.to_owned(), detail.to_owned()));
            assert_eq!(found, expected, "{query:?}");
        };
        check(None, &[], Ok(()));
        check(Some(""), &[], Ok(()));
        check(Some("a=1&b=2&a=3"), &["a", "b"], Ok(()));
        let detail = r#""A" is no query parameter of this route; allowed: a, b"#;
        check(Some("a=1&A=2"), &["a", "b"], Err(("A", detail)));
        check(Some("%41"), &["a", "b"], Err(("A", detail)));
        let detail = r#""\u{1b}" is no query parameter of this route; allowed: none"#;
        check(Some("%1b=1"), &[], Err(("\u{1b}", detail)));
        let problem = only(Some(&"é".repeat(1000)), &[]).unwrap_err();
        assert_eq!(problem.blames().0, "é".repeat(32));
    }

    #[test]
    fn a_parameter_is_decoded_and_may_be_there_once() {
        let check = |query: Option<&str>, expected: Result<Option<&str>, ()>| {
            let found = find(query, "a").map_err(drop);
            assert_eq!(found, expected.map(|value| value.map(Cow::Borrowed)), "{query:?}");
        };
        check(None, Ok(None));
        check(Some("b=1&aa=2"), Ok(None));
        check(Some("b=1&a=x%20y+z"), Ok(Some("x y z")));
        check(Some("a"), Ok(Some("")));
        check(Some("a=1&%61=1"), Err(()));
    }
}
