// SPDX-License-Identifier: MPL-2.0
//! The one error type: a code of Farstream's, and a text that says what was expected,
//! what came and what to do.

use std::fmt;

use crate::ErrorCode;

/// A refusal: its code and a text that says what was expected, what came and
/// what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    code: ErrorCode,
    message: String,
}

/// Result with the crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error with `code` and the whole text shown to the user.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// A caller's mistake.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidArguments, message)
    }

    /// A needed element is missing, or GStreamer refuses to put elements together.
    pub fn construction(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Construction, message)
    }

    /// A call on an object that was destroyed before.
    pub fn disposed(object: &str) -> Self {
        Self::new(
            ErrorCode::Disposed,
            format!("{object} was destroyed before this call; make a new one"),
        )
    }

    /// Something a later version will offer.
    pub fn not_implemented(what: &str) -> Self {
        Self::new(
            ErrorCode::NotImplemented,
            format!("{what} is not implemented in this version; nothing was changed"),
        )
    }

    /// The code of the domain `fs-error`.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// The text for the user.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same error with `context` (the field, line or call it came from) in front.
    pub fn within(self, context: impl fmt::Display) -> Self {
        Self {
            code: self.code,
            message: format!("{context}: {}", self.message),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// GStreamer says so when it cannot make, add or link something.
impl From<glib::BoolError> for Error {
    fn from(error: glib::BoolError) -> Self {
        Self::construction(error.message)
    }
}

impl From<gst::PadLinkError> for Error {
    fn from(error: gst::PadLinkError) -> Self {
        Self::construction(format!("pads do not link: {error}"))
    }
}

impl From<Error> for glib::Error {
    fn from(error: Error) -> Self {
        glib::Error::new(error.code, &error.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glib_error_keeps_domain_code_and_text() {
        let error: glib::Error = Error::disposed("session_0").into();
        assert_eq!(error.domain().as_str(), "fs-error");
        assert!(error.matches(ErrorCode::Disposed));
        assert!(error.message().contains("session_0"));
    }

    #[test]
    fn codes_below_100_are_fatal() {
        assert!(ErrorCode::Internal.is_fatal());
        assert!(!ErrorCode::InvalidArguments.is_fatal());
    }
}
