//! The two directions of a connection, and how they end.

/// The direction of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the client to the upstream.
    Up,
    /// From the upstream to the client.
    Down,
}

/// How the bytes of a direction end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With a FIN.
    Finished,
    /// With a RST.
    Reset,
}

/// The proxy must reset the connection in both directions.
#[derive(Debug)]
pub(crate) struct Reset;
