//! corrente beside tokio and smol: the same work for each.
