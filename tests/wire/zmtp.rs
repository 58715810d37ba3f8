//! Bytes of ZMTP and what they mean, good and bad. The crate `zeromq` is the judge of ours in `tests/kernel`.

use bytes::{Bytes, BytesMut};
use cellheap::wire::zmtp::{
    Command, Decoder, Event, Limits, ProtocolError, Ready, encode, greeting, pong, ready,
};
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    bytes: 1 << 20,
    parts: 8,
};

/// Everything that comes out of these bytes, and how it ends.
fn decoded(pieces: &[&[u8]]) -> (Vec<Event>, Result<(), ProtocolError>) {
    let (mut decoder, mut input, mut events) = (Decoder::new(LIMITS), BytesMut::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match decoder.next(&mut input) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Err(error)),
            }
        }
    }
    (events, Ok(()))
}

fn refused(bytes: &[u8]) -> ProtocolError {
    decoded(&[bytes]).1.unwrap_err()
}

/// A peer up to the end of its handshake, then these.
fn after_handshake(bytes: &[u8]) -> Vec<u8> {
    [&greeting()[..], &ready("DEALER"), bytes].concat()
}

fn wire(parts: &[Bytes]) -> Vec<u8> {
    encode(parts).chunks().concat()
}

#[test]
fn a_peer_is_greeted_and_introduces_itself() {
    let identity = b"\x04\x28\x05READY\x0bSocket-Type\0\0\0\x03SUB\x08Identity\0\0\0\x02me";
    let (events, end) = decoded(&[&greeting(), identity]);
    let expected = Ready {
        socket_type: "SUB".into(),
        identity: "me".into(),
    };
    assert_eq!((events, end), (vec![Event::Ready(expected)], Ok(())));
}

#[test]
fn the_greeting_is_that_of_the_specification() {
    let bytes = greeting();
    assert_eq!(&bytes[..12], b"\xff\0\0\0\0\0\0\0\0\x7f\x03\0");
    assert_eq!(&bytes[12..17], b"NULL\0");
    assert!(bytes[17..].iter().all(|&byte| byte == 0));
}

#[test]
fn what_is_not_zmtp_is_refused_as_soon_as_it_can_be() {
    assert_eq!(refused(b"G"), ProtocolError::Greeting);
    assert_eq!(refused(b"\xff\0\0\0\0\0\0\0\0\0"), ProtocolError::Greeting);
    let old = b"\xff\0\0\0\0\0\0\0\0\x7f\x01";
    assert_eq!(refused(old), ProtocolError::Version { major: 1 });
    let mut curve = greeting();
    curve[12..17].copy_from_slice(b"CURVE");
    assert_eq!(refused(&curve), ProtocolError::Mechanism);
}

#[test]
fn nothing_passes_before_the_handshake_is_complete() {
    let early = |bytes: &[u8]| refused(&[&greeting()[..], bytes].concat());
    assert_eq!(early(b"\0\x01x"), ProtocolError::NotReady);
    assert_eq!(early(&pong(b"")), ProtocolError::NotReady);
    assert_eq!(
        refused(&after_handshake(&ready("SUB"))),
        ProtocolError::Command
    );
}

#[test]
fn a_length_is_compared_before_it_is_believed() {
    for announced in [1u64 << 20 | 1, 1 << 31, 1 << 40, 1 << 60, u64::MAX] {
        let frame = [&[2u8][..], &announced.to_be_bytes()].concat();
        let limit = LIMITS.bytes;
        assert_eq!(
            refused(&after_handshake(&frame)),
            ProtocolError::Large { limit }
        );
        let command = [&[6u8][..], &announced.to_be_bytes()].concat();
        let early = [&greeting()[..], &command].concat();
        assert_eq!(refused(&early), ProtocolError::Large { limit: 4096 });
    }
}

#[test]
fn the_parts_of_a_message_are_bounded_together() {
    let half = [&[3u8][..], &(1u64 << 19).to_be_bytes(), &vec![0; 1 << 19]].concat();
    let limit = LIMITS.bytes;
    let three = after_handshake(&[&half[..], &half, b"\x01\x01"].concat());
    assert_eq!(refused(&three), ProtocolError::Large { limit });
    let many = after_handshake(&b"\x01\0".repeat(9));
    assert_eq!(
        refused(&many),
        ProtocolError::Parts {
            limit: LIMITS.parts
        }
    );
}

#[test]
fn malformed_frames_and_commands_are_refused() {
    for flags in [8, 16, 128, 5] {
        assert_eq!(
            refused(&after_handshake(&[flags, 0])),
            ProtocolError::Flags(flags)
        );
    }
    let commands: [&[u8]; 4] = [b"", b"\0", b"\x09READY", b"\x04PING\0"];
    for body in commands {
        let frame = [&[4, body.len() as u8], body].concat();
        assert_eq!(refused(&after_handshake(&frame)), ProtocolError::Command);
    }
    let properties: [&[u8]; 3] = [b"\x05", b"\x02ab\0\0\0\x09x", b"\x01a\xff\xff\xff\xff"];
    for rest in properties {
        let frame = [&[4, 6 + rest.len() as u8], b"\x05READY".as_slice(), rest].concat();
        assert_eq!(
            refused(&[&greeting()[..], &frame].concat()),
            ProtocolError::Command
        );
    }
}

#[test]
fn commands_between_messages_are_understood() {
    let bytes = after_handshake(
        b"\x04\x0a\x04PING\0\x0aabc\x04\x0c\x09SUBSCRIBEab\x04\x07\x06CANCEL\x04\x05\x04LATE\0\x01m",
    );
    let (events, end) = decoded(&[&bytes]);
    assert_eq!(end, Ok(()));
    let expected = [
        Event::Command(Command::Ping("abc".into())),
        Event::Command(Command::Subscribe("ab".into())),
        Event::Command(Command::Cancel(Bytes::new())),
        Event::Command(Command::Other),
        Event::Message(vec!["m".into()]),
    ];
    assert_eq!(events[1..], expected);
    assert_eq!(&pong(b"abc")[..], b"\x04\x08\x04PONGabc");
}

#[test]
fn a_large_part_is_sent_from_where_it_lies() {
    let large = Bytes::from(vec![7; 1 << 20]);
    let message = encode(&["small".into(), large.clone(), "after".into()]);
    let lies = |chunk: &Bytes| chunk.as_ptr() == large.as_ptr();
    assert!(message.chunks().iter().any(lies));
    assert_eq!(message.size(), message.chunks().concat().len());
}

fn parts() -> impl Strategy<Value = Vec<Bytes>> {
    let part = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        (250usize..260).prop_map(|length| vec![1; length]),
        (16_380usize..16_390).prop_map(|length| vec![2; length]),
    ];
    prop::collection::vec(part.prop_map(Bytes::from), 1..5)
}

proptest! {
    #[test]
    fn messages_come_out_as_they_went_in_however_they_are_cut(
        messages in prop::collection::vec(parts(), 0..5),
        cuts in prop::collection::vec(1usize..5000, 0..20),
    ) {
        let sent: Vec<u8> = messages.iter().flat_map(|parts| wire(parts)).collect();
        let all = after_handshake(&sent);
        let (mut rest, mut pieces) = (&all[..], Vec::new());
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        let (events, end) = decoded(&pieces);
        prop_assert_eq!(end, Ok(()));
        let came: Vec<Vec<Bytes>> = events.into_iter().filter_map(|event| match event {
            Event::Message(parts) => Some(parts),
            _ => None,
        }).collect();
        prop_assert_eq!(came, messages);
    }

    /// Anything may come: what is not refused is within the bounds.
    #[test]
    fn no_bytes_break_the_bounds(bytes in prop::collection::vec(any::<u8>(), 0..400), begun: bool) {
        let all = if begun { after_handshake(&bytes) } else { bytes };
        for event in decoded(&[&all]).0 {
            if let Event::Message(parts) = event {
                prop_assert!(parts.len() <= LIMITS.parts);
                prop_assert!(parts.iter().map(Bytes::len).sum::<usize>() <= all.len());
            }
        }
    }
}
