//! Who is there? The serving side of the handshake.

use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::Shared;
use crate::identity::{Card, Identity};
use crate::proof::{Nonce, Side, prove, same};
use crate::wire::{FrameReader, HANDSHAKE_LIMIT, Head, VERSION, WireError, card_bytes, encode, preamble};

/// A caller that was let in.
pub(crate) struct Admitted {
    pub(crate) caller: Arc<Identity>,
    pub(crate) reader: FrameReader<OwnedReadHalf>,
    pub(crate) writer: OwnedWriteHalf,
    /// How large a frame the caller takes.
    pub(crate) frame_limit: usize,
}

/// Talks to a stranger until it is let in.
pub(crate) async fn greet(
    reader: OwnedReadHalf,
    mut writer: OwnedWriteHalf,
    shared: &Shared,
) -> Result<Admitted, WireError> {
    let mut reader = FrameReader::new(reader, HANDSHAKE_LIMIT);
    match reader.preamble().await {
        Ok(()) => writer.write_all(&preamble()).await?,
        Err(WireError::Version { theirs }) => {
            // One that speaks another version understands at least this much.
            writer.write_all(&preamble()).await?;
            let reason = format!("protocol version {theirs} is not spoken here, only {VERSION}");
            refuse(&mut writer, &reason).await;
            return Err(WireError::Version { theirs });
        }
        Err(error) => return Err(error),
    }
    let Head::Hello { card, nonce: theirs, has_token, frame_limit } = reader.must().await?.head else {
        return Err(WireError::OutOfTurn);
    };
    let ours: Nonce = runtime_actor::random::bytes();
    let token = shared.gate.token().filter(|token| !token.is_empty());
    send(&mut writer, &Head::Challenge { nonce: ours, has_token: token.is_some() }).await?;
    let covered = card_bytes(&card)?;
    let answer = reader.must().await?.head;
    let (caller, agreed) = match (token, answer) {
        (Some(token), Head::Proof { proof }) => {
            if !same(&proof, &prove(&token, Side::Caller, &theirs, &ours, &covered)) {
                let reason = if has_token { "its token is not this cluster's" } else { "it has no token" };
                tracing::warn!(caller = ?card, reason, "a caller is refused");
                refuse(&mut writer, reason).await;
                return Err(WireError::OutOfTurn);
            }
            (card.with_token(String::new()), token)
        }
        (None, Head::Adopt { token }) => (card.with_token(token.clone()), token),
        _ => return Err(WireError::OutOfTurn),
    };
    let admitted = shared.gate.admit(&caller);
    let identity = match admitted {
        Ok(identity) => identity,
        Err(reason) => {
            tracing::warn!(?caller, reason, "a caller is refused");
            refuse(&mut writer, &reason).await;
            return Err(WireError::OutOfTurn);
        }
    };
    let proof = prove(&agreed, Side::Server, &theirs, &ours, &covered);
    let limit = shared.options.frame_limit;
    let card = Card::of(&identity);
    send(&mut writer, &Head::Welcome { card, proof, frame_limit: limit as u64 }).await?;
    reader.limit = limit;
    let caller = Arc::new(Identity { token: String::new(), ..caller });
    let frame_limit = usize::try_from(frame_limit).unwrap_or(usize::MAX).min(limit);
    Ok(Admitted { caller, reader, writer, frame_limit })
}

async fn send(writer: &mut OwnedWriteHalf, head: &Head) -> Result<(), WireError> {
    Ok(writer.write_all(&encode(head, &[], HANDSHAKE_LIMIT)?).await?)
}

/// Says why not; a caller that does not listen is not waited for.
async fn refuse(writer: &mut OwnedWriteHalf, reason: &str) {
    let reason = reason.chars().take(2_000).collect();
    let _ = send(writer, &Head::Refused { reason }).await;
    let _ = writer.shutdown().await;
}
