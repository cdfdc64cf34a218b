//! The records from the hub to a client, except those of documents (docs/protocol.md, "From the
//! hub").
//!
//! Part of the frame codec. Never looks into a payload.

use crate::ids::{Chain, Cursor, Epoch, RowNo, Seq, TopicNo, is_id};
use crate::wire::fields::{producer, row};
use crate::wire::record::{DecodeError, Reader, Writer};

/// Why a cursor could not be continued (rule H3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResumeFailure {
    /// Older than the retention time.
    Expired,
    /// More than the retained entries.
    Trimmed,
    /// The log is a new one.
    Epoch,
    /// Same epoch, another chain: the log was rolled back.
    Diverged,
    /// The client may no longer read the topic.
    Acl,
    /// The log is damaged.
    Corrupt,
}

impl ResumeFailure {
    /// All of them, in the order of their numbers in the JavaScript API.
    pub const ALL: [Self; 6] = [
        Self::Expired,
        Self::Trimmed,
        Self::Epoch,
        Self::Diverged,
        Self::Acl,
        Self::Corrupt,
    ];

    /// Its word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Trimmed => "trimmed",
            Self::Epoch => "epoch",
            Self::Diverged => "diverged",
            Self::Acl => "acl",
            Self::Corrupt => "corrupt",
        }
    }
}

/// Where a subscription's stream begins (rule H2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The client's number for the subscription.
    pub no: TopicNo,
    /// The stream begins right after this.
    pub after: Cursor,
    /// Messages up to this seq are replay.
    pub head: Seq,
}

/// A record from the hub to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToClient<'a> {
    /// Answers hello (rule H1).
    Welcome(Welcome<'a>),
    /// Answers a sub.
    Subscribed(Start),
    /// Answers a sub whose cursor can't be continued.
    ResumeFailed {
        /// Why.
        reason: ResumeFailure,
        /// Where the stream goes on.
        start: Start,
    },
    /// Answers a sub that gets no stream.
    Refused {
        /// The client's number for it.
        no: TopicNo,
        /// Stable code.
        code: &'a str,
        /// For people.
        message: &'a str,
    },
    /// One message or several (rules H4 to H6).
    Messages(Messages<'a>),
    /// A publication took effect.
    Ack {
        /// Which outbox it came from.
        producer: &'a str,
        /// Its number there.
        n: RowNo,
        /// Where it stands.
        epoch: Epoch,
        /// Where it stands.
        seq: Seq,
        /// Whether the hub had it before.
        duplicate: bool,
    },
    /// A publication did not take effect (rule H9).
    Nack {
        /// Which outbox it came from.
        producer: &'a str,
        /// Its number there.
        n: RowNo,
        /// Stable code.
        code: &'a str,
        /// For people.
        message: &'a str,
    },
    /// Asks for a pong with the same `t`.
    Ping {
        /// Meaningful to the sender only.
        t: u64,
    },
    /// Answers a ping.
    Pong {
        /// The ping's `t`.
        t: u64,
    },
    /// Ends a stream or an answer that has no close frame (rule T4).
    Close {
        /// Close code.
        code: u16,
        /// As in a close frame: a word and more for people.
        reason: &'a str,
    },
    /// Opens one event stream (rule T2).
    Ticket {
        /// Goes into the address of the stream.
        ticket: &'a str,
        /// How long it is good, ms.
        ms: u64,
    },
    /// Replaces the `spread` of the welcome (rule R3).
    Spread {
        /// The window, ms.
        ms: u64,
    },
    /// A part of a record that is too large for one frame (rule W9).
    Part {
        /// Which part of it, from 0.
        index: u32,
        /// How much of it is still to come, bytes.
        left: u64,
        /// The text.
        text: &'a str,
    },
}

/// What the hub tells a client first. Absent options keep the client's own values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Welcome<'a> {
    /// The session, for later hellos.
    pub session: &'a str,
    /// The hub's clock, ms since 1970.
    pub now: u64,
    /// Heartbeat interval, ms.
    pub ping_ms: Option<u64>,
    /// How long a pong may take, ms.
    pub wait_ms: Option<u64>,
    /// Largest frame the hub takes, bytes.
    pub frame_bytes_max: Option<u64>,
    /// Largest payload the hub takes, bytes.
    pub payload_bytes_max: Option<u64>,
    /// Longest hold of a poll, ms.
    pub hold_ms: Option<u64>,
    /// The transports that the hub serves, names with commas.
    pub transports: Option<&'a str>,
    /// The reconnect window, ms: over it all clients spread their first attempt when the hub is
    /// lost (rule R2).
    pub spread_ms: Option<u64>,
}

/// Consecutive messages of one topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Messages<'a> {
    /// The client's number for the subscription.
    pub no: TopicNo,
    /// The first one's seq.
    pub first: Seq,
    /// The chain after the last one.
    pub chain: Chain,
    /// The first one's time, ms since 1970.
    pub at: u64,
    /// What they say.
    pub body: Body<'a>,
}

/// The content of a messages record, unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// One message: `m`.
    One {
        /// Its id, if it has one.
        id: Option<&'a str>,
        /// JSON text.
        payload: &'a str,
    },
    /// Several: `b`.
    Batch {
        /// How many.
        count: u32,
        /// JSON text: an array of payload, time offset, id or 0, for each message.
        array: &'a str,
    },
}

impl<'a> ToClient<'a> {
    /// Reads one record.
    ///
    /// # Errors
    /// What is wrong with it; the connection should close.
    pub fn decode(record: &'a str) -> Result<Self, DecodeError> {
        let mut r = Reader::new(record);
        let decoded = match r.field("verb")? {
            "m" => Ok(Self::Messages(Messages {
                no: TopicNo(r.small("no")?),
                first: first(&mut r)?,
                chain: r.chain()?,
                at: r.number("at")?,
                body: Body::One {
                    id: match r.field("id")? {
                        "-" => None,
                        text if is_id(text) => Some(text),
                        _ => return Err(DecodeError::BadField("id")),
                    },
                    payload: r.rest("payload")?,
                },
            })),
            "b" => {
                let no = TopicNo(r.small("no")?);
                let first = first(&mut r)?;
                let count = r.small("count")?;
                if count == 0 {
                    return Err(DecodeError::BadNumber("count"));
                }
                Ok(Self::Messages(Messages {
                    no,
                    first,
                    chain: r.chain()?,
                    at: r.number("at")?,
                    body: Body::Batch {
                        count,
                        array: r.rest("array")?,
                    },
                }))
            }
            "ack" => Ok(Self::Ack {
                producer: producer(&mut r)?,
                n: row(&mut r, "n")?,
                epoch: r.epoch()?,
                seq: r.seq("seq")?,
                duplicate: r.flag("duplicate")?,
            }),
            "nack" => Ok(Self::Nack {
                producer: producer(&mut r)?,
                n: row(&mut r, "n")?,
                code: r.field("code")?,
                message: r.rest("message")?,
            }),
            "ping" => Ok(Self::Ping { t: r.number("t")? }),
            "pong" => Ok(Self::Pong { t: r.number("t")? }),
            "spread" => Ok(Self::Spread {
                ms: r.number("ms")?,
            }),
            "welcome" => Ok(Self::Welcome(Welcome {
                session: id(&mut r, "session")?,
                now: r.number("now")?,
                ping_ms: r.option_number("ping")?,
                wait_ms: r.option_number("wait")?,
                frame_bytes_max: r.option_number("frame")?,
                payload_bytes_max: r.option_number("payload")?,
                hold_ms: r.option_number("hold")?,
                transports: r.option("transports"),
                spread_ms: r.option_number("spread")?,
            })),
            "subscribed" => {
                let no = TopicNo(r.small("no")?);
                Ok(Self::Subscribed(start(no, &mut r)?))
            }
            "resume_failed" => {
                let no = TopicNo(r.small("no")?);
                let word = r.field("reason")?;
                let reason = ResumeFailure::ALL
                    .into_iter()
                    .find(|reason| reason.as_str() == word)
                    .ok_or(DecodeError::BadField("reason"))?;
                Ok(Self::ResumeFailed {
                    reason,
                    start: start(no, &mut r)?,
                })
            }
            "refused" => Ok(Self::Refused {
                no: TopicNo(r.small("no")?),
                code: r.field("code")?,
                message: r.rest("message")?,
            }),
            "close" => Ok(Self::Close {
                code: u16::try_from(r.number("code")?)
                    .ok()
                    .filter(|code| (1000..5000).contains(code))
                    .ok_or(DecodeError::BadNumber("code"))?,
                reason: r.rest("reason")?,
            }),
            "part" => Ok(Self::Part {
                index: r.small("index")?,
                left: r.number("left")?,
                text: r.rest("text")?,
            }),
            "ticket" => Ok(Self::Ticket {
                ticket: id(&mut r, "ticket")?,
                ms: r.number("ms")?,
            }),
            _ => Err(DecodeError::UnknownVerb),
        }?;
        r.end()?;
        Ok(decoded)
    }

    /// Appends the record to a frame.
    pub fn encode(&self, frame: &mut String) {
        match self {
            Self::Welcome(welcome) => {
                let mut w = Writer::new(frame, "welcome")
                    .text(welcome.session)
                    .number(welcome.now);
                for (key, value) in [
                    ("ping", welcome.ping_ms),
                    ("wait", welcome.wait_ms),
                    ("frame", welcome.frame_bytes_max),
                    ("payload", welcome.payload_bytes_max),
                    ("hold", welcome.hold_ms),
                    ("spread", welcome.spread_ms),
                ] {
                    if let Some(value) = value {
                        w = w.option_number(key, value);
                    }
                }
                w.option("transports", welcome.transports);
            }
            Self::Subscribed(start) => {
                start.encode(Writer::new(frame, "subscribed").number(start.no.0));
            }
            Self::ResumeFailed { reason, start } => {
                let w = Writer::new(frame, "resume_failed").number(start.no.0);
                start.encode(w.text(reason.as_str()));
            }
            Self::Refused { no, code, message } => {
                Writer::new(frame, "refused")
                    .number(no.0)
                    .text(code)
                    .text(message);
            }
            Self::Messages(messages) => messages.encode(frame),
            Self::Ack {
                producer,
                n,
                epoch,
                seq,
                duplicate,
            } => {
                Writer::new(frame, "ack")
                    .text(producer)
                    .number(n.0)
                    .epoch(*epoch)
                    .number(seq.0)
                    .number(u8::from(*duplicate));
            }
            Self::Nack {
                producer,
                n,
                code,
                message,
            } => {
                Writer::new(frame, "nack")
                    .text(producer)
                    .number(n.0)
                    .text(code)
                    .text(message);
            }
            Self::Ping { t } => {
                Writer::new(frame, "ping").number(*t);
            }
            Self::Pong { t } => {
                Writer::new(frame, "pong").number(*t);
            }
            Self::Close { code, reason } => {
                Writer::new(frame, "close").number(*code).text(reason);
            }
            Self::Ticket { ticket, ms } => {
                Writer::new(frame, "ticket").text(ticket).number(*ms);
            }
            Self::Spread { ms } => {
                Writer::new(frame, "spread").number(*ms);
            }
            Self::Part { index, left, text } => {
                Writer::new(frame, "part")
                    .number(*index)
                    .number(*left)
                    .text(text);
            }
        }
    }
}

impl Start {
    fn encode(&self, w: Writer<'_>) {
        w.epoch(self.after.epoch)
            .number(self.after.seq.0)
            .number(self.after.chain.0)
            .number(self.head.0);
    }
}

impl Messages<'_> {
    /// How many messages.
    #[must_use]
    pub fn count(&self) -> u32 {
        match self.body {
            Body::One { .. } => 1,
            Body::Batch { count, .. } => count,
        }
    }

    fn encode(&self, frame: &mut String) {
        let verb = match self.body {
            Body::One { .. } => "m",
            Body::Batch { .. } => "b",
        };
        let mut w = Writer::new(frame, verb)
            .number(self.no.0)
            .number(self.first.0);
        if let Body::Batch { count, .. } = self.body {
            w = w.number(count);
        }
        w = w.number(self.chain.0).number(self.at);
        match self.body {
            Body::One { id, payload } => w.text(id.unwrap_or("-")).text(payload),
            Body::Batch { array, .. } => w.text(array),
        };
    }
}

fn id<'a>(r: &mut Reader<'a>, name: &'static str) -> Result<&'a str, DecodeError> {
    let text = r.field(name)?;
    is_id(text)
        .then_some(text)
        .ok_or(DecodeError::BadField(name))
}

fn first(r: &mut Reader<'_>) -> Result<Seq, DecodeError> {
    match r.seq("seq")? {
        Seq(0) => Err(DecodeError::BadNumber("seq")),
        seq => Ok(seq),
    }
}

fn start(no: TopicNo, r: &mut Reader<'_>) -> Result<Start, DecodeError> {
    Ok(Start {
        no,
        after: Cursor {
            epoch: r.epoch()?,
            seq: r.seq("seq")?,
            chain: r.chain()?,
        },
        head: r.seq("head")?,
    })
}
