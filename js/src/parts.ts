// Puts together the records that are too large for one frame (rule W9), and holds the limits of what comes in.
//
// Payloads never enter the wasm, so the core is told of parts only that they came.

import { recordCharsMax } from "./boundary.js";

/** The incomplete record of the connection that had the last part. */
export class Parts {
  #connection = 0;
  #texts: string[] = [];
  #chars = 0;
  #left = 0;

  /** What is left of its record after a part, bytes; NaN where it is none that a hub may send. */
  static left(record: string): number {
    const [, left] = /^part \d+ (\d{1,16}) ./s.exec(record) ?? [];
    return left === undefined ? Number.NaN : Number(left);
  }

  /** Takes a part. Gives the record once it is complete, before that nothing, and undefined where the part does not follow. */
  add(connection: number, record: string): string | undefined {
    const indexEnd = record.indexOf(" ", 5);
    const textAt = record.indexOf(" ", indexEnd + 1) + 1;
    const index = Number(record.slice(5, indexEnd));
    const left = Parts.left(record);
    const chars = record.length - textAt;
    if (index === 0) this.drop();
    const follows = index === 0 || (connection === this.#connection && left < this.#left);
    if (!follows || index !== this.#texts.length || this.#chars + chars + left > recordCharsMax) return;
    this.#connection = connection;
    this.#texts.push(record.slice(textAt));
    this.#chars += chars;
    this.#left = left;
    if (left > 0) return "";
    const whole = this.#texts.join("");
    this.drop();
    return whole.startsWith("part ") ? undefined : whole;
  }

  drop(): void {
    this.#texts = [];
    this.#chars = 0;
  }
}

/** The text of an answer, if it is no longer than that; `arrived` is told of each piece. Else the download ends there. */
export async function readAnswer(
  response: Response,
  bytesMax: number,
  arrived: (bytes: number) => void = () => {},
): Promise<string | undefined> {
  const reader = response.body?.getReader();
  if (reader === undefined) return "";
  const decoder = new TextDecoder();
  let bytes = 0;
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.length;
    if (bytes > bytesMax) {
      reader.cancel().catch(() => {});
      return undefined;
    }
    text += decoder.decode(value, { stream: true });
    arrived(value.length);
  }
}
