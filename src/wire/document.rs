//! The records of documents (rules D2, D7, D8).
//!
//! Part of the frame codec. Never reads a payload.

use crate::boundary::CHAIN_MAX;
use crate::ids::{Chain, RowNo, Seq, TopicNo, is_id, is_producer};
use crate::wire::record::{DecodeError, Reader, Writer};

/// The kind of a publication (rule D2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A message of a topic that is no document: `pub`.
    #[default]
    Message,
    /// A JSON Patch of a document: `patch`.
    Patch,
    /// A JSON Merge Patch of a document: `merge`.
    Merge,
}

impl Kind {
    /// The verb of its records to the hub.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Message => "pub",
            Self::Patch => "patch",
            Self::Merge => "merge",
        }
    }
}

/// How a subscription wants its topic (rule D7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View<'a> {
    /// Message by message.
    #[default]
    Messages,
    /// As a document: a snapshot, then patches.
    Document {
        /// The subscriber's producer. The snapshot says which of its publications it contains.
        producer: Option<&'a str>,
    },
}

impl<'a> View<'a> {
    pub(crate) fn decode(r: &Reader<'a>) -> Result<Self, DecodeError> {
        match r.option("as") {
            None => Ok(Self::Messages),
            Some("document") => match r.option("producer") {
                Some(producer) if !is_producer(producer) => Err(DecodeError::BadField("producer")),
                producer => Ok(Self::Document { producer }),
            },
            Some(_) => Err(DecodeError::BadField("as")),
        }
    }

    pub(crate) fn encode(self, w: Writer<'_>) {
        if let Self::Document { producer } = self {
            w.option("as", Some("document"))
                .option("producer", producer);
        }
    }
}

/// A record of a document from the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentRecord<'a> {
    /// The whole value.
    Snapshot {
        /// The client's number for the subscription.
        no: TopicNo,
        /// After which entry.
        seq: Seq,
        /// The chain there.
        chain: Chain,
        /// The subscriber's last publication with a verdict, 0 for none.
        last: RowNo,
        /// JSON text.
        value: &'a str,
    },
    /// One entry.
    Change {
        /// The client's number for the subscription.
        no: TopicNo,
        /// Which entry.
        seq: Seq,
        /// The chain after it.
        chain: Chain,
        /// Its time, ms since 1970.
        at: u64,
        /// Its id, if it has one.
        id: Option<&'a str>,
        /// Patch or merge.
        kind: Kind,
        /// JSON text.
        payload: &'a str,
    },
    /// The document's hash (rule D8).
    Checkpoint {
        /// The client's number for the subscription.
        no: TopicNo,
        /// After which entry.
        seq: Seq,
        /// The hash.
        hash: u64,
    },
}

impl<'a> DocumentRecord<'a> {
    /// Reads one record. `ToClient` reads all other verbs.
    ///
    /// # Errors
    /// The fault of the record. The connection should close.
    pub fn decode(record: &'a str) -> Result<Self, DecodeError> {
        let mut r = Reader::new(record);
        let verb = r.field("verb")?;
        if !matches!(verb, "snapshot" | "patch" | "merge" | "checkpoint") {
            return Err(DecodeError::UnknownVerb);
        }
        let no = TopicNo(r.small("no")?);
        let seq = r.seq("seq")?;
        let decoded = match verb {
            "snapshot" => Self::Snapshot {
                no,
                seq,
                chain: r.chain()?,
                last: RowNo(r.number("last")?),
                value: r.rest("value")?,
            },
            "checkpoint" => Self::Checkpoint {
                no,
                seq,
                hash: Some(r.number("hash")?)
                    .filter(|hash| *hash <= CHAIN_MAX)
                    .ok_or(DecodeError::BadNumber("hash"))?,
            },
            verb => Self::Change {
                no,
                seq,
                chain: r.chain()?,
                at: r.number("at")?,
                id: match r.field("id")? {
                    "-" => None,
                    text if is_id(text) => Some(text),
                    _ => return Err(DecodeError::BadField("id")),
                },
                kind: if verb == "merge" {
                    Kind::Merge
                } else {
                    Kind::Patch
                },
                payload: r.rest("payload")?,
            },
        };
        r.end()?;
        Ok(decoded)
    }

    /// Appends the record to a frame.
    pub fn encode(&self, frame: &mut String) {
        match self {
            Self::Snapshot {
                no,
                seq,
                chain,
                last,
                value,
            } => {
                Writer::new(frame, "snapshot")
                    .number(no.0)
                    .number(seq.0)
                    .number(chain.0)
                    .number(last.0)
                    .text(value);
            }
            Self::Change {
                no,
                seq,
                chain,
                at,
                id,
                kind,
                payload,
            } => {
                Writer::new(frame, kind.verb())
                    .number(no.0)
                    .number(seq.0)
                    .number(chain.0)
                    .number(*at)
                    .text(id.unwrap_or("-"))
                    .text(payload);
            }
            Self::Checkpoint { no, seq, hash } => {
                Writer::new(frame, "checkpoint")
                    .number(no.0)
                    .number(seq.0)
                    .number(*hash);
            }
        }
    }
}
