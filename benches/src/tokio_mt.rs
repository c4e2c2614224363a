//! tokio, with its multi-threaded scheduler; the operations are the same for both schedulers.

use crate::{Contender, LINES_BUFFER};
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Mutex, Semaphore, broadcast, mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

/// tokio, with the scheduler that `F` builds.
pub struct Tokio<F>(PhantomData<F>);

/// One of tokio's schedulers.
pub trait Flavour: Send + Sync + 'static {
    /// A runtime with all drivers on. `workers` counts where the scheduler has several.
    fn build(workers: usize) -> Runtime;
}

/// tokio's work-stealing scheduler.
pub struct MultiThread;

impl Flavour for MultiThread {
    fn build(workers: usize) -> Runtime {
        Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build()
            .expect("tokio starts")
    }
}

/// A `JoinHandle` whose task is known not to panic.
pub struct Joined<T>(JoinHandle<T>);

impl<T> Future for Joined<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(cx).map(|outcome| outcome.expect("the task ends well"))
    }
}

impl<F: Flavour> Contender for Tokio<F> {
    type Task<T: Send + 'static> = Joined<T>;
    type Outside = Handle;
    type Sender<T: Send + 'static> = mpsc::Sender<T>;
    type Receiver<T: Send + 'static> = mpsc::Receiver<T>;
    type OneSender<T: Send + 'static> = oneshot::Sender<T>;
    type OneReceiver<T: Send + 'static> = oneshot::Receiver<T>;
    type OpenSender<T: Send + 'static> = mpsc::UnboundedSender<T>;
    type OpenReceiver<T: Send + 'static> = mpsc::UnboundedReceiver<T>;
    type BroadcastSender<T: Clone + Send + Sync + 'static> = broadcast::Sender<T>;
    type BroadcastReceiver<T: Clone + Send + Sync + 'static> = broadcast::Receiver<T>;
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
        F::build(workers)
            .block_on(async { tokio::spawn(body).await.expect("the workload ends well") })
    }

    fn spawn<G>(future: G) -> Joined<G::Output>
    where
        G: Future + Send + 'static,
        G::Output: Send + 'static,
    {
        Joined(tokio::spawn(future))
    }

    fn spawn_detached<G>(future: G)
    where
        G: Future<Output = ()> + Send + 'static,
    {
        drop(tokio::spawn(future));
    }

    fn outside() -> Handle {
        Handle::current()
    }

    fn spawn_outside<G>(outside: &Handle, future: G)
    where
        G: Future<Output = ()> + Send + 'static,
    {
        drop(outside.spawn(future));
    }

    async fn gather<G>(futures: [G; 10]) -> u64
    where
        G: Future<Output = u64> + Send + 'static,
    {
        let [a, b, c, d, e, f, g, h, i, j] = futures.map(Self::spawn);
        let (a, b, c, d, e, f, g, h, i, j) = tokio::join!(a, b, c, d, e, f, g, h, i, j);
        a + b + c + d + e + f + g + h + i + j
    }

    async fn group<G>(futures: [G; 10]) -> u64
    where
        G: Future<Output = u64> + Send + 'static,
    {
        let mut tasks: JoinSet<u64> = futures.into_iter().collect();
        let mut sum = 0;
        while let Some(outcome) = tasks.join_next().await {
            sum += outcome.expect("the task ends well");
        }
        sum
    }

    fn spawn_blocking<R, G>(work: G) -> impl Future<Output = R> + Send + 'static
    where
        R: Send + 'static,
        G: FnOnce() -> R + Send + 'static,
    {
        Joined(tokio::task::spawn_blocking(work))
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        tokio::task::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(duration)
    }

    async fn timeout<G>(limit: Duration, future: G) -> Option<G::Output>
    where
        G: Future + Send,
        G::Output: Send,
    {
        tokio::time::timeout(limit, future).await.ok()
    }

    fn channel<T: Send + 'static>(capacity: usize) -> (mpsc::Sender<T>, mpsc::Receiver<T>) {
        mpsc::channel(capacity)
    }

    async fn send<T: Send + 'static>(sender: &mpsc::Sender<T>, value: T) {
        assert!(sender.send(value).await.is_ok(), "the receiver is there");
    }

    async fn receive<T: Send + 'static>(receiver: &mut mpsc::Receiver<T>) -> Option<T> {
        receiver.recv().await
    }

    fn oneshot<T: Send + 'static>() -> (oneshot::Sender<T>, oneshot::Receiver<T>) {
        oneshot::channel()
    }

    fn complete<T: Send + 'static>(sender: oneshot::Sender<T>, value: T) {
        assert!(sender.send(value).is_ok(), "the receiver is there");
    }

    async fn completed<T: Send + 'static>(receiver: oneshot::Receiver<T>) -> T {
        receiver.await.expect("the sender sends")
    }

    fn open_channel<T: Send + 'static>() -> (mpsc::UnboundedSender<T>, mpsc::UnboundedReceiver<T>) {
        mpsc::unbounded_channel()
    }

    fn send_now<T: Send + 'static>(sender: &mpsc::UnboundedSender<T>, value: T) {
        assert!(sender.send(value).is_ok(), "the receiver is there");
    }

    async fn receive_open<T: Send + 'static>(
        receiver: &mut mpsc::UnboundedReceiver<T>,
    ) -> Option<T> {
        receiver.recv().await
    }

    fn broadcast<T: Clone + Send + Sync + 'static>(
        capacity: usize,
        receivers: usize,
    ) -> (broadcast::Sender<T>, Vec<broadcast::Receiver<T>>) {
        let sender = broadcast::Sender::new(capacity);
        let receivers = (0..receivers).map(|_| sender.subscribe()).collect();
        (sender, receivers)
    }

    fn send_to_all<T: Clone + Send + Sync + 'static>(sender: &broadcast::Sender<T>, value: T) {
        assert!(sender.send(value).is_ok(), "the receivers are there");
    }

    async fn receive_broadcast<T: Clone + Send + Sync + 'static>(
        receiver: &mut broadcast::Receiver<T>,
    ) -> T {
        receiver.recv().await.expect("the sender is there, and waits for all to keep up")
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

    async fn with_lock_across<T, G, W>(mutex: &Mutex<T>, act: G, then: W)
    where
        T: Send + 'static,
        G: FnOnce(&mut T) + Send,
        W: Future<Output = ()> + Send,
    {
        let mut guard = mutex.lock().await;
        act(&mut *guard);
        then.await;
    }

    fn semaphore(units: usize) -> Semaphore {
        Semaphore::new(units)
    }

    async fn with_permit<W>(semaphore: &Semaphore, then: W)
    where
        W: Future<Output = ()> + Send,
    {
        let _permit = semaphore.acquire().await.expect("nobody closes it");
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
