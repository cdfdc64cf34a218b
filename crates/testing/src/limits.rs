//! The limits of the hub by the names that `/.well-known/longhaul` has for them, and a few that it
//! does not tell.

use longhaul_hub::core::Limits;
use serde_json::Value;

/// The default limits with those of a JSON object in their place.
pub(crate) fn read(json: &str) -> Result<Limits, String> {
    let mut limits = Limits::default();
    let Ok(Value::Object(given)) = serde_json::from_str(json) else {
        return Err("limits is no object".to_owned());
    };
    for (name, value) in &given {
        set(&mut limits, name, value).ok_or_else(|| format!("limits.{name} is {value}"))?;
    }
    match limits.misfit() {
        Some(misfit) => Err(format!("limits: {misfit}")),
        None => Ok(limits),
    }
}

fn set(limits: &mut Limits, name: &str, value: &Value) -> Option<()> {
    let count = || usize::try_from(value.as_u64()?).ok();
    let ms = || value.as_u64();
    match name {
        "admitPerSecond" => limits.admit_per_s = ms()?,
        "connectionsMax" => limits.connections_max = count()?,
        "controlBytesMax" => limits.control_bytes_max = count()?,
        "drainMs" => limits.drain_ms = Some(ms()?),
        "frameBytesMax" => limits.frame_bytes_max = count()?,
        "heartbeatMs" => limits.ping_ms = ms()?,
        "heartbeatWaitMs" => limits.wait_ms = ms()?,
        "holdMs" => limits.hold_ms = ms()?,
        "idempotencyKeysMax" => limits.keys_max = count()?,
        "memoryBytesMax" => limits.memory_bytes_max = count()?,
        "pageBytesMax" => limits.page_bytes_max = count()?,
        "pageEntriesMax" => limits.page_entries_max = count()?,
        "payloadBytesMax" => limits.payload_bytes_max = count()?,
        "producersMax" => limits.producers_max = count()?,
        "producersMs" => limits.producers_ms = ms()?,
        "retainBytes" => limits.retain_bytes = count()?,
        "retainEntries" => limits.retain_entries = count()?,
        "retainMs" => limits.retain_ms = ms()?,
        "subscriptionsBytesMax" => limits.subs_bytes_max = count()?,
        "subscriptionsMax" => limits.subscriptions_max = count()?,
        "topicIdleMs" => limits.topic_idle_ms = ms()?,
        "topicsMax" => limits.topics_max = count()?,
        "transports" => limits.transports = value.as_str()?.parse().ok()?,
        _ => return None,
    }
    Some(())
}
