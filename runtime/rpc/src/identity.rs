//! Who a node is, and who is let in.

use std::fmt;
use std::sync::Arc;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::proof::{hmac, same};

/// What a node says about itself when it connects or is connected to.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Identity {
    /// The cluster it belongs to; 0 if none yet.
    pub cluster_id: u64,
    /// The cluster's secret; empty if none yet. Never sent to a node that has one, and never shown.
    pub token: String,
    /// The cluster's incarnation: new after every restore.
    pub incarnation: String,
    /// Counts the incarnations; a greater one fences off the smaller.
    pub epoch: u64,
    /// The node's own name.
    pub node: String,
    /// The version of the program.
    pub product_version: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("cluster_id", &self.cluster_id)
            .field("token", &if self.token.is_empty() { "none" } else { "***" })
            .field("incarnation", &self.incarnation)
            .field("epoch", &self.epoch)
            .field("node", &self.node)
            .field("product_version", &self.product_version)
            .finish()
    }
}

impl Identity {
    /// Whether the token that it brought is this one; so too if it brought none, because it has proven that it has it.
    pub fn brings(&self, token: &str) -> bool {
        self.token.is_empty() || same_token(&self.token, token)
    }
}

/// Compares without telling by the time it takes where the difference is.
pub(crate) fn same_token(a: &str, b: &str) -> bool {
    let digest = |token: &str| hmac(token.as_bytes(), &[b"starkeep token"]);
    same(&digest(a), &digest(b))
}

/// Where an end takes its own identity from at every new connection: it changes when a token is adopted or an epoch begins.
pub type IdentitySource = Arc<dyn Fn() -> Identity + Send + Sync>;

/// Decides on the serving side who is let in.
///
/// The order of a handshake: the caller says who it is. If this node has a token ([`Gate::token`]), the caller proves that it
/// holds the same one, and a caller that cannot is refused without asking further. If it has none (a fresh compute node), the
/// caller hands over its token, and [`Gate::admit`] decides whether to adopt it: trust on first use. In the end the server
/// proves that it holds the token too.
///
/// Whoever was let in without a proof is heard only as long as this node has no token, or has the very one that it brought:
/// of several that called a fresh node, those of other clusters are cut off as soon as it has joined one.
pub trait Gate: Send + Sync + 'static {
    /// The token of this node's cluster, if it belongs to one.
    fn token(&self) -> Option<String>;

    /// Decides on a caller: gives our own identity, or the reason of the refusal. `caller.token` is set only on first contact,
    /// when this node had no token a moment ago; admitting the caller then means to keep its cluster id and token (durably,
    /// before this returns), or to see that they are those that it has by now ([`Identity::brings`]). Otherwise the caller has proven our token, and cluster id, incarnation and epoch are still to be judged.
    fn admit(&self, caller: &Identity) -> Result<Identity, String>;

    /// Asked before every message: whether an admitted caller is still welcome. A caller of an older epoch is not, once a
    /// newer one was seen. Cheap.
    fn still_welcome(&self, caller: &Identity) -> Result<(), String> {
        let _ = caller;
        Ok(())
    }
}

/// A gate from a function that decides, with a fixed token.
pub struct FixedGate<F> {
    token: Option<String>,
    admit: F,
}

impl<F> FixedGate<F>
where
    F: Fn(&Identity) -> Result<Identity, String> + Send + Sync + 'static,
{
    /// A node whose token (or lack of one) never changes.
    pub fn new(token: Option<String>, admit: F) -> Self {
        Self { token, admit }
    }
}

impl<F> Gate for FixedGate<F>
where
    F: Fn(&Identity) -> Result<Identity, String> + Send + Sync + 'static,
{
    fn token(&self) -> Option<String> {
        self.token.clone()
    }

    fn admit(&self, caller: &Identity) -> Result<Identity, String> {
        (self.admit)(caller)
    }
}

/// An identity as it is sent: without the token.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Card {
    pub(crate) cluster_id: u64,
    pub(crate) incarnation: String,
    pub(crate) epoch: u64,
    pub(crate) node: String,
    pub(crate) product_version: String,
}

impl Card {
    pub(crate) fn of(identity: &Identity) -> Self {
        Self {
            cluster_id: identity.cluster_id,
            incarnation: identity.incarnation.clone(),
            epoch: identity.epoch,
            node: identity.node.clone(),
            product_version: identity.product_version.clone(),
        }
    }

    pub(crate) fn with_token(self, token: String) -> Identity {
        Identity {
            cluster_id: self.cluster_id,
            token,
            incarnation: self.incarnation,
            epoch: self.epoch,
            node: self.node,
            product_version: self.product_version,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_never_shown() {
        let identity = Identity { token: "hush".to_owned(), node: "fe1".to_owned(), ..Identity::default() };
        let text = format!("{identity:?}");
        assert!(text.contains("fe1") && !text.contains("hush"), "{text}");
        assert_eq!(Card::of(&identity).with_token("hush".to_owned()), identity);
    }
}
