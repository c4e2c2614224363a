//! Which types may cross threads: decided when this file is compiled.

use corrente_task::*;
use std::cell::Cell;
use std::future::{Pending, Ready};
use std::rc::Rc;

/// Does not compile if the type is not so.
macro_rules! assert_is {
    ($type:ty: $($bound:path),+) => {
        const _: () = {
            const fn check<T: ?Sized $(+ $bound)+>() {}
            check::<$type>();
        };
    };
}

/// Does not compile if the type is so: then two implementations of the trait below fit.
macro_rules! assert_is_not {
    ($type:ty: $bound:path) => {
        const _: () = {
            trait Ambiguous<A> {
                fn check() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            struct Other;
            impl<T: ?Sized + $bound> Ambiguous<Other> for T {}
            let _ = <$type as Ambiguous<_>>::check;
        };
    };
}

/// Send, but not Sync.
type Half = Cell<u8>;
/// Neither.
type None_ = Rc<u8>;

// A handle goes where its output may go.
assert_is!(Task<u8>: Send, Sync, Unpin);
assert_is!(Task<Half>: Send, Sync);
assert_is_not!(Task<None_>: Send);
assert_is_not!(Task<None_>: Sync);
assert_is!(Outcome<Half>: Send, Sync);
assert_is_not!(Outcome<None_>: Send);
assert_is!(Spawned<Half>: Send, Sync);
assert_is_not!(Spawned<None_>: Send);
assert_is!(Shared<u8>: Send, Sync, Unpin);
assert_is!(Shared<Half>: Send, Sync);
assert_is_not!(Shared<None_>: Send);
assert_is_not!(Shared<None_>: Sync);

// References, rights and errors go anywhere.
assert_is!(TaskRef: Send, Sync);
assert_is!(Borrowed<'static>: Send, Sync);
assert_is!(Runnable: Send, Sync);
assert_is!(Finished: Send, Sync, Unpin);
assert_is!(CancelRequested: Send, Sync, Unpin);
assert_is!(WatchKey: Send, Sync);
assert_is!(Interrupter: Send, Sync);
assert_is!(Options: Send, Sync);
assert_is!(Kind: Send, Sync);
assert_is!(Cause: Send, Sync);
assert_is!(TaskId: Send, Sync);
assert_is!(Root<'static>: Send, Sync);
assert_is!(TaskError: Send, Sync, std::error::Error);
assert_is!(Cancelled: Send, Sync, std::error::Error);
assert_is!(Panicked: Send, Sync, std::error::Error);
assert_is!(Failed: Send, Sync, std::error::Error);
assert_is!(NotDone: Send, Sync, std::error::Error);
assert_is!(Unobserved<'static>: Send, Sync);
assert_is!(What: Send, Sync);
assert_is!(Resume: Send, Sync, Unpin);

// Contexts hold values that are both; a variable is a static.
assert_is!(Context: Send, Sync);
assert_is!(ContextChoice: Send, Sync);
assert_is!(SharedContext: Send, Sync);
assert_is!(ContextVar<u8>: Send, Sync);
assert_is!(Token<u8>: Send, Sync);

// Scopes are what their future is.
assert_is!(CatchCancel<Ready<Half>>: Send, Unpin);
assert_is_not!(CatchCancel<Ready<Half>>: Sync);
assert_is_not!(CatchCancel<Ready<None_>>: Send);
assert_is_not!(CatchCancel<std::marker::PhantomPinned>: Unpin);
assert_is!(Uncancellable<Pending<u8>>: Send, Sync, Unpin);
assert_is_not!(Uncancellable<Ready<None_>>: Send);
assert_is_not!(Uncancellable<std::marker::PhantomPinned>: Unpin);
assert_is!(OnCancel<Pending<u8>, fn()>: Send, Sync, Unpin);
assert_is_not!(OnCancel<Pending<u8>, None_>: Send);
assert_is_not!(OnCancel<std::marker::PhantomPinned, fn()>: Unpin);
assert_is!(ForwardCancel<Pending<u8>>: Send, Sync, Unpin);
assert_is_not!(ForwardCancel<Ready<None_>>: Send);
assert_is_not!(ForwardCancel<std::marker::PhantomPinned>: Unpin);
