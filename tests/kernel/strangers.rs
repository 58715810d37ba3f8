//! Peers that mean ill or have lost their way: each loses its connection, and nobody else notices.

use std::io::{Read, Write};
use std::net::TcpStream;

use bytes::Bytes;
use cellheap::kernel::{Kernel, Stream};
use cellheap::wire::zmtp::{greeting, ready};
use cellheap::wire::{Connection, Outgoing};
use serde_json::json;

use crate::echo::{self, Echo};
use crate::front::{Front, Seen, beat, busy, idle, input, result, stdout};
use crate::{served, start};

/// A connection whose every byte is the test's.
pub struct Raw(pub TcpStream);

impl Raw {
    fn connect(connection: &Connection, port: u16) -> Self {
        Self(TcpStream::connect((&connection.ip[..], port)).unwrap())
    }

    /// A peer that has completed its handshake.
    fn peer(connection: &Connection, port: u16, socket_type: &str) -> Self {
        let mut raw = Self::connect(connection, port);
        raw.sends(&greeting());
        raw.sends(&ready(socket_type));
        // Our greeting and READY.
        let mut begin = [0; 64 + 2];
        raw.0.read_exact(&mut begin).unwrap();
        raw.0
            .read_exact(&mut vec![0; usize::from(begin[65])])
            .unwrap();
        raw
    }

    fn sends(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Reads until the kernel closes the connection.
    fn ends_dropped(mut self) {
        let mut rest = Vec::new();
        // A reset ends it as well as a close.
        let _ = self.0.read_to_end(&mut rest);
    }
}

fn ports(connection: &Connection) -> [(u16, &'static str); 5] {
    [
        (connection.shell_port, "DEALER"),
        (connection.iopub_port, "SUB"),
        (connection.stdin_port, "DEALER"),
        (connection.control_port, "DEALER"),
        (connection.hb_port, "REQ"),
    ]
}

#[track_caller]
fn still_serves(connection: &Connection, front: &mut Front) {
    front.execute("1 + 1");
    front.sees([busy(), input("1 + 1"), result("2"), idle()]);
    assert_eq!(front.reply().status(), "ok");
    assert_eq!(
        front.command("kernel_info_request", json!({})).status(),
        "ok"
    );
    assert_eq!(beat(connection, "beat"), "beat");
}

#[test]
fn a_frame_that_announces_more_than_there_is_costs_its_connection() {
    let (echo, mut front) = served();
    let connection = echo.connection();
    for announced in [1u64 << 33, 1 << 40, 1 << 60, u64::MAX] {
        for (port, kind) in ports(connection) {
            let mut early = Raw::connect(connection, port);
            early.sends(&[&greeting()[..], &[6], &announced.to_be_bytes()].concat());
            early.ends_dropped();
            let mut late = Raw::peer(connection, port, kind);
            late.sends(&[&[2u8][..], &announced.to_be_bytes()].concat());
            late.ends_dropped();
        }
    }
    still_serves(connection, &mut front);
}

#[test]
fn who_says_nothing_ends_dropped_and_does_not_keep_others_out() {
    let (echo, mut front) = served();
    let connection = echo.connection();
    // Far more than there are seats: those that find none are dropped at once.
    let silent: Vec<_> = (0..300)
        .map(|_| Raw::connect(connection, connection.shell_port))
        .collect();
    let mut half = Raw::connect(connection, connection.control_port);
    half.sends(&greeting()[..40]);
    still_serves(connection, &mut front);
    half.ends_dropped();
    silent.into_iter().for_each(Raw::ends_dropped);
    let mut after = Front::named(connection, "after");
    still_serves(connection, &mut after);
}

#[test]
fn who_only_sends_is_read_no_further_than_it_reads_itself() {
    let (echo, mut front) = served();
    let connection = echo.connection();
    let mut sender = Raw::peer(connection, connection.hb_port, "DEALER");
    let beat = [&[0, 200][..], &[7; 200]].concat().repeat(1000);
    // The kernel stops reading, the system's buffers fill, and then it drops the connection.
    while sender.0.write_all(&beat).is_ok() {}
    sender.ends_dropped();
    still_serves(connection, &mut front);
}

#[test]
fn a_peer_that_goes_in_the_middle_of_a_message_takes_nothing_with_it() {
    let (echo, mut front) = served();
    let connection = echo.connection();
    for (port, kind) in ports(connection) {
        let mut gone = Raw::peer(connection, port, kind);
        gone.sends(b"\x03\0\0\0\0\0\0\x01\0half");
    }
    still_serves(connection, &mut front);
}

#[test]
fn who_subscribes_without_end_ends_dropped() {
    let (echo, mut front) = served();
    let connection = echo.connection();
    let mut many = Raw::peer(connection, connection.iopub_port, "SUB");
    let subscriptions = b"\0\x03\x01ab".repeat(2000);
    // It may be dropped before all is sent.
    let _ = many.0.write_all(&subscriptions);
    many.ends_dropped();
    still_serves(connection, &mut front);
}

#[test]
fn pings_are_answered_on_every_port() {
    let (echo, _front) = served();
    let connection = echo.connection();
    for (port, kind) in ports(connection) {
        let mut peer = Raw::peer(connection, port, kind);
        peer.sends(b"\x04\x0a\x04PING\0\x0aabc");
        let mut pong = [0; 10];
        peer.0.read_exact(&mut pong).unwrap();
        assert_eq!(&pong, b"\x04\x08\x04PONGabc");
    }
}

#[test]
fn who_comes_back_under_its_name_is_served_while_the_old_connection_still_stands() {
    let (echo, mut front) = served();
    front.execute("hold");
    front.sees([busy(), input("hold")]);
    let mut back = Front::named(echo.connection(), "front");
    back.execute("1 + 1");
    echo.release();
    let statuses = [back.reply(), back.reply()].map(|reply| reply.status().to_owned());
    assert_eq!(statuses, ["ok", "ok"]);
    front.sees([idle(), busy(), input("1 + 1"), result("2"), idle()]);
    drop(back);
    // The first connection is the only one of that name again.
    still_serves(echo.connection(), &mut front);
}

#[test]
fn of_two_front_ends_with_one_name_each_gets_its_own_replies() {
    let (echo, mut first) = served();
    let mut second = Front::named(echo.connection(), "front");
    for _ in 0..3 {
        for front in [&mut first, &mut second] {
            let sent = front.execute("1 + 1");
            assert_eq!(front.reply().parent, sent.header);
        }
    }
}

const MEGABYTE: usize = 1 << 20;

fn megabyte() -> Outgoing {
    let buffers = vec![Bytes::from_static(&[0; MEGABYTE])];
    Outgoing {
        buffers,
        ..echo::display("")
    }
}

/// A subscriber that reads its welcome and then nothing more.
pub fn deaf(kernel: &Kernel) -> Raw {
    let connection = kernel.connection();
    let mut deaf = Raw::peer(connection, connection.iopub_port, "SUB");
    deaf.sends(b"\0\x01\x01");
    let mut welcome = [0; 2];
    deaf.0.read_exact(&mut welcome).unwrap();
    deaf
}

#[test]
fn a_subscriber_that_never_reads_ends_dropped_alone_and_the_others_hear_all() {
    const MESSAGES: usize = 200;
    let kernel = start();
    let mut front = Front::connect(kernel.connection());
    let deaf = deaf(&kernel);
    let writer = {
        let kernel = kernel.clone();
        std::thread::spawn(move || {
            (0..MESSAGES).for_each(|_| kernel.publish(b"display_data", megabyte()));
        })
    };
    for _ in 0..MESSAGES {
        assert_eq!(front.hears().buffers[0].len(), MEGABYTE);
    }
    writer.join().unwrap();
    deaf.ends_dropped();
}

#[test]
fn while_one_subscriber_is_deaf_requests_are_answered_and_text_arrives() {
    let kernel = start();
    Echo::attach(&kernel);
    let mut front = Front::connect(kernel.connection());
    let _deaf = deaf(&kernel);
    for n in 0..20 {
        let code = format!("print {n}");
        front.execute(&code);
        front.sees([busy(), input(&code), stdout(&format!("{n}\n")), idle()]);
        assert_eq!(front.reply().status(), "ok");
    }
    let text = "x".repeat(MEGABYTE);
    let writer = kernel.clone();
    std::thread::spawn(move || {
        (0..70).for_each(|_| writer.write(Stream::Stdout, Bytes::from_static(b"{}"), &text));
    });
    // Past the budget of the deaf one the writer waits; control and what is written still pass.
    let mut heard = 0;
    while heard < 70 * MEGABYTE {
        if let Seen::Text(_, text) = front.hears().seen() {
            heard += text.len();
        }
    }
    still_serves(kernel.connection(), &mut front);
}
