// What Rust and TypeScript share.
// Generated from src/boundary.json by `npm run boundary`. Do not edit.

/** The transports. A number of the core is an index here. */
export const transportNames = ["websocket", "eventsource", "longpoll"] as const;

/** The transports. Here: `websocket`. */
export const transportWebsocket = 0;

/** The transports. Here: `eventsource`. */
export const transportEventsource = 1;

/** The transports. Here: `longpoll`. */
export const transportLongpoll = 2;

/**
 * How chance enters the backoff: the option `backoff.jitter`. A number of the core is an index
 * here.
 */
export const jitters = ["full", "half", "none"] as const;

/** How chance enters the backoff: the option `backoff.jitter`. Here: `full`. */
export const jitterFull = 0;

/** How chance enters the backoff: the option `backoff.jitter`. Here: `half`. */
export const jitterHalf = 1;

/** How chance enters the backoff: the option `backoff.jitter`. Here: `none`. */
export const jitterNone = 2;

/** What a publication, a row or a dead letter is. A number of the core is an index here. */
export const kinds = ["message", "patch", "merge"] as const;

/** What a publication, a row or a dead letter is. Here: `message`. */
export const kindMessage = 0;

/** What a publication, a row or a dead letter is. Here: `patch`. */
export const kindPatch = 1;

/** What a publication, a row or a dead letter is. Here: `merge`. */
export const kindMerge = 2;

/** The state of a client. Here: `connecting`. */
export const statusConnecting = 0;

/** The state of a client. Here: `connected`. */
export const statusConnected = 1;

/** The state of a client. Here: `waiting`. */
export const statusWaiting = 2;

/** The state of a client. Here: `offline`. */
export const statusOffline = 3;

/** The state of a client. Here: `closed`. */
export const statusClosed = 4;

/** The state of a client. Here: `unauthorized`. */
export const statusUnauthorized = 5;

/** Why a publication got no row. Here: `outbox_full`. */
export const refusalOutboxFull = 0;

/** Why a publication got no row. Here: `storage_full`. */
export const refusalStorageFull = 1;

/** Why a publication got no row. Here: `payload_too_large`. */
export const refusalPayloadTooLarge = 2;

/** Why a publication got no row. Here: `closed`. */
export const refusalClosed = 3;

/** Why a publication got no row. Here: `outcome_unknown`. */
export const refusalOutcomeUnknown = 4;

/** Why a publication got no row. Here: `wiped`. */
export const refusalWiped = 5;

/** How an attempt ended: `diagnose().tried`. A number of the core is an index here. */
export const attemptOutcomes = [
  "ok",
  "blocked",
  "opened-then-closed",
  "silent",
  "buffered",
  "refused",
  "superseded",
] as const;

/** How an attempt ended: `diagnose().tried`. Here: `ok`. */
export const attemptOk = 0;

/** How an attempt ended: `diagnose().tried`. Here: `blocked`. */
export const attemptBlocked = 1;

/** How an attempt ended: `diagnose().tried`. Here: `opened-then-closed`. */
export const attemptOpenedThenClosed = 2;

/** How an attempt ended: `diagnose().tried`. Here: `silent`. */
export const attemptSilent = 3;

/** How an attempt ended: `diagnose().tried`. Here: `buffered`. */
export const attemptBuffered = 4;

/** How an attempt ended: `diagnose().tried`. Here: `refused`. */
export const attemptRefused = 5;

/** How an attempt ended: `diagnose().tried`. Here: `superseded`. */
export const attemptSuperseded = 6;

/** Why the client asks the app for a token. A number of the core is an index here. */
export const tokenReasons = ["initial", "expiring", "rejected"] as const;

/** Why the client asks the app for a token. Here: `initial`. */
export const tokenReasonInitial = 0;

/** Why the client asks the app for a token. Here: `expiring`. */
export const tokenReasonExpiring = 1;

/** Why the client asks the app for a token. Here: `rejected`. */
export const tokenReasonRejected = 2;

/** What is wrong with something that arrived and can't be read. Here: `text`. */
export const unreadableText = 0;

/** What is wrong with something that arrived and can't be read. Here: `binary`. */
export const unreadableBinary = 1;

/** What is wrong with something that arrived and can't be read. Here: `part_missing`. */
export const unreadablePartMissing = 2;

/** What is wrong with something that arrived and can't be read. Here: `too_large`. */
export const unreadableTooLarge = 3;

/** The state of a stored row. Here: `waiting`. */
export const rowStateWaiting = 0;

/** The state of a stored row. Here: `sent`. */
export const rowStateSent = 1;

/** The state of a stored row. Here: `cancelled`. */
export const rowStateCancelled = 2;

/** What the entries, the snapshot or the checkpoint did to a document. Here: `old`. */
export const stepOld = 0;

/** What the entries, the snapshot or the checkpoint did to a document. Here: `changed`. */
export const stepChanged = 1;

/** What the entries, the snapshot or the checkpoint did to a document. Here: `agreed`. */
export const stepAgreed = 2;

/** What the entries, the snapshot or the checkpoint did to a document. Here: `diverged`. */
export const stepDiverged = 3;

/**
 * The places of a stored row and of a dead letter. A later version may add places at the end. It
 * never gives one another meaning. Here: `partition`.
 */
export const rowPlacePartition = 0;

/**
 * The places of a stored row and of a dead letter. A later version may add places at the end. It
 * never gives one another meaning. Here: `topic`.
 */
export const rowPlaceTopic = 1;

/**
 * The places of a stored row and of a dead letter. A later version may add places at the end. It
 * never gives one another meaning. Here: `kind`.
 */
export const rowPlaceKind = 2;

/**
 * The places of a stored row and of a dead letter. A later version may add places at the end. It
 * never gives one another meaning. Here: `text`.
 */
export const rowPlaceText = 3;

/**
 * The places of a stored row and of a dead letter. A later version may add places at the end. It
 * never gives one another meaning. Here: `bytes`.
 */
export const rowPlaceBytes = 4;

/**
 * The places of a stored row and of a dead letter. A later version may add places at the end. It
 * never gives one another meaning. Here: `created_ms`.
 */
export const rowPlaceCreatedMs = 5;

/**
 * The places of a stored row and of a dead letter. A later version may add places at the end. It
 * never gives one another meaning. Here: `until_ms`.
 */
export const rowPlaceUntilMs = 6;

/**
 * The places of a stored row and of a dead letter. A later version may add places at the end. It
 * never gives one another meaning. Here: `is_hub_time`.
 */
export const rowPlaceIsHubTime = 7;

/**
 * The places of a stored row and of a dead letter. A later version may add places at the end. It
 * never gives one another meaning. Here: `key`.
 */
export const rowPlaceKey = 8;

/**
 * The places of a stored row and of a dead letter. A later version may add places at the end. It
 * never gives one another meaning. Here: `state`.
 */
export const rowPlaceState = 9;

/**
 * The places of a stored row and of a dead letter. A later version may add places at the end. It
 * never gives one another meaning. Here: `attempts`.
 */
export const rowPlaceAttempts = 10;

/**
 * The places of a stored row and of a dead letter. A later version may add places at the end. It
 * never gives one another meaning. Here: `tag`.
 */
export const rowPlaceTag = 11;

/**
 * The places of a stored row and of a dead letter. A later version may add places at the end. It
 * never gives one another meaning. Here: `code`.
 */
export const rowPlaceCode = 12;

/**
 * The places of a stored row and of a dead letter. A later version may add places at the end. It
 * never gives one another meaning. Here: `message`.
 */
export const rowPlaceMessage = 13;

/**
 * The largest frame, in bytes of UTF-8 (rule W8). JavaScript counts characters, which are never
 * more.
 */
export const frameCharsMax = 262_144;

/**
 * The largest record in parts, in bytes (rule W9): the largest snapshot with every character
 * escaped, and its head.
 */
export const recordCharsMax = 8_388_608;

/**
 * The largest answer to a poll, in bytes (rule T3): the answers to all subscriptions, and one
 * record of the largest.
 */
export const answerBytesMax = 16_777_216;

/** The longest topic name (rule W5). It is ASCII, so bytes are characters. */
export const topicCharsMax = 255;

/** The longest id of a message (rule W7). */
export const idCharsMax = 128;

/** The longest token (rule C9). */
export const tokenCharsMax = 8_192;

/** The most subscriptions of one connection (rule C4). */
export const subscriptionsMax = 16_384;

/**
 * The longest delay that a hub can ask for, ms. Chosen: longer than any outage of a deploy, short
 * enough to survive a wrong number.
 */
export const retryMsMax = 3_600_000;

/** The largest number of the protocol: JavaScript's largest safe integer. */
export const seqMax = 9_007_199_254_740_991;

/** The largest chain: 48 bits. */
export const chainMax = 281_474_976_710_655;

/** Rows of the memory outbox are numbered from here: 2^52. */
export const memoryRows = 4_503_599_627_370_496;

/**
 * The longest time to live of a stored publication, and its default, ms: 7 days. Hubs remember
 * producers for longer (rule H11).
 */
export const rowMsMax = 604_800_000;

/** How long a tab waits for another tab's wipe, ms. The tab that wipes may be killed. */
export const wipeMsMax = 10_000;

/** The shortest delay before an attempt, ms. */
export const backoffFloorMs = 100;

/** Default of `backoff.baseMs`, the first window, ms. */
export const backoffBaseMs = 1_000;

/** Default of `backoff.factor`. */
export const backoffFactor = 2;

/** Default of `backoff.capMs`, the widest window, ms. */
export const backoffCapMs = 30_000;

/** Default of `backoff.attemptsMax`: after so many failures the status says `isExhausted`. */
export const backoffAttemptsMax = 20;

/**
 * Default of `heartbeat.intervalMs`. It is under the 30 s after which the strictest load
 * balancers cut an idle connection.
 */
export const heartbeatIntervalMs = 25_000;

/** Default of `heartbeat.timeoutMs`. */
export const heartbeatTimeoutMs = 10_000;

/** Default of `outbox.rowsMax`. Chosen: an hour of typing in a form, not a file upload. */
export const outboxRowsMax = 50_000;

/** Default of `outbox.bytesMax`, bytes of payloads. */
export const outboxBytesMax = 16_777_216;
