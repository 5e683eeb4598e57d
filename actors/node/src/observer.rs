//! The observer of a node, and how others are asked: what actors do and did, here and on the other nodes. A question costs
//! the actors nothing but telling their state, and waits for nobody longer than [`PATIENCE`].

use std::time::Duration;

use actors_messages::CatalogView;
use actors_messages::nodes::NodeStatuses;
use actors_messages::observer::{OBSERVER, TellMessages, TellSpans, TellTraces, TellTree};
use actors_meta::NodeDirectory;
use futures::future::join_all;
use runtime_actor::trace::{self, SpanFilter, SpanView, TraceSummary};
use runtime_actor::{Actor, Address, Answer, Context, Handle, Message, MessageView, NodeView, TraceId, Tree};
use runtime_rpc::{Peer, PeerCounts, Registry};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_millis(900);
/// A tree that is larger is not sent, in bytes.
const LARGEST_TREE: usize = 8 << 20;
/// Spans, traces in one answer.
const MOST_SPANS: usize = 5_000;

/// The role.
pub struct Observer {
    tree: Tree,
    asked: u64,
}

/// What the dashboard shows of it.
#[derive(Debug, Serialize)]
pub struct ObserverState {
    asked: u64,
}

impl Observer {
    /// An observer of the tree that it is in.
    pub fn new(tree: Tree) -> Observer {
        Observer { tree, asked: 0 }
    }

    /// Lets other nodes ask it.
    pub fn expose(registry: &Registry, observer: &Address<Observer>) {
        registry.expose::<Observer, TellTree>(OBSERVER, observer.clone());
        registry.expose::<Observer, TellMessages>(OBSERVER, observer.clone());
        registry.expose::<Observer, TellTraces>(OBSERVER, observer.clone());
        registry.expose::<Observer, TellSpans>(OBSERVER, observer.clone());
    }
}

impl Actor for Observer {
    const ROLE: &'static str = "observer";
    type State = ObserverState;

    fn observe(&self) -> ObserverState {
        ObserverState { asked: self.asked }
    }
}

fn forget_messages(node: &mut NodeView) {
    node.messages.clear();
    node.children.iter_mut().for_each(forget_messages);
}

impl Handle<TellTree> for Observer {
    fn handle(&mut self, _: TellTree, _: &mut Context<Self>) -> Answer<Result<String, String>> {
        self.asked += 1;
        let tree = self.tree.clone();
        // Later: the states are asked for, this actor's too.
        Answer::later(async move {
            let mut view = tree.observe().await;
            forget_messages(&mut view.root);
            let text = serde_json::to_string(&view).map_err(|error| format!("the tree cannot be told: {error}"))?;
            match text.len() {
                0..=LARGEST_TREE => Ok(text),
                bytes => Err(format!("the tree is {bytes} bytes long, more than {LARGEST_TREE}")),
            }
        })
    }
}

impl Handle<TellMessages> for Observer {
    fn handle(&mut self, message: TellMessages, _: &mut Context<Self>) -> Answer<Option<Vec<MessageView>>> {
        self.asked += 1;
        let view = self.tree.view();
        let mut found = None;
        view.root.visit(&mut |node| {
            if node.path == message.path {
                found = Some(node.messages.clone());
            }
        });
        Answer::now(found)
    }
}

fn bounded(filter: SpanFilter) -> SpanFilter {
    let limit = if filter.limit == 0 { MOST_SPANS } else { filter.limit.min(MOST_SPANS) };
    SpanFilter { limit, ..filter }
}

impl Handle<TellTraces> for Observer {
    fn handle(&mut self, message: TellTraces, _: &mut Context<Self>) -> Answer<Vec<TraceSummary>> {
        self.asked += 1;
        let tree = self.tree.clone();
        Answer::later(async move { tree.traces(&bounded(message.filter)) })
    }
}

impl Handle<TellSpans> for Observer {
    fn handle(&mut self, message: TellSpans, _: &mut Context<Self>) -> Answer<Vec<SpanView>> {
        self.asked += 1;
        let tree = self.tree.clone();
        Answer::later(async move { tree.spans(&bounded(message.filter)) })
    }
}

/// The observers of all nodes that this one knows.
#[derive(Clone)]
pub struct Observers {
    /// `fe:host:port` or `cn:host:port`.
    node: String,
    here: Address<Observer>,
    others: Option<Others>,
}

/// The nodes beside this one.
#[derive(Clone)]
struct Others {
    directory: NodeDirectory,
    statuses: NodeStatuses,
    /// Lists the frontends.
    view: CatalogView,
}

/// One of them.
#[derive(Clone)]
pub struct Observed {
    /// `fe:host:port` or `cn:host:port`.
    pub node: String,
    /// `fe` or `cn`.
    pub role: &'static str,
    reach: Reach,
}

#[derive(Clone)]
enum Reach {
    Here(Address<Observer>),
    There(Peer),
    Nowhere(String),
}

impl Observers {
    /// The observer of this node; of the other frontends and the compute nodes too, when there is a directory of them.
    pub fn new(node: String, here: Address<Observer>, others: Option<(NodeDirectory, CatalogView)>) -> Observers {
        let others = others.map(|(directory, view)| Others { statuses: directory.statuses(), directory, view });
        Observers { node, here, others }
    }

    /// What the other nodes were asked so far.
    pub fn peers(&self) -> Vec<PeerCounts> {
        self.others.as_ref().map(|others| others.directory.counts()).unwrap_or_default()
    }

    /// What this node is called.
    pub fn name(&self) -> &str {
        &self.node
    }

    /// This node.
    pub fn here(&self) -> Observed {
        let role = if self.node.starts_with("fe:") { "fe" } else { "cn" };
        Observed { node: self.node.clone(), role, reach: Reach::Here(self.here.clone()) }
    }

    /// All nodes, this one first.
    pub fn all(&self) -> Vec<Observed> {
        let mut all = vec![self.here()];
        if let Some(Others { directory, statuses, view }) = &self.others {
            all.extend(view.now().frontends().map(|known| known.address()).filter_map(|address| {
                let node = format!("fe:{address}");
                let reach = Reach::There(directory.peer(&address));
                (node != self.node).then_some(Observed { node, role: "fe", reach })
            }));
            all.extend(statuses.borrow().iter().map(|status| {
                let address = status.node.address();
                let reach = match status.alive {
                    true => Reach::There(directory.peer(&address)),
                    false => Reach::Nowhere(format!("the node is not alive: {}", status.error)),
                };
                Observed { node: format!("cn:{address}"), role: "cn", reach }
            }));
        }
        all
    }

    /// What an actor of this node tells of itself; None: there is none of that name, or it has told nothing.
    pub async fn state_of(&self, actor: &str) -> Option<serde_json::Value> {
        let text = self.here().ask(TellTree).await.ok()?.ok()?;
        let view: runtime_actor::TreeView = serde_json::from_str(&text).ok()?;
        view.root.find(actor).map(|node| node.state.clone())
    }

    /// Every node's answer, or why there is none. Takes as long as the slowest, and never much longer than [`PATIENCE`].
    pub async fn ask_all<M>(&self, message: M) -> Vec<(Observed, Result<M::Reply, String>)>
    where
        M: Message + Clone + Serialize,
        M::Reply: DeserializeOwned,
        Observer: Handle<M>,
    {
        join_all(self.all().into_iter().map(|node| {
            let message = message.clone();
            async move {
                let answer = node.ask(message).await;
                (node, answer)
            }
        }))
        .await
    }
}

impl Observed {
    /// The node's answer, or why there is none. Looking is routine: it must not push out what is looked for.
    pub async fn ask<M>(&self, message: M) -> Result<M::Reply, String>
    where
        M: Message + Serialize,
        M::Reply: DeserializeOwned,
        Observer: Handle<M>,
    {
        let asking = async {
            match &self.reach {
                Reach::Here(address) => address.ask_within(message, PATIENCE).await.map_err(|error| error.to_string()),
                Reach::There(peer) => peer.ask(OBSERVER, message, PATIENCE).await.map_err(|error| error.to_string()),
                Reach::Nowhere(why) => Err(why.clone()),
            }
        };
        trace::scope(TraceId::routine(), asking).await
    }
}

#[cfg(test)]
mod tests {
    use runtime_actor::{ActorSpec, SystemClock};

    use super::*;

    #[tokio::test]
    async fn the_tree_comes_without_messages_and_those_of_one_actor_alone() {
        let tree = Tree::new("fe", SystemClock::shared());
        let of_tree = tree.clone();
        let observer = tree.root().start(ActorSpec::new("observer"), move || Observer::new(of_tree.clone()));
        let observers = Observers::new("fe:h:1".to_owned(), observer, None);
        let here = observers.here();
        let text = here.ask(TellTree).await.unwrap().unwrap();
        let view: runtime_actor::TreeView = serde_json::from_str(&text).unwrap();
        let node = view.root.find("observer").unwrap();
        assert_eq!((node.state["asked"].as_u64(), node.messages.len()), (Some(1), 0));
        let messages = here.ask(TellMessages { path: "fe/observer".to_owned() }).await.unwrap().unwrap();
        assert_eq!(messages[0].name, "TellTree");
        assert!(here.ask(TellMessages { path: "fe/nobody".to_owned() }).await.unwrap().is_none());
        let all = observers.ask_all(TellSpans { filter: SpanFilter::default() }).await;
        assert!(all.len() == 1 && all[0].1.is_ok());
        tree.stop(Duration::from_secs(5)).await;
    }
}
