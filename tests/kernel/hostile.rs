//! What is not a message costs a line and nothing else.

use std::io::Write;
use std::net::TcpStream;

use bytes::Bytes;
use serde_json::json;

use crate::front::{Front, busy, idle, input, result};
use crate::served;

type Spoil = fn(&mut Vec<Bytes>);

#[track_caller]
fn still_serves(front: &mut Front) {
    front.execute("1 + 1");
    front.sees([busy(), input("1 + 1"), result("2"), idle()]);
    assert_eq!(front.reply().status(), "ok");
}

#[test]
fn bad_frames_get_no_answer_and_the_kernel_serves_on() {
    let spoils: [Spoil; 10] = [
        |frames| frames[1] = Bytes::new(),
        |frames| frames[1] = Bytes::from("00".repeat(32)),
        |frames| frames[1] = Bytes::from("not hexadecimal"),
        |frames| frames[5] = Bytes::from(r#"{"code": "2 + 2"}"#),
        |frames| frames.truncate(5),
        |frames| frames.truncate(1),
        |frames| frames[0] = Bytes::from("<SDI|MSG>"),
        |frames| *frames = vec![Bytes::new()],
        |frames| *frames = vec![Bytes::from(vec![0xff; 300])],
        |frames| *frames = vec![Bytes::new(); 1000],
    ];
    let (_, mut front) = served();
    for spoil in spoils {
        let (_, mut frames) = front.frames("execute_request", json!({"code": "1 + 1"}));
        spoil(&mut frames);
        front.send_shell(frames);
        still_serves(&mut front);
    }
}

#[test]
fn what_is_signed_but_not_json_gets_no_answer_either() {
    let (_, mut front) = served();
    let header = br#"{"msg_id": "1", "msg_type": "execute_request"}"#;
    let bad: [[&[u8]; 4]; 7] = [
        [b"", b"{}", b"{}", b"{}"],
        [b"[]", b"{}", b"{}", b"{}"],
        [br#"{"msg_id": 1, "msg_type": "x"}"#, b"{}", b"{}", b"{}"],
        [b"\xff\xfe", b"{}", b"{}", b"{}"],
        [header, b"{", b"{}", b"{}"],
        [header, b"{}", b"nope", b"{}"],
        [header, b"{}", b"{}", br#"{"code": "1 + 1"} trailing"#],
    ];
    for parts in bad {
        let frames = front.signed(parts.map(Bytes::from_static));
        front.send_shell(frames);
        still_serves(&mut front);
    }
}

#[test]
fn a_message_that_comes_twice_runs_once() {
    let (_, mut front) = served();
    let (_, frames) = front.frames("execute_request", json!({"code": "1 + 1"}));
    front.send_shell(frames.clone());
    front.send_shell(frames);
    front.sees([busy(), input("1 + 1"), result("2"), idle()]);
    front.reply();
    still_serves(&mut front);
}

#[test]
fn a_connection_that_speaks_no_zeromq_disturbs_nobody() {
    let (echo, mut front) = served();
    let connection = echo.connection().clone();
    let ports = [
        connection.shell_port,
        connection.iopub_port,
        connection.stdin_port,
        connection.control_port,
        connection.hb_port,
    ];
    for port in ports {
        let mut stream = TcpStream::connect((&connection.ip[..], port)).unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        stream.write_all(&[0; 100]).unwrap();
    }
    still_serves(&mut front);
    assert_eq!(
        front.command("kernel_info_request", json!({})).kind(),
        "kernel_info_reply"
    );
    assert_eq!(crate::front::beat(&connection, "beat"), "beat");
}

#[test]
fn a_front_end_that_goes_away_takes_nothing_with_it() {
    let (echo, front) = served();
    let connection = echo.connection().clone();
    let mut other = Front::named(&connection, "other");
    let mut gone = front;
    gone.execute("hold");
    other.sees([busy(), input("hold")]);
    drop(gone);
    echo.release();
    other.sees([idle()]);
    still_serves(&mut other);
    let mut back = Front::connect(&connection);
    still_serves(&mut back);
}
