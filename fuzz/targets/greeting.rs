//! A connection from its first byte: whatever comes, in whatever pieces, ends in events within the bounds or in an error.
#![no_main]

use bytes::BytesMut;
use cellheap::wire::zmtp::{Decoder, Limits};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    bytes: 1 << 16,
    parts: 64,
};

fuzz_target!(|data: &[u8]| {
    // The first byte says into what pieces the rest is cut.
    let Some((&cut, bytes)) = data.split_first() else {
        return;
    };
    let (mut decoder, mut input) = (Decoder::new(LIMITS), BytesMut::new());
    for piece in bytes.chunks(usize::from(cut).max(1)) {
        input.extend_from_slice(piece);
        loop {
            match decoder.next(&mut input) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
        assert!(decoder.held() <= LIMITS.bytes);
        assert!(
            input.len() <= LIMITS.bytes + 9,
            "an unfinished frame past the bound"
        );
    }
});
