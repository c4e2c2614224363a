//! Cancelling: asked for by anybody, delivered to the innermost scope, put back if nobody took it.

mod asyncio;
mod branches;
mod chains;
mod edges;
mod moved;
mod nodes;
