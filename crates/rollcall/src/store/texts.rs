//! The last look at a text before it goes into SQL: a length that every column and index takes, and no NUL, which
//! PostgreSQL's text does not know. Does not know: what the text says.

use super::StorageError;

/// The text, if it may be stored as `what`.
pub(super) fn storable<'a>(what: &'static str, text: &'a str) -> Result<&'a str, StorageError> {
    let longest = if what == BODY { BODY_MAX } else { TEXT_MAX };
    if text.len() > longest || text.contains('\0') {
        return Err(StorageError::Unstorable(what));
    }
    Ok(text)
}

/// The one kind of text that no index holds.
pub(super) const BODY: &str = "the body of an event";

/// Bytes. A label of 256 characters has at most 1,024, an e-mail address 254, a subject 255. Three of them fit
/// into an entry of an index, of which PostgreSQL allows about 2,700 bytes, in every use that there is.
const TEXT_MAX: usize = 1024;
const BODY_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_stored_whole_or_not_at_all() {
        let check = |what, text: &str, good: bool| assert_eq!(storable(what, text).is_ok(), good);
        check("a label", &"x".repeat(1024), true);
        check("a label", &"x".repeat(1025), false);
        check("a label", "a\0b", false);
        check("a label", "", true);
        check(BODY, &"x".repeat(16 * 1024), true);
        check(BODY, &"x".repeat(16 * 1024 + 1), false);
    }
}
