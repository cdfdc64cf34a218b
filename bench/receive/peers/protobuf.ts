// The part of Protocol Buffers that Centrifugo's frames need.

const encoder = new TextEncoder();

export type Field = readonly [no: number, value: number | string | Uint8Array];

/** A message of these fields: numbers as varints, texts and bytes with their length. */
export function message(fields: readonly Field[]): Uint8Array {
  const bytes: number[] = [];
  for (const [no, value] of fields) {
    if (typeof value === "number") bytes.push(...varint(no << 3), ...varint(value));
    else {
      const content = typeof value === "string" ? encoder.encode(value) : value;
      bytes.push(...varint((no << 3) | 2), ...varint(content.length), ...content);
    }
  }
  return Uint8Array.from(bytes);
}

/** Messages one after the other, each after its length. */
export function delimited(messages: readonly Uint8Array[]): ArrayBuffer {
  return Uint8Array.from(messages.flatMap((message) => [...varint(message.length), ...message])).buffer;
}

/** Numbers and contents of the fields of each length-delimited message in a frame. */
export function read(frame: ArrayBuffer): Map<number, number>[] {
  const bytes = new Uint8Array(frame);
  let at = 0;
  const next = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] ?? 0;
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  const messages: Map<number, number>[] = [];
  while (at < bytes.length) {
    const length = next();
    const end = at + length;
    const fields = new Map<number, number>();
    while (at < end) {
      const tag = next();
      const value = next();
      fields.set(tag >> 3, value);
      // The bench keeps only the length of a field with contents.
      if ((tag & 7) === 2) at += value;
    }
    messages.push(fields);
  }
  return messages;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 128);
  }
}
