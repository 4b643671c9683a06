//! Counts what a server got wrong. Does not know: who found it.

use std::fmt;

use serde::Serialize;

/// A rule of the gateway's contract that was broken for one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// `sessions:ready` came a second time.
    ReadyTwice,
    /// `sessions:ready` does not list its receiver.
    ReadyWithoutSelf,
    /// `socketId` of `sessions:ready` is not the `sid` of the namespace's CONNECT.
    ReadyForAnother,
    /// `sessions:update` came before `sessions:ready`.
    UpdateBeforeReady,
    /// An update's revision is below that of `ready`, or not above the one of the update before.
    RevisionNotRising,
    /// A list names more sessions than the user has: a ghost or a stranger.
    ListTooLong,
    /// The newest list after the ramp is not the user's sessions.
    FinalListWrong,
    /// The session ended though nobody had asked for it.
    EndedEarly,
    /// A field of a list is not what the contract says.
    FieldWrong,
    /// `sessions:message` is not what was sent, or came to whom it was not sent.
    MessageWrong,
    /// `sessions:send` was taken, and nobody heard it.
    MessageLost,
    /// The answer to `sessions:send` is not what the contract says.
    AckWrong,
    /// A session that was cut was not let in again.
    NotReadyAgain,
    /// The connection was still there long after the goodbye.
    NotLetGo,
}

impl Violation {
    const ALL: [Self; 14] = [
        Self::ReadyTwice,
        Self::ReadyWithoutSelf,
        Self::ReadyForAnother,
        Self::UpdateBeforeReady,
        Self::RevisionNotRising,
        Self::ListTooLong,
        Self::FinalListWrong,
        Self::EndedEarly,
        Self::FieldWrong,
        Self::MessageWrong,
        Self::MessageLost,
        Self::AckWrong,
        Self::NotReadyAgain,
        Self::NotLetGo,
    ];
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadyTwice => "ready came twice",
            Self::ReadyWithoutSelf => "ready does not list its own socket",
            Self::ReadyForAnother => "ready names another socketId than CONNECT",
            Self::UpdateBeforeReady => "update came before ready",
            Self::RevisionNotRising => "the revision did not rise",
            Self::ListTooLong => "a list has more sessions than the user",
            Self::FinalListWrong => "the newest list is not the user's sessions",
            Self::EndedEarly => "the session ended early",
            Self::FieldWrong => "a field is wrong",
            Self::MessageWrong => "a relayed message is wrong",
            Self::MessageLost => "a relayed message was not heard",
            Self::AckWrong => "an acknowledgement is wrong",
            Self::NotReadyAgain => "the session was not let in again",
            Self::NotLetGo => "the connection was not closed after the goodbye",
        })
    }
}

/// All violations of a run.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    counts: [u64; Violation::ALL.len()],
    examples: Vec<String>,
}

/// One line of a [`Ledger`].
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The rule, in words.
    pub(crate) violation: String,
    /// How many times it was broken.
    pub(crate) count: u64,
}

impl Ledger {
    /// Notes that `violation` happened to the session with this `index`; `detail` is kept for the first few.
    pub(crate) fn note(&mut self, violation: Violation, index: usize, detail: impl fmt::Display) {
        self.counts[violation as usize] += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(format!("session {index}: {violation}: {detail}"));
        }
    }

    /// Takes over what another part of the run has noted.
    pub(crate) fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(count, more)| *count += more);
        let room = EXAMPLES_MAX - self.examples.len();
        self.examples.extend(other.examples.iter().take(room).cloned());
    }

    /// All violations together.
    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What was broken at least once.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let counted = Violation::ALL.iter().zip(self.counts);
        counted
            .filter(|&(_, count)| count > 0)
            .map(|(violation, count)| Entry { violation: violation.to_string(), count })
            .collect()
    }

    /// The first few, each with what was seen.
    pub(crate) fn examples(&self) -> &[String] {
        &self.examples
    }
}

/// Enough to see a pattern, few enough to read.
const EXAMPLES_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_few_told() {
        let mut ledger = Ledger::default();
        assert_eq!((ledger.total(), ledger.entries()), (0, vec![]));
        for (place, violation) in Violation::ALL.into_iter().enumerate() {
            assert_eq!(violation as usize, place);
            ledger.note(violation, place, "seen");
        }
        for index in 0..20 {
            ledger.note(Violation::NotLetGo, index, "open");
        }
        assert_eq!(ledger.total(), 34);
        let last = Entry { violation: "the connection was not closed after the goodbye".into(), count: 21 };
        assert_eq!(ledger.entries().pop(), Some(last));
        assert_eq!(ledger.examples().len(), EXAMPLES_MAX);
        assert_eq!(ledger.examples()[1], "session 1: ready does not list its own socket: seen");
        let mut both = Ledger::default();
        both.note(Violation::ReadyTwice, 7, "seen");
        both.add(&ledger);
        assert_eq!((both.total(), both.examples().len()), (35, EXAMPLES_MAX));
    }
}
