//! The order of the parts, read and written.

use bytes::Bytes;
use cellheap::wire::{FrameError, Message, Outgoing, Signer, header};
use proptest::prelude::*;
use serde_json::Value;

const HEADER: &str = r#"{"msg_id": "1", "msg_type": "x_request", "session": "s", "extra": [1]}"#;

/// A message as it leaves, with two identities before it.
fn frames(signer: &Signer) -> Vec<Bytes> {
    let message = Outgoing {
        header: HEADER.into(),
        parent_header: r#"{"p": 1}"#.into(),
        metadata: r#"{"m": 2}"#.into(),
        content: r#"{"c": 3}"#.into(),
        buffers: vec!["buffer".into(), Bytes::new()],
        ..Outgoing::default()
    };
    message.frames(["peer".into(), "hop".into()], signer)
}

#[test]
fn what_is_written_is_read_back() {
    let signer = Signer::new(b"key");
    let message = Message::read(frames(&signer), &signer).unwrap();
    assert_eq!(message.ids, ["peer", "hop"]);
    assert_eq!(message.header.raw, HEADER);
    assert_eq!(
        (&message.header.msg_id[..], &message.header.msg_type[..]),
        ("1", "x_request")
    );
    assert_eq!(
        (&message.header.session[..], &message.header.subshell_id),
        ("s", &None)
    );
    assert_eq!(message.parent_header, r#"{"p": 1}"#);
    assert_eq!(message.metadata, r#"{"m": 2}"#);
    assert_eq!(message.content, r#"{"c": 3}"#);
    assert_eq!(message.buffers, [Bytes::from("buffer"), Bytes::new()]);
}

#[test]
fn parts_that_were_left_out_are_empty_objects() {
    let message = Outgoing {
        header: HEADER.into(),
        ..Outgoing::default()
    };
    let frames = message.frames([Bytes::from("topic")], &Signer::new(b""));
    assert_eq!(frames, ["topic", "<IDS|MSG>", "", HEADER, "{}", "{}", "{}"]);
}

#[test]
fn fewer_parts_than_a_message_has_are_no_message() {
    let signer = Signer::new(b"key");
    let whole = frames(&signer);
    let read = |frames: &[Bytes]| Message::read(frames.to_vec(), &signer).unwrap_err();
    for found in 0..3 {
        assert_eq!(read(&whole[..found]), FrameError::Delimiter { found });
    }
    for found in 0..5 {
        let expected = FrameError::Truncated { expected: 5, found };
        assert_eq!(read(&whole[..3 + found]), expected);
    }
}

#[test]
fn a_header_has_what_the_protocol_asks_for() {
    let made: Value = serde_json::from_slice(&header("status", "s", "ü\"")).unwrap();
    assert_eq!(made["msg_type"], "status");
    assert_eq!(made["session"], "s");
    assert_eq!(made["username"], "ü\"");
    assert_eq!(made["version"], "5.5");
    assert_eq!(made["msg_id"].as_str().unwrap().len(), 36);
    let date = made["date"].as_str().unwrap();
    assert!(date.ends_with('Z') && date.len() == "2026-01-01T00:00:00.000000Z".len());
}

proptest! {
    #[test]
    fn no_frames_whatever_make_the_reader_panic(parts in prop::collection::vec(".{0,20}", 0..12), at in 0usize..12) {
        let mut frames: Vec<Bytes> = parts.into_iter().map(Bytes::from).collect();
        frames.insert(at.min(frames.len()), Bytes::from("<IDS|MSG>"));
        let _ = Message::read(frames, &Signer::new(b""));
    }

    #[test]
    fn a_message_of_which_one_byte_changed_is_refused(part in 1usize..6, byte: prop::sample::Index, bit in 0u8..8) {
        let signer = Signer::new(b"key");
        let mut spoilt = frames(&signer);
        let mut bytes = spoilt[part + 2].to_vec();
        let at = byte.index(bytes.len());
        bytes[at] ^= 1 << bit;
        // Hexadecimal digits have two cases: the only change that means the same.
        prop_assume!(part > 1 || !bytes[at].is_ascii_uppercase());
        spoilt[part + 2] = bytes.into();
        prop_assert_eq!(Message::read(spoilt, &signer).unwrap_err(), FrameError::Forged);
    }
}
