//! Several members over real connections: they agree, go on without one of them, and take new ones in.

use std::path::Path;
use std::time::Duration;

use runtime_rpc::identity::FixedGate;
use runtime_rpc::{Identity as Caller, Registry, RpcOptions, RpcServer};
use storage_catalog::Outcome;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::tests::{count, put};
use super::*;
use crate::meta_dir::Identity;
use crate::testing::{catalog_at, clock, set};

const PATIENCE: Duration = Duration::from_secs(30);

fn options() -> Options {
    Options { election: Duration::from_millis(500)..Duration::from_millis(900), ..Options::default() }
}

fn who(node: u64) -> Caller {
    Caller { cluster_id: 42, token: "the-token".to_owned(), node: format!("fe{node}"), ..Caller::default() }
}

/// A frontend with its directory, its server and its metadata.
struct Member {
    dir: TempDir,
    node: Node,
    meta: Meta,
    serving: CancellationToken,
}

impl Member {
    fn peers(id: u64) -> Peers {
        let quick = RpcOptions { backoff_most: Duration::from_millis(200), ..RpcOptions::default() };
        Peers::new(Arc::new(move || who(id)), quick)
    }

    async fn bind(address: &str) -> TcpListener {
        // The server before this one lets go of the port a moment later.
        for _ in 0..500 {
            if let Ok(listener) = TcpListener::bind(address).await {
                return listener;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("{address} stays taken");
    }

    async fn founder() -> Member {
        let (dir, listener) = (tempfile::tempdir().unwrap(), Self::bind("127.0.0.1:0").await);
        let node = Node { id: NodeId(1), address: listener.local_addr().unwrap().to_string() };
        MetaDir::new(dir.path()).create(&catalog_at(0), &node, "fe").unwrap();
        Self::run(dir, node, listener).await
    }

    async fn joining(id: u64) -> Member {
        let (dir, listener) = (tempfile::tempdir().unwrap(), Self::bind("127.0.0.1:0").await);
        let node = Node { id: NodeId(id), address: listener.local_addr().unwrap().to_string() };
        let identity = Identity { node: node.clone(), name: format!("fe{id}"), role: "FOLLOWER".to_owned() };
        MetaDir::new(dir.path()).join(catalog_at(0).identity(), &identity).unwrap();
        Self::run(dir, node, listener).await
    }

    async fn run(dir: TempDir, node: Node, listener: TcpListener) -> Member {
        let member = Self::unheard(dir, node).await;
        member.serve(listener, member.serving.clone());
        member
    }

    /// Nobody reaches it yet.
    async fn unheard(dir: TempDir, node: Node) -> Member {
        let peers = Self::peers(node.id.0);
        let meta = Meta::open(&MetaDir::new(dir.path()), &node, clock(), options(), peers).await.unwrap();
        Member { dir, node, meta, serving: CancellationToken::new() }
    }

    fn serve(&self, listener: TcpListener, serving: CancellationToken) {
        let id = self.node.id.0;
        let registry = Registry::new();
        self.meta.expose(&registry);
        let gate = FixedGate::new(Some("the-token".to_owned()), move |_: &Caller| Ok(who(id)));
        RpcServer::bind(listener, gate, registry, serving).unwrap();
    }

    /// As if its process were killed: nothing is handed over.
    async fn kill(self) -> (TempDir, Node) {
        self.serving.cancel();
        self.meta.0.raft.shutdown().await.unwrap();
        self.end().await
    }

    async fn end(self) -> (TempDir, Node) {
        self.serving.cancel();
        let Member { dir, node, meta, .. } = self;
        meta.shutdown().await.unwrap();
        (dir, node)
    }

    async fn start_again((dir, node): (TempDir, Node)) -> Member {
        let listener = Self::bind(&node.address).await;
        Self::run(dir, node, listener).await
    }

    async fn becomes(&self, role: Role) {
        let mut standing = self.meta.standing_watch();
        let became = timeout(PATIENCE, standing.wait_for(|now| now.role == role)).await;
        became.unwrap_or_else(|_| panic!("{} never became {role:?}", self.node)).unwrap();
    }

    async fn reaches(&self, revision: Revision) {
        assert!(self.meta.reaches(revision, PATIENCE).await, "{} never saw {revision}", self.node);
    }
}

/// Whoever of them leads.
async fn leader(members: &[Member]) -> &Member {
    let found = timeout(PATIENCE, async {
        loop {
            if let Some(leads) = members.iter().find(|member| member.meta.standing().leads()) {
                return leads;
            }
            sleep(Duration::from_millis(10)).await;
        }
    });
    found.await.expect("nobody leads")
}

async fn take_in(leader: &Meta, joining: &Member, votes: bool) {
    leader.add_learner(&joining.node).await.unwrap();
    let caught_up = timeout(PATIENCE, async {
        while leader.members().iter().find(|m| m.node == joining.node).is_none_or(|m| m.has < leader.status().applied) {
            sleep(Duration::from_millis(10)).await;
        }
    });
    caught_up.await.expect("it never caught up");
    if votes {
        leader.let_vote(&joining.node).await.unwrap();
    }
}

async fn group_of_three() -> Vec<Member> {
    let first = Member::founder().await;
    put(&first.meta, 0..3).await;
    let (second, third) = (Member::joining(2).await, Member::joining(3).await);
    take_in(&first.meta, &second, true).await;
    take_in(&first.meta, &third, true).await;
    vec![first, second, third]
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_sees_everything_and_the_group_goes_on_without_its_leader() {
    let mut members = group_of_three().await;
    put(&members[0].meta, 3..6).await;
    for member in &members {
        member.reaches(Revision(6)).await;
        assert_eq!(count(&member.meta), 6);
    }
    members[1].becomes(Role::Follower).await;
    let told = members[1].meta.propose(set("no", 1)).await;
    assert_eq!(told, Err(ProposeError::NotLeader { leader: Some(members[0].node.clone()) }));

    let killed = members.remove(0).kill().await;
    let next = leader(&members).await;
    assert_eq!(count(&next.meta), 6, "a new leader has applied what was acknowledged");
    put(&next.meta, 6..9).await;
    assert!(next.meta.linearizable().await.unwrap() >= Revision(9));
    let back = Member::start_again(killed).await;
    back.reaches(Revision(9)).await;
    assert_eq!(count(&back.meta), 9);
    back.becomes(Role::Follower).await;
    assert!(matches!(back.meta.linearizable().await, Err(ProposeError::NotLeader { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_frame_holds_is_refused_and_what_is_large_reaches_everybody() {
    let members = group_of_three().await;
    let first = &members[0].meta;
    let huge = first.propose(set("huge", "x".repeat(COMMAND_BYTES))).await;
    assert!(matches!(huge, Err(ProposeError::Rejected(Rejection::TooLarge { .. }))), "{huge:?}");
    // Together these are more than a frame holds.
    let large = "y".repeat(COMMAND_BYTES - 1_000);
    let propose = |n: u64| first.propose(set(n, &large));
    let outcomes = tokio::join!(propose(0), propose(1), propose(2), propose(3));
    let done = || Ok(Outcome::Done);
    assert_eq!(outcomes, (done(), done(), done(), done()));
    for member in &members {
        member.reaches(Revision(7)).await;
    }
    assert_eq!(first.status().revision, Revision(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_stopped_hands_over() {
    let mut members = group_of_three().await;
    put(&members[0].meta, 3..5).await;
    let term = members[0].meta.status().term;
    let first = members.remove(0);
    // What a shutdown begins with: it waits until somebody else leads. On a busy machine that takes more than one vote.
    let heir = first.meta.hand_over().await.expect("nobody took it over");
    assert_eq!(first.meta.hand_over().await, None, "there is nothing to hand over any more");
    first.meta.shutdown().await.unwrap();
    let next = leader(&members).await;
    assert_eq!(next.node, heir);
    assert!(next.meta.status().term > term);
    assert_eq!(count(&next.meta), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_nobody_hears_leads_no_more_and_acknowledges_nothing() {
    let members = group_of_three().await;
    let first = &members[0];
    for other in &members[1..] {
        other.serving.cancel();
    }
    let told = timeout(PATIENCE, first.meta.propose(set("lost", 1))).await.expect("a proposal hangs");
    assert!(matches!(told, Err(ProposeError::Unavailable(_))), "{told:?}");
    first.becomes(Role::Follower).await;
    assert!(matches!(first.meta.propose(set("no", 1)).await, Err(ProposeError::NotLeader { leader: None })));

    for other in &members[1..] {
        other.serve(Member::bind(&other.node.address).await, CancellationToken::new());
    }
    let next = leader(&members).await;
    assert_eq!(next.meta.propose(set("n3", 3)).await, Ok(Outcome::Done));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_reads_and_does_not_vote_and_who_is_removed_hears_nothing_more() {
    let first = Member::founder().await;
    let observer = Member::joining(7).await;
    take_in(&first.meta, &observer, false).await;
    put(&first.meta, 0..2).await;
    observer.reaches(Revision(2)).await;
    observer.becomes(Role::Learner).await;
    assert_eq!(observer.meta.standing().leader, Some(first.node.clone()));
    // The only voter needs nobody, whatever becomes of the observer.
    let gone = observer.kill().await;
    put(&first.meta, 2..4).await;
    let observer = Member::start_again(gone).await;
    observer.reaches(Revision(4)).await;

    first.meta.remove(&observer.node).await.unwrap();
    assert_eq!(first.meta.members().len(), 1);
    put(&first.meta, 4..6).await;
    // Another life of the same address does not take the messages of the former.
    let second = Member::start_again(observer.kill().await).await;
    let other = Node { id: NodeId(8), address: second.node.address.clone() };
    first.meta.add_learner(&other).await.unwrap();
    put(&first.meta, 6..7).await;
    assert!(!second.meta.reaches(Revision(5), Duration::from_millis(500)).await);
    first.meta.remove(&other).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voter_that_leaves_is_waited_for_no_more_before_it_goes() {
    let mut members = group_of_three().await;
    let fourth = Member::joining(4).await;
    take_in(&members[0].meta, &fourth, true).await;
    fourth.kill().await;
    let third = members.remove(2);
    let first = &members[0].meta;
    assert!(first.remove(&third.node).await.is_err(), "a voter is no voter first");
    for _ in 0..2 {
        first.stop_voting(&third.node).await.unwrap();
    }
    assert_eq!(first.members().iter().map(|m| m.votes).collect::<Vec<_>>(), [true, true, false, true]);
    third.becomes(Role::Learner).await;
    // With it gone two of the four are left: of three, as far as votes go.
    let (_dir, gone) = third.kill().await;
    put(first, 3..5).await;
    for _ in 0..2 {
        first.remove(&gone).await.unwrap();
    }
    assert_eq!(first.members().len(), 3);
    put(first, 5..6).await;
    members[1].reaches(Revision(6)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_dropped_while_it_was_away_disturbs_nobody() {
    let mut members = group_of_three().await;
    let away = members.remove(2).kill().await;
    let first = &members[0].meta;
    first.stop_voting(&away.1).await.unwrap();
    first.remove(&away.1).await.unwrap();
    let term = first.status().term;
    // It hears of nobody, and wants to lead the group that it knows.
    let back = Member::start_again(away).await;
    let wanted = timeout(PATIENCE, async {
        while back.meta.status().term < term + 3 {
            sleep(Duration::from_millis(10)).await;
        }
    });
    wanted.await.expect("it is content");
    assert!(!back.meta.standing().leads());
    put(first, 3..5).await;
    assert_eq!((first.status().term, first.standing().role), (term, Role::Leader));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_nobody_has_finished_is_finished_by_whoever_leads() {
    let first = Member::founder().await;
    let (second, third) = (Member::joining(2).await, Member::joining(3).await);
    take_in(&first.meta, &second, true).await;
    take_in(&first.meta, &third, false).await;
    // The first of the two entries needs the second voter; whoever waits for it goes.
    second.serving.cancel();
    let begun = async {
        while !first.meta.is_changing() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        changed = first.meta.let_vote(&third.node) => panic!("{changed:?}"),
        begun = timeout(PATIENCE, begun) => begun.expect("the change has not begun"),
    }
    second.serve(Member::bind(&second.node.address).await, CancellationToken::new());
    let members = [first, second, third];
    put(&leader(&members).await.meta, 0..2).await;
    for member in &members {
        member.reaches(Revision(2)).await;
        assert!(member.meta.is_changing(), "nobody finishes it unasked");
        let votes = member.meta.members().into_iter().map(|m| m.votes);
        assert_eq!(votes.collect::<Vec<_>>(), [true, true, false]);
    }
    for _ in 0..2 {
        leader(&members).await.meta.finish_change().await.unwrap();
    }
    let leading = leader(&members).await;
    assert!(!leading.meta.is_changing());
    assert!(leading.meta.members().iter().all(|member| member.votes));
}

/// Images take the place of the log that somebody who is away would need. 18 commands and an image of them.
async fn go_on_without(leader: &Meta) {
    for round in 0..3 {
        put(leader, 3 + round * 5..8 + round * 5).await;
        leader.create_image().await.unwrap();
    }
    // The log behind the older of the two images is given up a moment later.
    let given_up = timeout(PATIENCE, async {
        while leader.status().purged < Some(9) {
            sleep(Duration::from_millis(10)).await;
        }
    });
    given_up.await.expect("the log is kept for ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_for_long_is_sent_an_image() {
    let mut members = group_of_three().await;
    let away = members.remove(2).kill().await;
    go_on_without(&members[0].meta).await;
    let back = Member::start_again(away).await;
    back.reaches(Revision(18)).await;
    assert_eq!(count(&back.meta), 18);
    // What it was sent lasts.
    let again = Member::start_again(back.kill().await).await;
    again.reaches(Revision(18)).await;
    assert!(Path::new(again.dir.path()).join("image").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_keep_the_image_that_it_is_sent_starts_from_what_it_had() {
    let mut members = group_of_three().await;
    let (dir, node) = members.remove(2).kill().await;
    go_on_without(&members[0].meta).await;
    let back = Member::unheard(dir, node).await;
    // A directory in the way of the file.
    let (mut standing, in_the_way) = (back.meta.standing_watch(), back.dir.path().join("image/image.18"));
    std::fs::create_dir_all(in_the_way.join("full")).unwrap();
    back.serve(Member::bind(&back.node.address).await, back.serving.clone());
    let ended = timeout(PATIENCE, standing.wait_for(|now| now.role == Role::Stopped)).await;
    ended.expect("it was kept all the same").unwrap();
    let failure = back.meta.status().failure.unwrap();
    assert!(failure.contains("keep image"), "{failure}");
    let ended = back.end().await;
    std::fs::remove_dir_all(in_the_way).unwrap();

    let again = Member::start_again(ended).await;
    again.reaches(Revision(18)).await;
    assert_eq!(count(&again.meta), 18);
}
