//! A toy interpreter: a few words of code, enough to drive every path of the kernel. Knows the kernel's calls alone.

#![allow(
    clippy::unwrap_used,
    reason = "a toy that meets the unexpected has failed its test"
)]

use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cellheap::kernel::{Channel, Interpreter, Kernel, KernelInfo, Lane, Request, Stream};
use cellheap::wire::{Connection, Message, Outgoing, header};
use serde_json::{Value, json};

const SESSION: &str = "echo";
pub const LONG: Duration = Duration::from_secs(10);

pub fn info() -> KernelInfo {
    KernelInfo {
        content: json!({"status": "ok", "implementation": "echo"})
            .to_string()
            .into(),
        session: SESSION.to_owned(),
        username: "tester".to_owned(),
        ident: "toy".to_owned(),
    }
}

/// Wakes the thread of a lane.
struct Bells {
    shell: Sender<()>,
    control: Sender<()>,
}

impl Interpreter for Bells {
    fn wake(&self, lane: Lane) {
        let bell = match lane {
            Lane::Control => &self.control,
            _ => &self.shell,
        };
        // A kernel that outlives its interpreter rings in vain.
        let _ = bell.send(());
    }
}

/// The handle that a test holds.
#[derive(Clone)]
pub struct Echo(Arc<Inner>);

struct Inner {
    kernel: Kernel,
    held: Mutex<bool>,
    released: Condvar,
    interrupted: AtomicBool,
    over: (Mutex<bool>, Condvar),
}

impl Echo {
    /// Attaches an interpreter to the kernel; it runs on threads of its own.
    pub fn attach(kernel: &Kernel) -> Self {
        let echo = Self(Arc::new(Inner {
            kernel: kernel.clone(),
            held: Mutex::new(true),
            released: Condvar::new(),
            interrupted: AtomicBool::new(false),
            over: Default::default(),
        }));
        let ((shell, shell_bell), (control, control_bell)) = (channel(), channel());
        echo.spawn(Lane::Shell, shell_bell);
        echo.spawn(Lane::Control, control_bell);
        kernel.attach(Arc::new(Bells { shell, control }));
        echo
    }

    fn spawn(&self, lane: Lane, bell: Receiver<()>) {
        let echo = self.clone();
        std::thread::spawn(move || {
            while bell.recv().is_ok() {
                while let Some(request) = echo.0.kernel.take(lane) {
                    echo.serve(request);
                }
            }
        });
    }

    /// Until the kernel was shut down.
    pub fn wait(&self) {
        let (over, rings) = &self.0.over;
        drop(
            rings
                .wait_while(over.lock().unwrap(), |over| !*over)
                .unwrap(),
        );
    }

    pub fn connection(&self) -> &Connection {
        self.0.kernel.connection()
    }

    /// Lets every `hold` go on, now and later.
    pub fn release(&self) {
        *self.0.held.lock().unwrap() = false;
        self.0.released.notify_all();
    }

    /// A SIGINT came.
    pub fn interrupted(&self) {
        self.0.interrupted.store(true, Ordering::SeqCst);
        self.release();
    }

    fn serve(&self, request: Request) {
        let message = &request.message;
        let content = match &message.header.msg_type[..] {
            "execute_request" => self.execute(message),
            "shutdown_request" => json!({"status": "ok", "restart": false}),
            _ => json!({"status": "ok", "echo": text(&message.content)}),
        };
        if content["status"] == "error" {
            self.0.kernel.abort_queue(request.id.lane);
        }
        let answered =
            (request.id.lane, &message.header.msg_type[..]) == (Lane::Control, "shutdown_request");
        if message.header.msg_type.ends_with("_request") && !answered {
            self.reply(request.id.lane.channel(), message, &content);
        }
        self.0.kernel.finish(request.id);
        if message.header.msg_type == "shutdown_request" {
            self.0.kernel.close(LONG);
            *self.0.over.0.lock().unwrap() = true;
            self.0.over.1.notify_all();
        }
    }

    fn execute(&self, request: &Message) -> Value {
        let content: Value = serde_json::from_slice(&request.content).unwrap();
        let code = content["code"].as_str().unwrap();
        self.publish(
            request,
            "execute_input",
            &json!({"code": code, "execution_count": 1}),
        );
        for line in code.lines() {
            if let Err(ename) = self.line(request, line) {
                let error =
                    json!({"status": "error", "ename": ename, "evalue": "", "traceback": []});
                self.publish(request, "error", &error);
                return error;
            }
        }
        json!({"status": "ok", "execution_count": 1})
    }

    fn line(&self, request: &Message, line: &str) -> Result<(), String> {
        let kernel = &self.0.kernel;
        let parent = &request.header.raw;
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "pass" => {}
            "print" => kernel.write(Stream::Stdout, parent.clone(), &format!("{rest}\n")),
            "warn" => kernel.write(Stream::Stderr, parent.clone(), &format!("{rest}\n")),
            "flush" => kernel.flush(),
            "many" => (0..number(rest))
                .for_each(|n| kernel.write(Stream::Stdout, parent.clone(), &format!("{n}\n"))),
            "big" => kernel.write(Stream::Stdout, parent.clone(), &"x".repeat(number(rest))),
            "display" => self.display(request, rest),
            "displays" => (0..number(rest)).for_each(|n| self.display(request, &n.to_string())),
            "raise" => return Err(rest.to_owned()),
            "hold" => self.hold(),
            "wait-for-interrupt" => {
                self.hold();
                assert!(self.0.interrupted.load(Ordering::SeqCst));
                return Err("KeyboardInterrupt".to_owned());
            }
            "ask" => self.ask(request, rest),
            "comms" => self.comms(request, number(rest)),
            "capture" => drop(kernel.capture().unwrap()),
            "fd1" => write_fd(1, rest),
            "fd2" => write_fd(2, rest),
            "system" => return system(rest),
            "fork" => self.fork(request, rest),
            _ => self.evaluate(request, line),
        }
        Ok(())
    }

    fn evaluate(&self, request: &Message, line: &str) {
        let sum: i64 = line
            .split('+')
            .map(|term| term.trim().parse::<i64>().unwrap())
            .sum();
        let data = json!({"text/plain": sum.to_string()});
        let content = json!({"data": data, "metadata": {}, "execution_count": 1});
        self.publish(request, "execute_result", &content);
    }

    fn display(&self, request: &Message, text: &str) {
        let parent_header = request.header.raw.clone();
        let message = Outgoing {
            parent_header,
            ..display(text)
        };
        self.0.kernel.publish(b"display_data", message);
    }

    fn hold(&self) {
        let held = self.0.held.lock().unwrap();
        drop(self.0.released.wait_while(held, |held| *held).unwrap());
    }

    fn ask(&self, request: &Message, prompt: &str) {
        self.0.kernel.purge_answers();
        let content = json!({"prompt": prompt, "password": false});
        let question = outgoing(request, "input_request", &content);
        self.0.kernel.reply(Channel::Stdin, question);
        let answer = self.0.kernel.answer(LONG).expect("somebody answers");
        let answer: Value = serde_json::from_slice(&answer.content).unwrap();
        let line = format!("print {}", answer["value"].as_str().unwrap());
        self.line(request, &line).unwrap();
    }

    /// Serves comm messages while this request is open.
    fn comms(&self, request: &Message, count: usize) {
        let mut seen = 0;
        while seen < count {
            if let Some(comm) = self.0.kernel.take_comm(Lane::Shell) {
                self.publish(
                    &comm,
                    "comm_msg",
                    &serde_json::from_slice(&comm.content).unwrap(),
                );
                seen += 1;
            }
            std::thread::yield_now();
        }
        self.line(request, "print served").unwrap();
    }

    fn fork(&self, request: &Message, text: &str) {
        // SAFETY: the child only writes and ends.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            self.line(request, &format!("print {text}")).unwrap();
            self.display(request, text);
            // The child falls back into the loop, which ends it.
            return;
        }
        let mut status = 0;
        // SAFETY: `status` is written by the call.
        unsafe { libc::waitpid(pid, &raw mut status, 0) };
        assert_eq!(status, 0);
    }

    fn publish(&self, request: &Message, kind: &str, content: &Value) {
        self.0
            .kernel
            .publish(kind.as_bytes(), outgoing(request, kind, content));
    }

    fn reply(&self, channel: Channel, request: &Message, content: &Value) {
        let kind = request.header.msg_type.replace("_request", "_reply");
        let mut reply = outgoing(request, &kind, content);
        reply.buffers.clone_from(&request.buffers);
        self.0.kernel.reply(channel, reply);
    }
}

/// A display that belongs to no request.
pub fn display(text: &str) -> Outgoing {
    let content = json!({"data": {"text/plain": text}, "metadata": {}, "transient": {}});
    Outgoing {
        header: header("display_data", SESSION, "tester"),
        content: content.to_string().into(),
        ..Outgoing::default()
    }
}

fn outgoing(request: &Message, kind: &str, content: &Value) -> Outgoing {
    Outgoing {
        ids: request.ids.clone(),
        header: header(kind, SESSION, "tester"),
        parent_header: request.header.raw.clone(),
        content: content.to_string().into(),
        ..Outgoing::default()
    }
}

fn number(text: &str) -> usize {
    text.parse().unwrap()
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn write_fd(fd: RawFd, text: &str) {
    let line = format!("{text}\n");
    // SAFETY: pointer and length are those of `line`.
    assert!(unsafe { libc::write(fd, line.as_ptr().cast(), line.len()) } > 0);
}

fn system(command: &str) -> Result<(), String> {
    let mut shell = std::process::Command::new("sh");
    // The shell's own children take SIGINT, though this process blocks it and may have been started to ignore it.
    // SAFETY: between fork and exec it only sets signals.
    unsafe { shell.pre_exec(take_interrupts) };
    match shell.args(["-c", command]).status().unwrap().success() {
        true => Ok(()),
        false => Err("Failed".to_owned()),
    }
}

fn take_interrupts() -> std::io::Result<()> {
    // SAFETY: the set is filled before it is read.
    unsafe {
        libc::signal(libc::SIGINT, libc::SIG_DFL);
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
    Ok(())
}
