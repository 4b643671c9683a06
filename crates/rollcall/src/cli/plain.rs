//! What others have made up, on a terminal: it moves no cursor and adds no line and no column.

/// The text with control characters, line ends and the like written as escapes. Quotes stay: they steer nothing, and names
/// have them. A backslash is doubled, so that an escape can be told from a text that looks like one.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\'' | '"' => plain.push(character),
            other => plain.extend(other.escape_debug()),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_as_they_are_and_nothing_steers_a_terminal() {
        assert_eq!(plain("Ada's \"phone\" – Küche 🚪"), "Ada's \"phone\" – Küche 🚪");
        assert_eq!(
            plain("a\u{1b}[2Jb\r\nc\td\\u{7}\u{202e}\u{9b}"),
            r"a\u{1b}[2Jb\r\nc\td\\u{7}\u{202e}\u{9b}"
        );
    }
}
