//! HTTP without sockets: what a request must be, and how the hub answers it.
//!
//! Owns the checks, the status codes and the forms of answers. Names no runtime. Outside this
//! folder, the hub reads requests from sockets, and `longhaul-testing` gets them from a page.

pub mod access;
pub mod answer;
pub mod documents;
pub mod events;
pub mod frame;
pub mod handshake;
pub mod origin;
pub mod posts;
pub mod problem;
pub mod topics;
pub mod well_known;

mod etag;
mod publication;

pub use access::Access;
pub use answer::Answer;
