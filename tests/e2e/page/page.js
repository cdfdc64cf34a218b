// What tests call inside the page: the package by its name, and records of what it did.

import { connect, LonghaulError } from "longhaul";
import { signed } from "longhaul/signatures";

/** Connects and records every status and error. */
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

/** Subscribes and records messages and gaps in the order in which they came. */
function record(client, topic, options = {}) {
  const log = [];
  const stop = client.topic(topic).subscribe((message) => log.push(message), {
    ...options,
    onGap: (gap) => log.push({ gap }),
  });
  return { log, stop };
}

/** Resolves when the status is in this state. */
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

/** Publishes `count` numbered messages and resolves when the hub has them all. */
async function publishMany(client, topic, from, count, by) {
  const handle = client.topic(topic);
  const calls = Array.from({ length: count }, (_, i) => handle.publish({ by, n: from + i }));
  const receipts = await Promise.all(calls);
  return Promise.all(receipts.map(({ acked }) => acked));
}

/** A token function that asks this address, as an app's asks its back end. */
function tokenFrom(url) {
  return async () => {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return response.text();
  };
}

globalThis.longhaul = { connect, LonghaulError, signed, open, record, reaches, publishMany, tokenFrom };
