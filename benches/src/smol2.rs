//! smol 2: its executor on as many threads as the others have workers, each of them also turning its reactor.
//!
//! smol's own `spawn` counts its threads by an environment variable; the executor here is arranged the same way, with
//! the number given. Where smol has no type of its own (oneshot, broadcast), async-channel and async-broadcast stand in, as its users do.

use crate::{Contender, LINES_BUFFER};
use smol::channel;
use smol::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use smol::lock::{Mutex, Semaphore};
use smol::net::{TcpListener, TcpStream};
use smol::{Executor, Timer};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

/// The one executor of the process.
static EXECUTOR: Executor<'static> = Executor::new();

/// How many threads run it, once it runs.
static WORKERS: OnceLock<usize> = OnceLock::new();

fn start(workers: usize) -> usize {
    for number in 0..workers {
        let name = format!("smol-{number}");
        let worker = || smol::block_on(EXECUTOR.run(std::future::pending::<()>()));
        thread::Builder::new().name(name).spawn(worker).expect("a thread starts");
    }
    workers
}

/// smol.
pub struct Smol;

impl Contender for Smol {
    type Task<T: Send + 'static> = smol::Task<T>;
    type Outside = ();
    type Sender<T: Send + 'static> = channel::Sender<T>;
    type Receiver<T: Send + 'static> = channel::Receiver<T>;
    type OneSender<T: Send + 'static> = channel::Sender<T>;
    type OneReceiver<T: Send + 'static> = channel::Receiver<T>;
    type OpenSender<T: Send + 'static> = channel::Sender<T>;
    type OpenReceiver<T: Send + 'static> = channel::Receiver<T>;
    type BroadcastSender<T: Clone + Send + Sync + 'static> = async_broadcast::Sender<T>;
    type BroadcastReceiver<T: Clone + Send + Sync + 'static> = async_broadcast::Receiver<T>;
    type Mutex<T: Send + 'static> = Mutex<T>;
    type Semaphore = Semaphore;
    type Listener = TcpListener;
    type Stream = TcpStream;
    type Lines = BufReader<TcpStream>;

    fn run<B>(workers: usize, body: B) -> B::Output
    where
        B: Future + Send + 'static,
        B::Output: Send + 'static,
    {
        let started = *WORKERS.get_or_init(|| start(workers));
        assert_eq!(started, workers, "one process runs smol with one number of threads");
        smol::block_on(EXECUTOR.spawn(body))
    }

    fn spawn<G>(future: G) -> smol::Task<G::Output>
    where
        G: Future + Send + 'static,
        G::Output: Send + 'static,
    {
        EXECUTOR.spawn(future)
    }

    fn spawn_detached<G>(future: G)
    where
        G: Future<Output = ()> + Send + 'static,
    {
        EXECUTOR.spawn(future).detach();
    }

    fn outside() {}

    fn spawn_outside<G>(_outside: &(), future: G)
    where
        G: Future<Output = ()> + Send + 'static,
    {
        EXECUTOR.spawn(future).detach();
    }

    async fn gather<G>(futures: [G; 10]) -> u64
    where
        G: Future<Output = u64> + Send + 'static,
    {
        let mut sum = 0;
        for task in futures.map(Self::spawn) {
            sum += task.await;
        }
        sum
    }

    async fn group<G>(futures: [G; 10]) -> u64
    where
        G: Future<Output = u64> + Send + 'static,
    {
        // smol has no type for this; a list of tasks, which are cancelled when dropped, comes nearest.
        Self::gather(futures).await
    }

    fn spawn_blocking<R, G>(work: G) -> impl Future<Output = R> + Send + 'static
    where
        R: Send + 'static,
        G: FnOnce() -> R + Send + 'static,
    {
        smol::unblock(work)
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        smol::future::yield_now()
    }

    async fn sleep(duration: Duration) {
        Timer::after(duration).await;
    }

    fn timeout<G>(limit: Duration, future: G) -> impl Future<Output = Option<G::Output>> + Send
    where
        G: Future + Send,
        G::Output: Send,
    {
        let end = async move {
            Timer::after(limit).await;
            None
        };
        smol::future::or(async { Some(future.await) }, end)
    }

    fn channel<T: Send + 'static>(capacity: usize) -> (channel::Sender<T>, channel::Receiver<T>) {
        channel::bounded(capacity)
    }

    async fn send<T: Send + 'static>(sender: &channel::Sender<T>, value: T) {
        assert!(sender.send(value).await.is_ok(), "the receiver is there");
    }

    async fn receive<T: Send + 'static>(receiver: &mut channel::Receiver<T>) -> Option<T> {
        receiver.recv().await.ok()
    }

    fn oneshot<T: Send + 'static>() -> (channel::Sender<T>, channel::Receiver<T>) {
        channel::bounded(1)
    }

    fn complete<T: Send + 'static>(sender: channel::Sender<T>, value: T) {
        assert!(sender.try_send(value).is_ok(), "there is room for one");
    }

    async fn completed<T: Send + 'static>(receiver: channel::Receiver<T>) -> T {
        receiver.recv().await.expect("the sender sends")
    }

    fn open_channel<T: Send + 'static>() -> (channel::Sender<T>, channel::Receiver<T>) {
        channel::unbounded()
    }

    fn send_now<T: Send + 'static>(sender: &channel::Sender<T>, value: T) {
        assert!(sender.try_send(value).is_ok(), "the receiver is there");
    }

    async fn receive_open<T: Send + 'static>(receiver: &mut channel::Receiver<T>) -> Option<T> {
        receiver.recv().await.ok()
    }

    fn broadcast<T: Clone + Send + Sync + 'static>(
        capacity: usize,
        receivers: usize,
    ) -> (async_broadcast::Sender<T>, Vec<async_broadcast::Receiver<T>>) {
        let (sender, first) = async_broadcast::broadcast(capacity);
        (sender, vec![first; receivers])
    }

    fn send_to_all<T: Clone + Send + Sync + 'static>(
        sender: &async_broadcast::Sender<T>,
        value: T,
    ) {
        assert!(sender.try_broadcast(value).is_ok(), "there is room, and the receivers are there");
    }

    async fn receive_broadcast<T: Clone + Send + Sync + 'static>(
        receiver: &mut async_broadcast::Receiver<T>,
    ) -> T {
        receiver.recv_direct().await.expect("the sender is there")
    }

    fn mutex<T: Send + 'static>(value: T) -> Mutex<T> {
        Mutex::new(value)
    }

    async fn with_lock<T, R, G>(mutex: &Mutex<T>, act: G) -> R
    where
        T: Send + 'static,
        R: Send,
        G: FnOnce(&mut T) -> R + Send,
    {
        act(&mut *mutex.lock().await)
    }

    async fn with_lock_across<T, G, F>(mutex: &Mutex<T>, act: G, then: F)
    where
        T: Send + 'static,
        G: FnOnce(&mut T) + Send,
        F: Future<Output = ()> + Send,
    {
        let mut guard = mutex.lock().await;
        act(&mut *guard);
        then.await;
    }

    fn semaphore(units: usize) -> Semaphore {
        Semaphore::new(units)
    }

    async fn with_permit<F>(semaphore: &Semaphore, then: F)
    where
        F: Future<Output = ()> + Send,
    {
        let _permit = semaphore.acquire().await;
        then.await;
    }

    async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
        TcpListener::bind(address).await
    }

    fn local_addr(listener: &TcpListener) -> io::Result<SocketAddr> {
        listener.local_addr()
    }

    async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        stream.read(buffer).await
    }

    fn lines(stream: TcpStream) -> BufReader<TcpStream> {
        BufReader::with_capacity(LINES_BUFFER, stream)
    }

    async fn read_line(lines: &mut BufReader<TcpStream>, line: &mut Vec<u8>) -> io::Result<usize> {
        lines.read_until(b'\n', line).await
    }

    async fn write_all(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        stream.write_all(bytes).await
    }
}
