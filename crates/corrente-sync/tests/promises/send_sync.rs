//! What may cross threads, and what may not.

use corrente_sync::{
    Barrier, Condition, ConditionGuard, Event, Guard, Lock, OnceCell, OwnedGuard, OwnedPermit,
    OwnedReadGuard, OwnedWriteGuard, Permit, Queue, ReadGuard, RwLock, Semaphore, WriteGuard,
    broadcast, oneshot, watch,
};
use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::MutexGuard;

/// Sync, not Send.
type OnlySync = MutexGuard<'static, u8>;
/// Send, not Sync.
type OnlySend = Cell<u8>;
/// Neither.
type Neither = Rc<u8>;

/// `yes::<T>(...)` finds the inherent constant where the bound holds, else the trait's.
struct Is<T>(PhantomData<T>);

trait Otherwise {
    const SEND: bool = false;
    const SYNC: bool = false;
}

impl<T> Otherwise for Is<T> {}

impl<T: Send> Is<T> {
    const SEND: bool = true;
}

impl<T: Sync> Is<T> {
    const SYNC: bool = true;
}

macro_rules! crosses {
    ($($type:ty: $send:literal $sync:literal,)*) => {
        $(
            assert_eq!((<Is<$type>>::SEND, <Is<$type>>::SYNC), ($send, $sync), stringify!($type));
        )*
    };
}

#[test]
fn auto_traits() {
    crosses! {
        // The check itself.
        OnlySync: false true,
        OnlySend: true false,
        Neither: false false,

        Lock<u8>: true true,
        Lock<OnlySend>: true true,
        Lock<OnlySync>: false false,
        Lock<Neither>: false false,
        Guard<'static, u8>: true true,
        Guard<'static, OnlySend>: true false,
        Guard<'static, OnlySync>: false false,
        Guard<'static, Neither>: false false,
        OwnedGuard<u8>: true true,
        OwnedGuard<OnlySend>: true false,
        OwnedGuard<Neither>: false false,

        RwLock<u8>: true true,
        RwLock<OnlySend>: true false,
        RwLock<OnlySync>: false false,
        RwLock<Neither>: false false,
        ReadGuard<'static, u8>: true true,
        ReadGuard<'static, OnlySend>: false false,
        ReadGuard<'static, Neither>: false false,
        WriteGuard<'static, u8>: true true,
        WriteGuard<'static, OnlySend>: false false,
        WriteGuard<'static, Neither>: false false,
        OwnedReadGuard<u8>: true true,
        OwnedReadGuard<OnlySend>: false false,
        OwnedWriteGuard<u8>: true true,
        OwnedWriteGuard<OnlySend>: false false,

        Semaphore: true true,
        Permit<'static>: true true,
        OwnedPermit: true true,
        Event: true true,
        Barrier: true true,
        Condition<OnlySend>: true true,
        Condition<Neither>: false false,
        ConditionGuard<'static, OnlySend>: true false,
        ConditionGuard<'static, Neither>: false false,

        Queue<OnlySend>: true true,
        Queue<OnlySync>: false false,
        OnceCell<u8>: true true,
        OnceCell<OnlySend>: true false,
        OnceCell<Neither>: false false,

        oneshot::Sender<OnlySend>: true true,
        oneshot::Sender<Neither>: false false,
        oneshot::Receiver<OnlySend>: true true,
        oneshot::Receiver<Neither>: false false,
        // Receivers clone the value at the same time.
        broadcast::Sender<OnlySend>: false false,
        broadcast::Receiver<OnlySend>: false false,
        broadcast::Receiver<u8>: true true,
        watch::Sender<OnlySend>: false false,
        watch::Receiver<OnlySend>: false false,
        watch::Receiver<u8>: true true,
    }
}

fn send<T: Send>(_: T) {}

#[test]
fn futures_can_be_sent() {
    let lock = std::sync::Arc::new(Lock::new(Cell::new(1)));
    let condition = Condition::new(Cell::new(1));
    let queue = Queue::<Cell<u8>>::unbounded();
    send(lock.lock());
    send(lock.lock_owned());
    send(lock.acquire());
    send(RwLock::new(1).read());
    send(Semaphore::new(1).acquire());
    send(Event::new().wait());
    send(Barrier::new(1).wait());
    send(condition.wait());
    send(async {
        let mut guard = condition.lock().await;
        guard.wait().await;
        guard.wait_for(|_| true).await;
    });
    send(queue.get());
    send(queue.put(Cell::new(1)));
    send(queue.join());
    send(queue.items());
    send(OnceCell::new().get_or_init(|| async { 1 }));
    send(broadcast::channel::<u8>(1).1.recv());
    send(watch::channel(1).1.changed());
}
