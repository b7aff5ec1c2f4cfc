// SPDX-License-Identifier: MPL-2.0
//! The lines by which the endpoints of a call talk to each other.
//!
//! An endpoint prints lines on stdout and reads the other's from stdin, so any two
//! can be wired together: ours, the examples in whatever language, the original
//! Farstream.
//!
//! | Line | Meaning |
//! |---|---|
//! | `codecs MEDIA CAPS` | the codec list to offer or answer, as the caps of the conference's property `codecs`; again when it changes |
//! | `candidate MEDIA LINE` | a local candidate, RFC 8839 |
//! | `state TEXT` | for whoever watches, such as `state first-sound 123` (ms since the start) |
//! | `report KEY=VALUE …` | statistics at the end |
//! | `bye` | hang up, as does the end of the lines |
//!
//! Lines that are not understood are ignored.
//!
//! An offerer says its codecs as soon as it knows them; an answerer (option `--answer`)
//! accepts those of the other side first, and then says what it made of them. That a
//! side takes over the payload types of the other is no change to be told, or two
//! offerers would go on for ever: codecs are said again only if their parameters
//! changed, as those of an H.264 encoder do.

use std::fmt;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// What the endpoint can send and receive.
    Codecs {
        /// `audio`, `video` or `application`.
        media: String,
        /// Caps as text.
        caps: String,
    },
    /// Where the endpoint can be reached.
    Candidate {
        /// `audio`, `video` or `application`.
        media: String,
        /// The RFC 8839 line.
        line: String,
    },
    /// Something happened.
    State(String),
    /// Statistics.
    Report(Vec<(String, String)>),
    /// The call is over.
    Bye,
    /// Anything else.
    Unknown(String),
}

impl Line {
    /// Reads a line; there is none that cannot be read.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let (word, rest) = split(text);
        match (word, split(rest)) {
            ("codecs", (media, caps)) if !caps.is_empty() => Self::Codecs {
                media: media.into(),
                caps: caps.into(),
            },
            ("candidate", (media, line)) if !line.is_empty() => Self::Candidate {
                media: media.into(),
                line: line.into(),
            },
            ("state", _) if !rest.is_empty() => Self::State(rest.into()),
            ("report", _) => Self::Report(
                rest.split_whitespace()
                    .filter_map(|pair| pair.split_once('='))
                    .map(|(key, value)| (key.into(), value.into()))
                    .collect(),
            ),
            ("bye", _) if rest.is_empty() => Self::Bye,
            _ => Self::Unknown(text.into()),
        }
    }
}

/// The first word, and the rest without the blanks between.
fn split(text: &str) -> (&str, &str) {
    text.split_once(char::is_whitespace)
        .map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Codecs { media, caps } => write!(f, "codecs {media} {caps}"),
            Self::Candidate { media, line } => write!(f, "candidate {media} {line}"),
            Self::State(text) => write!(f, "state {text}"),
            Self::Report(pairs) => {
                f.write_str("report")?;
                pairs.iter().try_for_each(|(k, v)| write!(f, " {k}={v}"))
            }
            Self::Bye => f.write_str("bye"),
            Self::Unknown(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_survive_being_read_and_written() {
        for text in [
            "codecs audio application/x-rtp, media=(string)audio, payload=(int)0",
            "candidate video candidate:1 1 UDP 1 127.0.0.1 5000 typ host",
            "state first-sound 123",
            "report a=1 b=x=y",
            "report",
            "bye",
            "something else",
            "codecs audio",
            "bye bye",
            "",
        ] {
            assert_eq!(Line::parse(text).to_string(), text);
        }
    }

    #[test]
    fn incomplete_lines_are_unknown() {
        for text in [
            "codecs audio",
            "candidate audio ",
            "state",
            "bye now",
            "Bye",
        ] {
            assert!(matches!(Line::parse(text), Line::Unknown(_)), "{text}");
        }
        let report = Line::parse("report a=1 nonsense b=x=y\r\n");
        let pairs = [("a", "1"), ("b", "x=y")].map(|(k, v)| (k.into(), v.into()));
        assert_eq!(report, Line::Report(pairs.into()));
    }
}
