import { roundTrip } from "../../app/round-trip.js";

/** What a client does while a server renders a page, and what it does with `runOnServer`. */
export async function serve(connect, hub) {
  // Port 9 discards: a request would fail, and the client would report it.
  const inert = connect("http://127.0.0.1:9", {
    onError: (error) => {
      throw error;
    },
  });
  inert.topic("t").subscribe(() => {});
  inert.document("d").onChange(() => {});
  const code = await inert
    .topic("t")
    .publish(1)
    .catch((error) => error.code);
  const server = { state: inert.status.state, code };
  return { server, client: await roundTrip(connect, hub, { runOnServer: true, outbox: false }) };
}
