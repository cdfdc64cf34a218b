//! One row of a client's outbox as the hub gets it: a publication, or its cancellation.

use longhaul::wire::{Publish, Skip, ToClient};

use crate::core::topics::nack::Nack;
use crate::core::topics::publication::{Published, Terms};

/// What a client wants done with a row.
pub(super) enum Row<'a> {
    /// It shall take effect.
    Publish(Publish<'a>, Terms),
    /// The client cancels it.
    Skip(Skip<'a>),
}

impl<'a> Row<'a> {
    pub(super) fn topic(&self) -> &'a str {
        match self {
            Self::Publish(publish, _) => publish.topic,
            Self::Skip(skip) => skip.topic,
        }
    }

    pub(super) fn producer(&self) -> &'a str {
        match self {
            Self::Publish(publish, _) => publish.producer,
            Self::Skip(skip) => skip.producer,
        }
    }

    pub(super) fn payload_bytes(&self) -> usize {
        match self {
            Self::Publish(publish, _) => publish.payload.len(),
            Self::Skip(_) => 0,
        }
    }

    /// Writes the ack or the nack, in the form that `encode` takes.
    pub(super) fn answer(
        &self,
        outcome: &Result<Published, Nack>,
        encode: impl FnOnce(&ToClient<'_>),
    ) {
        let producer = self.producer();
        let n = match self {
            Self::Publish(publish, _) => publish.n,
            Self::Skip(skip) => skip.n,
        };
        match outcome {
            Ok(published) => encode(&ToClient::Ack {
                producer,
                n,
                epoch: published.epoch,
                seq: published.seq,
                duplicate: published.duplicate,
            }),
            Err(nack) => encode(&ToClient::Nack {
                producer,
                n,
                code: nack.code().code(),
                message: &nack.text(),
            }),
        }
    }
}
