//! Bytes to text, across reads. A value; a character that is cut by a read comes whole with the next one.

#[derive(Debug, Default)]
pub struct Decoder {
    cut: Vec<u8>,
}

impl Decoder {
    /// The text of these bytes and of what was cut before them. What is not UTF-8 becomes U+FFFD.
    pub fn decode(&mut self, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.cut);
        all.extend_from_slice(bytes);
        let mut text = String::with_capacity(all.len());
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let invalid = chunk.invalid();
            if chunks.peek().is_none() && may_continue(invalid) {
                self.cut = invalid.to_vec();
            } else if !invalid.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        text
    }
}

/// Whether more bytes could make a character of these: then UTF-8 calls them incomplete, not wrong.
fn may_continue(bytes: &[u8]) -> bool {
    matches!(std::str::from_utf8(bytes), Err(error) if error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::Decoder;
    use proptest::prelude::*;

    #[test]
    fn a_character_that_a_read_cuts_comes_whole() {
        let mut decoder = Decoder::default();
        let snowman = "☃".as_bytes();
        assert_eq!(decoder.decode(&snowman[..2]), "");
        assert_eq!(decoder.decode(&snowman[2..]), "☃");
    }

    #[test]
    fn a_character_that_never_ends_is_replaced_once() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.decode(b"a\xe2\x98"), "a");
        assert_eq!(decoder.decode(b"b"), "\u{fffd}b");
    }

    proptest! {
        #[test]
        fn however_text_is_cut_it_comes_out_the_same(text in ".{0,40}", cuts in prop::collection::vec(1usize..7, 0..60)) {
            let mut decoder = Decoder::default();
            let (mut rest, mut out) = (text.as_bytes(), String::new());
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                out.push_str(&decoder.decode(piece));
                rest = after;
            }
            prop_assert_eq!(out, text);
        }
    }
}
