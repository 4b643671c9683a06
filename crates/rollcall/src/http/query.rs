//! The query of a request. Does not know: what its parameters mean.

use std::borrow::Cow;

use super::Problem;

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

#[cfg(test)]
mod tests {
    use super::*;

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
