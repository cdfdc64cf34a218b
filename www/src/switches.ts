// The switches beside the lanes. They block transports on the line, and show the one in use.

import type { Client, TransportName } from "longhaul";
import { byId } from "./dom";
import type { Line } from "./line";
import { transports } from "./transports";

export interface Switches {
  draw(): void;
}

export function createSwitches(
  client: Client,
  line: Line,
  onSwitch: (transport: TransportName, isBlocked: boolean) => void,
): Switches {
  const buttons = transports.map((transport) => ({
    transport,
    button: byId(`let-${transport}`, HTMLButtonElement),
  }));
  const draw = (): void => {
    const { status } = client;
    const used = status.state === "connected" ? status.transport : undefined;
    for (const { transport, button } of buttons) {
      button.setAttribute("aria-pressed", String(!line.blocked.includes(transport)));
      button.dataset["used"] = String(transport === used);
    }
  };
  for (const { transport, button } of buttons) {
    button.addEventListener("click", () => {
      const isBlocked = !line.blocked.includes(transport);
      // Before the change, so that the client's reactions come later in the log.
      onSwitch(transport, isBlocked);
      if (isBlocked) line.block(transport);
      else line.letThrough(transport);
      draw();
    });
  }
  return { draw };
}
