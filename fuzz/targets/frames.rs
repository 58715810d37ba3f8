//! A peer that has completed its handshake: the messages it sends, encoded again, are the same messages.
#![no_main]

use bytes::{Bytes, BytesMut};
use cellheap::wire::zmtp::{Decoder, Event, Limits, encode, greeting, ready};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    bytes: 1 << 16,
    parts: 64,
};

fn messages(bytes: &[u8]) -> Vec<Vec<Bytes>> {
    let mut decoder = Decoder::new(LIMITS);
    let mut input = BytesMut::from(&greeting()[..]);
    input.extend_from_slice(&ready("DEALER"));
    input.extend_from_slice(bytes);
    let mut messages = Vec::new();
    while let Ok(Some(event)) = decoder.next(&mut input) {
        if let Event::Message(parts) = event {
            messages.push(parts);
        }
    }
    messages
}

fuzz_target!(|data: &[u8]| {
    let first = messages(data);
    for parts in &first {
        assert!(parts.len() <= LIMITS.parts);
        assert!(parts.iter().map(Bytes::len).sum::<usize>() <= LIMITS.bytes);
    }
    let again: Vec<u8> = (first.iter())
        .flat_map(|parts| encode(parts).chunks().concat())
        .collect();
    assert_eq!(messages(&again), first);
});
