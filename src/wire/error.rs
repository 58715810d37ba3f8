//! What can go wrong on the wire, in one line each. A bad frame costs a log line; a bad start costs the start.

use std::io;
use std::path::PathBuf;

/// Why the wire could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("cannot {action} connection file {}: {source}", path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("connection file {} is malformed: {reason}", path.display())]
    Malformed { path: PathBuf, reason: String },
    #[error("connection file {} asks for {what}, which is not supported", path.display())]
    Unsupported { path: PathBuf, what: String },
    #[error("cannot bind {channel} to {endpoint}: {source}")]
    Bind {
        channel: &'static str,
        endpoint: String,
        source: io::Error,
    },
}

/// Why a multipart frame is not a message of ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("no <IDS|MSG> delimiter in {found} parts")]
    Delimiter { found: usize },
    #[error("expected {expected} parts after the delimiter, found {found}")]
    Truncated { expected: usize, found: usize },
    #[error("no signature")]
    Unsigned,
    #[error("wrong signature")]
    Forged,
    #[error("its signature was seen before")]
    Repeated,
    #[error("{part} is not JSON: {reason}")]
    NotJson { part: &'static str, reason: String },
}
