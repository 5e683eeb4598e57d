//! Who is let in, who is not, and who is not any more.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::kit::*;
use crate::*;

fn peer(address: &str, identity: Identity) -> Peer {
    Peer::with(address, Arc::new(move || identity.clone()), options())
}

fn refusal(result: Result<u64, RpcError>) -> String {
    match result {
        Err(RpcError::Refused { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_right_token_nobody_is_even_judged() {
    let judged = Arc::new(AtomicU64::new(0));
    let gate = identity::FixedGate::new(Some("hush".to_owned()), {
        let judged = judged.clone();
        move |caller: &Identity| {
            judged.fetch_add(1, Ordering::SeqCst);
            assert!(caller.token.is_empty(), "the token is not in the hello");
            Ok(me("server", "hush"))
        }
    });
    let node = Node::start("127.0.0.1:0", Arc::new(gate), options()).await;
    let stranger = peer(&node.address, me("stranger", "guess"));
    assert_eq!(refusal(stranger.ask("worker", Double(1), PATIENCE).await), "its token is not this cluster's");
    let fresh = peer(&node.address, me("fresh", ""));
    assert_eq!(refusal(fresh.ask("worker", Double(1), PATIENCE).await), "it has no token");
    assert_eq!(judged.load(Ordering::SeqCst), 0);
    assert_eq!(node.peer().ask("worker", Double(1), PATIENCE).await, Ok(2));
    assert_eq!(judged.load(Ordering::SeqCst), 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gate_has_the_last_word_and_its_words_arrive() {
    let gate = identity::FixedGate::new(Some("hush".to_owned()), |caller: &Identity| {
        Err(format!("{} of cluster {} is of another cluster", caller.node, caller.cluster_id))
    });
    let node = Node::start("127.0.0.1:0", Arc::new(gate), options()).await;
    let reason = refusal(node.peer().ask("worker", Double(1), PATIENCE).await);
    assert_eq!(reason, "caller of cluster 42 is of another cluster");
    node.stop().await;
}

/// A fresh compute node: trusts the first cluster that calls, and from then on the newest epoch.
#[derive(Default)]
struct Fresh {
    adopted: Mutex<Option<Identity>>,
    epoch: AtomicU64,
}

impl Gate for Fresh {
    fn token(&self) -> Option<String> {
        self.adopted.lock().unwrap().as_ref().map(|identity| identity.token.clone())
    }

    fn admit(&self, caller: &Identity) -> Result<Identity, String> {
        let mut adopted = self.adopted.lock().unwrap();
        let known = adopted.get_or_insert_with(|| caller.clone());
        if known.cluster_id != caller.cluster_id {
            return Err("another cluster".to_owned());
        }
        self.still_welcome(caller)?;
        self.epoch.fetch_max(caller.epoch, Ordering::SeqCst);
        Ok(Identity { node: "fresh".to_owned(), ..known.clone() })
    }

    fn still_welcome(&self, caller: &Identity) -> Result<(), String> {
        let epoch = self.epoch.load(Ordering::SeqCst);
        if caller.epoch < epoch { Err(format!("epoch {} is over, now is {epoch}", caller.epoch)) } else { Ok(()) }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_node_adopts_the_first_cluster_and_refuses_others() {
    let gate = Arc::new(Fresh::default());
    let node = Node::start("127.0.0.1:0", gate.clone(), options()).await;
    assert_eq!(node.peer().ask("worker", Double(1), PATIENCE).await, Ok(2));
    assert_eq!(gate.token().as_deref(), Some("hush"));
    let other = peer(&node.address, me("other", "other token"));
    assert_eq!(refusal(other.ask("worker", Double(1), PATIENCE).await), "its token is not this cluster's");
    // A second connection of the right cluster proves, and need not hand anything over.
    assert_eq!(node.peer().ask("worker", Double(3), PATIENCE).await, Ok(6));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_of_an_older_epoch_is_fenced_off_in_the_middle_of_its_connection() {
    let node = Node::start("127.0.0.1:0", Arc::new(Fresh::default()), options()).await;
    let old = node.peer();
    assert_eq!(old.ask("worker", Double(1), PATIENCE).await, Ok(2));
    let new = peer(&node.address, Identity { epoch: 2, ..me("caller", "hush") });
    assert_eq!(new.ask("worker", Double(1), PATIENCE).await, Ok(2));
    for _ in 0..3 {
        let reason = refusal(old.ask("worker", Double(1), PATIENCE).await);
        assert_eq!(reason, "epoch 1 is over, now is 2");
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    }
    assert_eq!(new.ask("worker", Double(2), PATIENCE).await, Ok(4));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_prove_itself_is_not_trusted() {
    // It answers as if it had a token, but has a different one and takes any proof: here, a gate whose token changes
    // between the check and the proof cannot happen, so the liar speaks the protocol by hand.
    use crate::wire::{FrameReader, Head, encode, preamble};
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (reader, mut writer) = stream.into_split();
        let mut reader = FrameReader::new(reader, 1 << 20);
        reader.preamble().await.unwrap();
        writer.write_all(&preamble()).await.unwrap();
        let Head::Hello { card, .. } = reader.must().await.unwrap().head else { panic!() };
        let challenge = Head::Challenge { nonce: [0; 32], has_token: true };
        writer.write_all(&encode(&challenge, &[], 1 << 20).unwrap()).await.unwrap();
        reader.must().await.unwrap();
        let welcome = Head::Welcome { card, proof: [0; 32], frame_limit: 1 << 20 };
        writer.write_all(&encode(&welcome, &[], 1 << 20).unwrap()).await.unwrap();
        let _ = reader.next().await;
    });
    let reason = refusal(peer(&address, me("caller", "hush")).ask("worker", Double(1), PATIENCE).await);
    assert!(reason.contains("could not prove"), "{reason}");
}
