//! The kernel as a process of its own, the example `echo`: descriptors, children, signals, exit.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

use bytes::Bytes;
use cellheap::wire::Connection;
use serde_json::json;

use crate::fresh;
use crate::front::{Front, Seen, busy, display, error, idle, input, result, stderr, stdout};

struct Process {
    child: Child,
    log: BufReader<ChildStderr>,
    path: PathBuf,
}

impl Process {
    /// Runs the example until it listens.
    fn start() -> (Self, Front) {
        let path = fresh("connection.json");
        let mut process = Self::spawn(&mut echo(&path), path.clone());
        assert_eq!(process.line(), format!("listening: {}", path.display()));
        let front = Front::connect(&Connection::read(&path).unwrap());
        (process, front)
    }

    fn spawn(command: &mut Command, path: PathBuf) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.process_group(0).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log, path }
    }

    /// The next line on standard error.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.log.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// How it ended, what was left on standard error, and all of standard output.
    fn end(mut self) -> (ExitStatus, String, String) {
        let (mut log, mut out) = (String::new(), String::new());
        self.log.read_to_string(&mut log).unwrap();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut out)
            .unwrap();
        (self.child.wait().unwrap(), log, out)
    }
}

fn echo(path: &Path) -> Command {
    let tests = std::env::current_exe().unwrap();
    let built = tests.ancestors().nth(2).unwrap();
    // `cargo test` builds it; with `--test kernel` alone it is whatever was built before.
    let mut command = Command::new(built.join("examples/echo"));
    command.arg(path).env_remove("JPY_PARENT_PID");
    command
}

/// The text of one stream up to idle, and that nothing else came between.
fn text(front: &mut Front, code: &str) -> String {
    front.execute(code);
    front.sees([busy(), input(code)]);
    let mut all = String::new();
    loop {
        match front.hears().seen() {
            Seen::Text(_, text) => all.push_str(&text),
            seen => {
                assert_eq!(seen, idle());
                return all;
            }
        }
    }
}

#[test]
fn what_is_written_to_descriptors_is_there_before_idle() {
    let (_process, mut front) = Process::start();
    text(&mut front, "capture");
    for n in 0..50 {
        let code = format!("fd1 {n}");
        assert_eq!(text(&mut front, &code), format!("{n}\n"));
    }
    assert_eq!(text(&mut front, "system echo to a child"), "to a child\n");
    front.execute("fd2 oh");
    front.sees([busy(), input("fd2 oh"), stderr("oh\n"), idle()]);
    assert!(front.has_reply());
}

#[test]
fn what_is_written_to_descriptors_is_there_before_what_is_published_after() {
    let (_process, mut front) = Process::start();
    text(&mut front, "capture");
    for _ in 0..50 {
        front.execute("fd1 a\ndisplay b\nsystem echo c\n1 + 1");
        let code = input("fd1 a\ndisplay b\nsystem echo c\n1 + 1");
        let (a, c) = (stdout("a\n"), stdout("c\n"));
        front.sees([busy(), code, a, display("b"), c, result("2"), idle()]);
    }
}

#[test]
fn what_is_captured_goes_where_it_would_have_gone_too() {
    let (process, mut front) = Process::start();
    text(&mut front, "capture\nfd1 seen twice\nfd2 this too");
    front.command("shutdown_request", json!({}));
    let (status, log, out) = process.end();
    assert!(status.success());
    assert_eq!((&out[..], &log[..]), ("seen twice\n", "this too\n"));
}

#[test]
fn a_megabyte_from_a_child_process_arrives_whole() {
    let (mut process, mut front) = Process::start();
    text(&mut front, "capture");
    let mut echoed = process.child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || echoed.read_to_end(&mut Vec::new()));
    let code = "system yes ☃ | head -n 300000";
    assert_eq!(text(&mut front, code), "☃\n".repeat(300_000));
    front.command("shutdown_request", json!({}));
    reader.join().unwrap().unwrap();
}

#[test]
fn a_forked_child_speaks_through_its_parent_and_ends() {
    let (process, mut front) = Process::start();
    for _ in 0..20 {
        front.execute("fork hello");
        let code = input("fork hello");
        front.sees([busy(), code, stdout("hello\n"), display("hello"), idle()]);
    }
    front.command("shutdown_request", json!({}));
    assert!(process.end().0.success());
}

#[test]
fn a_long_message_of_a_forked_child_arrives_whole() {
    let (_process, mut front) = Process::start();
    let long = "z".repeat(1_000_000);
    front.execute(&format!("fork {long}"));
    let seen = front.sees_until_idle();
    assert!(seen.contains(&stdout(&format!("{long}\n"))));
    assert!(seen.contains(&display(&long)));
}

#[test]
fn an_interrupt_request_stops_what_runs() {
    let (_process, mut front) = Process::start();
    let code = "wait-for-interrupt";
    front.execute(code);
    front.sees([busy(), input(code)]);
    let reply = front.command("interrupt_request", json!({}));
    assert_eq!((reply.kind(), reply.status()), ("interrupt_reply", "ok"));
    let seen: Vec<Seen> = (0..4).map(|_| front.hears().seen()).collect();
    assert!(seen.contains(&error("KeyboardInterrupt")), "{seen:?}");
}

#[test]
fn an_interrupt_reaches_the_children_of_a_group_leader() {
    let (_process, mut front) = Process::start();
    text(&mut front, "capture");
    let code = "system echo begun; exec sleep 1000";
    front.execute(code);
    // An interrupt before there is a child reaches none. One before `sleep` has begun stops the shell, which is as good.
    front.sees([busy(), input(code), stdout("begun\n")]);
    front.command("interrupt_request", json!({}));
    while front.hears().seen() != error("Failed") {}
}

#[test]
fn the_kernel_ends_when_the_process_that_started_it_is_killed() {
    let path = fresh("connection.json");
    let kernel = echo(&path);
    let mut shell = Command::new("sh");
    let script = r#"JPY_PARENT_PID=$$ "$0" "$1" & wait"#;
    shell
        .args(["-c", script])
        .arg(kernel.get_program())
        .arg(&path);
    let mut process = Process::spawn(&mut shell, path);
    assert!(process.line().starts_with("listening"));
    process.child.kill().unwrap();
    // Standard error ends when its last writer, the kernel, has ended.
    let (_, log, _) = process.end();
    assert_eq!(
        log,
        "cellheap: the process that started the kernel is gone, so it ends\n"
    );
}

#[test]
fn an_occupied_port_is_one_line_and_a_failure() {
    let (first, _front) = Process::start();
    let port = Connection::read(&first.path).unwrap().shell_port;
    let (status, log, _) = Process::spawn(&mut echo(&first.path), first.path.clone()).end();
    assert_eq!(status.code(), Some(1));
    let expected =
        format!("echo: cannot bind shell to tcp://127.0.0.1:{port}: Address already in use");
    assert!(log.starts_with(&expected), "{log}");
    assert_eq!(log.lines().count(), 1);
}

#[test]
fn a_malformed_connection_file_is_one_line_and_a_failure() {
    let path = fresh("connection.json");
    std::fs::write(&path, "{").unwrap();
    let (status, log, _) = Process::spawn(&mut echo(&path), path.clone()).end();
    assert_eq!(status.code(), Some(1));
    let expected = format!("echo: connection file {} is malformed: ", path.display());
    assert!(log.starts_with(&expected), "{log}");
    assert_eq!(log.lines().count(), 1);
}

#[test]
fn a_frame_that_is_no_message_is_one_line_on_standard_error() {
    let (mut process, mut front) = Process::start();
    text(&mut front, "capture");
    let (_, mut frames) = front.frames("execute_request", json!({"code": "1 + 1"}));
    frames[1] = Bytes::from("00".repeat(32));
    front.send_shell(frames);
    assert_eq!(
        process.line(),
        "cellheap: ignored a message on shell: wrong signature"
    );
}

#[test]
fn a_connection_file_that_was_missing_is_private_and_goes_at_the_end() {
    let (process, mut front) = Process::start();
    let path = process.path.clone();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    front.command("shutdown_request", json!({}));
    assert!(process.end().0.success());
    assert!(!path.exists());
}
