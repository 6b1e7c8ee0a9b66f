//! Reads the streams of a sender: their headers, whole bodies, and live frames as they come.

use std::time::Duration;

use aecodec_proto::Violation;
use aecodec_proto::figures::Wire;
use aecodec_proto::parts::{PART_MAX, STREAM_HEADER_MAX, StreamHeader};
use bytes::{Bytes, BytesMut};
use quinn::{Connection, ReadError, RecvStream};
use tokio::time::timeout;

use super::end::End;
use crate::frames::{FrameInput, FrameIntake};

/// A part of a live frame is useless if the frame was not announced within this time.
const EARLY: Duration = Duration::from_secs(10);

/// A stream, its header, and the bytes that were read after the header.
pub(super) type Header = (RecvStream, StreamHeader, BytesMut);

/// Reads the first bytes of a stream, which say what it carries. Returns `None` if the stream ends before.
pub(super) async fn header(mut stream: RecvStream, stall: Duration) -> Result<Option<Header>, End> {
    let mut bytes = BytesMut::new();
    loop {
        match StreamHeader::decode(&bytes) {
            Ok(Some((header, length))) => {
                let rest = bytes.split_off(length);
                return Ok(Some((stream, header, rest)));
            }
            Ok(None) => {}
            Err(detail) => return Err(Violation::Malformed(detail.into()).into()),
        }
        match next(&mut stream, STREAM_HEADER_MAX, stall).await? {
            Next::Bytes(chunk) => bytes.extend_from_slice(&chunk),
            Next::End | Next::GivenUp => return Ok(None),
        }
    }
}

/// Reads the rest of a stream that must be `length` bytes long. Returns `None` if the sender gave it up.
pub(super) async fn body(
    mut stream: RecvStream,
    mut bytes: BytesMut,
    length: u32,
    stall: Duration,
) -> Result<Option<BytesMut>, End> {
    let length = length as usize;
    // Memory beyond this grows as bytes come.
    bytes.reserve(length.min(PART_MAX as usize).saturating_sub(bytes.len()));
    loop {
        let wrong = |found: usize| Violation::StreamLength { found: found as u64, expected: length as u64 };
        if bytes.len() > length {
            return Err(wrong(bytes.len()).into());
        }
        // One byte more than allowed, so that a longer stream is noticed.
        match next(&mut stream, length - bytes.len() + 1, stall).await? {
            Next::Bytes(chunk) => bytes.extend_from_slice(&chunk),
            Next::End if bytes.len() == length => return Ok(Some(bytes)),
            Next::End => return Err(wrong(bytes.len()).into()),
            Next::GivenUp => return Ok(None),
        }
    }
}

/// Passes on a part of a live frame as it comes. A part that is given up half-way does no harm.
pub(super) async fn chunks(
    mut stream: RecvStream,
    mut rest: BytesMut,
    seq: u64,
    part: u32,
    intake: FrameIntake,
    stall: Duration,
) -> Result<(), End> {
    // Data that is not read yet waits in the connection, within its limits.
    if !matches!(timeout(EARLY, intake.announced(seq)).await, Ok(true)) {
        return Ok(());
    }
    let mut bytes = Some(rest.split().freeze());
    while let Some(chunk) = bytes {
        if !chunk.is_empty() && !intake.put(FrameInput::Chunk { seq, part, bytes: chunk }).await {
            break;
        }
        bytes = match next(&mut stream, 64 << 10, stall).await? {
            Next::Bytes(chunk) => Some(chunk),
            Next::End | Next::GivenUp => None,
        };
    }
    Ok(())
}

/// The next content of a stream.
enum Next {
    Bytes(Bytes),
    /// The stream is complete.
    End,
    /// The sender has reset it.
    GivenUp,
}

/// The next content of a stream.
async fn next(stream: &mut RecvStream, most: usize, stall: Duration) -> Result<Next, End> {
    match timeout(stall, stream.read_chunk(most, true)).await {
        Ok(Ok(Some(chunk))) => Ok(Next::Bytes(chunk.bytes)),
        Ok(Ok(None)) => Ok(Next::End),
        Ok(Err(ReadError::ConnectionLost(error))) => Err(End::Closed(error)),
        Ok(Err(_)) => Ok(Next::GivenUp),
        Err(_) => Err(Violation::Slow { waiting: "a stream", seconds: stall.as_secs() }.into()),
    }
}

/// What a connection has carried so far.
pub(super) fn carried(connection: &Connection) -> Wire {
    let stats = connection.stats();
    Wire {
        bytes: stats.udp_tx.bytes + stats.udp_rx.bytes,
        // Packets in both directions; this end sends little except acknowledgements.
        packets: stats.udp_tx.datagrams + stats.udp_rx.datagrams,
        lost: stats.path.lost_packets,
    }
}
