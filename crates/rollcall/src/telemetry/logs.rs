//! The log: `tracing` events on standard error, as text or JSON, one line an event whatever a client has sent.
//!
//! Every event passes `escape`, so a User-Agent with a line feed, an escape sequence or a bidirectional override can
//! neither forge a line nor steer a terminal. Does not know: what is logged.

use std::io::{self, Write};

use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogConfig, LogFormat, LogLevel};

/// Starts logging for the whole process. A second call is an error of the caller's and changes nothing.
pub fn start(config: &LogConfig) -> Result<(), tracing_subscriber::util::TryInitError> {
    subscriber(config, io::stderr).try_init()
}

/// The subscriber that [`start`] installs, with another place to write to.
///
/// The level is for Rollcall's own crates. Libraries are heard from `warn` on only: their finer events are about
/// statements and bytes, which may hold what belongs in no log.
pub fn subscriber<W>(config: &LogConfig, output: W) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level = match config.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let own = ["rollcall", "engineio", "socketio"];
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_targets(own.map(|crate_name| (crate_name, level)));
    // No colours: their escape sequences could not be told from a client's.
    let lines = fmt::layer().with_ansi(false).with_writer(Escaping { output, format: config.format });
    let lines = match config.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
    };
    tracing_subscriber::registry().with(lines.with_filter(targets))
}

/// Wraps the place that lines go to; the formatter hands over each event in one piece, which is what lets the end of
/// an event be told from a line feed inside it.
struct Escaping<W> {
    output: W,
    format: LogFormat,
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Escaping<W> {
    type Writer = EscapingWriter<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        EscapingWriter { output: self.output.make_writer(), format: self.format }
    }
}

struct EscapingWriter<W> {
    output: W,
    format: LogFormat,
}

impl<W: Write> Write for EscapingWriter<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.output.write_all(escape(&String::from_utf8_lossy(event), self.format).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// One event as exactly one line of visible characters: everything that moves a cursor, ends a line or turns the
/// direction of writing becomes `\u{…}`, in JSON `\u…`, which a reader of JSON turns back.
fn escape(event: &str, format: LogFormat) -> String {
    let event = event.strip_suffix('\n').unwrap_or(event);
    let mut line = String::with_capacity(event.len() + 1);
    for character in event.chars() {
        match (is_dangerous(character), format) {
            (false, _) => line.push(character),
            (true, LogFormat::Text) => line.extend(character.escape_unicode()),
            // All of them are below U+10000: four digits are enough.
            (true, LogFormat::Json) => line.push_str(&format!("\\u{:04x}", u32::from(character))),
        }
    }
    line.push('\n');
    line
}

/// C0, DEL and C1 controls, line and paragraph separators, and the characters of bidirectional control
/// (Unicode Standard Annex 9, section 2).
fn is_dangerous(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log(format: LogFormat, level: LogLevel, events: impl FnOnce()) -> String {
        let captured = Captured::default();
        let output = captured.clone();
        let subscriber = subscriber(&LogConfig { format, level }, move || output.clone());
        tracing::subscriber::with_default(subscriber, events);
        let bytes = captured.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    /// Everything that a terminal or a line-based reader could be fooled with.
    const HOSTILE: &str =
        "\x1b[2J\r\n2030-01-01T00:00:00Z ERROR forged\u{9b}31m\x07\u{2028}next\u{202e}txt\u{7f}\0";

    #[test]
    fn one_event_is_one_visible_line_however_a_field_is_recorded() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let text = log(format, LogLevel::Info, || {
                tracing::info!(user_agent = HOSTILE, shown = %HOSTILE, debugged = ?HOSTILE, "{HOSTILE}");
            });
            assert_eq!(text.matches('\n').count(), 1, "{text:?}");
            assert!(text.ends_with('\n') && !text.trim_end_matches('\n').contains(is_dangerous), "{text:?}");
            assert_eq!(text.matches("forged").count(), 4, "{text:?}");
        }
    }

    #[test]
    fn json_lines_can_be_read_back() {
        let text =
            log(LogFormat::Json, LogLevel::Info, || tracing::info!(user_agent = HOSTILE, "session refused"));
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["user_agent"], HOSTILE);
        assert_eq!((&line["message"], &line["level"]), (&"session refused".into(), &"INFO".into()));
    }

    #[test]
    fn the_level_is_for_our_own_crates_only() {
        let text = log(LogFormat::Text, LogLevel::Trace, || {
            tracing::trace!("ours");
            tracing::debug!(target: "sqlx::query", "a statement");
            tracing::warn!(target: "sqlx::pool", "a warning");
        });
        assert!(
            text.contains("ours") && text.contains("a warning") && !text.contains("a statement"),
            "{text}"
        );
        let text =
            log(LogFormat::Text, LogLevel::Error, || tracing::warn!(target: "sqlx::pool", "a warning"));
        assert_eq!(text, "");
    }
}
