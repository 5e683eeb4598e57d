//! Before a root is taken: its owner is asked whether it lives.

use std::sync::{Mutex, PoisonError};

use storage_model::Incarnation;
use storage_snapshot::alive::{ANSWER_WITHIN, Question};
use storage_snapshot::owner::{self, Claim, OwnerFacts};
use storage_volume::Volume;
use storage_volume::layout::Layout;

use super::{RestoreError, chain};

/// The roots of a restore that were held, and their owners asked.
pub(super) struct Asked<'a> {
    layout: &'a Layout,
    incarnation: &'a Incarnation,
    facts: &'a OwnerFacts,
    questions: Mutex<Vec<Question>>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(layout: &'a Layout, incarnation: &'a Incarnation, facts: &'a OwnerFacts) -> Asked<'a> {
        Asked { layout, incarnation, facts, questions: Mutex::default() }
    }

    /// Holds a root: a living owner deletes nothing there from now on, and says that it lives.
    pub(super) async fn hold(&self, volume: &Volume) -> Result<(), RestoreError> {
        let is_held = |question: &Question| question.volume().is_at_place_of(volume);
        if self.all().iter().any(is_held) {
            return Ok(());
        }
        let question = Question::ask(volume, self.layout, self.incarnation, self.facts).await.map_err(chain)?;
        self.all().push(question);
        Ok(())
    }

    /// Holds every root.
    pub(super) async fn hold_all(&self, roots: impl Iterator<Item = &Volume>) -> Result<(), RestoreError> {
        for volume in roots {
            self.hold(volume).await?;
        }
        Ok(())
    }

    /// Err: a root has an owner that lives. That of a root which is only borrowed may.
    pub(super) async fn refuse_living(&self, say: &(dyn Fn(&str) + Send + Sync)) -> Result<(), RestoreError> {
        let (borrowed, questions): (Vec<_>, Vec<_>) =
            std::mem::take(&mut *self.all()).into_iter().partition(|question| question.volume().is_borrowed());
        say(&format!("asking the owner whether it lives, {} s at most", ANSWER_WITHIN.as_secs()));
        let mut answers = Vec::new();
        for question in &questions {
            let answer = question.answer().await.map_err(chain);
            answers.push(answer.map(|owner| owner.map(|claim| lives(claim, question.volume().location()))));
        }
        self.all().extend(borrowed.into_iter().chain(questions));
        for answer in answers {
            if let Some(text) = answer? {
                return Err(RestoreError::OwnerLives(text));
            }
        }
        Ok(())
    }

    /// Until the owners of borrowed roots have heard of the holds.
    pub(super) async fn wait_for_lenders(&self, say: &(dyn Fn(&str) + Send + Sync)) {
        let (borrowed, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut *self.all()).into_iter().partition(|question| question.volume().is_borrowed());
        if !borrowed.is_empty() {
            say(&format!("waiting until the owner of what is borrowed knows, {} s at most", ANSWER_WITHIN.as_secs()));
        }
        for question in &borrowed {
            question.heard().await;
        }
        self.all().extend(borrowed.into_iter().chain(others));
    }

    /// Ends every hold.
    pub(super) async fn let_go(&self) {
        let questions = std::mem::take(&mut *self.all());
        for question in questions {
            if let Err(error) = owner::let_go(question.volume(), self.layout, self.incarnation).await {
                let volume = question.volume().name();
                tracing::warn!(volume, error = error.chain(), "a hold of the restore could not be removed");
            }
        }
    }

    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Question>> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lives(claim: &Claim, location: &str) -> String {
    let host = claim.facts.as_ref().map_or_else(String::new, |facts| format!(" on host {}", facts.host));
    format!(
        "the owner of {location}, incarnation {} of epoch {}{host}, lives: stop that cluster first, or give --takeover, which \
         takes its data from it and makes it read-only",
        claim.incarnation, claim.epoch
    )
}
