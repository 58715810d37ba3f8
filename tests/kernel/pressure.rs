//! Much output, slow readers: nothing is lost, and memory is bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use cellheap::kernel::Stream;

use crate::front::{Front, Seen};
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
fn one_print_of_twenty_megabytes_arrives_whole() {
    let (_, mut front) = served();
    front.execute("big 20000000");
    let texts = front
        .sees_until_idle()
        .into_iter()
        .filter_map(|seen| match seen {
            Seen::Text(_, text) => Some(text),
            _ => None,
        });
    assert!(texts.collect::<String>() == "x".repeat(20_000_000));
}

#[test]
fn a_writer_waits_for_a_reader_that_stopped_and_loses_nothing() {
    const MEGABYTES: usize = 60;
    let kernel = start();
    let mut front = Front::connect(kernel.connection());
    let written = Arc::new(AtomicUsize::new(0));
    let (full, count) = (kernel.clone(), written.clone());
    let writer = std::thread::spawn(move || {
        let megabyte = "x".repeat(1 << 20);
        for _ in 0..MEGABYTES {
            full.write(Stream::Stdout, Bytes::new(), &megabyte);
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    while !kernel.is_full() {
        std::thread::yield_now();
    }
    // The queue and the sockets hold some of it; the rest waits outside.
    assert!(written.load(Ordering::SeqCst) < MEGABYTES - 10);
    let mut read = 0;
    while read < MEGABYTES << 20 {
        if let Seen::Text(_, text) = front.hears().seen() {
            read += text.len();
        }
    }
    writer.join().unwrap();
    assert_eq!(read, MEGABYTES << 20);
}

#[test]
fn with_nobody_listening_output_goes_nowhere_and_nobody_waits() {
    let kernel = start();
    let megabyte = "x".repeat(1 << 20);
    for _ in 0..40 {
        kernel.write(Stream::Stdout, Bytes::new(), &megabyte);
    }
}
