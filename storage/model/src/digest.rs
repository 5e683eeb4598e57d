//! The SHA-256 of an object: half as large as its digits, of which a catalog has very many.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A SHA-256.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest([u8; 32]);

impl Digest {
    /// From its 64 digits; None: they are none.
    pub fn of_hex(text: &str) -> Option<Digest> {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut found = [0; 32];
        if pairs.len() != found.len() || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in found.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Digest(found))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_back_and_others_are_none() {
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of_hex(text).unwrap().to_string(), text);
        assert_eq!(Digest::of_hex(&text.to_uppercase()), Digest::of_hex(text));
        for bad in ["", &text[1..], &text[2..], &format!("{text}00"), &text.replace('b', "g"), &text.replace("ba", "ä")]
        {
            assert_eq!(Digest::of_hex(bad), None, "{bad}");
        }
    }
}
