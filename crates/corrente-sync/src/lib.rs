//! Locks, events, queues and channels with asyncio's guarantees, for any executor.
