//! HMAC-SHA256 over the four JSON parts of a message. Owns the key and what was seen of late; knows no layout.

use std::collections::{HashSet, VecDeque};

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::Sha256;

use super::FrameError;

/// As many signatures are remembered: a message that comes twice within them was replayed.
const REMEMBERED: usize = 1 << 16;

/// Signs and verifies. The keyed state is set up once and cloned for each message.
pub struct Signer {
    keyed: Option<Hmac<Sha256>>,
    seen: Mutex<History>,
}

/// The latest signatures, by their first 64 bits.
#[derive(Default)]
struct History {
    known: HashSet<[u8; 8]>,
    order: VecDeque<[u8; 8]>,
}

impl Signer {
    /// An empty key means that the connection is not signed.
    pub fn new(key: &[u8]) -> Self {
        let keyed = || Hmac::new_from_slice(key).expect("HMAC takes keys of any length");
        Self {
            keyed: (!key.is_empty()).then(keyed),
            seen: Mutex::default(),
        }
    }

    /// The signature in hexadecimal; empty when the connection is not signed.
    pub fn sign(&self, parts: [&[u8]; 4]) -> Vec<u8> {
        let Some(mac) = self.over(parts) else {
            return Vec::new();
        };
        let mut hex = Vec::with_capacity(64);
        for byte in mac.finalize().into_bytes() {
            hex.extend([byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]));
        }
        hex
    }

    /// Compares in constant time.
    ///
    /// # Errors
    /// When the signature is missing, is not that of these parts, or was seen before.
    pub fn verify(&self, signature: &[u8], parts: [&[u8]; 4]) -> Result<(), FrameError> {
        let Some(mac) = self.over(parts) else {
            return Ok(());
        };
        if signature.is_empty() {
            return Err(FrameError::Unsigned);
        }
        let digest = unhex(signature).ok_or(FrameError::Forged)?;
        mac.verify_slice(&digest).map_err(|_| FrameError::Forged)?;
        if self.seen.lock().is_new(&digest) {
            Ok(())
        } else {
            Err(FrameError::Repeated)
        }
    }

    fn over(&self, parts: [&[u8]; 4]) -> Option<Hmac<Sha256>> {
        let mut mac = self.keyed.clone()?;
        for part in parts {
            mac.update(part);
        }
        Some(mac)
    }
}

impl History {
    fn is_new(&mut self, digest: &[u8]) -> bool {
        let Some(&start) = digest.first_chunk() else {
            return false;
        };
        if !self.known.insert(start) {
            return false;
        }
        self.order.push_back(start);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|&[high, low]| u8::try_from(digit(high)? << 4 | digit(low)?).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_is_that_of_rfc_4231() {
        let signer = Signer::new(b"Jefe");
        let parts: [&[u8]; 4] = [b"what do ya ", b"want ", b"for ", b"nothing?"];
        let expected = b"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signer.sign(parts), expected);
        assert_eq!(signer.verify(expected, parts), Ok(()));
    }

    #[test]
    fn a_signature_passes_once_while_it_is_remembered() {
        let signer = Signer::new(b"key");
        let parts = |n: &'static [u8]| -> [&[u8]; 4] { [n, b"b", b"c", b"d"] };
        let (one, two) = (signer.sign(parts(b"1")), signer.sign(parts(b"2")));
        assert_eq!(signer.verify(&one, parts(b"1")), Ok(()));
        assert_eq!(signer.verify(&two, parts(b"2")), Ok(()));
        assert_eq!(signer.verify(&one, parts(b"1")), Err(FrameError::Repeated));
    }

    #[test]
    fn the_oldest_signature_is_forgotten_first() {
        let mut history = History::default();
        let digest = |n: usize| n.to_be_bytes();
        assert!((0..=REMEMBERED).all(|n| history.is_new(&digest(n))));
        assert!(history.is_new(&digest(0)));
        assert!(!history.is_new(&digest(2)));
        assert_eq!(history.known.len(), REMEMBERED);
    }

    #[test]
    fn only_the_signature_of_these_parts_passes() {
        let signer = Signer::new(b"key");
        let parts: [&[u8]; 4] = [b"a", b"b", b"c", b"d"];
        let good = signer.sign(parts);
        let mut flipped = good.clone();
        flipped[63] ^= 1;
        let other = Signer::new(b"yek").sign(parts);
        assert_eq!(signer.verify(b"", parts), Err(FrameError::Unsigned));
        for bad in [&flipped[..], &good[..62], &good[..63], b"zz", &other] {
            assert_eq!(signer.verify(bad, parts), Err(FrameError::Forged));
        }
    }

    #[test]
    fn without_a_key_nothing_is_signed_and_everything_passes() {
        let signer = Signer::new(b"");
        assert!(signer.sign([b"a", b"b", b"c", b"d"]).is_empty());
        assert_eq!(signer.verify(b"anything", [b""; 4]), Ok(()));
    }
}
