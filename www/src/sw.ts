// The demo's service worker: keeps the page's files, and sends what closed tabs have left, once nobody flies.

import { installOutbox } from "longhaul/service-worker";
import { installFiles } from "./worker/files";
import { installFlight } from "./worker/flight";

installFiles();
installFlight();
installOutbox();
