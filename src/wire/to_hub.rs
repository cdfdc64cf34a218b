//! The records from a client to the hub (docs/protocol.md, "From the client").
//!
//! Part of the frame codec. Never reads a payload.

use crate::ids::{From, RowNo, TopicNo, is_token, is_topic_name};
use crate::wire::document::{Kind, View};
use crate::wire::fields::{from, producer, row};
use crate::wire::record::{DecodeError, Reader, Writer};

/// A record from a client to the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToHub<'a> {
    /// Opens a connection (rule C1).
    Hello {
        /// Protocol version, 1.
        version: u64,
        /// Name and version of the client, for logs.
        client: Option<&'a str>,
        /// Session of an earlier welcome.
        session: Option<&'a str>,
        /// Bearer token.
        token: Option<&'a str>,
        /// How long a poll may be held, ms (rule T3).
        hold_ms: Option<u64>,
    },
    /// Replaces the token of the hello (rule C9).
    Auth {
        /// Bearer token.
        token: &'a str,
    },
    /// Begins or moves a subscription (rules C3, C4).
    Subscribe {
        /// The client's number for it.
        no: TopicNo,
        /// Topic name.
        topic: &'a str,
        /// Where it begins.
        from: From,
        /// How it wants the topic.
        view: View<'a>,
    },
    /// Ends a subscription.
    Unsubscribe {
        /// The client's number for it.
        no: TopicNo,
    },
    /// A publication (rules C6 to C8).
    Publish(Publish<'a>),
    /// Until when the next publication may take effect, and the tag of its call (rule C10).
    Until {
        /// By the hub's clock, ms since 1970.
        ms: u64,
        /// Differs from that of another call with the same number in a copy of the outbox.
        tag: Option<u64>,
    },
    /// Cancels a publication (rule C11).
    Skip(Skip<'a>),
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
}

/// A publication on its way to the hub. The client writes the payload behind it without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// The producer of its outbox.
    pub producer: &'a str,
    /// Its number there.
    pub n: RowNo,
    /// The number of the one before it in the same topic, if that has no verdict yet; else 0.
    pub prev: RowNo,
    /// Topic name.
    pub topic: &'a str,
    /// Message or change of a document.
    pub kind: Kind,
    /// JSON text.
    pub payload: &'a str,
}

/// A publication that the client cancels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skip<'a> {
    /// The producer of its outbox.
    pub producer: &'a str,
    /// Its number there.
    pub n: RowNo,
    /// As in `Publish`.
    pub prev: RowNo,
    /// Topic name.
    pub topic: &'a str,
}

impl<'a> ToHub<'a> {
    /// Reads one record.
    ///
    /// # Errors
    /// The fault of the record. The connection should close with 4000.
    pub fn decode(record: &'a str) -> Result<Self, DecodeError> {
        let mut r = Reader::new(record);
        let decoded = match r.field("verb")? {
            "hello" => Ok(Self::Hello {
                version: r.number("version")?,
                client: r.option("client"),
                session: r.option("session"),
                token: r.option("token").map(token).transpose()?,
                hold_ms: r.option_number("hold")?,
            }),
            "auth" => Ok(Self::Auth {
                token: token(r.field("token")?)?,
            }),
            "sub" => Ok(Self::Subscribe {
                no: TopicNo(r.small("no")?),
                topic: topic(&mut r)?,
                from: from(r.field("from")?)?,
                view: View::decode(&r)?,
            }),
            "unsub" => Ok(Self::Unsubscribe {
                no: TopicNo(r.small("no")?),
            }),
            verb @ ("pub" | "patch" | "merge") => Ok(Self::Publish(Publish {
                kind: match verb {
                    "patch" => Kind::Patch,
                    "merge" => Kind::Merge,
                    _ => Kind::Message,
                },
                producer: producer(&mut r)?,
                n: row(&mut r, "n")?,
                prev: RowNo(r.number("prev")?),
                topic: topic(&mut r)?,
                payload: r.rest("payload")?,
            })),
            "until" => Ok(Self::Until {
                ms: r.number("ms")?,
                tag: r.option_number("tag")?,
            }),
            "skip" => Ok(Self::Skip(Skip {
                producer: producer(&mut r)?,
                n: row(&mut r, "n")?,
                prev: RowNo(r.number("prev")?),
                topic: topic(&mut r)?,
            })),
            "ping" => Ok(Self::Ping { t: r.number("t")? }),
            "pong" => Ok(Self::Pong { t: r.number("t")? }),
            _ => Err(DecodeError::UnknownVerb),
        }?;
        r.end()?;
        Ok(decoded)
    }

    /// Appends the record to a frame.
    pub fn encode(&self, frame: &mut String) {
        match self {
            Self::Hello {
                version,
                client,
                session,
                token,
                hold_ms,
            } => {
                let w = Writer::new(frame, "hello")
                    .number(*version)
                    .option("client", *client)
                    .option("session", *session)
                    .option("token", *token);
                if let Some(hold_ms) = hold_ms {
                    w.option_number("hold", *hold_ms);
                }
            }
            Self::Auth { token } => {
                Writer::new(frame, "auth").text(token);
            }
            Self::Subscribe {
                no,
                topic,
                from,
                view,
            } => {
                let w = Writer::new(frame, "sub").number(no.0).text(topic);
                view.encode(match from {
                    From::Live => w.text("live"),
                    From::Start => w.text("start"),
                    From::Seq(seq) => w.number(seq.0),
                    From::After(cursor) => w.cursor(cursor),
                });
            }
            Self::Unsubscribe { no } => {
                Writer::new(frame, "unsub").number(no.0);
            }
            Self::Publish(publish) => {
                publish.encode_head(frame);
                frame.push_str(publish.payload);
            }
            Self::Until { ms, tag } => {
                let w = Writer::new(frame, "until").number(*ms);
                if let Some(tag) = tag {
                    w.option_number("tag", *tag);
                }
            }
            Self::Skip(skip) => skip.encode(frame),
            Self::Ping { t } => {
                Writer::new(frame, "ping").number(*t);
            }
            Self::Pong { t } => {
                Writer::new(frame, "pong").number(*t);
            }
        }
    }
}

impl Publish<'_> {
    /// Appends everything before the payload, the space included.
    pub fn encode_head(&self, frame: &mut String) {
        let numbers = (self.n, self.prev);
        identity(frame, self.kind.verb(), self.producer, numbers, self.topic);
        frame.push(' ');
    }
}

impl Skip<'_> {
    /// Appends the record to a frame.
    pub fn encode(&self, frame: &mut String) {
        identity(
            frame,
            "skip",
            self.producer,
            (self.n, self.prev),
            self.topic,
        );
    }
}

/// The fields that identify a publication, as a record.
fn identity(
    frame: &mut String,
    verb: &str,
    producer: &str,
    (n, prev): (RowNo, RowNo),
    topic: &str,
) {
    Writer::new(frame, verb)
        .text(producer)
        .number(n.0)
        .number(prev.0)
        .text(topic);
}

fn topic<'a>(r: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    let name = r.field("topic")?;
    is_topic_name(name)
        .then_some(name)
        .ok_or(DecodeError::BadField("topic"))
}

fn token(text: &str) -> Result<&str, DecodeError> {
    is_token(text)
        .then_some(text)
        .ok_or(DecodeError::BadField("token"))
}
