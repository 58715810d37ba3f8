//! Connection files, good and bad.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use cellheap::wire::{Connection, Transport};
use serde_json::{Value, json};

use crate::fresh;

fn read(text: &str) -> Result<Connection, String> {
    let path = fresh("connection.json");
    fs::write(&path, text).unwrap();
    let plain = |error: cellheap::wire::WireError| {
        error
            .to_string()
            .replace(&path.display().to_string(), "FILE")
    };
    Connection::read(&path).map_err(plain)
}

#[test]
fn a_file_of_jupyter_is_read_whole() {
    let file = json!({
        "shell_port": 50001, "iopub_port": 50002, "stdin_port": 50003, "control_port": 50004,
        "hb_port": 50005, "ip": "127.0.0.1", "key": "a-b-c", "transport": "tcp",
        "signature_scheme": "hmac-sha256", "kernel_name": "cellheap", "jupyter_session": "/a.ipynb",
    });
    let connection = read(&file.to_string()).unwrap();
    assert_eq!(connection.transport, Transport::Tcp);
    assert_eq!(
        (&connection.ip[..], &connection.key[..]),
        ("127.0.0.1", &b"a-b-c"[..])
    );
    let ports = [
        connection.shell_port,
        connection.iopub_port,
        connection.stdin_port,
        connection.control_port,
        connection.hb_port,
    ];
    assert_eq!(ports, [50001, 50002, 50003, 50004, 50005]);
    assert!(!connection.created);
}

#[test]
fn what_a_file_leaves_out_has_the_defaults_of_jupyter() {
    let connection = read("{}").unwrap();
    assert_eq!(connection.transport, Transport::Tcp);
    assert_eq!(connection.ip, "127.0.0.1");
    assert!(connection.key.is_empty());
    assert_eq!(connection.shell_port, 0);
}

#[test]
fn a_bad_file_is_one_line_that_says_what_is_wrong() {
    let bad = [
        (
            "",
            "connection file FILE is malformed: it ends too early (line 1)",
        ),
        (
            "[]",
            "connection file FILE is malformed: it is not a JSON object (line 1)",
        ),
        (
            r#"{"ip": 1}"#,
            "connection file FILE is malformed: ip must be a string, found 1",
        ),
        (
            r#"{"shell_port": 65536}"#,
            "connection file FILE is malformed: shell_port must be a port number, found 65536",
        ),
        (
            r#"{"hb_port": "80"}"#,
            r#"connection file FILE is malformed: hb_port must be a port number, found "80""#,
        ),
        (
            r#"{"key": 123456}"#,
            "connection file FILE is malformed: key must be a string",
        ),
        (
            r#"{"key": "secret""}"#,
            "connection file FILE is malformed: it is not JSON (line 1)",
        ),
        (
            r#""secret""#,
            "connection file FILE is malformed: it is not a JSON object (line 1)",
        ),
        (
            r#"{"transport": "udp"}"#,
            r#"connection file FILE asks for transport "udp", which is not supported"#,
        ),
        (
            r#"{"key": "k", "signature_scheme": "hmac-md5"}"#,
            r#"connection file FILE asks for signature scheme "hmac-md5", which is not supported"#,
        ),
        (
            r#"{"curve_publickey": "p", "curve_secretkey": "s"}"#,
            "connection file FILE asks for CURVE encryption, which is not supported",
        ),
    ];
    for (text, line) in bad {
        assert_eq!(read(text).unwrap_err(), line);
    }
}

#[test]
fn the_key_is_in_no_debug_output() {
    let connection = read(r#"{"key": "a-secret-key"}"#).unwrap();
    assert_eq!(connection.key, b"a-secret-key");
    assert!(!format!("{connection:?}").contains("secret"));
}

#[test]
fn a_file_that_others_can_read_is_told_from_a_private_one() {
    let connection = read(r#"{"key": "k"}"#).unwrap();
    for (mode, exposed) in [(0o600, false), (0o640, true), (0o604, true), (0o400, false)] {
        fs::set_permissions(&connection.path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(connection.is_exposed(), exposed, "{mode:o}");
    }
}

#[test]
fn a_missing_file_is_made_private_with_a_new_key() {
    let path = fresh("connection.json");
    let connection = Connection::read(&path).unwrap();
    assert!(connection.created);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(file["key"].as_str().unwrap().as_bytes(), connection.key);
    let other = Connection::read(fresh("connection.json")).unwrap();
    assert_ne!(connection.key, other.key);
    connection.remove();
    assert!(!path.exists());
}

#[test]
fn a_file_that_cannot_be_made_says_why() {
    let path = fresh("missing").join("connection.json");
    let error = Connection::read(&path).unwrap_err().to_string();
    let expected = format!(
        "cannot write connection file {}: No such file",
        path.display()
    );
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn saving_keeps_what_we_do_not_read() {
    let mut connection = read(r#"{"kernel_name": "cellheap", "jupyter_session": "a"}"#).unwrap();
    connection.shell_port = 50001;
    connection.save().unwrap();
    let file: Value = serde_json::from_slice(&fs::read(&connection.path).unwrap()).unwrap();
    assert_eq!(file["jupyter_session"], "a");
    assert_eq!(file["shell_port"], 50001);
    connection.remove();
    assert!(connection.path.exists(), "it was not made here");
}

#[test]
fn a_file_that_has_all_its_ports_is_left_alone() {
    let file = json!({
        "shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5,
    });
    let connection = read(&file.to_string()).unwrap();
    let inode = || fs::metadata(&connection.path).unwrap().ino();
    let before = inode();
    connection.save().unwrap();
    assert_eq!(inode(), before);
}
