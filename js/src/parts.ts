// Joins the parts of records that are too large for one frame (rule W9), and owns the limits of
// incoming text. The core learns only that a part came, because payloads never enter the wasm.

import { recordCharsMax } from "./boundary.js";

/** The incomplete record of the connection that sent the last part. */
export class Parts {
  #connection = 0;
  #texts: string[] = [];
  #chars = 0;
  #left = 0;

  /** The bytes of the record that follow a part; NaN for a part that a hub may not send. */
  static left(record: string): number {
    const [, left] = /^part \d+ (\d{1,16}) ./s.exec(record) ?? [];
    return left === undefined ? Number.NaN : Number(left);
  }

  /**
   * Adds a part. Returns the complete record, "" before that, and undefined if the part does not
   * follow.
   */
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

/**
 * Reads the text of an answer. Ends the download after `bytesMax`. `arrived` gets the size of each
 * piece.
 */
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
