import { expect, test } from "vitest";
import codes from "../../src/codes.json" with { type: "json" };
import { closeReason, LonghaulError } from "./errors.js";

test("an error has a code, and a hint and a cause only if it was made with them", () => {
  const cause = new TypeError("no");
  const error = new LonghaulError("option_invalid", "it is off", { hint: "set it right", cause });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name: "LonghaulError", code: "option_invalid", hint: "set it right", cause });
  expect(new LonghaulError("closed", "b").hint).toBeUndefined();
});

test.each(codes)(
  "close code $closeCode is $code, in words with a hint",
  ({ closeCode, code, message, hint }) => {
    const reason = closeReason(closeCode, "");
    expect(reason).toMatchObject({ code, closeCode });
    expect(reason.message).toContain(message);
    expect(reason.message).toContain(hint);
  },
);

test("the hub's text follows the client's, without the code in front of it", () => {
  const [known] = codes;
  const reason = closeReason(known?.closeCode ?? 0, `${known?.code} because I say so`);
  expect(reason.message).toContain(": because I say so");
});

test("r1 the retry delay is read, and the message does not contain its options", () => {
  const reason = closeReason(1013, "try_again_later 9000 connections retry=7000 spread=1000");
  expect(reason.retryAfterMs).toBe(7_000);
  expect(reason.message).toContain("9000 connections");
  expect(reason.message).not.toContain("retry=");
});

test("r6 the longest retry delay is an hour, and the last one counts", () => {
  for (const told of ["9007199254740991", "18446744073709551615", "1".repeat(400)]) {
    expect(closeReason(1013, `busy retry=5 retry=${told}`).retryAfterMs).toBe(3_600_000);
  }
  expect(closeReason(4999, "busy retry=3600001").retryAfterMs).toBe(3_600_000);
  expect(closeReason(1013, "busy retry=9000 retry=2000").retryAfterMs).toBe(2_000);
});

test("an unknown close code is `closed_by_peer`", () => {
  expect(closeReason(4999, "odd")).toMatchObject({ code: "closed_by_peer", message: "odd", closeCode: 4999 });
  expect(closeReason(4998, "").message).toContain("4998");
});
