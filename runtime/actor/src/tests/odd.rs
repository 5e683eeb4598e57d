//! An actor that misbehaves where it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::kit::{Add, Diary, Life, Tick};
use crate::*;

/// Where it misbehaves, until this life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quirk {
    None,
    PanicsInStart { until: u64 },
    FailsInStart { until: u64 },
    StopsInStart,
    BlocksInStart(Duration),
    PanicsInStop,
    BlocksInStop(Duration),
    PanicsInObserve,
    PanicsInDrop,
}

pub(super) struct Odd {
    pub(super) name: &'static str,
    quirk: Quirk,
    life: u64,
    diary: Diary,
}

impl Actor for Odd {
    const ROLE: &'static str = "odd";
    type State = u64;

    fn observe(&self) -> u64 {
        assert_ne!(self.quirk, Quirk::PanicsInObserve, "not to be seen");
        self.life
    }

    fn started(&mut self, cx: &mut Context<Self>) {
        match self.quirk {
            Quirk::PanicsInStart { until } => assert!(self.life >= until, "cannot start"),
            Quirk::FailsInStart { until } if self.life < until => cx.fail("no disk yet"),
            Quirk::StopsInStart => cx.stop(),
            Quirk::BlocksInStart(time) => std::thread::sleep(time),
            _ => {}
        }
        self.diary.write(format!("{} started", self.name));
    }

    fn stopping(&mut self, _: &mut Context<Self>) {
        self.diary.write(format!("{} stopping", self.name));
        match self.quirk {
            Quirk::PanicsInStop => panic!("will not stop"),
            Quirk::BlocksInStop(time) => std::thread::sleep(time),
            _ => {}
        }
    }
}

impl Drop for Odd {
    fn drop(&mut self) {
        if self.quirk == Quirk::PanicsInDrop && !std::thread::panicking() {
            self.diary.write(format!("{} dropped", self.name));
            panic!("dropped badly");
        }
    }
}

macro_rules! message {
    ($name:ident $(($field:ty))? -> $reply:ty) => {
        #[derive(Debug)]
        pub(super) struct $name $((pub(super) $field))?;
        impl Message for $name {
            type Reply = $reply;
            const NAME: &'static str = stringify!($name);
        }
    };
}

message!(Crash -> ());
message!(Leave -> ());
message!(Flood(u32) -> ());
message!(Timers(u32) -> ());
message!(Hang -> ());
message!(Beat(Duration) -> ());
message!(Poison -> ());

impl Drop for Poison {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("a poisonous message");
        }
    }
}

impl Handle<Add> for Odd {
    fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> Answer<u64> {
        Answer::now(n)
    }
}

impl Handle<Life> for Odd {
    fn handle(&mut self, _: Life, _: &mut Context<Self>) -> Answer<u64> {
        Answer::now(self.life)
    }
}

impl Handle<Crash> for Odd {
    fn handle(&mut self, _: Crash, _: &mut Context<Self>) -> Answer<()> {
        panic!("crash")
    }
}

impl Handle<Leave> for Odd {
    fn handle(&mut self, _: Leave, cx: &mut Context<Self>) -> Answer<()> {
        cx.stop();
        Answer::done()
    }
}

impl Handle<Tick> for Odd {
    fn handle(&mut self, _: Tick, _: &mut Context<Self>) -> Answer<()> {
        Answer::done()
    }
}

impl Handle<Flood> for Odd {
    fn handle(&mut self, Flood(n): Flood, cx: &mut Context<Self>) -> Answer<()> {
        for _ in 0..n {
            cx.notify(Tick);
        }
        Answer::done()
    }
}

impl Handle<Timers> for Odd {
    fn handle(&mut self, Timers(n): Timers, cx: &mut Context<Self>) -> Answer<()> {
        for _ in 0..n {
            cx.after(Duration::from_secs(3_600), Tick);
        }
        Answer::done()
    }
}

impl Handle<Hang> for Odd {
    fn handle(&mut self, _: Hang, cx: &mut Context<Self>) -> Answer<()> {
        cx.effect(std::future::pending::<Tick>());
        Answer::done()
    }
}

impl Handle<Beat> for Odd {
    fn handle(&mut self, Beat(every): Beat, cx: &mut Context<Self>) -> Answer<()> {
        let pulse = cx.pulse();
        cx.effect(async move {
            for _ in 0..100 {
                tokio::time::sleep(every).await;
                pulse.beat();
            }
            Tick
        });
        Answer::done()
    }
}

impl Handle<Poison> for Odd {
    fn handle(&mut self, message: Poison, _: &mut Context<Self>) -> Answer<()> {
        std::mem::forget(message);
        Answer::done()
    }
}

pub(super) fn odd(name: &'static str, quirk: Quirk, diary: &Diary) -> impl Fn() -> Odd + Send + 'static {
    let lives = Arc::new(AtomicU64::new(0));
    let diary = diary.clone();
    move || Odd { name, quirk, life: lives.fetch_add(1, Ordering::SeqCst) + 1, diary: diary.clone() }
}
