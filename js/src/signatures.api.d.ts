// What `longhaul/signatures` offers.

import type { Topic } from "./index.js";

/**
 * The topic for those who hold its key. What is published through it is signed (HMAC-SHA-256 over the topic's name and the
 * data's JSON), and listeners get only what is. A message that is not is reported by `onError` with the code
 * `signature_invalid`, and told to `onGap` as a gap of one message with that reason. Order is kept. Where more than 10,000
 * messages wait to be verified, the subscription goes on from where it is when they are through.
 *
 * A signature says who published (some holder of the key), what, and to which topic; not when or how often: whoever may publish there
 * can repeat a signed message, under a new seq. Where that matters, put a number into the data. Who has no key sees
 * `{ hmac, signed }`. docs/protocol.md says what back ends sign.
 *
 * `key`: a CryptoKey for HMAC with SHA-256, or at least 32 random bytes. Throws `option_invalid` for what is no topic of a
 * client (documents can't be signed), and `crypto_unavailable` on a page that is not secure. A key that is none makes
 * `publish` reject with `option_invalid`, and no message valid.
 */
export function signed<T>(topic: Topic<T>, key: CryptoKey | BufferSource): Topic<T>;
