//! Packets, in which Git's protocols send everything but the pack's own bytes: four hexadecimal
//! digits with the length of the whole, then the contents. From Git's `gitprotocol-common`.

use super::problem::GitProblem;

/// The packet that ends a list.
pub(super) const FLUSH: &[u8] = b"0000";

/// The length of a packet's head.
const HEAD: usize = 4;

/// A packet that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// The end of a list.
    Flush,
    /// Contents.
    Data(Vec<u8>),
}

/// Appends a packet with these contents.
pub(super) fn push(request: &mut Vec<u8>, contents: &str) {
    request.extend_from_slice(format!("{:04x}{contents}", contents.len() + HEAD).as_bytes());
}

/// Cuts packets out of bytes that come in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct PacketBuffer {
    bytes: Vec<u8>,
    start: usize,
}

impl PacketBuffer {
    /// Takes the next piece.
    pub(super) fn feed(&mut self, piece: &[u8]) {
        if self.start == self.bytes.len() {
            self.bytes.clear();
        } else {
            self.bytes.drain(..self.start);
        }
        self.start = 0;
        self.bytes.extend_from_slice(piece);
    }

    /// The next whole packet, if it is there.
    ///
    /// # Errors
    /// The bytes are no packet.
    pub(super) fn next(&mut self) -> Result<Option<Packet>, GitProblem> {
        let rest = &self.bytes[self.start..];
        let Some((head, rest)) = rest.split_at_checked(HEAD) else {
            return Ok(None);
        };
        let length = std::str::from_utf8(head)
            .ok()
            // A sign is no digit, though it may stand before a number.
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| usize::from_str_radix(digits, 16).ok())
            .filter(|length| *length == 0 || *length >= HEAD)
            .ok_or_else(|| GitProblem::protocol("it is not in Git's packets"))?;
        if length == 0 {
            self.start += HEAD;
            return Ok(Some(Packet::Flush));
        }
        let Some(contents) = rest.get(..length - HEAD) else {
            return Ok(None);
        };
        let packet = Packet::Data(contents.to_vec());
        self.start += length;
        Ok(Some(packet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_cut_out_of_pieces() {
        let mut text = Vec::new();
        push(&mut text, "want x\n");
        text.extend_from_slice(FLUSH);
        push(&mut text, "");
        assert_eq!(text, b"000bwant x\n00000004");
        for size in 1..text.len() {
            let mut buffer = PacketBuffer::default();
            let mut packets = Vec::new();
            for piece in text.chunks(size) {
                buffer.feed(piece);
                while let Some(packet) = buffer.next().unwrap() {
                    packets.push(packet);
                }
            }
            let expected = [
                Packet::Data(b"want x\n".to_vec()),
                Packet::Flush,
                Packet::Data(Vec::new()),
            ];
            assert_eq!(packets, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        for text in ["<htm", "0003", "zzzz", "+00a"] {
            let mut buffer = PacketBuffer::default();
            buffer.feed(text.as_bytes());
            assert!(buffer.next().is_err(), "{text}");
        }
    }
}
