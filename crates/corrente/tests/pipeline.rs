//! A program as somebody would write it who has not read the source: a crawler of a small site in memory.
//!
//! Fetchers with time limits and retries, a group that fails and is cleaned up, workers on a queue, results
//! gathered. No `unwrap` but in the test itself, and no type annotation that plain async Rust would not ask
//! for.

use corrente::sync::{Queue, Semaphore};
use corrente::{
    Error, ErrorGroup, TaskGroup, create_task, duplex, gather, sleep, timeout, to_thread,
    try_gather, with_cleanup,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Debug)]
enum FetchError {
    NotFound(String),
    TooSlow(String),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(url) => write!(f, "{url}: not found"),
            Self::TooSlow(url) => write!(f, "{url}: too slow"),
        }
    }
}

impl std::error::Error for FetchError {}

#[derive(Clone)]
struct Page {
    links: Vec<&'static str>,
    delay: Duration,
}

#[derive(Default)]
struct Site {
    pages: BTreeMap<&'static str, Page>,
    open: AtomicUsize,
    most_open: AtomicUsize,
    closed: AtomicUsize,
}

impl Site {
    fn small() -> Self {
        let page = |millis, links: &[&'static str]| Page {
            links: links.to_vec(),
            delay: Duration::from_millis(millis),
        };
        let pages = BTreeMap::from([
            ("/", page(1, &["/a", "/b", "/c"])),
            ("/a", page(2, &["/a/1", "/a/2", "/"])),
            ("/b", page(1, &["/b/1", "/a"])),
            ("/c", page(3, &["/slow"])),
            ("/a/1", page(1, &[])),
            ("/a/2", page(1, &["/"])),
            ("/b/1", page(2, &["/missing"])),
            ("/slow", page(10_000, &[])),
        ]);
        Self { pages, ..Self::default() }
    }

    /// One connection: opened, used, and closed with some effort, also when it is interrupted.
    async fn fetch(&self, url: &str) -> Result<Page, FetchError> {
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_open.fetch_max(open, Ordering::SeqCst);
        let work = async {
            let page = self.pages.get(url).ok_or_else(|| FetchError::NotFound(url.to_owned()))?;
            sleep(page.delay).await;
            Ok(page.clone())
        };
        with_cleanup(work, async {
            sleep(Duration::from_micros(100)).await;
            self.open.fetch_sub(1, Ordering::SeqCst);
            self.closed.fetch_add(1, Ordering::SeqCst);
        })
        .await
    }
}

async fn fetch_in_time(site: &Site, url: &str) -> Result<Page, FetchError> {
    match timeout(Duration::from_millis(50), site.fetch(url)).await {
        Ok(result) => result,
        Err(_) => Err(FetchError::TooSlow(url.to_owned())),
    }
}

struct Crawl {
    site: Site,
    queue: Queue<&'static str>,
    limit: Semaphore,
    seen: Mutex<BTreeSet<&'static str>>,
    failed: Mutex<Vec<FetchError>>,
}

impl Crawl {
    fn new(site: Site) -> Self {
        Self {
            site,
            queue: Queue::unbounded(),
            limit: Semaphore::new(3),
            seen: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    fn enqueue(&self, url: &'static str) -> Result<(), Error> {
        if self.seen.lock().map_err(|error| error.to_string())?.insert(url) {
            self.queue.put_nowait(url)?;
        }
        Ok(())
    }

    async fn worker(&self) -> Result<(), Error> {
        loop {
            let Ok(url) = self.queue.get().await else { return Ok(()) };
            let result = {
                let _permit = self.limit.acquire().await;
                fetch_in_time(&self.site, url).await
            };
            match result {
                Ok(page) => page.links.iter().try_for_each(|link| self.enqueue(link))?,
                Err(error) => self.failed.lock().map_err(|error| error.to_string())?.push(error),
            }
            self.queue.task_done()?;
        }
    }
}

async fn crawl(start: &'static str) -> Result<Arc<Crawl>, ErrorGroup> {
    let crawl = Arc::new(Crawl::new(Site::small()));
    TaskGroup::run(async |group| {
        crawl.enqueue(start)?;
        for number in 0..5 {
            let crawl = crawl.clone();
            group
                .task()
                .name(format!("worker {number}"))
                .spawn(async move { crawl.worker().await });
        }
        crawl.queue.join().await;
        crawl.queue.shutdown(false);
        Ok::<_, Error>(crawl.clone())
    })
    .await
}

/// All or nothing: one missing page stops the others, whose connections are closed properly.
async fn mirror(site: Arc<Site>, urls: &[&'static str]) -> Result<usize, ErrorGroup> {
    TaskGroup::run(async |group| {
        let mut pages = Vec::new();
        for url in urls {
            let (site, url) = (site.clone(), *url);
            pages.push(group.create_task(async move { site.fetch(url).await }));
        }
        let mut links = 0;
        for page in pages {
            links += page.await.links.len();
        }
        Ok::<_, Error>(links)
    })
    .await
}

async fn report(crawl: &Crawl) -> Result<String, Error> {
    let pages = crawl.seen.lock().map_err(|error| error.to_string())?.len();
    let failed: Vec<_> = {
        let failed = crawl.failed.lock().map_err(|error| error.to_string())?;
        failed.iter().map(ToString::to_string).collect()
    };
    // Formatting is slow work, let us say.
    Ok(to_thread(move || format!("{pages} pages, {} failed: {}", failed.len(), failed.join("; ")))
        .await)
}

#[corrente::test]
async fn the_whole_site_is_crawled() {
    let crawl = crawl("/").await.unwrap();
    crawl.failed.lock().unwrap().sort_by_key(|error| error.to_string());
    let text = report(&crawl).await.unwrap();
    assert_eq!(text, "9 pages, 2 failed: /missing: not found; /slow: too slow");
    let site = &crawl.site;
    assert_eq!(site.open.load(Ordering::SeqCst), 0, "every connection was closed");
    assert!(site.most_open.load(Ordering::SeqCst) <= 3, "the semaphore limits them");
}

/// In virtual time: as in asyncio, a cancel that comes while a page is being closed already, because it has
/// arrived, cuts that short. Here none has arrived when the missing one is found out.
#[corrente::test(virtual_time)]
async fn a_mirror_is_complete_or_fails_with_all_connections_closed() {
    let site = Arc::new(Site::small());
    assert_eq!(mirror(site.clone(), &["/", "/a", "/b"]).await.unwrap(), 8);
    let error = mirror(site.clone(), &["/", "/slow", "/missing"]).await.unwrap_err();
    let (fetch, rest) = error.split::<FetchError>();
    assert!(
        matches!(&fetch[..], [FetchError::NotFound(url)] if url == "/missing") && rest.is_none()
    );
    assert_eq!(site.open.load(Ordering::SeqCst), 0);
    let (closed, opened) = (site.closed.load(Ordering::SeqCst), 3 + 2..=3 + 3);
    assert!(opened.contains(&closed), "{closed}");
}

#[corrente::test]
async fn pages_are_gathered_in_order() {
    let site = Arc::new(Site::small());
    let fetch = |url| {
        let site = site.clone();
        async move { site.fetch(url).await }
    };
    let (a, missing) = gather((fetch("/a"), fetch("/missing"))).await;
    assert_eq!(a.unwrap().links.len(), 3);
    assert!(missing.is_err());
    let pages = try_gather(["/", "/a", "/b"].map(fetch)).await.unwrap();
    assert_eq!(pages.map(|page| page.links.len()), [3, 3, 2]);
    assert!(try_gather(vec![fetch("/"), fetch("/missing")]).await.is_err());
}

#[corrente::test]
async fn the_log_goes_through_a_pipe() {
    let (near, far) = duplex(64);
    let (_, writer) = corrente::stream::open_stream(near, 1024).unwrap();
    let (reader, _) = corrente::stream::open_stream(far, 1024).unwrap();
    let logging = create_task(async move {
        for line in ["start", "fetch", "end"] {
            writer.write(format!("{line}\n").as_bytes());
            writer.drain().await?;
        }
        writer.close();
        writer.wait_closed().await
    });
    let mut lines = reader.lines();
    let mut count = 0;
    while let Some(line) = lines.next().await {
        assert!(line.unwrap().ends_with(b"\n"));
        count += 1;
    }
    logging.await.unwrap();
    assert_eq!(count, 3);
}
