//! Readiness of sockets and other descriptors, on top of polling.
