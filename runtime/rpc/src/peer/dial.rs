//! Making a connection: the calling side of the handshake.

use tokio::io::AsyncWriteExt;

use super::link::Link;
use crate::error::RpcError;
use crate::identity::{Card, Identity};
use crate::options::RpcOptions;
use crate::proof::{Nonce, Side, prove, same};
use crate::stream::{Connector, Reading, Writing};
use crate::tls::{TlsFault, explain};
use crate::wire::{FrameReader, HANDSHAKE_LIMIT, Head, VERSION, WireError, card_bytes, encode, preamble};

/// Why no connection came about.
enum NoLink {
    Broken(WireError),
    Refused(String),
}

impl<E: Into<WireError>> From<E> for NoLink {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}

impl From<TlsFault> for NoLink {
    fn from(fault: TlsFault) -> Self {
        match fault {
            TlsFault::Refused(reason) => Self::Refused(reason),
            TlsFault::Io(error) => Self::Broken(error.into()),
        }
    }
}

/// Connects and says who we are.
pub(crate) async fn dial(
    address: &str,
    connector: &Connector,
    identity: Identity,
    options: &RpcOptions,
) -> Result<Link, RpcError> {
    shake_hands(address, connector, identity, options).await.map_err(|error| match error {
        // With TLS 1.3 the other end judges our certificate when we think that all is well.
        NoLink::Broken(WireError::Io(error)) if explain(&error).is_some() => {
            let reason = explain(&error).unwrap_or_default();
            RpcError::Refused { address: address.to_owned(), reason }
        }
        NoLink::Refused(reason) => RpcError::Refused { address: address.to_owned(), reason },
        NoLink::Broken(WireError::Cut) => {
            let cause = "it closed the connection in the handshake".to_owned();
            RpcError::Unreachable { address: address.to_owned(), cause }
        }
        NoLink::Broken(error) => RpcError::Unreachable { address: address.to_owned(), cause: error.to_string() },
    })
}

async fn shake_hands(
    address: &str,
    connector: &Connector,
    identity: Identity,
    options: &RpcOptions,
) -> Result<Link, NoLink> {
    let (reading, writer) = connector(address.to_owned()).await?;
    let met = introduce(reading, writer, identity, options).await?;
    Ok(Link::start(address, met.remote, met.reader, met.writer, met.frame_limit, options))
}

/// A server that let us in.
pub(crate) struct Met {
    remote: Identity,
    reader: FrameReader<Reading>,
    writer: Writing,
    frame_limit: usize,
}

async fn introduce(
    reading: Reading,
    mut writer: Writing,
    identity: Identity,
    options: &RpcOptions,
) -> Result<Met, NoLink> {
    let mut reader = FrameReader::new(reading, HANDSHAKE_LIMIT);
    let ours: Nonce = runtime_actor::random::bytes();
    let card = Card::of(&identity);
    let mut covered = card_bytes(&card)?;
    let has_token = !identity.token.is_empty();
    writer.write_all(&preamble()).await?;
    let hello = Head::Hello { card, nonce: ours, has_token, frame_limit: options.frame_limit as u64 };
    send(&mut writer, &hello).await?;
    match reader.preamble().await {
        Ok(()) => {}
        Err(WireError::Version { theirs }) => {
            return Err(NoLink::Refused(format!("it speaks protocol version {theirs}, this node {VERSION}")));
        }
        Err(WireError::Tls) => return Err(NoLink::Refused("TLS is off at this end and on at the other".to_owned())),
        Err(WireError::Magic) => return Err(NoLink::Refused("what listens there is not a starkeep node".to_owned())),
        Err(error) => return Err(error.into()),
    }
    let (theirs, proven) = match reader.must().await?.head {
        Head::Challenge { nonce, has_token } => (nonce, has_token),
        Head::Refused { reason } => return Err(NoLink::Refused(reason)),
        _ => return Err(WireError::OutOfTurn.into()),
    };
    if proven {
        let proof = prove(&identity.token, Side::Caller, &ours, &theirs, &covered);
        send(&mut writer, &Head::Proof { proof }).await?;
    } else {
        send(&mut writer, &Head::Adopt { token: identity.token.clone() }).await?;
    }
    let (card, proof, their_limit) = match reader.must().await?.head {
        Head::Welcome { card, proof, frame_limit } => (card, proof, frame_limit),
        Head::Refused { reason } => return Err(NoLink::Refused(reason)),
        _ => return Err(WireError::OutOfTurn.into()),
    };
    covered.extend(card_bytes(&card)?);
    if !same(&proof, &prove(&identity.token, Side::Server, &ours, &theirs, &covered)) {
        return Err(NoLink::Refused("it could not prove that it belongs to this cluster".to_owned()));
    }
    if card.cluster_id != identity.cluster_id {
        return Err(NoLink::Refused(format!("it belongs to cluster {}, not {}", card.cluster_id, identity.cluster_id)));
    }
    reader.limit = options.frame_limit;
    let frame_limit = usize::try_from(their_limit).unwrap_or(usize::MAX).min(options.frame_limit);
    Ok(Met { remote: card.with_token(String::new()), reader, writer, frame_limit })
}

/// For fuzzers: the handshake alone.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) async fn dial_over(
    reading: Reading,
    writer: Writing,
    identity: Identity,
    options: &RpcOptions,
) -> Result<Met, ()> {
    introduce(reading, writer, identity, options).await.map_err(drop)
}

async fn send(writer: &mut Writing, head: &Head) -> Result<(), WireError> {
    writer.write_all(&encode(head, &[], HANDSHAKE_LIMIT)?).await?;
    // TLS keeps what is not flushed.
    Ok(writer.flush().await?)
}
