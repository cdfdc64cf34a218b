// What every consumer does with the package: a message, a document and a row of the outbox go to the
// hub and come back.

const timeoutMs = 20_000;

/** Resolves with what came back, once each of the three has. `connect` is the consumer's import. */
export async function roundTrip(connect, url, options = {}) {
  const errors = [];
  const client = connect(url, { ...options, onError: (error) => errors.push(String(error)) });
  const name = `t${Math.random().toString(36).slice(2)}`;
  try {
    const parts = Promise.all([message(client, name), document(client, `${name}d`)]);
    const [[got, isDurable], value] = await within(parts, () => [client.status, errors]);
    return { got, isDurable, value, errors };
  } finally {
    await client.close();
  }
}

async function message(client, name) {
  const topic = client.topic(name);
  const arrived = new Promise((resolve) => {
    topic.subscribe(({ data }) => resolve(data), { from: "start" });
  });
  const receipt = await topic.publish({ n: 1 });
  await receipt.acked;
  return [await arrived, receipt.durable];
}

async function document(client, name) {
  const board = client.document(name);
  const changed = new Promise((resolve) => {
    board.onChange(() => {
      if (board.pending === 0 && board.value?.n === 2) resolve(board.value);
    });
  });
  const receipt = await board.merge({ n: 2 });
  await receipt.acked;
  return changed;
}

async function within(promise, why) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not in time: ${JSON.stringify(why())}`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs it in a page, and leaves the result where the test reads it. */
export async function report(connect, options) {
  const hub = new URLSearchParams(location.search).get("hub");
  globalThis.result = await roundTrip(connect, hub, options).catch((error) => ({ error: String(error) }));
}
