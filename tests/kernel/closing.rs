//! The end: nothing that was said is lost.

use std::sync::Arc;

use cellheap::kernel::{Interpreter, Kernel, Lane, Stream};
use cellheap::wire::{Connection, Transport};
use serde_json::json;

use crate::echo::{Echo, LONG, info};
use crate::front::{Front, busy, display, idle, input, result, stdout};
use crate::{echo, fresh, served, start};

#[test]
fn close_sends_all_that_was_published() {
    let kernel = start();
    let mut front = Front::connect(kernel.connection());
    for n in 0..10_000 {
        kernel.publish(b"display_data", echo::display(&n.to_string()));
    }
    let closing = std::thread::spawn(move || kernel.close(LONG));
    for n in 0..10_000 {
        front.sees([display(&n.to_string())]);
    }
    closing.join().unwrap();
}

#[test]
fn shutdown_is_answered_while_a_request_runs() {
    let (_, mut front) = served();
    front.execute("hold");
    let reply = front.command("shutdown_request", json!({"restart": false}));
    assert_eq!((reply.kind(), reply.status()), ("shutdown_reply", "ok"));
}

/// An interpreter that takes nothing: running code holds its lock.
struct Stuck;

impl Interpreter for Stuck {
    fn wake(&self, _: Lane) {}
}

#[test]
fn shutdown_is_answered_while_the_interpreter_takes_nothing() {
    let kernel = start();
    let mut front = Front::connect(kernel.connection());
    kernel.attach(Arc::new(Stuck));
    for (asked, restart) in [(json!({"restart": true}), true), (json!({}), false)] {
        let reply = front.command("shutdown_request", asked);
        assert_eq!(reply.kind(), "shutdown_reply");
        assert_eq!(reply.content, json!({"status": "ok", "restart": restart}));
    }
    let request = kernel.take(Lane::Control).expect("it is still to be done");
    assert_eq!(request.message.header.msg_type, "shutdown_request");
}

#[test]
fn close_sends_replies_that_wait() {
    let (_, mut front) = served();
    let sent: Vec<_> = (0..100).map(|_| front.execute("pass").header).collect();
    front.execute("1 + 1");
    while front.hears().seen() != result("2") {}
    front.command("shutdown_request", json!({"restart": true}));
    for header in sent {
        assert_eq!(front.reply().parent, header);
    }
}

#[test]
fn close_twice_is_close_once() {
    let kernel = start();
    kernel.close(LONG);
    kernel.close(LONG);
    kernel.write(Stream::Stdout, bytes::Bytes::new(), "too late");
    kernel.publish(b"late", cellheap::wire::Outgoing::default());
    assert!(kernel.take(Lane::Shell).is_none());
}

#[test]
fn closed_ports_are_free_again() {
    let kernel = start();
    let connection = kernel.connection().clone();
    kernel.close(LONG);
    let again = Kernel::start(connection, info()).unwrap();
    again.close(LONG);
}

#[test]
fn over_ipc_it_is_the_same_kernel() {
    let path = fresh("connection.json");
    let ip = path.with_file_name("ipc");
    let file = json!({
        "transport": "ipc", "ip": ip, "key": "secret", "signature_scheme": "hmac-sha256",
        "shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5,
    });
    std::fs::write(&path, file.to_string()).unwrap();
    let kernel = Kernel::start(Connection::read(&path).unwrap(), info()).unwrap();
    assert_eq!(kernel.connection().transport, Transport::Ipc);
    Echo::attach(&kernel);
    let mut front = Front::connect(kernel.connection());
    front.execute("print a\n1 + 1");
    front.sees([
        busy(),
        input("print a\n1 + 1"),
        stdout("a\n"),
        result("2"),
        idle(),
    ]);
    assert_eq!(front.reply().status(), "ok");
    front.command("shutdown_request", json!({}));
    kernel.close(LONG);
    let left: Vec<_> = (1..=5)
        .filter(|port| ip.with_file_name(format!("ipc-{port}")).exists())
        .collect();
    assert!(left.is_empty(), "socket files left: {left:?}");
    assert!(path.exists(), "the file was not ours to remove");
}

#[test]
fn an_unsigned_connection_works() {
    let path = fresh("connection.json");
    std::fs::write(&path, r#"{"key": ""}"#).unwrap();
    let kernel = Kernel::start(Connection::read(&path).unwrap(), info()).unwrap();
    Echo::attach(&kernel);
    let mut front = Front::connect(kernel.connection());
    front.execute("1 + 1");
    front.sees([busy(), input("1 + 1"), result("2"), idle()]);
}
