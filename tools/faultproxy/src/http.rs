//! Enough of HTTP/1.1 to find the beginning and the end of requests and responses.
//!
//! The proxy relays bytes unchanged. That includes bytes that are not valid HTTP: refusing them is
//! the hub's job.

use bytes::{Bytes, BytesMut};

use crate::faults::Answer;

/// The longest head, bytes. Chosen: four times the limit of common servers.
pub const HEAD_BYTES_MAX: usize = 65_536;

/// The most headers of a head. Chosen: browsers send about twenty.
const HEADERS_MAX: usize = 128;

const METHODS: [&[u8]; 9] = [
    b"GET ",
    b"POST ",
    b"PUT ",
    b"PATCH ",
    b"DELETE ",
    b"HEAD ",
    b"OPTIONS ",
    b"CONNECT ",
    b"TRACE ",
];

/// What the first bytes of a message are.
#[derive(Debug)]
pub(crate) enum Read<T> {
    /// The head is incomplete.
    Partial,
    /// They are not HTTP/1.1.
    NotHttp,
    /// A head, taken out of the buffer.
    Head(T),
}

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) bytes: Bytes,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) is_upgrade: bool,
    pub(crate) is_head: bool,
    pub(crate) is_connect: bool,
    pub(crate) body: Body,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) bytes: Bytes,
    pub(crate) status: u16,
    /// The body, as if the request was a GET.
    pub(crate) body: Body,
}

/// Takes the head of a request out of the buffer.
pub(crate) fn request(buffer: &mut BytesMut) -> Read<Request> {
    // The first bytes decide. A protocol that is not HTTP may never send the end of a line.
    let could_be = METHODS
        .iter()
        .any(|method| method.starts_with(buffer) || buffer.starts_with(method));
    if !could_be {
        return Read::NotHttp;
    }
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    let bytes = match parsed.parse(buffer) {
        Ok(httparse::Status::Complete(bytes)) => bytes,
        Ok(httparse::Status::Partial) if buffer.len() < HEAD_BYTES_MAX => return Read::Partial,
        _ => return Read::NotHttp,
    };
    let method = parsed.method.unwrap_or_default().to_owned();
    let (is_head, is_connect) = (method == "HEAD", method == "CONNECT");
    let path = parsed.path.unwrap_or_default().to_owned();
    let is_upgrade =
        has_token(parsed.headers, "upgrade", "websocket") && !is_connect && method == "GET";
    let body = Body::of(parsed.headers).unwrap_or(Body::Done);
    Read::Head(Request {
        bytes: buffer.split_to(bytes).freeze(),
        method,
        path,
        is_upgrade,
        is_head,
        is_connect,
        body,
    })
}

/// Takes the head of a response out of the buffer.
pub(crate) fn response(buffer: &mut BytesMut) -> Read<Response> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Response::new(&mut headers);
    let bytes = match parsed.parse(buffer) {
        Ok(httparse::Status::Complete(bytes)) => bytes,
        Ok(httparse::Status::Partial) if buffer.len() < HEAD_BYTES_MAX => return Read::Partial,
        _ => return Read::NotHttp,
    };
    let status = parsed.code.unwrap_or_default();
    let body = match status {
        100..=199 | 204 | 304 => Body::Done,
        _ => Body::of(parsed.headers).unwrap_or(Body::ToEnd),
    };
    Read::Head(Response {
        bytes: buffer.split_to(bytes).freeze(),
        status,
        body,
    })
}

fn has_token(headers: &[httparse::Header<'_>], name: &str, token: &str) -> bool {
    headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case(name))
        .filter_map(|header| str::from_utf8(header.value).ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(token))
}

/// The head without the lines of this header.
pub(crate) fn without_header(head: &[u8], name: &str) -> Bytes {
    let is_it = |line: &[u8]| {
        line.split(|&byte| byte == b':')
            .next()
            .is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
    };
    head.split_inclusive(|&byte| byte == b'\n')
        .filter(|line| !is_it(line))
        .collect::<Vec<_>>()
        .concat()
        .into()
}

/// The bytes of the proxy's own answer, which leaves the connection open.
pub(crate) fn answer(answer: &Answer, request: &Request) -> Bytes {
    use std::fmt::Write as _;
    let mut text = format!("HTTP/1.1 {} {}\r\n", answer.status, phrase(answer.status));
    for (name, value) in &answer.headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    let has_type = answer
        .headers
        .keys()
        .any(|name| name.eq_ignore_ascii_case("content-type"));
    if !has_type && !answer.body.is_empty() {
        text.push_str("Content-Type: text/html; charset=utf-8\r\n");
    }
    if !matches!(answer.status, 204 | 304) {
        let _ = write!(text, "Content-Length: {}\r\n", answer.body.len());
    }
    text.push_str("\r\n");
    if !request.is_head && !matches!(answer.status, 204 | 304) {
        text.push_str(&answer.body);
    }
    text.into()
}

fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        429 => "Too Many Requests",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "As Asked",
    }
}

/// The rest of a message's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// Nothing.
    Done,
    /// This number of bytes.
    Bytes(u64),
    /// Chunks.
    Chunked(Chunk),
    /// Everything until the connection ends. Also used after invalid chunks.
    ToEnd,
}

/// The next element of a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// Hexadecimal digits of a chunk's size. The number is their value so far.
    Size(u64),
    /// The rest of the line with the size.
    Extension(u64),
    /// This number of data bytes.
    Data(u64),
    /// The line end after the data.
    DataEnd,
    /// A line after the last chunk, and whether it is empty so far.
    Trailer { is_empty: bool },
}

impl Body {
    /// `None` if the headers do not say.
    fn of(headers: &[httparse::Header<'_>]) -> Option<Self> {
        if has_token(headers, "transfer-encoding", "chunked") {
            return Some(Self::Chunked(Chunk::Size(0)));
        }
        let length = headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case("content-length"))?;
        let length = str::from_utf8(length.value).ok()?.trim().parse().ok()?;
        Some(if length == 0 {
            Self::Done
        } else {
            Self::Bytes(length)
        })
    }

    /// Takes the bytes of the body out of the buffer. May be empty.
    pub(crate) fn take(&mut self, buffer: &mut BytesMut) -> BytesMut {
        let bytes = match *self {
            Self::Done => 0,
            Self::ToEnd => buffer.len(),
            Self::Bytes(left) => {
                let bytes = least(left, buffer.len());
                *self = match left.saturating_sub(wide(bytes)) {
                    0 => Self::Done,
                    left => Self::Bytes(left),
                };
                bytes
            }
            Self::Chunked(mut chunk) => {
                let mut bytes = 0;
                *self = loop {
                    let rest = buffer.get(bytes..).unwrap_or_default();
                    let Some(&byte) = rest.first() else {
                        break Self::Chunked(chunk);
                    };
                    if let Chunk::Data(left) = chunk {
                        let taken = least(left, rest.len());
                        bytes += taken;
                        chunk = match left.saturating_sub(wide(taken)) {
                            0 => Chunk::DataEnd,
                            left => Chunk::Data(left),
                        };
                        continue;
                    }
                    bytes += 1;
                    match chunk.step(byte) {
                        Step::Next(next) => chunk = next,
                        Step::Done => break Self::Done,
                        Step::Bad => {
                            bytes = buffer.len();
                            break Self::ToEnd;
                        }
                    }
                };
                bytes
            }
        };
        buffer.split_to(bytes)
    }
}

enum Step {
    Next(Chunk),
    Done,
    Bad,
}

impl Chunk {
    /// The next element after a byte that is not data.
    fn step(self, byte: u8) -> Step {
        let next = match (self, byte) {
            (Self::Size(size), b'\n') => Self::after_size(size),
            (Self::Size(size), b';' | b'\r' | b' ' | b'\t') => Self::Extension(size),
            (Self::Size(size), _) => {
                let digit = char::from(byte).to_digit(16).map(u64::from);
                let grown = size.checked_mul(16);
                match digit.zip(grown).and_then(|(a, b)| b.checked_add(a)) {
                    Some(size) => Self::Size(size),
                    None => return Step::Bad,
                }
            }
            (Self::Extension(size), b'\n') => Self::after_size(size),
            (Self::Extension(size), _) => Self::Extension(size),
            (Self::DataEnd, b'\r') | (Self::Data(_), _) => self,
            (Self::DataEnd, b'\n') => Self::Size(0),
            (Self::DataEnd, _) => return Step::Bad,
            (Self::Trailer { is_empty: true }, b'\n') => return Step::Done,
            (Self::Trailer { .. }, b'\n') => Self::Trailer { is_empty: true },
            (Self::Trailer { is_empty }, b'\r') => Self::Trailer { is_empty },
            (Self::Trailer { .. }, _) => Self::Trailer { is_empty: false },
        };
        Step::Next(next)
    }

    fn after_size(size: u64) -> Self {
        match size {
            0 => Self::Trailer { is_empty: true },
            size => Self::Data(size),
        }
    }
}

fn wide(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn least(left: u64, there: usize) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(there)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Request {
        match request(&mut BytesMut::from(text)) {
            Read::Head(head) => head,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_is_taken_to_its_end_and_not_beyond() {
        let mut buffer = BytesMut::from("GET /a?b HTTP/1.1\r\nhost: x\r\n\r\nGET /next");
        let Read::Head(head) = request(&mut buffer) else {
            panic!("no head")
        };
        assert_eq!(&head.bytes[..], b"GET /a?b HTTP/1.1\r\nhost: x\r\n\r\n");
        assert_eq!((head.path.as_str(), head.body), ("/a?b", Body::Done));
        assert_eq!(&buffer[..], b"GET /next");
    }

    #[test]
    fn an_upgrade_is_known_by_its_header_in_any_case_and_in_a_list() {
        assert!(head("GET / HTTP/1.1\r\nUPGRADE: WebSocket\r\n\r\n").is_upgrade);
        assert!(head("GET / HTTP/1.1\r\nUpgrade: h2c, websocket\r\n\r\n").is_upgrade);
        assert!(!head("GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n").is_upgrade);
        assert!(!head("GET / HTTP/1.1\r\nx: websocket\r\n\r\n").is_upgrade);
    }

    #[test]
    fn what_is_not_http_is_told_by_its_first_bytes() {
        for text in ["hello", "*1\r\n", "\0", "GETX", "get "] {
            assert!(
                matches!(request(&mut BytesMut::from(text)), Read::NotHttp),
                "{text}"
            );
        }
        for text in ["", "G", "GET", "GET /", "OPTIONS * HTTP/1.1\r\n"] {
            assert!(
                matches!(request(&mut BytesMut::from(text)), Read::Partial),
                "{text}"
            );
        }
        let endless = format!("GET /{} ", "x".repeat(HEAD_BYTES_MAX));
        assert!(matches!(
            request(&mut BytesMut::from(&endless[..])),
            Read::NotHttp
        ));
    }

    #[test]
    fn bodies_end_where_their_heads_say() {
        let of = |headers: &str| head(&format!("POST / HTTP/1.1\r\n{headers}\r\n")).body;
        assert_eq!(of(""), Body::Done);
        assert_eq!(of("Content-Length: 5\r\n"), Body::Bytes(5));
        assert_eq!(of("content-length: 0\r\n"), Body::Done);
        assert_eq!(
            of("content-length: 5\r\ntransfer-encoding: gzip, chunked\r\n"),
            Body::Chunked(Chunk::Size(0))
        );
        let of = |text: &str| match response(&mut BytesMut::from(text)) {
            Read::Head(head) => (head.status, head.body),
            other => panic!("{other:?}"),
        };
        assert_eq!(of("HTTP/1.1 200 OK\r\n\r\n"), (200, Body::ToEnd));
        assert_eq!(
            of("HTTP/1.1 304 N\r\ncontent-length: 9\r\n\r\n"),
            (304, Body::Done)
        );
        assert_eq!(of("HTTP/1.1 101 S\r\n\r\n"), (101, Body::Done));
    }

    #[test]
    fn a_body_is_cut_at_the_same_byte_however_it_comes_in() {
        let chunked =
            "5;x=y\r\nhello\r\n1A\r\n01234567890123456789012345\r\n0\r\nsome: trailer\r\n\r\n";
        for (kind, text) in [
            (Body::Chunked(Chunk::Size(0)), chunked),
            (Body::Chunked(Chunk::Size(0)), "0\r\n\r\n"),
            (Body::Bytes(5), "hello"),
        ] {
            for step in 1..=text.len() + 9 {
                let all = format!("{text}GET / HT");
                let (mut body, mut buffer, mut taken) = (kind, BytesMut::new(), Vec::new());
                for part in all.as_bytes().chunks(step) {
                    buffer.extend_from_slice(part);
                    taken.extend_from_slice(&body.take(&mut buffer));
                }
                assert_eq!(taken, text.as_bytes(), "{step} bytes at a time");
                assert_eq!(body, Body::Done);
                assert_eq!(&buffer[..], b"GET / HT");
            }
        }
    }

    #[test]
    fn chunks_that_cannot_be_read_go_on_to_the_end() {
        for text in ["x\r\n", "1\r\nab", "fffffffffffffffff\r\n"] {
            let mut body = Body::Chunked(Chunk::Size(0));
            let taken = body.take(&mut BytesMut::from(text));
            assert_eq!((&taken[..], body), (text.as_bytes(), Body::ToEnd));
        }
    }

    #[test]
    fn only_the_named_header_is_taken_out() {
        let head =
            b"HTTP/1.1 101 S\r\nsec-websocket-protocol: a\r\nSec-WebSocket-Protocol-X: b\r\n\r\n";
        assert_eq!(
            &without_header(head, "Sec-WebSocket-Protocol")[..],
            b"HTTP/1.1 101 S\r\nSec-WebSocket-Protocol-X: b\r\n\r\n"
        );
    }
}
