// The functions that tests call inside the page: the package itself, and recorders of what it does.

import { connect, LonghaulError } from "longhaul";
import { signed } from "longhaul/signatures";

/** Connects, and records every status and error. */
function open(url, options = {}) {
  const statuses = [];
  const errors = [];
  const deadLetters = [];
  const client = connect(url, {
    onError: (error) => errors.push({ code: error.code, message: error.message }),
    ...options,
  });
  client.on("status", (status) => statuses.push(status));
  client.on("deadletter", (letter) => deadLetters.push(letter));
  return { client, statuses, errors, deadLetters };
}

/** Subscribes, and records messages and gaps in order. */
function record(client, topic, options = {}) {
  const log = [];
  const stop = client.topic(topic).subscribe((message) => log.push(message), {
    ...options,
    onGap: (gap) => log.push({ gap }),
  });
  return { log, stop };
}

/** Resolves when the status has this state. */
function reaches(client, state) {
  return new Promise((resolve) => {
    const stop = client.on("status", check);
    function check(status) {
      if (status.state !== state) return;
      stop?.();
      resolve(status);
    }
    check(client.status);
  });
}

/** Publishes `count` numbered messages, and resolves with their acks. */
async function publishMany(client, topic, from, count, by) {
  const handle = client.topic(topic);
  const calls = Array.from({ length: count }, (_, i) => handle.publish({ by, n: from + i }));
  const receipts = await Promise.all(calls);
  return Promise.all(receipts.map(({ acked }) => acked));
}

/** Makes a token function that asks this address, as an app asks its back end. */
function tokenFrom(url) {
  return async () => {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return response.text();
  };
}

globalThis.longhaul = { connect, LonghaulError, signed, open, record, reaches, publishMany, tokenFrom };
