//! Who is there? The serving side of the handshake.

use std::sync::Arc;

use tokio::io::AsyncWriteExt;

use super::Shared;
use crate::identity::{Card, Identity};
use crate::proof::{Nonce, Side, prove, same};
use crate::stream::{Reading, Writing, part};
use crate::wire::{FrameReader, HANDSHAKE_LIMIT, Head, VERSION, WireError, card_bytes, encode, preamble};

/// A caller that was let in.
pub(crate) struct Admitted {
    pub(crate) caller: Arc<Identity>,
    /// The token that it handed over, if it did not have to prove that it has ours.
    pub(crate) given: Option<String>,
    pub(crate) reader: FrameReader<Reading>,
    pub(crate) writer: Writing,
    /// How large a frame the caller takes.
    pub(crate) frame_limit: usize,
}

/// Why a stranger is not let in.
enum NotAdmitted {
    /// It broke off, or makes no sense.
    Broken(WireError),
    /// It is told the reason, and it is a thing for the log.
    Refused { reason: String, caller: Option<Identity> },
}

impl<E: Into<WireError>> From<E> for NotAdmitted {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}

/// Talks to a stranger until it is let in. One that is not is told why, if it can understand that.
pub(crate) async fn greet(reading: Reading, mut writer: Writing, shared: &Shared) -> Result<Admitted, WireError> {
    let mut reader = FrameReader::new(reading, HANDSHAKE_LIMIT);
    let why = match shake_hands(&mut reader, &mut writer, shared).await {
        Ok((caller, given, frame_limit)) => {
            reader.limit = shared.options.frame_limit;
            reader.patience = Some(shared.options.dead_after * 2);
            return Ok(Admitted { caller, given, reader, writer, frame_limit });
        }
        Err(why) => why,
    };
    let (error, reason) = match why {
        NotAdmitted::Refused { reason, caller } => {
            tracing::warn!(?caller, reason, "a caller is refused");
            (WireError::OutOfTurn, reason)
        }
        // It sees by our preamble that no TLS is spoken here.
        NotAdmitted::Broken(WireError::Tls) => {
            tracing::warn!("a caller speaks TLS, which is off here");
            let _ = writer.write_all(&preamble()).await;
            part(reader.into_inner(), writer).await;
            return Err(WireError::Tls);
        }
        // One that speaks another version understands at least this much.
        NotAdmitted::Broken(WireError::Version { theirs }) => {
            let _ = writer.write_all(&preamble()).await;
            let reason = format!("protocol version {theirs} is not spoken here, only {VERSION}");
            (WireError::Version { theirs }, reason)
        }
        NotAdmitted::Broken(error) => return Err(error),
    };
    refuse(reader.into_inner(), writer, &reason).await;
    Err(error)
}

/// Tells a caller why it is not let in; one that does not listen is not waited for.
pub(crate) async fn refuse(reading: Reading, mut writer: Writing, reason: &str) {
    let reason = reason.chars().take(2_000).collect();
    let _ = send(&mut writer, &Head::Refused { reason }).await;
    part(reading, writer).await;
}

/// Tells a caller without TLS that it must speak it.
pub(crate) async fn refuse_without_tls(reading: Reading, mut writer: Writing) {
    let _ = writer.write_all(&preamble()).await;
    refuse(reading, writer, "TLS is off at the caller and on here").await;
}

/// Who the caller is, the token that it handed over, and how large a frame it takes.
async fn shake_hands(
    reader: &mut FrameReader<Reading>,
    writer: &mut Writing,
    shared: &Shared,
) -> Result<(Arc<Identity>, Option<String>, usize), NotAdmitted> {
    reader.preamble().await?;
    writer.write_all(&preamble()).await?;
    let Head::Hello { card, nonce: theirs, has_token, frame_limit } = reader.must().await?.head else {
        return Err(WireError::OutOfTurn.into());
    };
    let ours: Nonce = runtime_actor::random::bytes();
    let token = shared.gate.token().filter(|token| !token.is_empty());
    send(writer, &Head::Challenge { nonce: ours, has_token: token.is_some() }).await?;
    let mut covered = card_bytes(&card)?;
    let refused = |reason: &str, card: Card| NotAdmitted::Refused {
        reason: reason.to_owned(),
        caller: Some(card.with_token(String::new())),
    };
    let (caller, agreed) = match (token, reader.must().await?.head) {
        (Some(token), Head::Proof { proof }) => {
            if !same(&proof, &prove(&token, Side::Caller, &theirs, &ours, &covered)) {
                let reason = if has_token { "its token is not this cluster's" } else { "it has no token" };
                return Err(refused(reason, card));
            }
            (card.with_token(String::new()), token)
        }
        (None, Head::Adopt { token }) if token.is_empty() => {
            return Err(refused("neither end has a token: this node has not joined a cluster yet", card));
        }
        (None, Head::Adopt { token }) => (card.with_token(token.clone()), token),
        _ => return Err(WireError::OutOfTurn.into()),
    };
    let identity =
        shared.gate.admit(&caller).map_err(|reason| NotAdmitted::Refused { reason, caller: Some(caller.clone()) })?;
    let card = Card::of(&identity);
    covered.extend(card_bytes(&card)?);
    let proof = prove(&agreed, Side::Server, &theirs, &ours, &covered);
    let limit = shared.options.frame_limit;
    send(writer, &Head::Welcome { card, proof, frame_limit: limit as u64 }).await?;
    let given = Some(caller.token.clone()).filter(|token| !token.is_empty());
    let caller = Arc::new(Identity { token: String::new(), ..caller });
    Ok((caller, given, usize::try_from(frame_limit).unwrap_or(usize::MAX).min(limit)))
}

async fn send(writer: &mut Writing, head: &Head) -> Result<(), WireError> {
    writer.write_all(&encode(head, &[], HANDSHAKE_LIMIT)?).await?;
    // TLS keeps what is not flushed.
    Ok(writer.flush().await?)
}
