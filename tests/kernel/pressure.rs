//! Much output, slow readers: nothing is lost, and memory is bounded.

use std::io::Read;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cellheap::wire::Outgoing;

use crate::echo::{self, LONG};
use crate::front::{Front, Seen};
use crate::strangers::deaf;
use crate::{served, start};

#[test]
fn a_hundred_thousand_prints_arrive_whole_in_few_messages() {
    let (_, mut front) = served();
    front.execute("many 100000");
    let mut text = String::new();
    let mut messages = 0;
    for seen in front.sees_until_idle() {
        if let Seen::Text(_, more) = seen {
            text.push_str(&more);
            messages += 1;
        }
    }
    let expected: String = (0..100_000).map(|n| format!("{n}\n")).collect();
    assert_eq!(text, expected);
    assert!(messages < 200, "{messages} messages");
}

#[test]
fn one_print_of_five_megabytes_arrives_whole() {
    let (_, mut front) = served();
    front.execute("big 5000000");
    let texts = front
        .sees_until_idle()
        .into_iter()
        .filter_map(|seen| match seen {
            Seen::Text(_, text) => Some(text),
            _ => None,
        });
    assert!(texts.collect::<String>() == "x".repeat(5_000_000));
}

#[test]
fn a_writer_waits_for_a_reader_that_stopped_and_loses_nothing() {
    const MESSAGES: usize = 200;
    let kernel = start();
    // Front ends of libraries read on in the background: this one does not.
    let mut reader = deaf(&kernel).0;
    let (wrote, writes) = channel();
    let full = kernel.clone();
    let writer = std::thread::spawn(move || {
        for _ in 0..MESSAGES {
            full.publish(b"display_data", megabyte());
            wrote.send(()).unwrap();
        }
    });
    let mut written = 0;
    // Nothing is waited for that a writer says who may wait from just now on.
    while !writer.is_finished() && kernel.wait_for_room(Duration::from_millis(1)) {
        written += writes.try_iter().count();
    }
    written += writes.try_iter().count();
    // The queue and the sockets hold some of it; the rest waits outside.
    assert!(written < MESSAGES - 10, "{written} written");
    let mut buffer = vec![0; MEGABYTE];
    let mut came = 0;
    while came < MESSAGES * MEGABYTE {
        came += reader.read(&mut buffer).unwrap();
    }
    writer.join().unwrap();
    assert!(kernel.wait_for_room(LONG));
}

#[test]
fn with_nobody_listening_output_goes_nowhere_and_nobody_waits() {
    let kernel = start();
    for _ in 0..200 {
        kernel.publish(b"display_data", megabyte());
    }
    kernel.close(LONG);
}

#[test]
fn a_front_end_that_does_not_read_holds_close_up_no_longer_than_it_may() {
    let kernel = start();
    let _front = Front::connect(kernel.connection());
    let stuck = kernel.clone();
    let writer = std::thread::spawn(move || {
        (0..60).for_each(|_| stuck.publish(b"display_data", megabyte()));
    });
    let begun = Instant::now();
    kernel.close(Duration::from_millis(300));
    writer.join().unwrap();
    assert!(begun.elapsed() < LONG);
}

const MEGABYTE: usize = 1 << 20;

/// A display with a buffer of a megabyte.
fn megabyte() -> Outgoing {
    let buffers = vec![Bytes::from_static(&[0; MEGABYTE])];
    Outgoing {
        buffers,
        ..echo::display("")
    }
}
