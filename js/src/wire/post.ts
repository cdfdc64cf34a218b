// One post to the hub, and what its answer means: a frame, or a close code as a socket would have given.
//
// Knows the status codes of docs/protocol.md, rule T5. Nothing here waits for time: the core aborts what takes too long.

/** The content type of frames over HTTP (rule T1). */
const contentType = "application/vnd.longhaul.v1";

// Close codes of src/codes.json.
export const connectionLost = 1006;
const frameTooLarge = 1009;
const hubError = 1011;
const tryAgainLater = 1013;
const badFrame = 4000;
export const notAHub = 4009;
const transportDisabled = 4010;
export const unauthorized = 4401;
const tooManyConnections = 4429;
const versionUnsupported = 4500;
const originRefused = 4503;

/** A frame, or what came instead of one: as a close code, for people, and the Retry-After. */
export type Answer = string | { code: number; detail: string; floorMs: number };

/** Posts a frame. Never rejects. */
export async function post(
  url: string,
  token: string | undefined,
  body: string,
  signal: AbortSignal,
): Promise<Answer> {
  try {
    const headers: Record<string, string> = { "content-type": contentType };
    if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
    const response = await fetch(url, { method: "POST", headers, body, cache: "no-store", signal });
    const text = await response.text();
    const type = response.headers.get("content-type") ?? "";
    if (response.ok && type.startsWith(contentType)) return text;
    const { status } = response;
    const isProblem = type.startsWith("application/problem+json");
    return {
      code: isProblem ? hubsMeaning(status, text) : strangersMeaning(status),
      detail: isProblem || status === 429 || status === 503 ? "" : `HTTP ${status}`,
      // A date is none that we know.
      floorMs: Number(response.headers.get("retry-after")) * 1_000 || 0,
    };
  } catch {
    return { code: connectionLost, detail: "", floorMs: 0 };
  }
}

function hubsMeaning(status: number, problem: string): number {
  switch (status) {
    case 400:
      return problem.includes('"version_unsupported"') ? versionUnsupported : badFrame;
    case 401:
      return unauthorized;
    case 403:
      return originRefused;
    case 404:
      return transportDisabled;
    case 413:
      return frameTooLarge;
    case 429:
      return tooManyConnections;
    case 503:
      return tryAgainLater;
    default:
      return status >= 500 ? hubError : badFrame;
  }
}

/** A proxy or a captive portal. Its 401, 429 and 503 mean what they say; nothing else of it does. */
function strangersMeaning(status: number): number {
  if (status === 401) return unauthorized;
  return status === 429 || status === 503 ? tryAgainLater : notAHub;
}
