//! Claims, holds, leases and marks.

use storage_model::{Epoch, Incarnation, Kind, Loan, Revision, StorageVolume, UnixMillis};
use storage_volume::Volume;

use super::Kit;
use crate::mark::{self, Mark};
use crate::owner::{
    LEASE_MILLIS, OwnerFacts, Owners, claim, claims, end_lapsed_leases, end_lease, greatest, hold, lease, let_go,
    owner_names, owners, release,
};

fn incarnation(digit: char) -> Incarnation {
    Incarnation(digit.to_string().repeat(32))
}

fn facts(host: &str) -> OwnerFacts {
    OwnerFacts::new(host, UnixMillis(1_739_857_978_000), "0.1.0")
}

#[tokio::test]
async fn the_greatest_claim_owns_the_root() {
    let kit = Kit::new().await;
    let (volume, layout) = (&kit.volume, &kit.layout);
    assert_eq!(greatest(volume, layout).await.unwrap(), None);
    assert!(!owners(volume, layout).await.unwrap().is_owned_by(Epoch(1), &incarnation('a')));
    // 10 is greater than 9, and within an epoch the incarnation decides, the same for everybody who looks.
    for (epoch, digit) in [(9, 'f'), (10, 'a'), (10, 'b'), (2, 'c')] {
        claim(volume, layout, Epoch(epoch), &incarnation(digit), &facts("h1")).await.unwrap();
    }
    let all = owners(volume, layout).await.unwrap();
    let order: Vec<_> = all.claims.iter().map(|c| (c.epoch.0, c.incarnation.clone())).collect();
    assert_eq!(order, [(2, incarnation('c')), (9, incarnation('f')), (10, incarnation('a')), (10, incarnation('b'))]);
    assert!(all.is_owned_by(Epoch(10), &incarnation('b')) && !all.is_owned_by(Epoch(10), &incarnation('a')));
    assert_eq!(all.greatest().unwrap().facts, Some(facts("h1")));
    assert!(all.greatest().unwrap().written_at > UnixMillis(0));

    release(volume, layout, Epoch(10), &incarnation('b')).await.unwrap();
    release(volume, layout, Epoch(10), &incarnation('b')).await.unwrap();
    assert_eq!(greatest(volume, layout).await.unwrap().unwrap().incarnation, incarnation('a'));
    assert_eq!(claims(volume, layout).await.unwrap().len(), 3);
}

#[tokio::test]
async fn the_name_counts_even_when_the_rest_cannot_be_read() {
    let kit = Kit::new().await;
    let (volume, layout) = (&kit.volume, &kit.layout);
    volume.put(&layout.claim(Epoch(3), &incarnation('d')), vec![0xff].into()).await.unwrap();
    volume.put(&format!("{}/README", layout.owner_dir()), vec![1].into()).await.unwrap();
    let all = owners(volume, layout).await.unwrap();
    assert_eq!(all.claims.len(), 1);
    assert!(all.is_owned_by(Epoch(3), &incarnation('d')) && all.claims[0].facts.is_none());
}

#[tokio::test]
async fn a_hold_is_seen_renewed_and_let_go() {
    let kit = Kit::new().await;
    let (volume, layout) = (&kit.volume, &kit.layout);
    claim(volume, layout, Epoch(1), &incarnation('a'), &facts("owner")).await.unwrap();
    hold(volume, layout, &incarnation('e'), &facts("restorer")).await.unwrap();
    let seen = owners(volume, layout).await.unwrap();
    assert_eq!(seen.holds.len(), 1);
    assert_eq!(seen.holds[0].facts, Some(facts("restorer")));
    assert!(seen.is_owned_by(Epoch(1), &incarnation('a')));
    let written = seen.holds[0].written_at;
    assert!(seen.is_held_since(UnixMillis(written.0 - 1)) && !seen.is_held_since(written));

    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    hold(volume, layout, &incarnation('e'), &facts("restorer")).await.unwrap();
    let renewed = owner_names(volume, layout).await.unwrap();
    assert!(renewed.is_held_since(written) && renewed.holds.len() == 1);
    let_go(volume, layout, &incarnation('e')).await.unwrap();
    let_go(volume, layout, &incarnation('e')).await.unwrap();
    assert!(owner_names(volume, layout).await.unwrap().holds.is_empty());
}

#[tokio::test]
async fn a_lease_comes_from_whoever_borrows_the_root_and_names_what_it_needs() {
    let kit = Kit::new().await;
    let (volume, layout) = (&kit.volume, &kit.layout);
    let loan = Loan { snapshot: "nightly.1".to_owned(), cut: Revision(42) };
    let borrowed = StorageVolume { borrowed: Some(loan.clone()), ..kit.definition.clone() };
    let borrower = Volume::open(&borrowed).unwrap();
    for _ in 0..2 {
        lease(&borrower, layout, &incarnation('c'), &loan, &facts("clone")).await.unwrap();
    }
    let seen = owners(volume, layout).await.unwrap();
    assert!(seen.claims.is_empty() && seen.holds.is_empty());
    let [only] = &seen.leases[..] else { panic!("{:?}", seen.leases) };
    assert_eq!((&only.incarnation, &only.loan, &only.facts), (&incarnation('c'), &loan, &Some(facts("clone"))));
    assert!(claim(&borrower, layout, Epoch(9), &incarnation('c'), &facts("clone")).await.is_err(), "it is another's");
    end_lease(&borrower, layout, &incarnation('c'), &loan).await.unwrap();
    assert!(owner_names(volume, layout).await.unwrap().leases.is_empty());
}

#[tokio::test]
async fn a_lease_that_nobody_has_renewed_for_long_is_taken_away() {
    let kit = Kit::new().await;
    let (volume, layout) = (&kit.volume, &kit.layout);
    let loan = |n: u64| Loan { snapshot: format!("s{n}"), cut: Revision(n) };
    for (n, digit) in [(1, 'c'), (2, 'd')] {
        lease(volume, layout, &incarnation(digit), &loan(n), &facts("clone")).await.unwrap();
    }
    let mut seen = owners(volume, layout).await.unwrap();
    let written = seen.leases[0].written_at.0;
    seen.leases[1].written_at.0 = written + 1000;
    let end = |now| end_lapsed_leases(volume, layout, &seen, UnixMillis(now));
    // A day after it was over, and no sooner.
    assert_eq!(end(written + LEASE_MILLIS + 1).await.unwrap(), 0);
    assert_eq!(end(written + 2 * LEASE_MILLIS).await.unwrap(), 0);
    assert_eq!(owner_names(volume, layout).await.unwrap().leases.len(), 2);
    assert_eq!(end(written + 2 * LEASE_MILLIS + 1).await.unwrap(), 1);
    let left = owner_names(volume, layout).await.unwrap().leases;
    assert_eq!(left.iter().map(|lease| &lease.loan).collect::<Vec<_>>(), [&loan(2)]);
}

#[tokio::test]
async fn a_mark_is_of_one_incarnation_and_written_anew() {
    let kit = Kit::new().await;
    let (volume, layout) = (&kit.volume, &kit.layout);
    let read = |epoch, digit| async move { mark::read(volume, layout, Epoch(epoch), &incarnation(digit)).await };
    assert_eq!(read(1, 'a').await.unwrap(), None);
    for revision in [7, 12] {
        let told = Mark::new(Epoch(1), &incarnation('a'), Revision(revision), &facts("leader"));
        mark::write(volume, layout, &told).await.unwrap();
        assert_eq!(read(1, 'a').await.unwrap(), Some(told));
    }
    assert_eq!(read(2, 'a').await.unwrap(), None);
    assert_eq!(read(1, 'b').await.unwrap(), None);
    // It neither claims nor holds anything.
    let found = owners(volume, layout).await.unwrap();
    assert!(found.newest.is_some(), "the store's clock is told by it");
    assert_eq!(found, Owners { newest: found.newest, ..Owners::default() });
}

#[test]
fn a_mark_that_is_not_as_it_was_written_is_refused() {
    let text = Mark::new(Epoch(1), &incarnation('a'), Revision(7), &facts("leader")).to_bytes().unwrap();
    let text = String::from_utf8(text).unwrap();
    let refused = |from: &str, to: &str| {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        Mark::parse(changed.as_bytes(), "m").unwrap_err()
    };
    assert_eq!(refused("\"revision\": 7", "\"revision\": 6").kind(), Kind::Corrupt);
    assert_eq!(refused("mark\"", "other\"").kind(), Kind::Corrupt);
    assert_eq!(refused("}", "").kind(), Kind::Corrupt);
    let newer = refused("\"format_version\": 1", "\"format_version\": 2");
    assert!(newer.kind() == Kind::Invalid && newer.chain().contains("newer than 1"), "{}", newer.chain());
}
