// The layouts that take part.

import { offer } from "../contest.js";
import { raw, rawBatch } from "../raw.js";
import { layoutC } from "./peers/binary.js";
import { layoutA } from "./peers/json.js";
import { layoutB, shipped } from "./peers/text.js";

offer([raw, rawBatch, layoutA, layoutB, layoutC, shipped]);
