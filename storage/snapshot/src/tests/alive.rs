//! An owner that is asked whether it lives.

use storage_model::{Epoch, Incarnation, Revision, UnixMillis};

use super::Kit;
use crate::alive::Question;
use crate::mark::{self, Mark};
use crate::owner::{self, OwnerFacts};

fn facts(at: u64) -> OwnerFacts {
    OwnerFacts::new("h", UnixMillis(at), "0.1.0")
}

fn asker() -> Incarnation {
    Incarnation("cd".repeat(16))
}

#[tokio::test]
async fn an_owner_that_tells_something_lives() {
    let kit = Kit::new().await;
    let (volume, layout) = (&kit.volume, &kit.layout);
    let incarnation = Incarnation("ab".repeat(16));
    owner::claim(volume, layout, Epoch(3), &incarnation, &facts(1)).await.unwrap();
    let told = |at| Mark::new(Epoch(3), &incarnation, Revision(9), &facts(at));
    mark::write(volume, layout, &told(1)).await.unwrap();
    let question = Question::ask(volume, layout, &asker(), &facts(2)).await.unwrap();
    assert!(owner::owner_names(volume, layout).await.unwrap().holds.len() == 1, "it is held from now on");
    // The same revision, told once more.
    mark::write(volume, layout, &told(2)).await.unwrap();
    let owner = question.answer().await.unwrap().unwrap();
    assert_eq!((owner.epoch, &owner.incarnation), (Epoch(3), &incarnation));
    assert_eq!(owner.facts.as_ref().map(|facts| facts.host.as_str()), Some("h"));
}

#[tokio::test]
async fn nobody_answers_for_a_root_without_an_owner_or_for_one_that_is_gone() {
    let kit = Kit::new().await;
    let (volume, layout) = (&kit.volume, &kit.layout);
    let question = Question::ask(volume, layout, &asker(), &facts(2)).await.unwrap();
    assert_eq!(question.answer().await.unwrap(), None);
    let incarnation = Incarnation("ab".repeat(16));
    owner::claim(volume, layout, Epoch(3), &incarnation, &facts(1)).await.unwrap();
    mark::write(volume, layout, &Mark::new(Epoch(3), &incarnation, Revision(9), &facts(1))).await.unwrap();
    let question = Question::ask(volume, layout, &asker(), &facts(2)).await.unwrap();
    assert_eq!(question.answer().await.unwrap(), None, "it says nothing");
}
