/** A test as users write them: docs/testing-your-app.md. */
exports.noteTest = function noteTest({ connect, createTestHub, createVirtualClock, expect }) {
  return async () => {
    const clock = createVirtualClock();
    const hub = await createTestHub({ clock });
    const browser = hub.browser();
    const restore = [browser.install(), clock.install()];
    const client = connect(hub.url, { outbox: false });
    client.topic("notes").subscribe(() => {});
    const list = client.document("list");
    list.subscribe(() => {});
    await clock.until(() => client.status.state === "connected");
    browser.line.disconnect();
    await client.topic("notes").publish({ text: "on a plane" });
    await clock.advance(3_600_000);
    expect(hub.entries("notes")).toEqual([]);
    browser.line.restore();
    await clock.until(() => hub.entries("notes").length === 1);
    hub.merge("list", { milk: 1 });
    await clock.until(() => list.value?.milk === 1);
    await client.close();
    hub.close();
    for (const each of restore.reverse()) each();
  };
};
