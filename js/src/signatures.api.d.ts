// `longhaul/signatures`: topics whose messages are signed with a shared key.

import type { Topic } from "./index.js";

/**
 * A topic for the holders of a key. It signs publications (HMAC-SHA-256 over the topic's name and
 * the JSON of the data), and delivers only messages with a valid signature. It keeps their order.
 * - `onError` gets `signature_invalid` for any other message, and `onGap` a gap of one message.
 * - If more than 10,000 messages wait for verification, the subscription continues after them.
 *
 * A signature shows which topic a holder of the key published to, and what. It does not show when
 * or how often: anyone who may publish there can repeat a signed message under a new seq. If that
 * matters, put a number into the data. Readers without the key get `{ hmac, signed }`.
 * docs/protocol.md describes the signatures of back ends.
 *
 * `key` is a CryptoKey for HMAC with SHA-256, or at least 32 random bytes. With any other key
 * `publish` rejects with `option_invalid`, and no message is valid.
 *
 * Throws `option_invalid` unless `topic` is a topic of a client; documents can't be signed. Throws
 * `crypto_unavailable` on a page that is not secure.
 */
export function signed<T>(topic: Topic<T>, key: CryptoKey | BufferSource): Topic<T>;
