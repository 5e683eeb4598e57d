//! A small actor that does on command whatever a test wants to see.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use crate::*;

/// What happened, in order, over all incarnations.
#[derive(Clone, Default)]
pub(super) struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    pub(super) fn write(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

pub(super) struct Clerk {
    pub(super) name: &'static str,
    pub(super) life: u64,
    pub(super) count: u64,
    pub(super) diary: Diary,
    pub(super) gate: Arc<Notify>,
}

#[derive(serde::Serialize)]
pub(super) struct Seen {
    pub(super) life: u64,
    pub(super) count: u64,
}

impl Actor for Clerk {
    const ROLE: &'static str = "clerk";
    type State = Seen;

    fn observe(&self) -> Seen {
        Seen { life: self.life, count: self.count }
    }

    fn started(&mut self, _: &mut Context<Self>) {
        self.diary.write(format!("{} started {}", self.name, self.life));
    }

    fn stopping(&mut self, _: &mut Context<Self>) {
        self.diary.write(format!("{} stopping", self.name));
    }
}

macro_rules! message {
    ($name:ident $(($field:ty))? -> $reply:ty) => {
        #[derive(Debug)]
        #[allow(dead_code, reason = "fields are read where the handler wants them")]
        pub(super) struct $name $((pub(super) $field))?;
        impl Message for $name {
            type Reply = $reply;
            const NAME: &'static str = stringify!($name);
        }
    };
}

message!(Add(u64) -> u64);
message!(Life -> u64);
message!(Boom -> ());
message!(Fail -> ());
message!(Quit -> ());
message!(Block(Duration) -> ());
message!(Slow(Duration) -> u64);
message!(Wanted(Duration) -> ());
message!(LaterBoom -> ());
message!(EffectBoom -> ());
message!(Effect -> ());
message!(Tick -> ());
message!(TickEvery(Duration) -> ());
message!(TickAfter(Duration) -> ());
message!(WhoseTrace -> (TraceContext, TraceContext));
message!(WaitForGate -> ());

impl Handle<Add> for Clerk {
    fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> Answer<u64> {
        self.count += n;
        Answer::now(self.count)
    }
}

impl Handle<Life> for Clerk {
    fn handle(&mut self, _: Life, cx: &mut Context<Self>) -> Answer<u64> {
        assert_eq!(self.life, cx.incarnation());
        Answer::now(self.life)
    }
}

impl Handle<Boom> for Clerk {
    fn handle(&mut self, _: Boom, _: &mut Context<Self>) -> Answer<()> {
        self.count = 999;
        panic!("boom of {}", self.name)
    }
}

impl Handle<Fail> for Clerk {
    fn handle(&mut self, _: Fail, cx: &mut Context<Self>) -> Answer<()> {
        cx.fail("the disk is gone");
        Answer::done()
    }
}

impl Handle<Quit> for Clerk {
    fn handle(&mut self, _: Quit, cx: &mut Context<Self>) -> Answer<()> {
        cx.stop();
        Answer::done()
    }
}

impl Handle<Block> for Clerk {
    fn handle(&mut self, Block(time): Block, _: &mut Context<Self>) -> Answer<()> {
        std::thread::sleep(time);
        Answer::done()
    }
}

impl Handle<Slow> for Clerk {
    fn handle(&mut self, Slow(time): Slow, _: &mut Context<Self>) -> Answer<u64> {
        let life = self.life;
        Answer::later(async move {
            tokio::time::sleep(time).await;
            life
        })
    }
}

impl Handle<Wanted> for Clerk {
    fn handle(&mut self, Wanted(time): Wanted, _: &mut Context<Self>) -> Answer<()> {
        let diary = self.diary.clone();
        Answer::while_wanted(async move {
            tokio::time::sleep(time).await;
            diary.write("wanted to the end");
        })
    }
}

impl Handle<LaterBoom> for Clerk {
    fn handle(&mut self, _: LaterBoom, _: &mut Context<Self>) -> Answer<()> {
        Answer::later(async { panic!("later boom") })
    }
}

impl Handle<EffectBoom> for Clerk {
    fn handle(&mut self, _: EffectBoom, cx: &mut Context<Self>) -> Answer<()> {
        cx.spawn(async { panic!("effect boom") });
        Answer::done()
    }
}

impl Handle<Effect> for Clerk {
    fn handle(&mut self, _: Effect, cx: &mut Context<Self>) -> Answer<()> {
        cx.effect(async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Tick
        });
        Answer::done()
    }
}

impl Handle<Tick> for Clerk {
    fn handle(&mut self, _: Tick, _: &mut Context<Self>) -> Answer<()> {
        self.count += 1;
        self.diary.write(format!("tick in life {}", self.life));
        Answer::done()
    }
}

impl Handle<TickEvery> for Clerk {
    fn handle(&mut self, TickEvery(period): TickEvery, cx: &mut Context<Self>) -> Answer<()> {
        cx.every(period, || Tick);
        Answer::done()
    }
}

impl Handle<TickAfter> for Clerk {
    fn handle(&mut self, TickAfter(delay): TickAfter, cx: &mut Context<Self>) -> Answer<()> {
        cx.after(delay, Tick);
        cx.after(delay, Tick).cancel();
        cx.notify(Tick);
        Answer::done()
    }
}

impl Handle<WhoseTrace> for Clerk {
    fn handle(&mut self, _: WhoseTrace, _: &mut Context<Self>) -> Answer<(TraceContext, TraceContext)> {
        let here = trace::current();
        Answer::later(async move { (here, trace::current()) })
    }
}

impl Handle<WaitForGate> for Clerk {
    fn handle(&mut self, _: WaitForGate, _: &mut Context<Self>) -> Answer<()> {
        let gate = self.gate.clone();
        Answer::later(async move { gate.notified().await })
    }
}

/// A factory that counts the lives of its clerk.
pub(super) fn clerk(name: &'static str, diary: &Diary) -> impl Fn() -> Clerk + Send + 'static {
    let lives = AtomicU64::new(0);
    let diary = diary.clone();
    move || Clerk {
        name,
        life: lives.fetch_add(1, Ordering::SeqCst) + 1,
        count: 0,
        diary: diary.clone(),
        gate: Arc::new(Notify::new()),
    }
}

/// Runs a test under paused time, with a tree on this very thread.
pub(super) fn paused<F>(test: impl FnOnce(Tree) -> F)
where
    F: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let clock = Arc::new(VirtualClock::starting_at(1_000_000));
        test(Tree::local("test", clock)).await;
    });
}

pub(super) fn budget(restarts: u32, seconds: u64) -> Budget {
    Budget { restarts, within: Duration::from_secs(seconds) }
}
