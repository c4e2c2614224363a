//! A work-stealing multi-threaded async runtime with the API of Python's asyncio.
