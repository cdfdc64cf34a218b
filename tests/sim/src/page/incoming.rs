//! Receives frames for a page. Keeps runs until the core has judged them, and delivers them to the
//! oracle.

use longhaul::ids::{ConnectionId, Seq, TopicNo};
use longhaul::wire::{Body, DocumentRecord, Messages, ToClient, records};
use longhaul::{Event, Run};
use serde_json::value::RawValue;

use super::{Do, Page, Watch};
use crate::documents::{Coming, Documents};

/// Received data that the core has not delivered yet.
pub(super) enum Held {
    Messages { first: Seq, payloads: Vec<String> },
    Document(Coming),
}

impl Page {
    /// Receives a frame, and returns the client's demands.
    pub fn receive(
        &mut self,
        now: u64,
        connection: ConnectionId,
        frame: &str,
        watch: &mut Watch<'_>,
    ) -> Vec<Do> {
        let mut wants = Vec::new();
        for text in records(frame) {
            if let Ok(ToClient::Part { index, left, text }) = ToClient::decode(text) {
                let has_more = left > 0;
                let heard = Event::Heard {
                    connection,
                    has_more,
                    bytes: text.len(),
                };
                wants.extend(self.handle(now, heard, watch));
                if !self.client.is_established(connection) {
                    continue;
                }
                watch.coverage.met("state: record in parts");
                match self
                    .parts
                    .entry(connection)
                    .or_default()
                    .add(index, left, text)
                {
                    Ok(None) => {}
                    Ok(Some(whole)) => wants.extend(self.receive(now, connection, &whole, watch)),
                    Err(_) => {
                        let what = "a part that does not follow the one before";
                        let garbage = Event::Garbage { connection, what };
                        wants.extend(self.handle(now, garbage, watch));
                        break;
                    }
                }
                continue;
            }
            if let Ok(record) = DocumentRecord::decode(text) {
                wants.extend(self.receive_document(now, connection, &record, watch));
                continue;
            }
            let is_messages = text.starts_with("m ") || text.starts_with("b ");
            let read = is_messages.then(|| self.read(text));
            let event = match read {
                None => Event::Record { connection, text },
                Some(Some((no, run))) => Event::Messages {
                    connection,
                    no,
                    run,
                },
                Some(None) => Event::Garbage {
                    connection,
                    what: "a messages record that can't be read",
                },
            };
            wants.extend(self.handle(now, event, watch));
            if let Some(Some((_, run))) = read
                && self.kept != Some(run.id)
            {
                self.runs.remove(&run.id);
            }
            if read == Some(None) {
                break;
            }
        }
        wants
    }

    fn read(&mut self, text: &str) -> Option<(TopicNo, Run)> {
        let Ok(ToClient::Messages(Messages {
            no,
            first,
            chain,
            body,
            ..
        })) = ToClient::decode(text)
        else {
            return None;
        };
        let payloads: Vec<String> = match body {
            Body::One { payload, .. } => {
                let payload: &RawValue = serde_json::from_str(payload).ok()?;
                vec![payload.get().to_owned()]
            }
            Body::Batch { count, array } => {
                let array: Vec<&RawValue> = serde_json::from_str(array).ok()?;
                let wanted = usize::try_from(count).ok()?.checked_mul(3)?;
                if array.len() != wanted {
                    return None;
                }
                array
                    .iter()
                    .step_by(3)
                    .map(|payload| payload.get().to_owned())
                    .collect()
            }
        };
        self.last_run += 1;
        let run = Run {
            id: self.last_run,
            first,
            count: u32::try_from(payloads.len()).ok()?,
            chain,
            chars: u32::try_from(text.len()).ok()?,
        };
        self.runs.insert(run.id, Held::Messages { first, payloads });
        Some((no, run))
    }

    /// Receives a record of a document.
    fn receive_document(
        &mut self,
        now: u64,
        connection: ConnectionId,
        record: &DocumentRecord<'_>,
        watch: &mut Watch<'_>,
    ) -> Vec<Do> {
        let Some((no, coming)) = Documents::read(record) else {
            if let DocumentRecord::Checkpoint { no, seq, hash } = *record {
                self.documents.checkpoint(self.id, (no, seq, hash), watch);
            }
            return self.resync(now, watch);
        };
        self.last_run += 1;
        let run = self.last_run;
        let event = match &coming {
            Coming::Snapshot { seq, chain, .. } => Event::Snapshot {
                connection,
                no,
                run,
                seq: *seq,
                chain: *chain,
            },
            Coming::Change {
                seq,
                chain,
                payload,
                ..
            } => Event::Messages {
                connection,
                no,
                run: Run {
                    id: run,
                    first: *seq,
                    count: 1,
                    chain: *chain,
                    chars: u32::try_from(payload.len()).unwrap_or(u32::MAX),
                },
            },
        };
        self.runs.insert(run, Held::Document(coming));
        let mut wants = self.handle(now, event, watch);
        if self.kept != Some(run) {
            self.runs.remove(&run);
        }
        wants.extend(self.resync(now, watch));
        wants
    }

    /// Asks for snapshots of diverged documents.
    fn resync(&mut self, now: u64, watch: &mut Watch<'_>) -> Vec<Do> {
        let mut wants = Vec::new();
        while let Some(no) = self.documents.diverged.pop() {
            wants.extend(self.handle(now, Event::Resync { no }, watch));
        }
        wants
    }

    pub(super) fn deliver(&mut self, no: TopicNo, run: u32, skip: u32, watch: &mut Watch<'_>) {
        let Some(held) = self.runs.remove(&run) else {
            panic!("the core delivers run {run}, which nobody keeps");
        };
        let epoch = self.epochs.get(&no).copied();
        let Some(epoch) = epoch else {
            panic!("messages before the stream began")
        };
        let (first, payloads) = match held {
            Held::Messages { first, payloads } => (first, payloads),
            Held::Document(coming) if skip == 0 => {
                self.documents.deliver(self.id, no, epoch, &coming, watch);
                return;
            }
            Held::Document(_) => return,
        };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        for (payload, seq) in payloads.iter().zip(first.0..).skip(skip) {
            if self.subscriptions.contains_key(&no) {
                watch
                    .oracle
                    .delivered(self.id, no, epoch, Seq(seq), payload);
            }
        }
    }
}
