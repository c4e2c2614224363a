//! corrente, with asyncio's own types: its Queue is the bounded channel, its Lock the mutex.

use crate::Contender;
use corrente::io::{AsyncReadExt, AsyncWriteExt};
use corrente::net::{TcpListener, TcpStream};
use corrente::stream::{DEFAULT_LIMIT, StreamReader};
use corrente::sync::{Lock, Queue, Semaphore, broadcast, oneshot};
use corrente::{Builder, Handle, Task};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What all who put into a queue share; the last of them shuts it down, so that whoever gets learns of the end.
pub struct Producers<T: Send + 'static>(Arc<Queue<T>>);

impl<T: Send + 'static> Drop for Producers<T> {
    fn drop(&mut self) {
        self.0.shutdown(false);
    }
}

/// corrente.
pub struct Corrente;

impl Contender for Corrente {
    type Task<T: Send + 'static> = Task<T>;
    type Outside = Handle;
    type Sender<T: Send + 'static> = Arc<Producers<T>>;
    type Receiver<T: Send + 'static> = Arc<Queue<T>>;
    type OneSender<T: Send + 'static> = oneshot::Sender<T>;
    type OneReceiver<T: Send + 'static> = oneshot::Receiver<T>;
    type OpenSender<T: Send + 'static> = Arc<Producers<T>>;
    type OpenReceiver<T: Send + 'static> = Arc<Queue<T>>;
    type BroadcastSender<T: Clone + Send + Sync + 'static> = broadcast::Sender<T>;
    type BroadcastReceiver<T: Clone + Send + Sync + 'static> = broadcast::Receiver<T>;
    type Mutex<T: Send + 'static> = Lock<T>;
    type Semaphore = Semaphore;
    type Listener = TcpListener;
    type Stream = TcpStream;
    type Lines = StreamReader;

    fn run<B>(workers: usize, body: B) -> B::Output
    where
        B: Future + Send + 'static,
        B::Output: Send + 'static,
    {
        let main = async { corrente::create_task(body).await };
        Builder::new().workers(workers).run(main).expect("corrente starts")
    }

    fn spawn<G>(future: G) -> Task<G::Output>
    where
        G: Future + Send + 'static,
        G::Output: Send + 'static,
    {
        corrente::create_task(future)
    }

    fn spawn_detached<G>(future: G)
    where
        G: Future<Output = ()> + Send + 'static,
    {
        corrente::create_task(future).detach();
    }

    fn outside() -> Handle {
        Handle::current().expect("this is inside the runtime")
    }

    fn spawn_outside<G>(outside: &Handle, future: G)
    where
        G: Future<Output = ()> + Send + 'static,
    {
        outside.create_task(future).detach();
    }

    async fn gather<G>(futures: [G; 10]) -> u64
    where
        G: Future<Output = u64> + Send + 'static,
    {
        corrente::gather(futures).await.iter().sum()
    }

    async fn group<G>(futures: [G; 10]) -> u64
    where
        G: Future<Output = u64> + Send + 'static,
    {
        let sum = corrente::TaskGroup::run(async |group| {
            let mut sum = 0;
            for task in futures.map(|future| group.create_task(future)) {
                sum += task.await;
            }
            sum
        });
        sum.await.expect("no child fails")
    }

    fn spawn_blocking<R, G>(work: G) -> impl Future<Output = R> + Send + 'static
    where
        R: Send + 'static,
        G: FnOnce() -> R + Send + 'static,
    {
        corrente::to_thread(work)
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        corrente::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send {
        corrente::sleep(duration)
    }

    async fn timeout<G>(limit: Duration, future: G) -> Option<G::Output>
    where
        G: Future + Send,
        G::Output: Send,
    {
        corrente::timeout(limit, future).await.ok()
    }

    fn channel<T: Send + 'static>(capacity: usize) -> (Arc<Producers<T>>, Arc<Queue<T>>) {
        let queue = Arc::new(Queue::new(capacity));
        (Arc::new(Producers(Arc::clone(&queue))), queue)
    }

    async fn send<T: Send + 'static>(sender: &Arc<Producers<T>>, value: T) {
        assert!(sender.0.put(value).await.is_ok(), "the queue is open");
    }

    async fn receive<T: Send + 'static>(receiver: &mut Arc<Queue<T>>) -> Option<T> {
        receiver.get().await.ok()
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

    fn open_channel<T: Send + 'static>() -> (Arc<Producers<T>>, Arc<Queue<T>>) {
        Self::channel(0)
    }

    fn send_now<T: Send + 'static>(sender: &Arc<Producers<T>>, value: T) {
        assert!(sender.0.put_nowait(value).is_ok(), "the queue is open");
    }

    async fn receive_open<T: Send + 'static>(receiver: &mut Arc<Queue<T>>) -> Option<T> {
        receiver.get().await.ok()
    }

    fn broadcast<T: Clone + Send + Sync + 'static>(
        capacity: usize,
        receivers: usize,
    ) -> (broadcast::Sender<T>, Vec<broadcast::Receiver<T>>) {
        let (sender, first) = broadcast::channel(capacity);
        (sender, vec![first; receivers])
    }

    fn send_to_all<T: Clone + Send + Sync + 'static>(sender: &broadcast::Sender<T>, value: T) {
        assert!(sender.send(value).is_ok(), "the receivers are there");
    }

    async fn receive_broadcast<T: Clone + Send + Sync + 'static>(
        receiver: &mut broadcast::Receiver<T>,
    ) -> T {
        receiver.recv().await.expect("the sender is there, and waits for all to keep up")
    }

    fn mutex<T: Send + 'static>(value: T) -> Lock<T> {
        Lock::new(value)
    }

    async fn with_lock<T, R, G>(mutex: &Lock<T>, act: G) -> R
    where
        T: Send + 'static,
        R: Send,
        G: FnOnce(&mut T) -> R + Send,
    {
        act(&mut *mutex.lock().await)
    }

    async fn with_lock_across<T, G, F>(mutex: &Lock<T>, act: G, then: F)
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

    fn lines(stream: TcpStream) -> StreamReader {
        StreamReader::from_source(stream, DEFAULT_LIMIT)
    }

    async fn read_line(lines: &mut StreamReader, line: &mut Vec<u8>) -> io::Result<usize> {
        Ok(lines.readline_into(line).await?)
    }

    async fn write_all(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        stream.write_all(bytes).await
    }
}
