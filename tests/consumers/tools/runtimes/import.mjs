import { connect } from "longhaul";
import { serve } from "./serve.mjs";

console.log(JSON.stringify(await serve(connect, process.argv[2])));
