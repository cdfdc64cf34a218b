// XXH3-64 with a seed, for 17 bytes or more: rule H7 hashes nothing shorter. Node has no such
// function; other implementations of the protocol can use a library.

const mask = (1n << 64n) - 1n;
const [p32a, p32b, p32c] = [0x9e3779b1n, 0x85ebca77n, 0xc2b2ae3dn];
const p64a = 0x9e3779b185ebca87n;
const p64b = 0xc2b2ae3d27d4eb4fn;
const p64c = 0x165667b19e3779f9n;
const p64d = 0x85ebca77c2b2ae63n;
const p64e = 0x27d4eb2f165667c5n;
const secret = Buffer.from(
  "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221" +
    "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8a8" +
    "fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb17" +
    "0ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e",
  "hex",
);

const u64 = (bytes, at) => bytes.readBigUInt64LE(at);
const fold = (a, b) => ((a * b) & mask) ^ ((a * b) >> 64n);

function avalanche(hash) {
  const mixed = ((hash ^ (hash >> 37n)) * 0x165667919e3779f9n) & mask;
  return mixed ^ (mixed >> 32n);
}

function mix16(bytes, at, key, keyAt, seed) {
  const low = u64(bytes, at) ^ ((u64(key, keyAt) + seed) & mask);
  const high = u64(bytes, at + 8) ^ ((u64(key, keyAt + 8) - seed) & mask);
  return fold(low, high);
}

function accumulate(lanes, bytes, at, key, keyAt) {
  for (let lane = 0; lane < 8; lane++) {
    const value = u64(bytes, at + 8 * lane);
    const keyed = value ^ u64(key, keyAt + 8 * lane);
    lanes[lane ^ 1] = (lanes[lane ^ 1] + value) & mask;
    lanes[lane] = (lanes[lane] + (keyed & 0xffffffffn) * (keyed >> 32n)) & mask;
  }
}

function longHash(bytes, seed) {
  const key = Buffer.alloc(192);
  for (let at = 0; at < 192; at += 16) {
    key.writeBigUInt64LE((u64(secret, at) + seed) & mask, at);
    key.writeBigUInt64LE((u64(secret, at + 8) - seed) & mask, at + 8);
  }
  const lanes = [p32c, p64a, p64b, p64c, p64d, p32b, p64e, p32a];
  const stripes = Math.floor((bytes.length - 1) / 64);
  for (let stripe = 0; stripe < stripes; stripe++) {
    accumulate(lanes, bytes, 64 * stripe, key, 8 * (stripe % 16));
    if (stripe % 16 !== 15) continue;
    for (let lane = 0; lane < 8; lane++) {
      const value = lanes[lane] ^ (lanes[lane] >> 47n) ^ u64(key, 128 + 8 * lane);
      lanes[lane] = (value * p32a) & mask;
    }
  }
  accumulate(lanes, bytes, bytes.length - 64, key, 121);
  let sum = BigInt(bytes.length) * p64a;
  for (let at = 0; at < 4; at++)
    sum += fold(lanes[2 * at] ^ u64(key, 11 + 16 * at), lanes[2 * at + 1] ^ u64(key, 19 + 16 * at));
  return avalanche(sum & mask);
}

export function xxh3(bytes, seed = 0n) {
  const { length } = bytes;
  if (length < 17) throw new Error("rule H7 hashes nothing shorter than 17 bytes");
  if (length > 240) return longHash(bytes, seed);
  let sum = BigInt(length) * p64a;
  if (length <= 128) {
    for (let pair = Math.ceil(length / 32) - 1; pair >= 0; pair--) {
      sum += mix16(bytes, 16 * pair, secret, 32 * pair, seed);
      sum += mix16(bytes, length - 16 * (pair + 1), secret, 32 * pair + 16, seed);
    }
    return avalanche(sum & mask);
  }
  for (let at = 0; at < 8; at++) sum += mix16(bytes, 16 * at, secret, 16 * at, seed);
  sum = avalanche(sum & mask);
  for (let at = 8; at < Math.floor(length / 16); at++)
    sum += mix16(bytes, 16 * at, secret, 16 * (at - 8) + 3, seed);
  sum += mix16(bytes, length - 16, secret, 119, seed);
  return avalanche(sum & mask);
}
