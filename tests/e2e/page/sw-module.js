import { installOutbox } from "/longhaul/service-worker.mjs";

installOutbox();
