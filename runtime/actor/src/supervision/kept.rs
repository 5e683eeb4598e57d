//! An actor as its supervisor sees it: without its type.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::actor::Actor;
use crate::gauge::Gauge;
use crate::host::{Factory, Guard, live};
use crate::hosts::{HostId, Hosts};
use crate::mailbox::{Control, Mailbox};
use crate::tree::ActorSpec;

pub(crate) trait Hosted: Send + Sync {
    fn spec(&self) -> &ActorSpec;
    fn role(&self) -> &'static str;
    fn gauge(&self) -> &Gauge;
    /// Builds an incarnation on one of the hosts.
    fn launch(&self, hosts: &Hosts, guard: Guard) -> HostId;
    /// Incarnations up to this one are dead.
    fn supersede(&self, incarnation: u64);
    /// Stop in order.
    fn stop(&self);
    /// It has begun to stop, of its own will or by its address.
    fn is_leaving(&self) -> bool;
    /// Break that incarnation.
    fn crash(&self, incarnation: u64, reason: String);
    /// The effect that has given no sign of life for the longest time.
    fn oldest_effect(&self) -> Option<(&'static str, Duration)>;
    /// Take nothing in any more.
    fn close(&self);
    /// Tell the state; the receiver hears when it is told.
    fn ask_state(&self) -> Option<oneshot::Receiver<()>>;
    /// How long the handler has been running.
    fn busy_for(&self) -> Duration {
        self.gauge().busy_for()
    }
}

pub(crate) struct Kept<A: Actor> {
    pub(crate) mailbox: Arc<Mailbox<A>>,
    pub(crate) factory: Factory<A>,
    pub(crate) spec: ActorSpec,
}

impl<A: Actor> Hosted for Kept<A> {
    fn spec(&self) -> &ActorSpec {
        &self.spec
    }

    fn role(&self) -> &'static str {
        A::ROLE
    }

    fn gauge(&self) -> &Gauge {
        &self.mailbox.gauge
    }

    fn launch(&self, hosts: &Hosts, guard: Guard) -> HostId {
        let (mailbox, factory, grace) = (self.mailbox.clone(), self.factory.clone(), self.spec.grace);
        hosts.place(Box::new(move || live(mailbox, &factory, grace, guard)))
    }

    fn supersede(&self, incarnation: u64) {
        self.mailbox.supersede(incarnation);
    }

    fn stop(&self) {
        self.mailbox.close();
        self.mailbox.control(Control::Stop);
    }

    fn is_leaving(&self) -> bool {
        self.mailbox.is_leaving()
    }

    fn crash(&self, incarnation: u64, reason: String) {
        self.mailbox.control(Control::Crash(incarnation, reason));
    }

    fn oldest_effect(&self) -> Option<(&'static str, Duration)> {
        self.mailbox.oldest_effect()
    }

    fn close(&self) {
        self.mailbox.close();
    }

    fn ask_state(&self) -> Option<oneshot::Receiver<()>> {
        let (told, hear) = oneshot::channel();
        self.mailbox.control(Control::Observe(told)).then_some(hear)
    }
}
