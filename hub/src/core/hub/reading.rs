//! How the hub reads what clients send. An invalid record refuses the whole frame.

use longhaul::ids::{From, TopicNo};
use longhaul::wire::{self, ToHub, View};

use super::row::Row;
use crate::core::close::Close;
use crate::core::limits::Limits;
use crate::core::refusal::Refusal;
use crate::core::topics::publication::Terms;

/// A request for one subscription.
#[derive(Clone, Copy)]
pub(super) struct Subscribe<'a> {
    pub(super) no: TopicNo,
    pub(super) topic: &'a str,
    pub(super) from: From,
    pub(super) view: View<'a>,
}

/// The part of a hello that matters to a post.
pub(super) struct Hello<'a> {
    pub(super) session: Option<&'a str>,
    pub(super) hold_ms: Option<u64>,
}

pub(super) fn decode(record: &str) -> Result<ToHub<'_>, Refusal> {
    if record.contains('\r') {
        return Err(Refusal::bad_frame("a record contains CR"));
    }
    ToHub::decode(record).map_err(|error| Refusal::bad_frame(error.to_string()))
}

pub(super) fn check_version(version: u64) -> Result<(), Refusal> {
    if version == wire::VERSION {
        return Ok(());
    }
    let message = format!("version {version}, the hub speaks {}", wire::VERSION);
    Err(Refusal::new(Close::VersionUnsupported, message))
}

/// Reads a post of publications. Nothing takes effect before all records are valid.
pub(super) fn rows<'a>(text: &'a str, limits: &Limits) -> Result<Vec<Row<'a>>, Refusal> {
    let (_, records) = post(text, limits.frame_bytes_max)?;
    let (mut rows, mut terms) = (Vec::new(), Terms::default());
    for record in records {
        match record? {
            ToHub::Until { ms, tag } => terms = Terms::new(ms, tag),
            ToHub::Publish(publish) => rows.push(Row::Publish(publish, std::mem::take(&mut terms))),
            ToHub::Skip(skip) => rows.push(Row::Skip(skip)),
            _ => {
                let message = "only publications may follow the hello here";
                return Err(Refusal::bad_frame(message));
            }
        }
    }
    Ok(rows)
}

/// Reads a post of subscriptions. Nothing takes effect before all records are valid.
pub(super) fn subscriptions<'a>(
    text: &'a str,
    limits: &Limits,
) -> Result<(Hello<'a>, Vec<Subscribe<'a>>), Refusal> {
    let (hello, records) = post(text, limits.subs_bytes_max)?;
    let requests = records.map(|record| match record? {
        ToHub::Subscribe {
            no,
            topic,
            from,
            view,
        } => Ok(Subscribe {
            no,
            topic,
            from,
            view,
        }),
        _ => Err(Refusal::bad_frame("only sub may follow the hello here")),
    });
    let requests: Vec<Subscribe<'_>> = requests.collect::<Result<_, _>>()?;
    if requests.len() > limits.subscriptions_max {
        return Err(Refusal::too_many_subscriptions(limits));
    }
    Ok((hello, requests))
}

/// The hello of a post, and its other records.
fn post<'a>(
    text: &'a str,
    bytes_max: usize,
) -> Result<(Hello<'a>, impl Iterator<Item = Result<ToHub<'a>, Refusal>>), Refusal> {
    if text.len() > bytes_max {
        return Err(Refusal::frame_too_large(bytes_max));
    }
    let mut records = wire::records(text).map(decode);
    match records.next().transpose()? {
        Some(ToHub::Hello {
            version,
            session,
            hold_ms,
            ..
        }) => {
            check_version(version)?;
            Ok((Hello { session, hold_ms }, records))
        }
        _ => Err(Refusal::bad_frame("the first record is not hello")),
    }
}
