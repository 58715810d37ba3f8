//! The connection file: where to listen and with which key. Owns its JSON; binds nothing.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::error::Category;
use serde_json::{Map, Value, json};

use super::WireError;

const SCHEME: &str = "hmac-sha256";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Ipc,
}

/// What a connection file says. A port that is 0 is chosen when it is bound.
#[derive(Clone)]
pub struct Connection {
    pub path: PathBuf,
    pub transport: Transport,
    pub ip: String,
    pub shell_port: u16,
    pub iopub_port: u16,
    pub stdin_port: u16,
    pub control_port: u16,
    pub hb_port: u16,
    pub key: Vec<u8>,
    /// The file was not there before: whoever made it removes it.
    pub created: bool,
    /// The file as it is, with what we do not read.
    fields: Map<String, Value>,
}

impl Connection {
    /// Reads the file at `path`. A file that is not there stands for a new connection on loopback.
    ///
    /// # Errors
    /// When the file cannot be read, is malformed, or asks for what is not supported.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, WireError> {
        let path = path.as_ref();
        match fs::read(path) {
            Ok(text) => Self::parse(path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(source) => Err(failed("read", path)(source)),
        }
    }

    /// Makes the file, readable by its owner alone, so that a start that cannot succeed fails early.
    fn create(path: &Path) -> Result<Self, WireError> {
        let new = json!({
            "transport": "tcp",
            "ip": "127.0.0.1",
            "key": uuid::Uuid::new_v4().to_string(),
            "signature_scheme": SCHEME,
            "kernel_name": "",
        });
        let connection = Self {
            created: true,
            ..Self::parse(path, new.to_string().as_bytes())?
        };
        connection.save()?;
        Ok(connection)
    }

    fn parse(path: &Path, text: &[u8]) -> Result<Self, WireError> {
        let fields: Map<String, Value> =
            serde_json::from_slice(text).map_err(|error| malformed(path, place(&error)))?;
        let file = File {
            path,
            fields: &fields,
        };
        let scheme = file.text("signature_scheme")?.unwrap_or(SCHEME);
        let key = file.text("key")?.unwrap_or_default().as_bytes().to_vec();
        if scheme != SCHEME && !key.is_empty() {
            return Err(file.unsupported(format!("signature scheme {scheme:?}")));
        }
        let has = |name| fields.get(name).is_some_and(|value| !value.is_null());
        if has("curve_publickey") || has("curve_secretkey") {
            return Err(file.unsupported("CURVE encryption"));
        }
        let transport = match file.text("transport")?.unwrap_or("tcp") {
            "tcp" => Transport::Tcp,
            "ipc" => Transport::Ipc,
            other => return Err(file.unsupported(format!("transport {other:?}"))),
        };
        Ok(Self {
            path: path.to_path_buf(),
            transport,
            ip: file.text("ip")?.unwrap_or("127.0.0.1").to_owned(),
            shell_port: file.port("shell_port")?,
            iopub_port: file.port("iopub_port")?,
            stdin_port: file.port("stdin_port")?,
            control_port: file.port("control_port")?,
            hb_port: file.port("hb_port")?,
            key,
            created: false,
            fields,
        })
    }

    /// Writes the ports that were chosen back to the file. A file that has them already is left alone.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self) -> Result<(), WireError> {
        let mut fields = self.fields.clone();
        let ports = [
            ("shell_port", self.shell_port),
            ("iopub_port", self.iopub_port),
            ("stdin_port", self.stdin_port),
            ("control_port", self.control_port),
            ("hb_port", self.hb_port),
        ];
        fields.extend(ports.map(|(name, port)| (name.to_owned(), port.into())));
        if fields == self.fields {
            return Ok(());
        }
        let text = serde_json::to_string_pretty(&fields).expect("a map of JSON values is JSON");
        replace(&self.path, text.as_bytes()).map_err(failed("write", &self.path))
    }

    /// Whether others than the file's owner can read it, and so the key in it.
    pub fn is_exposed(&self) -> bool {
        let others = |file: fs::Metadata| file.permissions().mode() & 0o077 != 0;
        !self.key.is_empty() && fs::metadata(&self.path).is_ok_and(others)
    }

    /// Removes the file if it was made here.
    pub fn remove(&self) {
        if self.created {
            // Gone already is as good as removed, and at the end there is nobody to tell.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Without the key, which the fields have too.
impl fmt::Debug for Connection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        (out.debug_struct("Connection"))
            .field("path", &self.path)
            .field("transport", &self.transport)
            .field("ip", &self.ip)
            .finish_non_exhaustive()
    }
}

/// Readers see the old file or the new one, never half of one.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let beside = path.with_file_name(name);
    let mut options = fs::OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    options.open(&beside)?.write_all(text)?;
    fs::rename(&beside, path)
}

struct File<'a> {
    path: &'a Path,
    fields: &'a Map<String, Value>,
}

impl<'a> File<'a> {
    fn text(&self, name: &str) -> Result<Option<&'a str>, WireError> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(name, "a string", other)),
        }
    }

    fn port(&self, name: &str) -> Result<u16, WireError> {
        let Some(value) = self.fields.get(name) else {
            return Ok(0);
        };
        (value.as_u64().and_then(|port| u16::try_from(port).ok()))
            .ok_or_else(|| self.wrong(name, "a port number", value))
    }

    fn wrong(&self, name: &str, expected: &str, found: &Value) -> WireError {
        let found = match name {
            "key" => String::new(),
            _ => format!(", found {found}"),
        };
        malformed(self.path, format!("{name} must be {expected}{found}"))
    }

    fn unsupported(&self, what: impl Into<String>) -> WireError {
        WireError::Unsupported {
            path: self.path.to_path_buf(),
            what: what.into(),
        }
    }
}

/// What is wrong with the text, without a word of it: there is a key in it.
fn place(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Eof => "it ends too early",
        Category::Data => "it is not a JSON object",
        Category::Syntax | Category::Io => "it is not JSON",
    };
    format!("{what} (line {})", error.line())
}

fn malformed(path: &Path, reason: String) -> WireError {
    WireError::Malformed {
        path: path.to_path_buf(),
        reason,
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> WireError {
    let path = path.to_path_buf();
    move |source| WireError::File {
        action,
        path,
        source,
    }
}
