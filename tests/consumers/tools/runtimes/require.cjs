const { connect } = require("longhaul");

void import("./serve.mjs").then(async ({ serve }) => {
  console.log(JSON.stringify(await serve(connect, process.argv[2])));
});
