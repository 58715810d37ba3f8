//! The 64 bytes with which each side begins. Owns their layout.

use super::ProtocolError;

pub const LENGTH: usize = 64;
const SIGNATURE: [u8; 10] = [0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f];
const MAJOR: u8 = 3;
const MECHANISM: std::ops::Range<usize> = 12..32;
const NULL: [u8; 20] = *b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Ours: ZMTP 3.0 without encryption. A newer peer then speaks as 3.0 does.
pub fn greeting() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    bytes[..SIGNATURE.len()].copy_from_slice(&SIGNATURE);
    bytes[10] = MAJOR;
    bytes[MECHANISM].copy_from_slice(&NULL);
    bytes
}

/// Looks at as much of a greeting as there is: what cannot become one is refused at its first byte.
/// True when it is whole.
pub fn check(bytes: &[u8]) -> Result<bool, ProtocolError> {
    // Of the signature only its ends are fixed: the length between was ZMTP 1's.
    if bytes.first().is_some_and(|&first| first != SIGNATURE[0]) {
        return Err(ProtocolError::Greeting);
    }
    if bytes.get(9).is_some_and(|last| last & 1 == 0) {
        return Err(ProtocolError::Greeting);
    }
    if let Some(&major) = bytes.get(10)
        && major < MAJOR
    {
        return Err(ProtocolError::Version { major });
    }
    match bytes.get(MECHANISM) {
        Some(mechanism) if mechanism != NULL => Err(ProtocolError::Mechanism),
        _ => Ok(bytes.len() >= LENGTH),
    }
}
