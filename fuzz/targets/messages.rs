//! The parts of a message: without the key none passes, and with it what is read is what was signed.
#![no_main]

use bytes::Bytes;
use cellheap::wire::{Message, Signer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // A line feed ends a part: JSON needs none.
    let parts: Vec<Bytes> = (data.split(|&byte| byte == b'\n'))
        .map(Bytes::copy_from_slice)
        .collect();
    let signer = Signer::new(b"a key that the input does not know");
    assert!(Message::read(parts.clone(), &signer).is_err());
    // Anybody may send to a kernel without a key.
    let _ = Message::read(parts.clone(), &Signer::new(b""));
    let [header, parent, metadata, content, buffers @ ..] = &parts[..] else {
        return;
    };
    let signature = signer.sign([header, parent, metadata, content]).into();
    let mut signed = vec![Bytes::from_static(b"<IDS|MSG>"), signature];
    signed.extend(parts.iter().cloned());
    if let Ok(message) = Message::read(signed.clone(), &signer) {
        assert_eq!(&message.header.raw, header);
        assert_eq!(&message.content, content);
        assert_eq!(message.buffers, buffers);
        assert!(Message::read(signed, &signer).is_err(), "a replay passed");
    }
});
