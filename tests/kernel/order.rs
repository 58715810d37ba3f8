//! What comes before what.

use crate::front::{busy, display, error, idle, input, result, stderr, stdout};
use crate::served;

#[test]
fn a_request_is_busy_input_result_idle() {
    let (_, mut front) = served();
    let sent = front.execute("1 + 1");
    front.sees([busy(), input("1 + 1"), result("2"), idle()]);
    let reply = front.reply();
    assert_eq!((reply.kind(), reply.status()), ("execute_reply", "ok"));
    assert_eq!(reply.parent, sent.header);
}

#[test]
fn every_message_of_a_request_names_it_byte_for_byte() {
    let (_, mut front) = served();
    let sent = front.execute("print a\ndisplay b\n1 + 1");
    for _ in 0..6 {
        assert_eq!(front.hears().parent, sent.header);
    }
}

#[test]
fn output_is_there_before_the_reply_and_the_reply_before_idle() {
    let (_, mut front) = served();
    for _ in 0..200 {
        front.execute("print x");
        front.sees([busy(), input("print x"), stdout("x\n"), idle()]);
        assert!(front.has_reply());
        front.reply();
    }
}

#[test]
fn text_is_joined_but_never_past_other_messages() {
    let (_, mut front) = served();
    let code = "print a\nprint b\nwarn c\nprint d\ndisplay e\nprint f\n1 + 1";
    front.execute(code);
    front.sees([
        busy(),
        input(code),
        stdout("a\nb\n"),
        stderr("c\n"),
        stdout("d\n"),
        display("e"),
        stdout("f\n"),
        result("2"),
        idle(),
    ]);
}

#[test]
fn text_comes_while_the_cell_runs() {
    let (echo, mut front) = served();
    front.execute("print early\nhold\nprint late");
    front.sees([
        busy(),
        input("print early\nhold\nprint late"),
        stdout("early\n"),
    ]);
    echo.release();
    front.sees([stdout("late\n"), idle()]);
}

#[test]
fn an_error_aborts_queued_executes_and_nothing_else() {
    let (echo, mut front) = served();
    front.execute("hold\nraise ValueError");
    front.execute("1 + 1");
    front.ask("complete_request", serde_json::json!({"code": "a"}));
    front.execute("2 + 2");
    front.ask("kernel_info_request", serde_json::json!({}));
    echo.release();
    front.sees([
        busy(),
        input("hold\nraise ValueError"),
        error("ValueError"),
        idle(),
    ]);
    front.sees([
        busy(),
        idle(),
        busy(),
        idle(),
        busy(),
        idle(),
        busy(),
        idle(),
    ]);
    let replies: Vec<_> = (0..5)
        .map(|_| front.reply())
        .map(|reply| (reply.kind().to_owned(), reply.status().to_owned()))
        .collect();
    let expected = [
        ("execute_reply", "error"),
        ("execute_reply", "aborted"),
        ("execute_reply", "aborted"),
        ("complete_reply", "ok"),
        ("kernel_info_reply", "ok"),
    ];
    assert_eq!(
        replies,
        expected.map(|(kind, status)| (kind.to_owned(), status.to_owned()))
    );
    front.execute("3 + 3");
    front.sees([busy(), input("3 + 3"), result("6"), idle()]);
}

#[test]
fn what_is_sent_after_an_error_reply_runs() {
    let (_, mut front) = served();
    for _ in 0..50 {
        front.execute("raise ValueError");
        assert_eq!(front.reply().status(), "error");
        front.execute("pass");
        assert_eq!(front.reply().status(), "ok");
    }
}

#[test]
fn a_thousand_queued_executes_are_answered_in_order() {
    let (_, mut front) = served();
    let sent: Vec<_> = (0..1000).map(|_| front.execute("pass").header).collect();
    for header in sent {
        assert_eq!(front.reply().parent, header);
    }
}

#[test]
fn a_comm_message_passes_the_queue_while_a_request_is_open() {
    let (_, mut front) = served();
    front.execute("comms 1");
    front.execute("1 + 1");
    front.ask("comm_msg", serde_json::json!({"comm_id": "c", "data": 7}));
    let seen = front.sees_until_idle();
    let comm = serde_json::json!({"comm_id": "c", "data": 7});
    let expected = [
        busy(),
        input("comms 1"),
        crate::front::Seen::Other("comm_msg".into(), comm),
        stdout("served\n"),
        idle(),
    ];
    assert_eq!(seen, expected);
    front.sees([busy(), input("1 + 1"), result("2"), idle()]);
}
