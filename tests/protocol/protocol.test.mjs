// Tests docs/protocol.md: its independent client against the real hub, its vectors against its
// hashes, and its records and the golden frames against docs/protocol.abnf. LONGHAUL_HUB names the
// hub's binary.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import * as runner from "node:test";
import { grammar } from "./abnf.mjs";
import * as client from "./client.mjs";

const { EventStream, Socket, Subscription, poll, post, publish } = client;
const read = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const page = read("docs/protocol.md");
const vectors = JSON.parse(/<!-- vectors -->\s*```json\n([\s\S]*?)```/.exec(page)[1]);

/** The limit of a wait for a record that never comes, ms. Chosen: the slowest takes one second. */
const timeout = 20_000;
const test = (name, act) => runner.test(name, { timeout }, act);

let hub;
let base;

runner.before(async () => {
  const args = ["--memory", "--listen", "127.0.0.1:0", "--retain-entries", "300"];
  hub = spawn(process.env.LONGHAUL_HUB, args, { stdio: ["ignore", "pipe", "ignore"] });
  const [line] = await once(createInterface({ input: hub.stdout }), "line");
  base = /http:\/\/\S+/.exec(line)[0];
});

runner.after(() => hub.kill("SIGKILL"));
// The runner ends an interrupted file by a signal.
process.once("SIGTERM", () => process.exit(1)).on("exit", () => hub.kill("SIGKILL"));

// ---- The vectors of the specification

for (const { epoch, topic, chain, entries } of vectors.chains) {
  test(`h7_the_chain_of_${topic}_is_that_of_the_specification`, () => {
    let now = client.firstChain(epoch, topic);
    assert.equal(now, chain);
    for (const { seq, at, payload, repeat = 1, chain } of entries) {
      now = client.nextChain(now, seq, at, payload.repeat(repeat));
      assert.equal(now, chain, `after ${seq}`);
    }
  });
}

test("d8_hashes_and_their_bytes_are_those_of_the_specification", () => {
  for (const { json, bytes, hash } of vectors.documents) {
    const value = client.parseJson(json);
    const shown = Buffer.from(client.canonical(value).map((byte) => (byte === 255 ? 0x7c : byte)));
    assert.equal(shown.toString(), bytes, json);
    assert.equal(client.documentHash(value), hash, json);
  }
});

test("h8_public_names_are_those_of_the_specification", () => {
  for (const { producer, name } of vectors.names) assert.equal(client.publicName(producer), name);
});

test("d4_patches_and_merges_make_the_documents_of_the_specification", () => {
  for (const { document, patch, merge, result } of vectors.changes) {
    const value = client.parseJson(document);
    const change = client.parseJson(patch ?? merge);
    const apply = () => client.toJson((patch ? client.applyPatch : client.applyMerge)(value, change));
    if (result === null) assert.throws(apply, undefined, patch);
    else assert.equal(apply(), result, patch ?? merge);
  }
});

const transcripts = [...page.matchAll(/```longhaul\n([\s\S]*?)```/g)].map(([, text]) => text.split("\n"));

test("h7_d8_the_transcripts_of_the_specification_have_the_right_chains_and_hashes", () => {
  let verified = 0;
  for (const lines of transcripts) {
    const subscriptions = new Map();
    for (const line of lines) {
      const [mark, verb, no, topic, , ...options] = line.split(" ");
      if (mark === ">" && verb === "sub")
        subscriptions.set(no, new Subscription(no, topic, options.join(" ")));
      const one = subscriptions.get(no);
      if (mark !== "<" || !one) continue;
      const record = client.parseRecord(line.slice(2));
      // The specification leaves out merges of the same time, and says which.
      while (verb === "merge" && Number(record.fields[1]) > one.seq + 1) {
        const [seq, at, payload] = [one.seq + 1, record.fields[3], `{"n":${one.seq - 2}}`];
        const chain = client.nextChain(one.chain, seq, at, payload);
        one.take({ verb, fields: [no, seq, chain, at, "-", payload] });
      }
      one.take(record);
      verified += Number(/^(m|b|patch|merge|checkpoint)$/.test(verb));
    }
  }
  assert.equal(verified, 12);
});

test("the_grammar_has_the_records_of_the_specification_and_the_golden_frames_and_no_bad_ones", () => {
  const { matches, names } = grammar(read("docs/protocol.abnf"));
  const isRecord = (rule, record) => {
    const [verb, ...words] = record.split(" ");
    const isOption = (word) => {
      const name = `${verb}-${word.split("=", 1)[0]}`;
      return !names.includes(name) || matches(name, word.slice(word.indexOf("=") + 1));
    };
    return matches(rule, record) && words.every(isOption);
  };
  const records = (mark) =>
    transcripts
      .flat()
      .filter((line) => line.startsWith(mark))
      .map((line) => line.slice(2));
  assert.ok(records("> ").length > 20 && records("< ").length > 30);
  const golden = JSON.parse(read("tests/fixtures/frames.json"));
  const sides = [
    ["to-hub", records("> "), golden.toHub, golden.badToHub],
    ["to-client", records("< "), [...golden.toClient, ...golden.toFollower], golden.badToClient],
    ["change", [], [], golden.badToFollower],
  ];
  // The grammar states the ranges of numbers in comments only.
  const isTooLarge = ({ error, record }) =>
    /number|from/.test(error) && /9007199254740992|281474976710656|2147483648/.test(record);
  for (const [rule, ofPage, good, bad] of sides) {
    for (const record of [...ofPage, ...good.map(({ record }) => record)])
      if (record !== "nonsense") assert.ok(isRecord(rule, record), `${rule}: ${record}`);
    for (const one of bad)
      assert.equal(isRecord(rule, one.record), isTooLarge(one) && rule !== "change", `bad: ${one.record}`);
  }
});

// ---- The vectors of the specification at the hub

/**
 * Makes these changes of a topic, each `[verb, payload]`. Returns the document and the last answer.
 */
async function documentAfter(topic, ...changes) {
  const rows = changes.map(([verb, payload], at) => `${verb} vectors ${at + 1} ${at} ${topic} ${payload}`);
  const { records } = await publish(base, ...rows);
  const { epoch } = await (await fetch(`${base}/v1/topics/${topic}?from=1`)).json();
  return { last: records.at(-1), epoch, text: await (await fetch(`${base}/v1/topics/${topic}`)).text() };
}

const whole = (json) => ["patch", `[{"op":"add","path":"","value":${json}}]`];

test("d4_the_hub_applies_changes_as_the_specification_says", async () => {
  for (const [at, { document, patch, merge, result }] of vectors.changes.entries()) {
    const change = patch ? ["patch", patch] : ["merge", merge];
    const { last, text } = await documentAfter(`changes/${at}`, whole(document), change);
    const before = client.toJson(client.parseJson(document));
    assert.deepEqual([last.verb, text], result === null ? ["nack", before] : ["ack", result]);
  }
});

test("d8_the_hub_has_the_hashes_of_the_specification", async () => {
  for (const [at, { json, hash }] of vectors.documents.entries()) {
    const topic = `hashes/${at}`;
    const { epoch } = await documentAfter(topic, ...Array(100).fill(whole(json)));
    const cursor = `${epoch}/0/${client.firstChain(epoch, topic)}`;
    const { records } = await post(base, "/v1/poll", ["hello 1", `sub 0 ${topic} ${cursor} as=document`]);
    assert.equal(records.at(-1).text, `checkpoint 0 100 ${hash}`, json);
  }
});

test("h7_the_hub_has_the_same_chains_for_payloads_of_all_lengths", async () => {
  const { entries } = vectors.chains[0];
  const payloads = entries.map(({ payload, repeat = 1 }) => payload.repeat(repeat));
  await publish(base, ...payloads.map((payload, at) => `pub vectors ${at + 1} ${at} chains ${payload}`));
  const one = new Subscription(0, "chains");
  await poll(base, 0, one);
  assert.deepEqual(
    one.delivered.map(({ payload }) => payload),
    payloads,
  );
});

// ---- The three transports

/** Each transport as three functions: open with subscriptions, wait for a condition, close. */
const transports = {
  websocket: async (...subscriptions) => {
    const socket = await Socket.open(base);
    socket.send("hello 1", ...subscriptions.map((one) => one.record()));
    return {
      until: (isSo) => socket.until(isSo, ...subscriptions),
      publish: async (...records) => socket.send(...records),
      close: socket.close,
    };
  },
  eventsource: async (...subscriptions) => {
    const stream = await EventStream.open(
      base,
      subscriptions.map((one) => one.record()),
    );
    return {
      until: (isSo) => stream.until(isSo, ...subscriptions),
      publish: (...records) => publish(base, ...records),
      close: stream.close,
    };
  },
  longpoll: async (...subscriptions) => ({
    until: async (isSo) => {
      for (let times = 0; times < 100; times++) {
        if ((await poll(base, 100, ...subscriptions)).some(isSo)) return;
      }
      assert.fail("it did not come in a hundred polls");
    },
    publish: (...records) => publish(base, ...records),
    close: () => {},
  }),
};

/** Publications of one producer to one topic, from number `first` on. */
const pubs = (verb, producer, topic, first, ...payloads) =>
  payloads.map((payload, at) => `${verb} ${producer} ${first + at} ${first + at - 1} ${topic} ${payload}`);

for (const [name, open] of Object.entries(transports)) {
  const has = (subscription, seq) => () => subscription.seq >= seq;

  test(`${name}_h2_h5_h6_h7_messages_come_in_order_and_the_chain_is_the_hubs`, async () => {
    const topic = `messages/${name}`;
    const one = new Subscription(0, topic);
    const link = await open(one);
    const payloads = [
      '{"a" : [1, 2]}',
      '"ü🚚 \\n two  words"',
      "null",
      `"${"long ".repeat(4_000)}"`,
      "-1.50e3",
    ];
    await link.publish(...pubs("pub", `p-${name}`, topic, 1, ...payloads));
    await link.until(has(one, 5));
    link.close();
    assert.equal(one.answer, "subscribed");
    assert.deepEqual(
      one.delivered.map(({ payload }) => payload),
      payloads,
    );
    assert.deepEqual(
      one.delivered.map(({ id }) => id),
      [1, 2, 3, 4, 5].map((n) => `${client.publicName(`p-${name}`)}:${n}`),
    );

    // After a resume only new messages come, and the chain continues.
    const again = await open(one);
    await again.publish(...pubs("pub", `p-${name}`, topic, 6, "6", "7"));
    await again.until(has(one, 7));
    again.close();
    assert.equal(one.delivered.length, 7);
  });

  test(`${name}_h3_a_gap_reports_a_cursor_that_cannot_be_continued_with_its_reason`, async () => {
    const topic = `gaps/${name}`;
    await publish(base, ...pubs("pub", `g-${name}`, topic, 1, "1", "2", "3"));
    const whole = new Subscription(0, topic);
    await poll(base, 0, whole);
    const { epoch, chain } = whole;
    const answerTo = async (cursor) => {
      const one = Object.assign(new Subscription(0, topic), { epoch: "" });
      one.record = () => `sub 0 ${topic} ${cursor}`;
      const link = await open(one);
      await link.until(({ verb }) => verb === "subscribed" || verb === "resume_failed");
      link.close();
      return one.answer;
    };
    assert.equal(await answerTo("0123456789abcdef/3/1"), "epoch");
    assert.equal(await answerTo(`${epoch}/3/${chain === 0 ? 1 : chain - 1}`), "diverged");
    assert.equal(await answerTo(`${epoch}/4/${chain}`), "diverged");
    assert.equal(await answerTo("5"), "diverged");
    await publish(base, ...pubs("pub", `g-${name}`, topic, 4, ...Array(310).fill("0")));
    assert.equal(await answerTo("1"), "trimmed");
    assert.equal(await answerTo(`${epoch}/3/${chain}`), "trimmed");
  });

  test(`${name}_d7_d8_a_document_by_snapshot_changes_and_hash`, async () => {
    const topic = `documents/${name}`;
    const producer = `d-${name}`;
    const first = [
      '{"list":[1.50,-0.001,1e3,-0,"ü"],"b":{"ü":1,"A":[]}}',
      `{"large":"${"x".repeat(40_000)}"}`,
    ];
    await publish(base, ...pubs("merge", producer, topic, 1, ...first));
    const one = new Subscription(0, topic, `as=document producer=${producer}`);
    const link = await open(one);
    await link.until(({ verb }) => verb === "snapshot");
    assert.deepEqual([one.seq, one.last], [2, 2]);
    const patch = '[{"op":"add","path":"/list/-","value":{"k":null}},{"op":"move","from":"/b","path":"/c"}]';
    await link.publish(...pubs("patch", producer, topic, 3, patch));
    const changes = Array.from(
      { length: 110 },
      (_, n) => `{"n":${n},"k${n % 7}":[${n}e-2],"k${n % 5}":null}`,
    );
    await link.publish(...pubs("merge", producer, topic, 4, ...changes));
    if (name === "longpoll") {
      // Each poll counts anew, so a checkpoint follows only in a poll with a hundred changes.
      await link.until(has(one, 113));
      await publish(base, ...pubs("merge", producer, topic, 114, ...changes));
      await poll(base, 0, one);
    } else await link.until(({ verb }) => verb === "checkpoint");
    link.close();
    assert.equal(one.delivered.at(-1).verb, "checkpoint");
    const stored = await fetch(`${base}/v1/topics/${topic}`);
    assert.equal(stored.headers.get("etag"), `"${one.epoch}-${one.seq}"`);
    assert.equal(await stored.text(), client.toJson(one.value));
  });
}

// ---- Refusals

test("w1_the_subprotocol_is_echoed_and_another_version_or_none_is_refused", async () => {
  const good = await Socket.open(base);
  assert.match(good.head, /^HTTP\/1\.1 101 [\s\S]*sec-websocket-protocol: longhaul\.v1/i);
  good.close();
  const other = await Socket.open(base, { offered: "longhaul.v9" });
  assert.match(other.head, /sec-websocket-protocol: longhaul\.v9/i);
  assert.match((await other.until(() => true)).text, /^close 4500 version_unsupported /);
  other.close();
  const none = await Socket.open(base, { offered: "" });
  assert.match(none.head, /^HTTP\/1\.1 400 /);
  none.close();
});

test("w3_c1_bad_records_close_a_socket_and_the_hub_says_why", async () => {
  const cases = [
    ["sub 0 a live", 4000],
    ["hello 2", 4500],
    ["hello 1\nnonsense", 4000],
    ["hello 1\nping 01", 4000],
    ["hello 1\nping 1 ", 4000],
    ["hello 1\nsub 0 a//b live", 4000],
    ["hello 1\npub p 1 0 a", 4000],
  ];
  for (const [frame, code] of cases) {
    const socket = await Socket.open(base);
    socket.send(frame);
    const { fields } = await socket.until(({ verb }) => verb === "close");
    assert.equal(fields[0], String(code), frame);
    socket.close();
  }
});

test("t4_t5_the_hub_answers_a_wrong_post_with_a_problem_and_its_code", async () => {
  const refused = async (path, records, headers) => {
    const { status, text } = await post(base, path, records, headers);
    return [status, JSON.parse(text).code];
  };
  assert.deepEqual(await refused("/v1/publish", ["sub 0 a live"]), [400, "bad_frame"]);
  assert.deepEqual(await refused("/v1/publish", ["hello 1", "sub 0 a live"]), [400, "bad_frame"]);
  assert.deepEqual(await refused("/v1/poll", ["hello 2"]), [400, "version_unsupported"]);
  const text = { "content-type": "text/plain" };
  assert.deepEqual(await refused("/v1/session", ["hello 1"], text), [415, "content_type_unsupported"]);
});

test("t2_a_ticket_opens_one_stream", async () => {
  const { records } = await post(base, "/v1/session", ["hello 1", "sub 0 a live"]);
  const url = `${base}/v1/events?ticket=${records[0].fields[0]}`;
  await (await fetch(url)).body.cancel();
  assert.match(await (await fetch(url)).text(), /^data: close 4401 ticket_invalid /m);
});

test("h8_h9_publications_take_effect_once_and_get_the_verdicts_of_the_specification", async () => {
  const [known] = (await publish(base, "pub v 1 0 verdicts 1")).records;
  const { records } = await publish(
    base,
    "pub v 1 0 verdicts 1",
    "pub v 1 0 verdicts 1 ",
    "pub v 3 2 verdicts 3",
    "pub v 2 1 verdicts {",
    "skip v 3 2 verdicts",
    "until 1",
    "pub v 4 3 verdicts 4",
    "merge v 5 4 verdicts {}",
  );
  assert.deepEqual(known.fields.slice(2), [known.fields[2], "1", "0"]);
  assert.deepEqual(
    records.map(({ fields }) => fields.slice(1, 3)),
    [
      ["1", known.fields[2]],
      ["1", "id_conflict"],
      ["3", "out_of_order"],
      ["2", "payload_invalid"],
      ["3", "expired"],
      ["4", "expired"],
      ["5", "not_a_document"],
    ],
  );
  assert.equal(records[0].fields[4], "1");
});

test("d2_d5_d6_refused_changes_have_the_codes_of_the_specification", async () => {
  const copies = JSON.stringify(Array(20).fill({ op: "copy", from: "/a", path: "/b" }));
  const cases = [
    ["merge", `{"a":"${"x".repeat(60_000)}"}`, undefined],
    ["merge", '{"a":"\\ud800"}', "patch_invalid"],
    ["merge", '{"a":1e1234567890}', "patch_invalid"],
    ["merge", '{"constructor":1}', "key_forbidden"],
    ["patch", copies, "document_too_large"],
    ["patch", '[{"op":"test","path":"/a","value":2}]', "patch_failed"],
    ["patch", '[{"op":"zap","path":"/a"}]', "patch_invalid"],
    ["patch", JSON.stringify(Array(1_001).fill({ op: "test", path: "", value: 1 })), "patch_too_long"],
    ["merge", `{"a":${"[".repeat(127)}${"]".repeat(127)}}`, "payload_invalid"],
    ["pub", "1", "is_document"],
  ];
  const rows = cases.map(([verb, payload], at) => `${verb} codes ${at + 1} 0 codes ${payload}`);
  const { records } = await publish(base, ...rows);
  assert.deepEqual(
    records.map(({ verb, fields }) => (verb === "nack" ? fields[2] : undefined)),
    cases.map(([, , code]) => code),
  );
});

test("d7_a_topic_with_messages_is_no_document", async () => {
  await publish(base, "pub n 1 0 no-document 1");
  const one = new Subscription(0, "no-document", "as=document");
  await poll(base, 0, one);
  assert.equal(one.answer, "not_a_document");
});

test("p1_p2_p3_back_ends_publish_once_and_read", async () => {
  const send = async (body) => {
    const headers = { "content-type": "application/json", "idempotency-key": "producer:7" };
    const answer = await fetch(`${base}/v1/topics/back/ends`, { method: "POST", headers, body });
    return [answer.status, await answer.json()];
  };
  const [, first] = await send('{"a": 1}');
  assert.deepEqual(await send(' {"a": 1}\n'), [200, { ...first, duplicate: true }]);
  assert.equal((await send('{"a":1}'))[1].code, "id_conflict");
  await publish(base, 'pub producer 7 0 back/ends {"a": 1}');
  const { entries } = await (await fetch(`${base}/v1/topics/back/ends?from=1&limit=5`)).json();
  assert.deepEqual(
    entries.map(({ id }) => id),
    ["producer:7", `${client.publicName("producer")}:7`],
  );
});
