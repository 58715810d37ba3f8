//! Before, instead of and beside the interpreter: what the kernel answers itself.

use serde_json::json;

use crate::echo::Echo;
use crate::front::{Front, beat, busy, idle, input, result, stdout};
use crate::{served, start};

#[test]
fn kernel_info_is_answered_before_there_is_an_interpreter() {
    let kernel = start();
    let mut front = Front::connect(kernel.connection());
    let sent = front.ask("kernel_info_request", json!({}));
    front.sees([busy(), idle()]);
    let reply = front.reply();
    assert_eq!(reply.kind(), "kernel_info_reply");
    assert_eq!(reply.content["implementation"], "echo");
    assert_eq!(reply.parent, sent.header);
    let control = front.command("kernel_info_request", json!({}));
    assert_eq!(control.content["implementation"], "echo");
}

#[test]
fn what_is_asked_before_there_is_an_interpreter_is_served_once_there_is() {
    let kernel = start();
    let mut front = Front::connect(kernel.connection());
    front.execute("1 + 1");
    front.ask("kernel_info_request", json!({}));
    front.sees([busy(), idle()]);
    assert_eq!(front.reply().kind(), "kernel_info_reply");
    Echo::attach(&kernel);
    front.sees([busy(), input("1 + 1"), result("2"), idle()]);
}

#[test]
fn when_the_interpreter_cannot_come_up_every_request_hears_why() {
    let kernel = start();
    let mut front = Front::connect(kernel.connection());
    front.execute("1 + 1");
    front.ask("kernel_info_request", json!({}));
    front.reply();
    kernel.fail("ImportError", "no module named IPython");
    front.execute("2 + 2");
    for _ in 0..2 {
        let reply = front.reply();
        assert_eq!((reply.kind(), reply.status()), ("execute_reply", "error"));
        assert_eq!(reply.content["ename"], "ImportError");
        assert_eq!(reply.content["evalue"], "no module named IPython");
    }
    front.sees([busy(), idle(), busy(), idle(), busy(), idle()]);
    let reply = front.command("shutdown_request", json!({}));
    assert_eq!(reply.content["ename"], "ImportError");
}

#[test]
fn control_and_heartbeat_answer_while_a_request_runs() {
    let (echo, mut front) = served();
    front.execute("hold");
    front.sees([busy(), input("hold")]);
    let info = front.command("kernel_info_request", json!({}));
    assert_eq!(info.content["implementation"], "echo");
    let usage = front.command("usage_request", json!({}));
    assert_eq!(usage.content["pid"], std::process::id());
    let other = front.command("debug_request", json!({"a": 1}));
    assert_eq!(other.content["echo"], json!({"a": 1}).to_string());
    assert_eq!(beat(echo.connection(), "still there?"), "still there?");
    front.sees([busy(), idle(), busy(), idle(), busy(), idle()]);
    echo.release();
    front.sees([idle()]);
}

#[test]
fn kernel_info_on_shell_waits_for_its_turn() {
    let (echo, mut front) = served();
    front.execute("hold");
    front.ask("kernel_info_request", json!({}));
    front.sees([busy(), input("hold")]);
    assert!(!front.has_reply());
    echo.release();
    assert_eq!(front.reply().kind(), "execute_reply");
    assert_eq!(front.reply().kind(), "kernel_info_reply");
}

#[test]
fn every_subscriber_is_welcomed() {
    let (echo, mut first) = served();
    // `connect` returns when the welcome has come.
    let mut second = Front::named(echo.connection(), "second");
    // The first had its own already, and hears of no other.
    second.execute("1 + 1");
    for front in [&mut first, &mut second] {
        front.sees([busy(), input("1 + 1"), result("2"), idle()]);
    }
}

#[test]
fn an_answer_on_stdin_reaches_the_code_that_asked() {
    let (_, mut front) = served();
    front.execute("print before\nask name?");
    assert_eq!(front.answers("Ada"), "name?");
    let code = input("print before\nask name?");
    front.sees([busy(), code, stdout("before\n"), stdout("Ada\n"), idle()]);
}

#[test]
fn an_answer_that_nobody_asked_for_is_forgotten() {
    let (_, mut front) = served();
    front.answers_unasked("stale");
    // Another socket, so it may be late: what is answered after it has come after it.
    front.execute("1 + 1");
    front.sees([busy(), input("1 + 1"), result("2"), idle()]);
    front.execute("ask name?");
    assert_eq!(front.answers("fresh"), "name?");
    front.sees([busy(), input("ask name?"), stdout("fresh\n"), idle()]);
}

#[test]
fn buffers_and_the_bytes_of_json_pass_untouched() {
    let (_, mut front) = served();
    let content = json!({"text": "ü \u{1f980} \\ \""});
    let (_, mut frames) = front.frames("inspect_request", content.clone());
    let buffers = [
        bytes::Bytes::from(vec![0, 159, 146, 150]),
        bytes::Bytes::new(),
    ];
    frames.extend(buffers.clone());
    front.send_shell(frames);
    let reply = front.reply();
    assert_eq!(reply.content["echo"], content.to_string());
    assert_eq!(reply.buffers, buffers);
}
