// The demo's service worker: it caches the page's files, and sends the rows of closed tabs while no
// page is in flight mode.

import { installOutbox } from "longhaul/service-worker";
import { installFiles } from "./worker/files";
import { installFlight } from "./worker/flight";

installFiles();
installFlight();
installOutbox();
