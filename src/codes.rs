//! Close codes: the Rust side of src/codes.json, which TypeScript and docs/protocol.md share.

/// The client is done.
pub const DONE: u16 = 1000;
/// The hub is shutting down or restarting.
pub const GOING_AWAY: u16 = 1001;
/// The connection ended without a close handshake, or the peer sent no code.
pub const CONNECTION_LOST: u16 = 1006;
/// The hub's policy ended the connection.
pub const POLICY: u16 = 1008;
/// A frame was over the limit.
pub const FRAME_TOO_LARGE: u16 = 1009;
/// The hub is overloaded.
pub const TRY_AGAIN_LATER: u16 = 1013;
/// A frame could not be read.
pub const BAD_FRAME: u16 = 4000;
/// Nothing was heard for longer than a heartbeat allows.
pub const HEARTBEAT_TIMEOUT: u16 = 4002;
/// The transport did not open in time.
pub const OPEN_TIMEOUT: u16 = 4003;
/// The hub did not say welcome in time.
pub const WELCOME_TIMEOUT: u16 = 4004;
/// The handshake came back without our subprotocol.
pub const SUBPROTOCOL_MISSING: u16 = 4005;
/// The answer was not from a hub.
pub const NOT_A_HUB: u16 = 4009;
/// The stream opened, but nothing came through in time.
pub const STREAM_BUFFERED: u16 = 4011;
/// The browser put the page to sleep.
pub const PAGE_SUSPENDED: u16 = 4013;
/// The hub does not serve this transport.
pub const TRANSPORT_DISABLED: u16 = 4010;
/// The app had no token to give.
pub const TOKEN_UNAVAILABLE: u16 = 4012;
/// The hub did not accept the token or ticket.
pub const UNAUTHORIZED: u16 = 4401;
/// The client has too many connections.
pub const TOO_MANY_CONNECTIONS: u16 = 4429;
/// The hub does not speak our version.
pub const VERSION_UNSUPPORTED: u16 = 4500;
/// The hub does not serve pages of this origin.
pub const ORIGIN_REFUSED: u16 = 4503;
/// The hub failed.
pub const HUB_ERROR: u16 = 1011;
/// The client opens a new connection instead.
pub const REPLACED: u16 = 4006;
/// The connection has too many subscriptions.
pub const TOO_MANY_SUBSCRIPTIONS: u16 = 4007;
/// The connection took no data for too long.
pub const SLOW_CONSUMER: u16 = 4008;

/// Whether a client tries again after this code: all but 4500-4999.
#[must_use]
pub fn comes_back(code: u16) -> bool {
    !(4500..=4999).contains(&code)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Row {
        close_code: u16,
        code: String,
        come_back: bool,
    }

    #[test]
    fn the_constants_are_those_of_the_shared_table() {
        let table: Vec<Row> = serde_json::from_str(include_str!("codes.json")).unwrap();
        let source = include_str!("codes.rs").lines();
        let constants = source.filter_map(|line| line.strip_prefix("pub const "));
        for constant in constants {
            let (name, code) = constant.split_once(": u16 = ").unwrap();
            let code: u16 = code.trim_end_matches(';').parse().unwrap();
            let row = table.iter().find(|row| row.close_code == code);
            assert_eq!(
                row.map(|row| row.code.as_str()),
                Some(&*name.to_lowercase())
            );
        }
        for row in table {
            assert_eq!(
                comes_back(row.close_code),
                row.come_back,
                "{}",
                row.close_code
            );
        }
    }
}
